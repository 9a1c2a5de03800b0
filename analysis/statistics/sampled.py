"""An aggregate of a metric, its confidence interval, and what each sampling unit adds to its error. Pure: arrays in, numbers out.

The sampling unit is what was drawn independently of others: a session, or a talker. The variance between units is the jackknife's (leave
one unit out: Efron and Stein, Annals of Statistics 9, 1981), which for sums over sums is that of the linearised ratio with each unit
weighed by its leverage. Units of unequal size have fewer degrees of freedom than their number (Carter, Schnepel and Steigerwald, Review
of Economics and Statistics 99, 2017). Each limit below comes from `python -m benchmarks.statistics`, whose table is in
docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
"""Of every interval."""
MIN_UNITS = 8
"""With fewer units no interval is given."""
FEW_UNITS, LONG_TAIL = 50, 0.6
"""A mean of positive values from fewer units than this has no interval where their standard deviation is more than this part of it: units
that resemble themselves are too skewed for Student's, then."""
TAIL_UNITS, TAIL_VALUES = 1.5, 5.0
"""A quantile has an interval where so many units and so many effective values can be expected beyond it: p90 takes 15 units, p95 30, p99
150."""
MIDDLE = 60.0
"""With so many values the middle of a distribution counts towards how alike values of a unit are in its tail, where there are few."""
PRIOR_EVENTS, PRIOR_ALIKE = 3.0, 0.05
"""Where a share or a rate rests on few events, these cannot tell how alike values of a unit are: so many events are added that are
correlated by so much. With none at all, it is what is assumed."""
LEAST_EFFECT = 0.7
"""Values of a unit are never taken for more independent than this design effect."""

NOTHING, ONE_UNIT = "nothing was measured", f"fewer than {MIN_UNITS} sessions tell nothing of others"

Floats = NDArray[np.float64]
Units = NDArray[np.int64]


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
    """An estimate with its units, in ascending order, what each adds to its error (up to a common factor; shape (sessions,)), and the
    degrees of freedom of its interval."""

    estimate: Estimate
    units: Units
    off: Floats
    freedom: float


@dataclass(frozen=True, slots=True)
class _Grouped:
    """`number`: the unit of each value, by its place in `units`."""

    units: Units
    number: NDArray[np.intp]

    def sum(self, values: Floats) -> Floats:
        """Of each unit."""
        summed: Floats = np.bincount(self.number, values, minlength=len(self.units)).astype(float)
        return summed


def mean(values: Floats, units: Units) -> Sampled:
    """The mean of values of such units, both of shape (n,): Student's interval, where all values are positive on the scale of
    logarithms."""
    found, weights = _grouped(units), np.ones(len(values))
    if not len(values):
        return _nothing(found, 0)
    value, off, variance, freedom = _jackknife(found, values, weights)
    n, sessions = len(values), len(found.units)
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    positive = bool(values.min() > 0.0)
    if positive and sessions < FEW_UNITS and float(np.std(values)) > LONG_TAIL * value:
        why = f"a tail too long for a mean of fewer than {FEW_UNITS} sessions"
        return Sampled(Estimate(value, None, None, n, sessions, why), found.units, off, freedom)
    reach = student(freedom) * float(np.sqrt(variance))
    if positive:
        low, high = value * float(np.exp(-reach / value)), value * float(np.exp(reach / value))
    else:
        low, high = value - reach, value + reach
    return Sampled(Estimate(value, low, high, n, sessions), found.units, off, freedom)


def share(numerators: Floats, denominators: Floats, units: Units) -> Sampled:
    """The part that `numerators` are of `denominators` (1 each, or time), never more; all of shape (n,).

    Wilson's interval (JASA 22, 1927) with Student's quantile and the effective number of values (Korn and Graubard, Survey Methodology 24,
    1998): it stays within 0 and 1, and has a width where all or none count.
    """
    found = _grouped(units)
    if not len(numerators) or denominators.sum() <= 0.0:
        return _nothing(found, len(numerators))
    value, off, variance, freedom = _jackknife(found, numerators, denominators)
    n, sessions = len(numerators), len(found.units)
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    if bool(np.isin(numerators / np.where(denominators > 0, denominators, 1.0), (0.0, 1.0)).all()):
        rare = min(value, 1.0 - value) * n
        effect = _effect(found, denominators, variance * n / (value * (1.0 - value)) if rare > 0 else 0.0, rare)
        effective = n / effect
    else:
        effective = value * (1.0 - value) / variance if variance > 0 else float(n)
    low, high = _wilson(value, effective, student(freedom))
    return Sampled(Estimate(value, low, high, n, sessions), found.units, off, freedom)


