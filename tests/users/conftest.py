from __future__ import annotations

import pytest
from unpatched import nothing_hangs

__all__ = ["nothing_hangs", "secure"]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    """Whether a link goes over TLS: a test that takes it is made twice."""
    return bool(request.param)
