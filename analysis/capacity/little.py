"""Little's law (Little, Operations Research 9, 1961): those in a system are the rate at which they come, times the time that they stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.load import Loaded
from analysis.statistics import estimate
from analysis.statistics.estimate import Estimate

STEADY = 0.05
"""The number of talkers may differ by this share from that at the beginning of a steady part, or by one talker."""
LEAST_S = 10.0
"""A steady part that is shorter tells little: turns take seconds."""
TOLERATED = 0.10
"""A deviation up to here is that of turns and sessions which reach over the ends of the steady part."""
_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Check:
    """`counted`: how many there were, mean over the seconds of the steady part, from `begins_s` to `ends_s`; `rate_per_s` at which they
    came, and the time that each stayed, in seconds; `what`: turns or sessions."""

    what: str
    begins_s: float
    ends_s: float
    counted: float
    rate_per_s: float
    stay: Estimate

    @property
    def derived(self) -> float:
        """How many there must have been."""
        return self.rate_per_s * (self.stay.value or 0.0)

    @property
    def deviation(self) -> float:
        """How much more than were counted, as a share of these."""
        return self.derived / self.counted - 1.0


def check(run: Loaded) -> list[Check]:
    """Turns, and sessions where enough began and ended, over the longest steady part; empty where there is none.

    Turns: each talker is always in a turn or on the way to one, and `span_s` is the time from the end of one to the end of the next; so
    talkers are turns a second times the mean of it. Talkers are counted by the tester each second, turns by their records.
    """
    found = steady(run.timeline)
    if found is None:
        return []
    begins_s, ends_s = found
    seconds = run.timeline[run.timeline["t_s"].between(begins_s, ends_s)]
    counted, length_s = float(seconds["talkers"].mean()), ends_s - begins_s
    turns = run.turns[(run.turns["kind"] != "false_alarm") & (run.turns["span_s"] > 0)]
    ended_s = turns.groupby("session")["span_s"].cumsum() + turns["session"].map(run.sessions.groupby("session")["ready_s"].min())
    within = turns[ended_s.between(begins_s, ends_s)]
    checks = []
    if len(within) >= _ENOUGH:
        stay = estimate.mean(within["span_s"].to_numpy(float), within["session"].to_numpy(np.int64))
        checks.append(Check("turns", begins_s, ends_s, counted, len(within) / length_s, stay))
    begun = run.sessions[run.sessions["t_s"].between(begins_s, ends_s)]
    whole = begun["outcome"] != "cut_by_run_end"
    if len(begun) >= _ENOUGH and whole.mean() > 0.9:
        stayed_s = (begun["closed_s"] - begun["t_s"]).to_numpy(float)
        stay = estimate.mean(stayed_s, begun["session"].to_numpy(np.int64))
        open_s = _open(run.sessions, seconds["t_s"].to_numpy(float))
        checks.append(Check("sessions", begins_s, ends_s, float(open_s.mean()), len(begun) / length_s, stay))
    return checks


def steady(timeline: pd.DataFrame) -> tuple[float, float] | None:
    """From when to when the number of talkers stayed the same for longest, in seconds of the run; None where it never did."""
    t_s, talkers = timeline["t_s"].to_numpy(float), timeline["talkers"].to_numpy(float)
    best, first = (0.0, 0.0), 0
    for at in range(len(t_s)):
        while first < at and abs(talkers[at] - talkers[first]) > max(1.0, STEADY * talkers[first]):
            first += 1
        if talkers[first] > 0 and t_s[at] - t_s[first] > best[1] - best[0]:
            best = (float(t_s[first]), float(t_s[at]))
    return best if best[1] - best[0] >= LEAST_S else None


def _open(sessions: pd.DataFrame, at_s: np.ndarray) -> np.ndarray:
    begun, closed = np.sort(sessions["t_s"].to_numpy(float)), np.sort(sessions["closed_s"].to_numpy(float))
    return np.searchsorted(begun, at_s, side="right") - np.searchsorted(closed, at_s, side="right")
