"""An aggregate of a metric, its confidence interval, and what each sampling unit adds to its error. Pure: arrays in, numbers out.

The variance of each is that between its sampling units (`units`). Each limit below comes from `python -m benchmarks.statistics`, whose
table is in docs/statistics.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.statistics import score
from analysis.statistics.units import MANY, Floats, Grouped, Ratio, Units, company, effective, freedom, grouped, ratio, student

MIN_UNITS = 8
"""With fewer units no interval is given."""
FEW_UNITS, LONG_TAIL = 50, 0.6
"""A mean of positive values from fewer units than this has no interval where their standard deviation is more than this part of it: units
that resemble themselves are too skewed for Student's, then."""
TAIL_UNITS = 1.5
"""A quantile has an interval where so many units can be expected beyond it: p90 takes 15 units, p95 30, p99 150."""
EFFECTIVE_UNITS = 20.0
"""Units are enough whatever their size where they are worth so many of equal size; fewer where one of these can be expected beyond."""
GAP_FREEDOM = 0.7
"""Degrees of freedom of the shape, for each gap between an end and the middle. The sum of g exponential gaps scatters as a standard
deviation of g / 2 degrees of freedom; two ends, of which one is far where the other is near, scatter less."""

NOTHING, ONE_UNIT = "nothing was measured", f"fewer than {MIN_UNITS} sessions tell nothing of others"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` in the metric's unit, None where nothing was measured; `low` and `high`: its 95 % interval, None where the data cannot
    tell one; `n`: how many values, `sessions`: from how many sampling units; `why`: why there is no value or no interval, else empty."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    sessions: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sampled:
    """An estimate with its units, in ascending order, and what each adds to its error (up to a common factor; shape (sessions,)).

    Degrees of freedom: `between` units, of the variance, and of the `shape` of the distribution, where the interval rests on that, too.
    `likeness`: how alike values are taken for at the far end, which is the low one where `far_low`; None where both ends know as much."""

    estimate: Estimate
    units: Units
    off: Floats
    between: float
    shape: float = MANY
    likeness: score.Likeness | None = None
    far_low: bool = False

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the interval."""
        return 1.0 / (1.0 / self.between + 1.0 / self.shape)


@dataclass(frozen=True, slots=True)
class _Interval:
    """None, and `why`, where the data cannot tell it; `freedom`: its degrees of freedom between units; the rest as in `Sampled`."""

    low: float | None
    high: float | None
    freedom: float
    why: str = ""
    likeness: score.Likeness | None = None
    far_low: bool = False


def mean(values: Floats, units: Units) -> Sampled:
    """The mean of values of such units, both of shape (n,): Student's interval, where all values are positive on the scale of
    logarithms."""

    def interval(found: Grouped, of: Ratio) -> _Interval:
        positive = bool(values.min() > 0.0)
        if positive and len(found.units) < FEW_UNITS and float(np.std(values)) > LONG_TAIL * of.value:
            return _Interval(None, None, of.freedom, why=f"a tail too long for a mean of fewer than {FEW_UNITS} sessions")
        reach = student(of.freedom) * float(np.sqrt(of.variance))
        if not positive:
            return _Interval(of.value - reach, of.value + reach, of.freedom)
        factor = float(np.exp(reach / of.value))
        return _Interval(of.value / factor, of.value * factor, of.freedom)

    return _sampled(values, np.ones(len(values)), units, interval)


def share(numerators: Floats, denominators: Floats, units: Units) -> Sampled:
    """The part that `numerators` are of `denominators` (1 each, or time), never more; all of shape (n,).

    The interval is that of `score.of_share`; of parts of time, Wilson's with as many values as their variance is worth."""

    def interval(found: Grouped, of: Ratio) -> _Interval:
        n = len(numerators)
        if bool(np.isin(numerators / np.where(denominators > 0, denominators, 1.0), (0.0, 1.0)).all()):
            ends = score.of_share(of.value, n, of.variance, company(found.sum(denominators), n), of.freedom)
            likeness = ends.likeness if of.value != 0.5 else None
            return _Interval(ends.low, ends.high, ends.freedom, likeness=likeness, far_low=of.value > 0.5)
        effective = of.value * (1.0 - of.value) / of.variance if of.variance > 0 else float(n)
        return _Interval(*score.wilson(of.value, effective, student(of.freedom)), of.freedom)

    return _sampled(numerators, denominators, units, interval)


def rate(events: Floats, spans: Floats, units: Units) -> Sampled:
    """Events per span (a minute, an hour), of which a row has any number; both of shape (n,). The interval is `score.of_count`'s."""

    def interval(found: Grouped, of: Ratio) -> _Interval:
        n, whole = len(events), float(spans.sum())
        seen = of.variance * whole / of.value if of.value > 0.0 else 0.0
        ends = score.of_count(float(events.sum()), seen, company(found.sum(np.ones(n)), n), of.freedom)
        return _Interval(ends.low / whole, ends.high / whole, ends.freedom, likeness=ends.likeness)

    return _sampled(events, spans, units, interval)


def amount(amounts: Floats, spans: Floats, units: Units) -> Sampled:
    """A sum of amounts, none negative, per span, such as cost per hour; both of shape (n,). Student's interval on the scale of logarithms:
    unlike that of a rate of events it does not depend on the unit that the amounts are in."""

    def interval(_: Grouped, of: Ratio) -> _Interval:
        factor = float(np.exp(student(of.freedom) * np.sqrt(of.variance) / of.value)) if of.value > 0.0 else 1.0
        return _Interval(of.value / factor, of.value * factor, of.freedom)

    return _sampled(amounts, spans, units, interval)


def quantile(values: Floats, units: Units, q: float) -> Sampled:
    """The quantile `q` of values of such units, as numpy's `linear` method has it; both of shape (n,).

    Its interval holds the values that may be it: those of which the share below, with the interval of that, may be `q` (Woodruff, JASA 47,
    1952; here the share's interval is made anew at each value). Its shape is told by the gaps between values, each as good as exponential
    in length: an end rests on as many as there are between it and the middle (GAP_FREEDOM).
    """
    found, n = grouped(units), len(values)
    if not n:
        return _nothing(found, 0)
    order = np.argsort(values, kind="stable")
    ordered, number, sizes, sessions = values[order], found.number[order], found.sum(np.ones(n)), len(found.units)
    value, others = float(np.quantile(ordered, q)), company(sizes, n)

    def below(count: int) -> tuple[Ratio, score.Ends]:
        of = ratio(np.bincount(number[:count], minlength=sessions).astype(float), sizes)
        return of, score.of_share(of.value, n, of.variance, others, of.freedom)

    here, ends = below(int(np.searchsorted(ordered, value, side="right")))
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, here.off, here.freedom)
    shape = max(1.0, GAP_FREEDOM * n * student(ends.freedom) * float(np.sqrt(q * (1.0 - q) / ends.effective)))
    counts = np.flatnonzero(np.r_[ordered[1:] > ordered[:-1], True]) + 1  # at or below each distinct value
    first, last, tail = 0, len(counts), min(q, 1.0 - q)
    enough = sessions * tail >= TAIL_UNITS - 1e-9 and effective(sizes) >= min(1.0 / tail, EFFECTIVE_UNITS) - 1e-9
    if enough and below(0)[1].high < q:
        first = bisect_left(counts, True, key=lambda count: below(int(count))[1].high >= q)
        last = bisect_left(counts, True, key=lambda count: below(int(count))[1].low > q)
    if last == len(counts):
        why = f"too few values beyond p{100 * q:g} for an interval"
        return Sampled(Estimate(value, None, None, n, sessions, why), found.units, here.off, ends.freedom, shape)
    low, high = (float(ordered[counts[at] - 1]) for at in (first, last))
    estimate, likeness = Estimate(value, min(low, value), max(high, value), n, sessions), ends.likeness if q != 0.5 else None
    return Sampled(estimate, found.units, here.off, ends.freedom, shape, likeness, q < 0.5)


def of_influences(value: float, influences: Floats, units: Units) -> Sampled:
    """A share of which each value's influence on it is known (shape (n,), of sum 0), such as a point of a Kaplan-Meier curve: as
    `share`."""
    found, n = grouped(units), len(influences)
    sizes, sessions = found.sum(np.ones(n)), len(found.units)
    off = found.sum(influences) / np.where(sizes < n, 1.0 - sizes / n, np.inf)  # where the unit is left out, as `ratio` has it
    of = Ratio(value, off, (sessions - 1) / sessions * float((off**2).sum()), freedom(sizes, off))
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, of.freedom)
    ends = score.of_share(value, n, of.variance, company(sizes, n), of.freedom)
    return Sampled(Estimate(value, ends.low, ends.high, n, sessions), found.units, off, ends.freedom)


def _sampled(numerators: Floats, denominators: Floats, units: Units, interval: Callable[[Grouped, Ratio], _Interval]) -> Sampled:
    """A sum over a sum, with the interval that is made where something was measured, of units enough."""
    found, n = grouped(units), len(numerators)
    if not n or denominators.sum() <= 0.0:
        return _nothing(found, n)
    of, sessions = ratio(found.sum(numerators), found.sum(denominators)), len(found.units)
    made = interval(found, of) if sessions >= MIN_UNITS else _Interval(None, None, of.freedom, why=ONE_UNIT)
    told = Estimate(of.value, made.low, made.high, n, sessions, made.why)
    return Sampled(told, found.units, of.off, made.freedom, likeness=made.likeness, far_low=made.far_low)


def _nothing(found: Grouped, n: int) -> Sampled:
    return Sampled(Estimate(None, None, None, n, len(found.units), NOTHING), found.units, np.zeros(len(found.units)), 1.0)
