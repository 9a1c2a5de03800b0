"""How two samples differ, with the session as the sampling unit: a cluster bootstrap. Pure: arrays in, numbers out, the same each time.

Whole sessions are drawn with replacement (Field and Welsh, JRSS B 69, 2007), and what is asked for is computed of each draw; how far the
draws scatter is its variance, intervals are Student's. Paired samples draw the same sessions on both sides: what makes a turn slow in both
of them cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from analysis.statistics.estimate import CONFIDENCE, Floats

DRAWS = 1000
"""The variance of so many draws is off by 4 % (1 standard deviation)."""
MOST_UNITS = 2000
"""Sessions beyond this are drawn in groups of some: as they are independent of one another, so are groups of them."""
POWER = 0.80
"""Of the smallest effect that is told (Cohen, Statistical Power Analysis, 2nd ed., 1988)."""
_BINS = 1000
"""Groups of values, in their order, that a quantile is looked for in: 0.1 % of the values each."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """What an aggregate comes to in one sample: `value` in the metric's unit, None where nothing was measured; `n` values of so many
    `sessions`; `variance` of the value, None below two sessions; `draws`: its value in each draw, shape (DRAWS,), None where not known."""

    value: float | None
    n: int
    sessions: int
    variance: float | None
    draws: Floats | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A, in the metric's unit. `low` and `high`: its 95 % interval; `p`: two-sided; `least`: the smallest effect that such samples
    show with a probability of POWER. `share`: B over A, less one, with `share_low` and `share_high`; None where a side is not above 0. All
    None where a side has no value; without an interval where one has no variance."""

    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    least: float | None = None
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None


def draws(units: int, seed: int) -> NDArray[np.float32]:
    """How often each of so many units is in each draw; shape (DRAWS, units)."""
    rng = np.random.default_rng(seed)
    made = np.empty((DRAWS, units), np.float32)
    for row in made:
        row[:] = np.bincount(rng.integers(units, size=units), minlength=units)
    return made


def ratio(
    numerators: Floats, denominators: Floats, units: NDArray[np.intp], drawn: NDArray[np.float32], sessions: int, counts: bool
) -> Side:
    """A sum over a sum: a share, a rate, a mean; arrays of shape (n,), `units` are columns of `drawn`.

    `counts`: numerators count what happened. Where all or none of it did, draws do not scatter; the variance is then that of a share with
    one more of each (Agresti and Coull, American Statistician 52, 1998), of a rate with half an event more.
    """
    whole = float(denominators.sum())
    if not len(numerators) or whole <= 0.0:
        return Side(None, len(numerators), sessions, None)
    value, width = float(numerators.sum()) / whole, drawn.shape[1]
    above = drawn @ np.bincount(units, numerators, width)
    below = drawn @ np.bincount(units, denominators, width)
    of_draws = np.divide(above, below, out=np.full(DRAWS, value), where=below > 0.0)
    least = 0.0
    if counts and bool((denominators == 1.0).all()):
        near = (value * whole + 1.0) / (whole + 2.0)
        least = near * (1.0 - near) / (whole + 2.0) if value in (0.0, 1.0) else 0.0
    elif counts and value == 0.0:
        least = 0.5 / whole**2
    return Side(value, len(numerators), sessions, _variance(of_draws, sessions, least), of_draws)


def quantiles(values: Floats, units: NDArray[np.intp], drawn: NDArray[np.float32], sessions: int, qs: Sequence[float]) -> list[Side]:
    """The quantiles `qs`, as numpy's `linear` method has them; arrays as for `ratio`."""
    n = len(values)
    if not n:
        return [Side(None, 0, sessions, None)] * len(qs)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    bins = min(n, _BINS)
    of_value = np.arange(n) * bins // n
    middles = ordered[np.searchsorted(of_value, np.arange(bins)) + (np.bincount(of_value) - 1) // 2]
    edges = np.r_[ordered[0], (middles[1:] + middles[:-1]) / 2.0, ordered[-1]]
    counts = sparse.csr_array((np.ones(n, np.float32), (units[order], of_value)), shape=(drawn.shape[1], bins))
    reached = np.cumsum(drawn @ counts, axis=1)
    rows, made = np.arange(DRAWS), []
    for q in qs:
        wanted = q * (reached[:, -1] - 1.0) + 0.5
        at = np.minimum((reached < wanted[:, None]).sum(axis=1), bins - 1)
        upper, lower = reached[rows, at], np.where(at > 0, reached[rows, at - 1], 0.0)
        part = np.clip((wanted - lower) / np.maximum(upper - lower, 1e-9), 0.0, 1.0)
        of_draws = edges[at] + part * (edges[at + 1] - edges[at])
        made.append(Side(float(np.quantile(values, q)), n, sessions, _variance(of_draws, sessions, 0.0), of_draws))
    return made


def _variance(of_draws: Floats, sessions: int, least: float) -> float | None:
    """Drawing from `sessions` themselves makes a variance too small by one in so many."""
    return max(float(of_draws.var()) * sessions / (sessions - 1), least) if sessions > 1 else None


def difference(a: Side, b: Side, paired: bool = False, tests: int = 1) -> Difference:
    """How `b` differs from `a`. `paired`: both were drawn with the same sessions. `tests`: how many are made at once: the smallest effect
    is then that which is seen beside them all (Bonferroni)."""
    if a.value is None or b.value is None:
        return Difference()
    effect = b.value - a.value
    if a.variance is None or b.variance is None:
        return Difference(effect)
    both = 0.0
    if paired and a.draws is not None and b.draws is not None:
        both = float(np.cov(a.draws, b.draws, ddof=0)[0, 1])
    variance = max(a.variance + b.variance - 2.0 * both, 0.0)
    freedom = _freedom(a, b, paired)
    off = math.sqrt(variance)
    reach = float(stats.t.ppf((1.0 + CONFIDENCE) / 2.0, freedom))
    if off > 0.0:
        p = float(2.0 * stats.t.sf(abs(effect) / off, freedom))
    else:
        p = 1.0 if effect == 0.0 else 0.0
    seen = float(stats.t.ppf(1.0 - (1.0 - CONFIDENCE) / 2.0 / tests, freedom) + stats.t.ppf(POWER, freedom))
    share = low = high = None
    if a.value > 0.0 and b.value > 0.0:
        log = math.log(b.value / a.value)
        off_log = math.sqrt(max(a.variance / a.value**2 + b.variance / b.value**2 - 2.0 * both / (a.value * b.value), 0.0))
        share, low, high = (math.expm1(min(log + k * off_log, 50.0)) for k in (0.0, -reach, reach))
    return Difference(effect, effect - reach * off, effect + reach * off, p, seen * off, share, low, high)


def _freedom(a: Side, b: Side, paired: bool) -> float:
    """Degrees of freedom: of pairs, one less than there are; else Welch's (Biometrika 34, 1947)."""
    if paired:
        return float(min(a.sessions, b.sessions) - 1)
    of_a, of_b = a.variance or 0.0, b.variance or 0.0
    below = of_a**2 / (a.sessions - 1) + of_b**2 / (b.sessions - 1)
    return (of_a + of_b) ** 2 / below if below > 0.0 else float(a.sessions + b.sessions - 2)