def rate(events: Floats, spans: Floats, units: Units) -> Sampled:
    """Events per span (a minute, an hour), of which a row has any number; both of shape (n,).

    The score interval of a Poisson rate (Rao's; as Wilson's is of a share) with Student's quantile and the effective number of events.
    """
    found, whole = _grouped(units), float(spans.sum())
    if not len(events) or whole <= 0.0:
        return _nothing(found, len(events))
    value, off, variance, freedom = _jackknife(found, events, spans)
    n, sessions = len(events), len(found.units)
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    happened = float(events.sum())
    effect = _effect(found, np.ones(n), variance * whole / value if happened > 0 else 0.0, happened)
    t, k = student(freedom), happened / effect
    middle, reach = k + t * t / 2.0, t * np.sqrt(k + t * t / 4.0)
    low, high = float(middle - reach) * effect / whole, float(middle + reach) * effect / whole
    return Sampled(Estimate(value, max(0.0, low), high, n, sessions), found.units, off, freedom)


def amount(amounts: Floats, spans: Floats, units: Units) -> Sampled:
    """A sum of amounts, none negative, per span, such as cost per hour; both of shape (n,). Student's interval on the scale of logarithms:
    unlike that of a rate of events it does not depend on the unit that the amounts are in."""
    found = _grouped(units)
    if not len(amounts) or spans.sum() <= 0.0:
        return _nothing(found, len(amounts))
    value, off, variance, freedom = _jackknife(found, amounts, spans)
    n, sessions = len(amounts), len(found.units)
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    factor = float(np.exp(student(freedom) * np.sqrt(variance) / value)) if value > 0.0 else 1.0
    return Sampled(Estimate(value, value / factor, value * factor, n, sessions), found.units, off, freedom)


def quantile(values: Floats, units: Units, q: float) -> Sampled:
    """The quantile `q` of values of such units, as numpy's `linear` method has it; both of shape (n,).

    Its interval is that of the share of values below it, turned round (Woodruff, JASA 47, 1952).
    """
    found, n = _grouped(units), len(values)
    if not n:
        return _nothing(found, 0)
    ordered, sessions = np.sort(values), len(found.units)
    value = float(np.quantile(ordered, q))
    share_below, off, variance, freedom = _jackknife(found, (values <= value).astype(float), np.ones(n))
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    effect = _tail_effect(found, values, ordered, share_below, variance)
    tail, effective = min(q, 1.0 - q), n / effect
    low, high = _wilson(q, effective, student(freedom))
    places = np.array([low, high]) * n - 0.5
    if sessions * tail < TAIL_UNITS - 1e-9 or effective * tail < TAIL_VALUES or places[0] < 0 or places[1] > n - 1:
        why = f"too few values beyond p{100 * q:g} for an interval"
        return Sampled(Estimate(value, None, None, n, sessions, why), found.units, off, freedom)
    ends = np.interp(places, np.arange(n), ordered)
    return Sampled(Estimate(value, float(ends[0]), float(ends[1]), n, sessions), found.units, off, freedom)


def of_influences(value: float, influences: Floats, units: Units) -> Sampled:
    """A share of which each value's influence on it is known (shape (n,), of sum 0), such as a point of a Kaplan-Meier curve: as
    `share`."""
    found, n = _grouped(units), len(influences)
    off = found.sum(influences)
    sessions = len(found.units)
    variance = sessions / max(1, sessions - 1) * float((off**2).sum())
    freedom = _freedom(found.sum(np.ones(n)), off)
    if sessions < MIN_UNITS:
        return Sampled(Estimate(value, None, None, n, sessions, ONE_UNIT), found.units, off, freedom)
    rare = min(value, 1.0 - value) * n
    effect = _effect(found, np.ones(n), variance * n / (value * (1.0 - value)) if rare > 0 else 0.0, rare)
    low, high = _wilson(value, n / effect, student(freedom))
    return Sampled(Estimate(value, low, high, n, sessions), found.units, off, freedom)


