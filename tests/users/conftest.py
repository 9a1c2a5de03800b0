"""Talkers run on gevent here, and their peers in native threads: so nothing is patched, and other tests keep their threads and asyncio.

`users` imports what it needs of gevent by name. Whole runs, with Locust's patches, are in tests/e2e.
"""

import os
from collections.abc import Iterator

import pytest

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # commands started by other tests must not inherit it

from gevent import Timeout
from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

__all__ = ["locust"]


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    with Timeout(60, AssertionError("the test took longer than 60 s")):
        yield
