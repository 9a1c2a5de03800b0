"""Whether groups differ: means, shares and rates compared, the session as the sampling unit. Pure: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.estimate import CONFIDENCE, Floats

LEAST_SESSIONS = 8
"""Of each group, below which no test is made: the variance between so few sessions is itself hardly known."""

Sessions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Numerators over denominators (ones, where it is a mean) and the sessions they are from; all of shape (n,)."""

    numerators: Floats
    denominators: Floats
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class Difference:
    """`effect`: the second less the first, in the metric's unit; `low`, `high`: its 95 % interval; `p`: two-sided, of no difference, and
    `adjusted` for the others of its table. None where it cannot be told; `why` then says why."""

    effect: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    why: str = ""


def difference(first: Sample, second: Sample) -> Difference:
    """What the second's ratio of sums is above the first's.

    Its variance is that of the linearised difference between sessions, its interval Student's (Cochran, Sampling Techniques, 3rd ed., 1977,
    sections 6.4 and 11.7). A session that is in both groups counts with what it adds to both: what its turns have in common drops out, as
    in a paired test.
    """
    counts = [len(np.unique(sample.sessions)) for sample in (first, second)]
    sums = [float(sample.denominators.sum()) for sample in (first, second)]
    if min(sums) <= 0.0:
        return Difference(None, why="nothing was measured")
    ratios = [float(sample.numerators.sum()) / whole for sample, whole in zip((first, second), sums, strict=True)]
    effect = ratios[1] - ratios[0]
    if min(counts) < LEAST_SESSIONS:
        return Difference(effect, why=f"fewer than {LEAST_SESSIONS} sessions")
    units, inverse = np.unique(np.r_[first.sessions, second.sessions], return_inverse=True)
    off = np.r_[
        -(first.numerators - ratios[0] * first.denominators) / sums[0],
        (second.numerators - ratios[1] * second.denominators) / sums[1],
    ]
    by_session = np.bincount(inverse, weights=off, minlength=len(units))
    spread = float(np.sqrt(len(units) / (len(units) - 1) * (by_session**2).sum()))
    if spread == 0.0:
        return Difference(effect, why="the values do not differ from session to session")
    freedom = min(counts) - 1
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * spread
    return Difference(effect, effect - reach, effect + reach, 2.0 * float(stats.t.sf(abs(effect) / spread, freedom)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted for the others, so that a difference is claimed of any that does not differ in at most 5 % of tables (Holm,
    Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p_values)
    steps = np.maximum.accumulate([min(1.0, (len(p_values) - i) * p_values[place]) for i, place in enumerate(order)])
    adjusted = np.empty(len(p_values))
    adjusted[order] = steps
    return [float(value) for value in adjusted]