@lru_cache(maxsize=4096)
def _student(tenths: int) -> float:
    return float(stdtrit(tenths / 10.0, (1.0 + CONFIDENCE) / 2.0))


def student(freedom: float) -> float:
    """What the magnitude of Student's t does not exceed with CONFIDENCE; `freedom` to a tenth."""
    return _student(round(10.0 * max(1.0, min(freedom, 1e4))))


def _grouped(units: Units) -> _Grouped:
    found, number = np.unique(units, return_inverse=True)
    return _Grouped(found, number)


def _nothing(found: _Grouped, n: int) -> Sampled:
    return Sampled(Estimate(None, None, None, n, len(found.units), NOTHING), found.units, np.zeros(len(found.units)), 1.0)


def _jackknife(found: _Grouped, numerators: Floats, denominators: Floats) -> tuple[float, Floats, float, float]:
    """A sum over a sum, what it changes by where each unit is left out, its variance, and its degrees of freedom."""
    above, below = found.sum(numerators), found.sum(denominators)
    whole, sessions = float(below.sum()), len(below)
    value = float(above.sum()) / whole
    off = (above - value * below) / np.where(whole > below, whole - below, np.inf)
    return value, off, (sessions - 1) / sessions * float((off**2).sum()), _freedom(below, off)


def _freedom(sizes: Floats, off: Floats) -> float:
    """Of a variance between units: their effective number less one; fewer where it rests on few of them (Satterthwaite, Biometrics Bulletin
    2, 1946, with the kurtosis that they show)."""
    of_sizes = float(sizes.sum() ** 2 / (sizes**2).sum()) - 1.0
    squares = off**2
    if not squares.any():
        return max(1.0, of_sizes)
    rests_on = float(squares.sum() ** 2 / (squares**2).sum())
    scatter = 1.0 / rests_on - 1.0 / len(off)
    return max(1.0, min(of_sizes, 2.0 / scatter if scatter > 0 else of_sizes))


def _effect(found: _Grouped, sizes: Floats, seen: float, events: float) -> float:
    """The design effect: how many times as large the variance is as of independent values. `seen`: as the data have it, from `events`."""
    each = found.sum(sizes)
    assumed = 1.0 + (float((each**2).sum() / each.sum()) * len(sizes) / float(sizes.sum()) - 1.0) * PRIOR_ALIKE
    return max(LEAST_EFFECT, (events * seen + PRIOR_EVENTS * assumed) / (events + PRIOR_EVENTS))


def _tail_effect(found: _Grouped, values: Floats, ordered: Floats, below: float, variance: float) -> float:
    """The design effect of the share below a quantile: as it is there, or as it is with the middle of the distribution, whichever is
    more."""
    n = len(values)
    middle = []
    for part in np.quantile(ordered, (0.25, 0.5, 0.75)):
        p, _, of_part, _ = _jackknife(found, (values <= part).astype(float), np.ones(n))
        middle.append(of_part * n / (p * (1.0 - p)) if 0.0 < p < 1.0 else 0.0)
    here = variance * n / (below * (1.0 - below)) if 0.0 < below < 1.0 else 0.0
    few = min(below, 1.0 - below) * n
    return max(LEAST_EFFECT, here, (few * here + MIDDLE * float(np.mean(middle))) / (few + MIDDLE))


def _wilson(value: float, n: float, t: float) -> tuple[float, float]:
    middle = (value + t * t / (2.0 * n)) / (1.0 + t * t / n)
    reach = t / (1.0 + t * t / n) * float(np.sqrt(value * (1.0 - value) / n + t * t / (4.0 * n * n)))
    return (0.0 if value <= 0.0 else max(0.0, middle - reach)), (1.0 if value >= 1.0 else min(1.0, middle + reach))
