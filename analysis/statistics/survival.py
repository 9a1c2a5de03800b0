"""The share of something that had happened by a time, where for some it was not waited long enough, or it never happens: Kaplan-Meier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics import sampled
from analysis.statistics.sampled import NOTHING, Estimate, Floats, Units

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
    times = np.asarray(at_s, float)
    n = len(waited_s)
    if not n:
        return Curve(times, [Estimate(None, None, None, 0, 0, NOTHING)] * len(times), 0, 0)
    found = [_at(waited_s, happened, units, float(t_s)) for t_s in times]
    return Curve(times, found, n, int(n - happened.sum()))


def quantile(waited_s: Floats, happened: Floats, units: Units, q: float) -> Estimate:
    """By when it had happened for the share `q` of all; no value where it never did. The interval holds the times whose share by then may
    be `q` (Brookmeyer and Crowley, Biometrics 38, 1982); `high` is None where that may never be."""
    sessions = len(np.unique(units))
    times = np.unique(waited_s[happened > 0])
    if not len(times):
        return Estimate(None, None, None, len(waited_s), sessions, NEVER if len(waited_s) else NOTHING)
    reached = _steps(waited_s, happened, times)
    first = int(np.searchsorted(reached, q - 1e-12))
    if first == len(times):
        return Estimate(None, None, None, len(waited_s), sessions, NEVER)
    low = _bisect(times, lambda e: e.high is not None and e.high >= q, waited_s, happened, units)
    high = _bisect(times, lambda e: e.low is not None and e.low >= q, waited_s, happened, units)
    known = sampled.mean(np.ones(len(units)), units).estimate.why
    why = known or ("" if high is not None else "it may be never, for so many of them")
    return Estimate(float(times[first]), None if known else low, None if known else high, len(waited_s), sessions, why)


def _steps(waited_s: Floats, happened: Floats, times: Floats) -> Floats:
    """The curve at its own steps."""
    events = np.bincount(np.searchsorted(times, waited_s[happened > 0]), minlength=len(times))
    at_risk = len(waited_s) - np.searchsorted(np.sort(waited_s), times, side="left")
    reached: Floats = np.subtract(1.0, np.cumprod(1.0 - events / at_risk), dtype=float)
    return reached


def _at(waited_s: Floats, happened: Floats, units: Units, t_s: float) -> Estimate:
    n, sessions = len(waited_s), len(np.unique(units))
    if t_s > waited_s.max():
        return Estimate(None, None, None, n, sessions, "nobody was waited for so long")
    times = np.unique(waited_s[(happened > 0) & (waited_s <= t_s)])
    if not len(times):
        return sampled.of_influences(0.0, np.zeros(n), units).estimate
    events = np.bincount(np.searchsorted(times, waited_s[(happened > 0) & (waited_s <= t_s)]), minlength=len(times))
    at_risk = n - np.searchsorted(np.sort(waited_s), times, side="left")
    left = 1.0 - events / at_risk
    staying = float(np.prod(left))
    if staying <= 0.0:
        return sampled.of_influences(1.0, np.zeros(n), units).estimate
    gone = np.r_[0.0, np.cumsum(events / (at_risk * at_risk * left))]
    own = np.searchsorted(times, np.minimum(waited_s, t_s), side="right")
    at = np.minimum(np.searchsorted(times, waited_s), len(times) - 1)
    ended = np.where((happened > 0) & (waited_s <= t_s), 1.0 / (at_risk[at] * left[at]), 0.0)
    return sampled.of_influences(1.0 - staying, staying * (ended - gone[own]), units).estimate


def _bisect(times: Floats, holds: Callable[[Estimate], bool], waited_s: Floats, happened: Floats, units: Units) -> float | None:
    """The first of `times` of whose estimate it holds, as it does of all that follow; None where of none."""
    low, high = 0, len(times)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(_at(waited_s, happened, units, float(times[middle]))) else (middle + 1, high)
    return float(times[low]) if low < len(times) else None
