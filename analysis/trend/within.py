"""What stood out within a run: stretches in which answers were slower, or more turns failed, than in the rest of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.load import Loaded
from analysis.statistics.changes import outliers
from analysis.statistics.estimate import CONFIDENCE, Floats
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Unit
from metrics.stages import WHOLE, timetable

LENGTHS_S = (1.0, 5.0, 10.0, 30.0, 60.0)
LEAST_TURNS = 10
"""Turns that half of the windows have at least; a window of fewer than half as many is not looked at."""
LEAST_WINDOWS = 8
_REACH_S = 10.0
"""What happened so long before a stretch may be why."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stretch from `begins_s` to `ends_s` of the run. `what`: latency (median) or failures (share); `value`: the farthest of its windows,
    `usual`: the median window, or the share in the rest of the run; `n`: turns in the stretch; `meanwhile`: what happened then."""

    begins_s: float
    ends_s: float
    what: str
    value: float
    usual: float
    unit: Unit
    n: int
    meanwhile: tuple[str, ...]


def anomalies(run: Loaded) -> tuple[float | None, list[Anomaly]]:
    """The length of the windows in seconds, None where the run has too few turns for any; and what stood out, by time. Where nothing is
    amiss something stands out in about 5 % of runs, of each kind."""
    turns = run.turns[(run.turns["kind"] != "false_alarm") & run.turns["t_s"].notna()]
    length_s = _length(turns["t_s"].to_numpy(float))
    if length_s is None:
        return None, []
    window = (turns["t_s"] // length_s).astype(int)
    found = [*_slow(turns, window, length_s), *_failing(turns, window, length_s)]
    return length_s, sorted((_told(run, *one) for one in found), key=lambda one: one.begins_s)


_Stretch = tuple[float, float, str, float, float, Unit, int]


def _length(t_s: Floats) -> float | None:
    for length_s in LENGTHS_S:
        counts = np.unique(t_s // length_s, return_counts=True)[1]
        if len(counts) >= LEAST_WINDOWS and np.median(counts) >= LEAST_TURNS:
            return length_s
    return None


def _slow(turns: pd.DataFrame, window: pd.Series, length_s: float) -> list[_Stretch]:
    """By the medians of windows; by their logarithms where none overlaps, as latencies are skewed to the right."""
    by_window = turns["e2e_latency_s"].dropna().groupby(window).agg(["median", "size"])
    by_window = by_window[by_window["size"] >= LEAST_TURNS / 2]
    medians = by_window["median"].to_numpy(float)
    if not len(medians):
        return []
    usual = float(np.median(medians))
    out = outliers(np.log(medians) if medians.min() > 0 else medians, by_window["size"].to_numpy(float))
    found = []
    for at in _runs([int(by_window.index[i]) for i in out if medians[i] > usual]):
        part = by_window.loc[at]
        worst, n = float(part["median"].max()), int(part["size"].sum())
        found.append((at[0] * length_s, (at[-1] + 1) * length_s, "latency", worst, usual, Unit.SECONDS, n))
    return found


def _failing(turns: pd.DataFrame, window: pd.Series, length_s: float) -> list[_Stretch]:
    """By the binomial distribution, against the share in all other windows."""
    asked = turns[turns["success"].notna()]
    failed = (1.0 - asked["success"]).groupby(window).agg(["sum", "size"])
    failures, sizes = failed["sum"].to_numpy(float), failed["size"].to_numpy(float)
    rest = np.maximum(failures.sum() - failures, 0.5) / np.maximum(1.0, sizes.sum() - sizes)
    p = stats.binom.sf(failures - 1, sizes, np.minimum(rest, 1.0))
    few = sizes < LEAST_TURNS / 2
    out = failed.index[(p < (1 - CONFIDENCE) / len(failed)) & ~few]
    found = []
    for at in _runs([int(at) for at in out]):
        part = failed.loc[at]
        others = failed.drop(at)
        usual = float(others["sum"].sum() / max(1.0, others["size"].sum()))
        worst = float((part["sum"] / part["size"]).max())
        found.append((at[0] * length_s, (at[-1] + 1) * length_s, "failures", worst, usual, Unit.SHARE, int(part["size"].sum())))
    return found


def _runs(windows: list[int]) -> list[list[int]]:
    """Windows that follow one another are one stretch."""
    found: list[list[int]] = []
    for window in windows:
        if found and window == found[-1][-1] + 1:
            found[-1].append(window)
        else:
            found.append([window])
    return found


def _told(run: Loaded, begins_s: float, ends_s: float, what: str, value: float, usual: float, unit: Unit, n: int) -> Anomaly:
    told = []
    for fault in run.info.get("chaos") or []:
        if begins_s - _REACH_S <= fault["t_s"] + fault["for_s"] and fault["t_s"] < ends_s:
            told.append(f"{fault['what']} at {fault['t_s']:.0f} s ({fault['fault']}, by {fault['by']})")
    for at_s, name in timetable(run.info["scenario"]):
        if name != WHOLE and at_s > 0 and begins_s - _REACH_S <= at_s < ends_s:
            told.append(f"stage {name} began at {at_s:.0f} s")
    seconds = run.timeline[run.timeline["t_s"].between(begins_s, ends_s + 1.0)]
    if len(seconds):
        most, least = int(seconds["talkers"].max()), int(seconds["talkers"].min())
        if most > max(least + 1, 1.1 * least):
            told.append(f"talkers between {least} and {most}")
        late = seconds["send_lateness_p99_s"].max() > run.info["frame_ms"] / 2000.0 or seconds["loop_lag_p99_s"].max() > LOOP_LAG_LIMIT_S
        if late:
            told.append("the tester itself was late: do not blame the target")
        if seconds["target_up"].eq(False).any():
            told.append("the target did not answer at its own pages")
    return Anomaly(begins_s, ends_s, what, value, usual, unit, n, tuple(told))
