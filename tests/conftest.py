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
    idle. Of the long ones whole files come first, single tests fill the gaps behind them, and all are begun when an eighth of the others is
    still to come. Coverage is of the tests of the pure packages alone: to trace every call costs as much again as the call."""
    spread = {item: item.get_closest_marker("spread") is not None for item in items}
    long = {item: "e2e" in item.path.parts or item.get_closest_marker("long") is not None for item in items}
    group = {item: item.nodeid if spread[item] else item.path.name for item in items}
    for item in items:
        if not spread[item]:
            item.add_marker(pytest.mark.xdist_group(group[item]))
        if not set(PURE) & set(item.path.parent.parts):
            item.add_marker(pytest.mark.no_cover)
    turn: dict[str, float] = {}
    for waits, until in ((True, 0.875), (False, 1.0)):
        order = sorted((item for item in items if long[item] is waits), key=lambda item: (spread[item], "e2e" not in item.path.parts))
        groups = dict.fromkeys(group[item] for item in order)
        turn |= {name: until * n / len(groups) for n, name in enumerate(groups)}
    items.sort(key=lambda item: turn[group[item]])
