"""Where a curve bends upwards, and where it crosses a bound. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from analysis.statistics.curve import Curve
from analysis.statistics.estimate import CONFIDENCE, Floats
from metrics.metric import OPS

LEAST_BINS = 6
"""A line that bends has four parameters; with fewer bins it fits anything."""
SUP_WALD = 8.85
"""5 % critical value of the greatest Wald statistic over all places of one break, 15 % trimmed (Andrews, Econometrica 61, 1993, table I): a
bend that was searched for is not one that was known of. For a line that does not jump it errs on the safe side."""
_TRIM = 0.15
_PLACES = 200


@dataclass(frozen=True, slots=True)
class Knee:
    """A bend: at which `x`, from `low` to `high` (95 %); `level` there, and how much more of `y` each `x` brings `before` and `after`."""

    at: float
    low: float
    high: float
    level: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to which `x` a bound is kept, from `low` to `high` (95 %). Infinite: as far as x goes; minus infinite: not even at the least x."""

    at: float
    low: float
    high: float


def knee(curve: Curve, least_rise: float) -> Knee | None:
    """Where the curve begins to rise more steeply; None where no bend can be told from chance, or where it makes `y` at the greatest x no
    more than `least_rise` higher than the line before it would.

    Two lines that meet, by least squares weighed by n, over all places at which 15 % of the bins are on either side. Its interval is
    that of the places in the resamples. A bend counts where its Wald statistic, with the variance of the resamples, is above SUP_WALD.
    """
    known = ~np.isnan(curve.y)
    x, y, weight = curve.x[known], curve.y[known], np.sqrt(curve.n[known].astype(float))
    if len(x) < LEAST_BINS:
        return None
    drawn = np.where(np.isnan(curve.drawn[:, known]), y, curve.drawn[:, known])
    spare = max(1, round(_TRIM * len(x)))
    places = np.linspace(x[spare], x[-1 - spare], _PLACES)
    off, slopes = np.empty((_PLACES, len(drawn) + 1)), np.empty((_PLACES, len(drawn) + 1, 3))
    both = np.vstack([y, drawn])
    for number, place in enumerate(places):
        line = np.stack([np.ones_like(x), x - place, np.maximum(0.0, x - place)], axis=1) * weight[:, None]
        slopes[number] = (np.linalg.pinv(line) @ (both * weight).T).T
        off[number] = (((both * weight) - slopes[number] @ line.T) ** 2).sum(axis=1)
    best = off.argmin(axis=0)
    level, before, bend = slopes[best[0], 0]
    spread = slopes[best[0], 1:, 2].std(ddof=1)
    if bend <= 0 or bend**2 <= SUP_WALD * spread**2 or bend * (x[-1] - places[best[0]]) <= least_rise:
        return None
    rising = best[1:][slopes[best[1:], np.arange(1, len(both)), 2] > 0]
    low, high = np.quantile(places[rising], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Knee(float(places[best[0]]), float(low), float(high), float(level), float(before), float(before + bend))


def crossings(curve: Curve, op: str, bound: float) -> Floats:
    """Up to which x the curve keeps `op` (<, <=, >, >=) `bound`, then the same of each resample; shape (draws + 1,), infinite as in Limit.

    The curve is taken to be monotone, as more load makes nothing better (isotonic regression weighed by n), and straight between bins.
    """
    known = ~np.isnan(curve.y)
    x, n = curve.x[known], curve.n[known].astype(float)
    drawn = np.where(np.isnan(curve.drawn[:, known]), curve.y[known], curve.drawn[:, known])
    return np.array([_crossing(x, y, n, op, bound) for y in np.vstack([curve.y[known], drawn])])


def limit(crossed: Floats) -> Limit:
    """What `crossings` come to."""
    low, high = np.quantile(crossed[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], method="inverted_cdf")
    return Limit(float(crossed[0]), float(low), float(high))


def _crossing(x: Floats, y: Floats, n: Floats, op: str, bound: float) -> float:
    fitted = isotonic_regression(y, weights=n, increasing=op.startswith("<")).x
    beyond = ~OPS[op](fitted, bound)
    if not beyond.any():
        return np.inf
    first = int(beyond.argmax())
    if first == 0:
        return -np.inf
    share = (bound - fitted[first - 1]) / (fitted[first] - fitted[first - 1])
    return float(x[first - 1] + share * (x[first] - x[first - 1]))
