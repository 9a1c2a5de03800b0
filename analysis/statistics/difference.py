"""How much more one run has of something than another, with its confidence interval. Pure: two estimates in, numbers out.

Two runs of the same seed meet the same talkers who plan the same turns: `paired`, what both have in common is left out of the interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.statistics.sampled import Estimate, Sampled
from analysis.statistics.units import MANY, student
from metrics.trend import Trend

Counts = tuple[float, float]
"""By how much what an interval reaches below its value counts, and what above."""
POWER = 0.8
"""Chance with which the least effect would have been seen."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`b` less `a`, in the metric's unit: `value` with its 95 % interval `low` to `high`. `part`, `part_low`, `part_high`: the same as a
    part of `a` (0.1: a tenth more); None where a value, or an end, is not positive. `p`: how likely a difference as large is where there
    is none; `least`: the least difference, in the metric's unit, that these runs would have shown with POWER. None, and `why`, where the
    data cannot tell."""

    a: Estimate
    b: Estimate
    value: float | None = None
    low: float | None = None
    high: float | None = None
    part: float | None = None
    part_low: float | None = None
    part_high: float | None = None
    p: float | None = None
    least: float | None = None
    paired: bool = False
    why: str = ""


def between(a: Sampled, b: Sampled, paired: bool = False) -> Difference:
    """Two of the same kind: means, quantiles, shares or rates, as `sampled` has them. `paired`: units of the same number are the same in
    both, and the correlation of what they add to both errors is taken off."""
    correlation = _correlation(a, b) if paired else 0.0
    freedom = _of_pairs(a, b) if paired else _welch(a, b)
    t = student(freedom)
    return joined(a.estimate, b.estimate, correlation, freedom, paired, (_counts(a, b, t), _counts(b, a, t)))


def growth(a: Trend, b: Trend) -> Difference:
    """Of two growths per hour, as `metrics.trend` has them."""
    estimates = []
    for trend in (a, b):
        low, high = trend.interval or (None, None)
        estimates.append(Estimate(trend.slope, low, high, trend.count, 0, "too few samples" if trend.interval is None else ""))
    return joined(estimates[0], estimates[1])


def joined(
    a: Estimate,
    b: Estimate,
    correlation: float = 0.0,
    freedom: float = MANY,
    paired: bool = False,
    counts: tuple[Counts, Counts] = ((1.0, 1.0), (1.0, 1.0)),
) -> Difference:
    """Of estimates whose errors are so correlated; `freedom`: degrees of freedom of both together; `counts`: of each, by how much what its
    interval reaches below and above counts.

    The interval joins those of both, so that it keeps their shape (Zou and Donner, Statistics in Medicine 27, 2008; of correlated
    ones: Zou, Psychological Methods 12, 2007). `p` is what its end that is nearer to no difference says.
    """
    if a.value is None or b.value is None:
        return Difference(a, b, paired=paired, why=a.why if a.value is None else b.why)
    value = b.value - a.value
    part = value / a.value if a.value > 0.0 and b.value > 0.0 else None
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Difference(a, b, value, part=part, paired=paired, why=a.why or b.why)
    t, ((a_below, a_above), (b_below, b_above)) = student(freedom), counts
    below = _reach(b_below * (b.value - b.low), a_above * (a.high - a.value), correlation)
    above = _reach(b_above * (b.high - b.value), a_below * (a.value - a.low), correlation)
    towards = below if value > 0 else above
    p = float(2.0 * stdtr(freedom, -abs(value) / towards * t)) if towards > 0 else float(value == 0.0)
    least = (below + above) / 2.0 / t * (t + float(stdtrit(freedom, POWER)))
    found = Difference(a, b, value, value - below, value + above, part, p=p, least=least, paired=paired)
    if part is None or min(a.low, b.low) <= 0.0:
        return found
    a_low, a_mid, a_high, b_low, b_mid, b_high = np.log([a.low, a.value, a.high, b.low, b.value, b.high]).tolist()
    part_low = float(np.expm1(b_mid - a_mid - _reach(b_below * (b_mid - b_low), a_above * (a_high - a_mid), correlation)))
    part_high = float(np.expm1(b_mid - a_mid + _reach(b_above * (b_high - b_mid), a_below * (a_mid - a_low), correlation)))
    return replace(found, part_low=part_low, part_high=part_high)


def _reach(own: float, other: float, correlation: float) -> float:
    return float(np.sqrt(max(0.0, own * own + other * other - 2.0 * correlation * own * other)))


def _counts(of: Sampled, other: Sampled, t: float) -> Counts:
    """Both together are better known than each alone: an interval counts with the quantile `t` of both, and its far end takes values for as
    alike as the other run's are."""
    own = t / student(of.freedom)
    if of.likeness is None or other.likeness is None:
        return own, own
    far = own * of.likeness.beside(other.likeness)
    return (far, own) if of.far_low else (own, far)


def _correlation(a: Sampled, b: Sampled) -> float:
    """Of the errors of both, by the units that they share."""
    _, at_a, at_b = np.intersect1d(a.units, b.units, assume_unique=True, return_indices=True)
    squares = float((a.off**2).sum() * (b.off**2).sum())
    return float((a.off[at_a] * b.off[at_b]).sum()) / float(np.sqrt(squares)) if squares > 0 else 0.0


def _of_pairs(a: Sampled, b: Sampled) -> float:
    """Degrees of freedom of both together: units are the same in both, gaps between values are not."""
    return 1.0 / (1.0 / min(a.between, b.between) + 1.0 / (a.shape + b.shape))


def _welch(a: Sampled, b: Sampled) -> float:
    """Degrees of freedom of both together (Welch, Biometrika 34, 1947)."""
    widths = [0.0 if s.estimate.low is None or s.estimate.high is None else (s.estimate.high - s.estimate.low) ** 2 for s in (a, b)]
    parts = widths[0] ** 2 / a.freedom + widths[1] ** 2 / b.freedom
    return (widths[0] + widths[1]) ** 2 / parts if parts > 0 else min(a.freedom, b.freedom)
