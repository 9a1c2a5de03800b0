"""Property tests without luck: the same examples in every run, and no deadline that a busy machine could miss. And who runs where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

USERS = Path(__file__).parents[1] / "users"


def pytest_configure() -> None:
    """What was built of older sources would be tested in place of these. And runs of tests write no report, unless they ask for it."""
    os.environ.setdefault("DOUBLETALK_NO_REPORT", "true")
    built = [path.stat().st_mtime for path in USERS.glob("_line.*.so")]
    if built and max(built) < max(path.stat().st_mtime for path in [*USERS.glob("_*.c"), *USERS.glob("_*.h")]):
        raise pytest.UsageError("users/_line.c or a header of it has changed since it was built: make install-dev")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run beside one another, those of a file stay together, as they may share what they started, unless it says `spread`.
    Whole runs take longest, and come first."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        if item.get_closest_marker("spread") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
