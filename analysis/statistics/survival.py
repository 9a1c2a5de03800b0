"""The share of something that had happened by a time, where for some it was not waited long enough, or it never happens: Kaplan-Meier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics import sampled
from analysis.statistics.sampled import NOTHING, Estimate
from analysis.statistics.units import Floats, Units

NEVER = "never, for so many of them"


@dataclass(frozen=True, slots=True)
class Curve:
    """`happened[i]`: the share of which it had happened by `at_s[i]`. `n` values, of which `censored` were not seen to happen."""

    at_s: Floats
    happened: list[Estimate]
    n: int
    censored: int


def curve(waited_s: Floats, happened: Floats, units: Units, at_s: Sequence[float] | Floats) -> Curve:
    """Kaplan and Meier's estimate (JASA 53, 1958) at the times `at_s`; `waited_s`, `happened` (1, or 0: not until then) and `units` of
    shape (n,). Infinity is a time, too: it will never happen.

    The interval is that of a share, from the influence of each value on the curve (Reid, Annals of Statistics 9, 1981), summed by unit.
    Beyond the last time at which anything was waited for there is no value.
    """
    times, n = np.asarray(at_s, float), len(waited_s)
    if not n:
        return Curve(times, [Estimate(None, None, None, 0, 0, NOTHING)] * len(times), 0, 0)
    steps, longest_s = _steps(waited_s, happened, units), float(waited_s.max())
    beyond = Estimate(None, None, None, n, len(np.unique(units)), "nobody was waited for so long")
    found = [steps.at(float(t_s)) if t_s <= longest_s else beyond for t_s in times]
    return Curve(times, found, n, int(n - happened.sum()))


def quantile(waited_s: Floats, happened: Floats, units: Units, q: float) -> Estimate:
    """By when it had happened for the share `q` of all; no value where it never did. The interval holds the times whose share by then may
    be `q` (Brookmeyer and Crowley, Biometrics 38, 1982); `high` is None where that may never be."""
    n, sessions = len(waited_s), len(np.unique(units))
    steps = _steps(waited_s, happened, units)
    first = int(np.searchsorted(steps.reached, q - 1e-12))
    if first == len(steps.times):
        return Estimate(None, None, None, n, sessions, NEVER if n else NOTHING)
    value, alone = float(steps.times[first]), steps.at(float(steps.times[first]))
    if alone.low is None:
        return Estimate(value, None, None, n, sessions, alone.why)
    low, high = steps.first(lambda e: (e.high or 0.0) >= q), steps.first(lambda e: (e.low or 0.0) >= q)
    return Estimate(value, low, high, n, sessions, "" if high is not None else "it may be never, for so many of them")


@dataclass(frozen=True, slots=True)
class _Steps:
    """The curve at the `times` at which something happened: the share `reached` by each. `gone`: what a value that was still waited for at
    a time has been taken off by then; `own`: how many of the times are not after a value's own; `ended`: what it adds once it happened.
    The influence of a value is what it adds less what it was taken off, times the share that is left."""

    times: Floats
    reached: Floats
    gone: Floats
    own: NDArray[np.intp]
    ended: Floats
    units: Units

    def at(self, t_s: float) -> Estimate:
        """The share by a time."""
        passed = int(np.searchsorted(self.times, t_s, side="right"))
        share = float(self.reached[passed - 1]) if passed else 0.0
        if share <= 0.0 or share >= 1.0:
            return sampled.of_influences(share, np.zeros(len(self.units)), self.units).estimate
        taken = self.gone[np.minimum(self.own, passed)]
        return sampled.of_influences(share, (1.0 - share) * (np.where(self.own <= passed, self.ended, 0.0) - taken), self.units).estimate

    def first(self, holds: Callable[[Estimate], bool]) -> float | None:
        """The first of the times of whose estimate it holds, as it does of all that follow; None where of none."""
        low, high = 0, len(self.times)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(self.at(float(self.times[middle]))) else (middle + 1, high)
        return float(self.times[low]) if low < len(self.times) else None


def _steps(waited_s: Floats, happened: Floats, units: Units) -> _Steps:
    seen = happened > 0
    times = np.unique(waited_s[seen])
    events = np.bincount(np.searchsorted(times, waited_s[seen]), minlength=len(times))[: len(times)]
    at_risk = len(waited_s) - np.searchsorted(np.sort(waited_s), times, side="left")
    left = at_risk - events  # none, at the last time where nothing is censored after it: nobody asks for influences there
    reached: Floats = np.subtract(1.0, np.cumprod(left / at_risk), dtype=float)
    gone = np.r_[0.0, np.cumsum(np.divide(events, at_risk * left, out=np.zeros(len(times)), where=left > 0))]
    own = np.searchsorted(times, waited_s, side="right")
    ended = np.zeros(len(waited_s))
    ended[seen] = np.divide(1.0, left, out=np.zeros(len(times)), where=left > 0)[own[seen] - 1]
    return _Steps(times, reached, gone, own, ended, units)
