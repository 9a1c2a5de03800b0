"""How true a run's numbers are: the errors that a calibration found at the run's load.

A calibration (`make calibrate`) runs the talkers against an assistant whose delays are known, at several loads, and keeps the error of each
metric: measured less injected. Its rows have `talkers`, `frame_ms`, `clock`, `metric`, `count`, `median_ms` (of the signed error), `p99_ms`
and `max_ms` (of its magnitude); two rows count instead of time: `underruns` and `outcomes`.
"""

from __future__ import annotations

from typing import Any

COUNTED = frozenset({"underruns", "outcomes"})
"""Metrics whose error is a number of things, not milliseconds."""


def error_bars(calibration: dict[str, Any], talkers: int, frame_ms: float, clock: str) -> dict[str, Any] | None:
    """The errors that hold for a run of this load: those of the least calibrated load that is not below it, with the same clock.

    Load is frames a second on one worker. Returns `talkers` and `frame_ms` of the calibrated load, the `clock`, and `metrics`: for each one
    `count` and, in seconds, `median_s`, `p99_s` and `max_s` (for what is counted `median`, `p99`, `max`). None where no load as high was
    calibrated.
    """
    loads = {(row["talkers"], row["frame_ms"]) for row in calibration["rows"] if row["clock"] == clock}
    enough = [load for load in loads if load[0] / load[1] >= talkers / frame_ms]
    if not enough:
        return None
    chosen = min(enough, key=lambda load: (load[0] / load[1], load))
    rows = [r for r in calibration["rows"] if r["clock"] == clock and (r["talkers"], r["frame_ms"]) == chosen]
    return {"talkers": chosen[0], "frame_ms": chosen[1], "clock": clock, "metrics": {row["metric"]: _bar(row) for row in rows}}


def _bar(row: dict[str, Any]) -> dict[str, Any]:
    if row["metric"] in COUNTED:
        return {"count": row["count"], **{which: row[f"{which}_ms"] for which in ("median", "p99", "max")}}
    return {"count": row["count"], **{f"{which}_s": row[f"{which}_ms"] / 1000.0 for which in ("median", "p99", "max")}}
