"""An aggregate of a metric with its confidence interval. Pure: arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
"""Of every interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` in the metric's unit, None where nothing was measured; `low` and `high`: its 95 % interval, None where the data cannot
    tell one; `n`: how many values, `sessions`: from how many sessions; `why`: why there is no value or no interval, else empty."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    sessions: int
    why: str = ""


def mean(values: Floats, sessions: NDArray[np.int64]) -> Estimate:
    """The mean of values of such sessions; both of shape (n,)."""
    return ratio(values, np.ones_like(values), sessions)


def ratio(numerators: Floats, denominators: Floats, sessions: NDArray[np.int64]) -> Estimate:
    """A sum over a sum: a share, a rate, a mean; all of shape (n,).

    Its variance is that of the linearised ratio between sessions (Cochran, Sampling Techniques, 3rd ed., 1977, section 11.7), its interval
    Student's with a degree of freedom less than there are sessions. A share of which all or none count has Wilson's interval.
    """
    n, groups = len(numerators), _groups(sessions)
    whole = float(denominators.sum())
    if not n or whole <= 0.0:
        return Estimate(None, None, None, n, len(groups), "nothing was measured")
    value = float(numerators.sum()) / whole
    if len(groups) < 2:
        return Estimate(value, None, None, n, len(groups), "one session tells nothing of others")
    off = np.add.reduceat((numerators - value * denominators)[_order(sessions)], groups)
    spread = float(np.sqrt(len(off) / (len(off) - 1) * (off**2).sum())) / whole
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(off) - 1)) * spread
    return Estimate(value, value - reach, value + reach, n, len(off))


def quantile(values: Floats, sessions: NDArray[np.int64], q: float) -> Estimate:
    """The quantile `q` of values of such sessions, as numpy's `linear` method has it; both of shape (n,).

    Its interval is that of the share of values below it, turned round (Woodruff, JASA 47, 1952).
    """
    n, groups = len(values), _groups(sessions)
    if not n:
        return Estimate(None, None, None, 0, 0, "nothing was measured")
    value = float(np.quantile(values, q))
    if len(groups) < 2:
        return Estimate(value, None, None, n, len(groups), "one session tells nothing of others")
    below = ratio((values <= value).astype(float), np.ones(n), sessions)
    reach = (below.high or 0.0) - (below.value or 0.0)
    low, high = np.quantile(values, [max(0.0, q - reach), min(1.0, q + reach)])
    return Estimate(value, float(low), float(high), n, len(groups))


def _order(sessions: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.argsort(sessions, kind="stable")


def _groups(sessions: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each session begins once they are in order."""
    if not len(sessions):
        return np.empty(0, np.intp)
    ordered = np.sort(sessions)
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
