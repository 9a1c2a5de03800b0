"""Where the mean of a series changed. Pure: arrays in, places out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import ruptures
from scipy import stats

from analysis.statistics.estimate import CONFIDENCE, Floats

LEAST_RUNS = 6
"""A shorter history is not looked at: a change in four runs would have to be twenty times what runs differ by."""
LEAST_SEGMENT = 2
"""A single run that stands out is no change yet; two in a row may be."""
_SIMULATED = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """`at`: index of the first value after it; `before`, `after`: means of the segments on either side; `low`, `high`: 95 % interval of the
    difference (Welch), None where a segment does not vary or is too short; `p`: of the test that found it."""

    at: int
    before: float
    after: float
    low: float | None
    high: float | None
    p: float


def changes(values: Floats, alpha: float = 1 - CONFIDENCE) -> list[Change]:
    """The changes of a series in order; in one without change there is one in at most `alpha` of all series.

    How many: by binary segmentation, each segment split further while the greatest two-sample t statistic over all of its splits is beyond
    what it is in segments of as many normal values without change (Worsley, JASA 74, 1979; the distribution is simulated), where a part
    of the history has as large a part of `alpha`. Where: the segments of least squared error for so many changes (dynamic programming), as
    those that were found one after the other may be off.
    """
    if len(values) < LEAST_RUNS:
        return []
    found = sorted(_split(values, 0, len(values), alpha))
    if not found:
        return []
    if len(found) > 1:
        best = ruptures.Dynp(model="l2", min_size=LEAST_SEGMENT, jump=1).fit(values).predict(n_bkps=len(found))
        places = [int(at) for at in best[:-1]]
    else:
        places = [found[0][0]]
    edges = [0, *places, len(values)]
    return [
        _change(values[begin:at], values[at:end], at, p) for begin, at, end, (_, p) in zip(edges, edges[1:], edges[2:], found, strict=False)
    ]


def split(values: Floats) -> tuple[int, float]:
    """The place at which two means tell most of a series, and the greatest absolute t statistic; infinite where both parts do not vary."""
    n = len(values)
    at = np.arange(LEAST_SEGMENT, n - LEAST_SEGMENT + 1)
    statistic = _statistics(values[None, :])[0]
    best = int(statistic.argmax())
    return int(at[best]), float(statistic[best])


def chance(n: int, statistic: float) -> float:
    """How likely the greatest statistic is so great in a series of `n` normal values without change."""
    null = _null(n)
    return float((1 + len(null) - np.searchsorted(null, statistic, side="left")) / (1 + len(null)))


def _split(values: Floats, begin: int, end: int, alpha: float) -> list[tuple[int, float]]:
    part = values[begin:end]
    if len(part) < 2 * LEAST_SEGMENT + 1 or np.ptp(part) == 0:
        return []
    at, statistic = split(part)
    p = chance(len(part), statistic)
    if p > alpha * len(part) / len(values):
        return []
    place = begin + at
    return [*_split(values, begin, place, alpha), (place, p), *_split(values, place, end, alpha)]


def _statistics(rows: Floats) -> Floats:
    """Of each split of each row."""
    n = rows.shape[1]
    left = np.arange(LEAST_SEGMENT, n - LEAST_SEGMENT + 1)
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, left - 1]
    between = sums**2 * n / (left * (n - left))
    within = np.maximum((centred**2).sum(axis=1, keepdims=True) - between, 0.0)
    scale = (centred**2).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.sqrt(between / (within / (n - 2)))
    return np.where(within <= 1e-12 * scale, np.inf, t)


@lru_cache(maxsize=256)
def _null(n: int) -> Floats:
    rng = np.random.default_rng(n)
    found = [_statistics(rng.standard_normal((1000, n))).max(axis=1) for _ in range(_SIMULATED // 1000)]
    return np.sort(np.concatenate(found))


def _change(before: Floats, after: Floats, at: int, p: float) -> Change:
    low = high = None
    if np.ptp(before) > 0 and np.ptp(after) > 0:
        ends = stats.ttest_ind(after, before, equal_var=False).confidence_interval(CONFIDENCE)
        low, high = float(ends.low), float(ends.high)
    return Change(at, float(before.mean()), float(after.mean()), low, high, p)


def outliers(values: Floats, sizes: Floats | None = None, alpha: float = 1 - CONFIDENCE) -> Sequence[int]:
    """Which values of a series are too far from its median; in one of normal values there is one in about `alpha` of all series.

    Distance over 1.4826 times the median absolute deviation (Iglewicz and Hoaglin, 1993), against Student's t with half as many degrees of
    freedom as values, as that deviation is no surer; shared out over all values (Bonferroni). `sizes`: of how much each value is the mean,
    where that differs: one of less may be farther away.
    """
    if len(values) < LEAST_RUNS:
        return []
    off = values - np.median(values)
    if sizes is not None:
        off = off * np.sqrt(sizes / np.median(sizes))
    spread = 1.4826 * float(np.median(np.abs(off)))
    bound = float(stats.t.ppf(1 - alpha / 2 / len(values), max(2, len(values) // 2)))
    return [int(at) for at in np.flatnonzero(np.abs(off) > bound * spread)] if spread > 0.0 else []
