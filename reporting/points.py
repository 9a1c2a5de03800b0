"""A run's timeline as points of charts: one a second, or one of several seconds where a long run would have too many to send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median_low
from typing import Any

POINTS_MAX = 600
"""More seconds than these are put together, two, four, eight... at a time: a chart is some hundred pixels wide."""
CHUNK = 100
"""Rows that are put together before others get a turn: a millisecond's or two."""

COUNTS = ("turns", "failures", "barge_ins", "false_alarms", "errors", "underruns")
"""Columns of the timeline that count; a point has their number a second."""
MIDDLE = ("e2e_latency_p50_s",)
"""Columns of which a point has the middle one of its seconds, None where no second has one."""
WORST = (
    "e2e_latency_p95_s",
    "barge_in_latency_p95_s",
    "send_lateness_p99_s",
    "loop_lag_p99_s",
    "cpu_share",
    "tester_memory_bytes",
    "target_memory_bytes",
    "target_cpu_share",
    "target_sessions",
    "target_down",
)
"""Columns of which a point has its highest second, None where no second has one; `target_down` is 1 where `target_up` is false."""
NAMES = ("t_s", "talkers", *COUNTS, *MIDDLE, *WORST)

Row = dict[str, Any]
"""A row of `timeline.parquet`."""


def step_of(seconds: int) -> int:
    """How many seconds a point of a run of `seconds` rows stands for: a power of two, so that a growing run rarely changes it."""
    step = 1
    while seconds > step * POINTS_MAX:
        step *= 2
    return step


def points(
    timeline: Sequence[Row], seconds: int, step: int, since: int, whole: bool, pause: Callable[[], object] = lambda: None
) -> dict[str, list[Any]]:
    """The points from number `since` on, a list for each of NAMES: of the first `seconds` rows, `step` of them a point. The rows that do
    not fill a point yet are left out, or make a last one where the run is `whole`. `pause` is called between parts of the work."""
    count = seconds // step + (1 if whole and seconds % step else 0)
    made: dict[str, list[Any]] = {name: [] for name in NAMES}
    taken = 0
    for number in range(since, count):
        if taken >= CHUNK:
            taken = 0
            pause()
        taken += step
        rows = timeline[number * step : min((number + 1) * step, seconds)]
        made["t_s"].append(round(rows[-1]["t_s"], 2))
        made["talkers"].append(max(row["talkers"] for row in rows))
        for name in COUNTS:
            made[name].append(round(sum(row[name] for row in rows) / len(rows), 3))
        for names, choose in ((MIDDLE, median_low), (WORST, max)):
            for name in names:
                known = [value for row in rows if (value := _value(row, name)) is not None]
                made[name].append(round(choose(known), 6) if known else None)
    return made


def _value(row: Row, name: str) -> Any:
    if name == "target_down":
        return None if row["target_up"] is None else int(not row["target_up"])
    return row[name]
