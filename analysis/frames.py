"""What is joined to the tables of a run folder, so that they can be grouped and drawn: pure functions of frames and of `run.json`.

- `session`: int; number of the call that a row belongs to, the same in `turns` and `sessions`. A reconnection goes on with its call, so
  that what one caller met in a row is one unit: the sampling unit of all intervals.
- `t_s`: float, seconds since the start of the run: of the turn's onset, the session's or the token request's start.
- `stage`: text; stage of the load at `t_s`, empty where the load has none.
- `concurrency`: int; sessions that were ready and not closed at the turn's onset, its own included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metrics.stages import WHOLE, timetable

APART = 10**13
"""Added to the numbers of the sessions of each further run, where several are one table: those of one run are below it."""


def turns(read: pd.DataFrame, sessions: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """`turns.parquet` with `session`, `t_s`, `stage` and `concurrency`."""
    t_s = _since_start(read, "speech_onset_ns", info)
    return read.assign(session=_calls(read), t_s=t_s, stage=_stages(t_s, info), concurrency=open_at(t_s, sessions))


def sessions(read: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """`sessions.parquet` with `session`, `t_s`, `stage`, and `ready_s` and `closed_s`: seconds of the run; NaN where it never was ready."""
    t_s = _since_start(read, "started_ns", info)
    spans = {"ready_s": _since_start(read, "ready_ns", info), "closed_s": _since_start(read, "closed_ns", info)}
    return read.assign(session=_calls(read), t_s=t_s, stage=_stages(t_s, info), **spans)


def tokens(read: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """`tokens.parquet` with `t_s` and `stage`."""
    t_s = _since_start(read, "intended_ns", info)
    return read.assign(t_s=t_s, stage=_stages(t_s, info))


def timeline(read: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """`timeline.parquet` with `stage`."""
    return read.assign(stage=_stages(read["t_s"].to_numpy(float), info))


def _calls(read: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each pair of talker and call that depends on nothing else."""
    calls: NDArray[np.int64] = read["talker"].to_numpy(np.int64) * 1_000_000 + read["call"].to_numpy(np.int64)
    return calls


def _since_start(read: pd.DataFrame, column: str, info: dict[str, Any]) -> NDArray[np.float64]:
    """Instants of each worker's monotonic clock as seconds of the run, over its wall clock as far as that was off the master's."""
    at_s = np.full(len(read), np.nan)
    instants = read[column]
    for worker in info["workers"]:
        rows = ((read["worker"] == worker["name"]) & instants.notna()).to_numpy()
        began_s = worker["started_epoch_s"] - info["started_epoch_s"] - (worker["clock_offset_s"] or 0.0)
        at_s[rows] = began_s + (instants[rows].to_numpy(np.int64) - worker["started_ns"]) / 1e9
    return at_s


def _stages(t_s: NDArray[np.float64], info: dict[str, Any]) -> NDArray[np.object_]:
    begun = timetable(info["scenario"])
    names = np.array([WHOLE, *(name for _, name in begun)], dtype=object)
    stages: NDArray[np.object_] = names[np.searchsorted([begins_s for begins_s, _ in begun], t_s, side="right")]
    return stages


def open_at(t_s: NDArray[np.float64], sessions: pd.DataFrame) -> NDArray[np.int64]:
    """How many of these sessions, with `ready_s` and `closed_s`, were ready and not closed at each of these seconds of the run."""
    ready = sessions[sessions["ready_s"].notna()]
    opened, closed = np.sort(ready["ready_s"].to_numpy(float)), np.sort(ready["closed_s"].to_numpy(float))
    count: NDArray[np.int64] = np.searchsorted(opened, t_s, side="right") - np.searchsorted(closed, t_s, side="right")
    return count
