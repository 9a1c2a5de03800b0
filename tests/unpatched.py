"""For tests that use gevent: Locust is imported without its patches, so that other tests keep their threads and asyncio.

Talkers run on gevent, their peers in native threads. Whole runs, with Locust's patches, are in tests/e2e.
"""

import os
from collections.abc import Iterator

import pytest

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # commands started by other tests must not inherit it

from gevent import Timeout

__all__ = ["locust", "nothing_hangs"]


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    with Timeout(60, AssertionError("the test took longer than 60 s")):
        yield
