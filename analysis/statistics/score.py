"""Intervals of a share and of a count, of values that may be alike within their units. Pure: numbers in, numbers out.

Wilson's interval (JASA 22, 1927) and Rao's of a Poisson count, with the effective number of values (Korn and Graubard, Survey Methodology
24, 1998) and Student's quantile. Where few events were seen, these cannot tell how alike values are, and what is not known matters at one
end more than at the other:

- The near end, towards no events, is left by a sample with more events than usual. Its events show how alike they are, and its variance is
  large where its share is: Student's quantile, made for variances that are small by chance, would reach too far.
- The far end is left by a sample with fewer events than usual, of which the variance is small, too. Events that were not seen may have been
  alike.

Each limit below comes from `python -m benchmarks.statistics`, whose table is in docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.statistics.units import MANY, student

PRIOR_EVENTS = 1.0
"""So many events are added to those that were seen, for how alike values are: independent ones at the near end,"""
PRIOR_ALIKE = 0.15
"""and at the far end such as are correlated by so much."""
FEW_EVENTS = 60.0
"""Of fewer events the near end is as good as normal; of many, and of a share near a half (which is not skewed), it is Student's, too."""
LEAST_EFFECT = 0.2
"""Values of a unit are never taken for more independent than this design effect."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the far end takes events for: its variance has two parts, `known` from the events that were seen, and `assumed` for those
    that were not; `effect`: the design effect that it comes to (how many times as large the variance is as of independent values)."""

    known: float
    assumed: float
    effect: float

    def beside(self, other: Likeness) -> float:
        """What the far end reaches beside another run, as a part of what it reaches alone: the other's design effect tells more of events
        that were not seen than an assumption."""
        return float(np.sqrt((self.known + PRIOR_EVENTS * other.effect) / (self.known + self.assumed)))


@dataclass(frozen=True, slots=True)
class Ends:
    """`low` and `high` of an interval; `freedom`: degrees of freedom, between those of both ends; `effective`: as good as so many
    independent values, or events."""

    low: float
    high: float
    freedom: float
    effective: float
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class _End:
    """The design effect that an end allows for, and its degrees of freedom."""

    effect: float
    freedom: float


def of_share(value: float, n: float, variance: float, company: float, freedom: float) -> Ends:
    """Of a share of `n` values, each with so much `company` in its unit; `variance` of the share and its degrees of freedom as the units
    have them. Within 0 and 1, and with a width where all or none count."""
    rare = min(value, 1.0 - value)
    seen = variance * n / (value * (1.0 - value)) if rare > 0.0 else 0.0
    near, far, likeness = _ends(rare * n, seen, company, freedom, 1.0 - 2.0 * rare)
    below, above = (far, near) if value > 0.5 else (near, far) if value < 0.5 else (far, far)
    low, high = wilson(value, n / below.effect, student(below.freedom))[0], wilson(value, n / above.effect, student(above.freedom))[1]
    return Ends(low, high, 2.0 / (1.0 / below.freedom + 1.0 / above.freedom), n / near.effect, likeness)


def of_count(events: float, seen: float, company: float, freedom: float) -> Ends:
    """Of a count of events; `seen`: its variance as the units have it, as a part of the count. Never below 0."""
    near, far, likeness = _ends(events, seen, company, freedom, 1.0)
    low, high = _rao(events / near.effect, student(near.freedom))[0], _rao(events / far.effect, student(far.freedom))[1]
    between = 2.0 / (1.0 / near.freedom + 1.0 / far.freedom)
    return Ends(low * near.effect, high * far.effect, between, events / near.effect, likeness)


def wilson(value: float, n: float, t: float) -> tuple[float, float]:
    """Wilson's interval of a share of `n` independent values, with the quantile `t`."""
    middle = (value + t * t / (2.0 * n)) / (1.0 + t * t / n)
    reach = t / (1.0 + t * t / n) * float(np.sqrt(value * (1.0 - value) / n + t * t / (4.0 * n * n)))
    return (0.0 if value <= 0.0 else max(0.0, middle - reach)), (1.0 if value >= 1.0 else min(1.0, middle + reach))


def _rao(events: float, t: float) -> tuple[float, float]:
    middle, reach = events + t * t / 2.0, t * float(np.sqrt(events + t * t / 4.0))
    return max(0.0, middle - reach), middle + reach


def _ends(events: float, seen: float, company: float, freedom: float, skew: float) -> tuple[_End, _End, Likeness]:
    """The near and the far one, and how alike the latter takes events for; `skew`: 1 of rare events, 0 of a share of a half. The variance
    of the far one has two parts, of the same degrees of freedom each (Satterthwaite, Biometrics Bulletin 2, 1946)."""
    known, assumed = events * seen, PRIOR_EVENTS * (1.0 + company * PRIOR_ALIKE)
    near, far = (max(LEAST_EFFECT, (known + prior) / (events + PRIOR_EVENTS)) for prior in (PRIOR_EVENTS, assumed))
    of_far = min(MANY, freedom * (known + assumed) ** 2 / (known**2 + assumed**2))
    of_near = min(MANY, of_far * (1.0 + (skew * FEW_EVENTS / events) ** 2)) if events > 0.0 else MANY
    return _End(near, of_near), _End(far, of_far), Likeness(known, assumed, far)
