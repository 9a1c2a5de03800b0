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


PURE = ("audio", "metrics", "protocol", "scenarios")
"""Whose tests have to cover them by themselves."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run beside one another, those of a file stay together, as they may share what they started, unless it says `spread`.

    Whole runs and what is marked `long` mostly wait, the others compute: their turns are mixed, so that neither the cores nor the lanes are
    idle, and what is long is over when an eighth of the others is still to come. Coverage is of the tests of the pure packages alone: to
    trace every call costs as much again as the call."""
    groups: dict[bool, dict[str, None]] = {True: {}, False: {}}
    placed: list[tuple[pytest.Item, bool, str]] = []
    for item in items:
        spread = item.get_closest_marker("spread") is not None
        long = "e2e" in item.path.parts or item.get_closest_marker("long") is not None
        group = item.nodeid if spread else item.path.name
        if not spread:
            item.add_marker(pytest.mark.xdist_group(group))
        if not set(PURE) & set(item.path.parent.parts):
            item.add_marker(pytest.mark.no_cover)
        groups[long].setdefault(group)
        placed.append((item, long, group))
    turn = {group: (0.875 if long else 1.0) * n / len(groups[long]) for long in groups for n, group in enumerate(groups[long])}
    items[:] = [item for item, _, group in sorted(placed, key=lambda one: turn[one[2]])]
