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
TWICE_BINS = 10
"""From so many bins on the line may bend twice: what breaks down does not go on as it began."""
SUP_WALD = 8.85
"""5 % critical value of the greatest Wald statistic over all places of one break, 15 % trimmed (Andrews, Econometrica 61, 1993, table I): a
bend that was searched for is not one that was known of. For a line that does not jump it errs on the safe side."""
_TRIM = 0.15
_PLACES = 200
_PAIRS = 40
_HEAVIEST = 4.0
"""A bin weighs as much as so many of median size at most: a run that stays at its greatest load would be fitted there alone."""


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
    """Where the curve begins to rise more steeply; None where no bend can be told from chance, or where it makes `y` no more than
    `least_rise` higher at the greatest x, or at the next bend, than the line before it would.

    Lines that meet, by least squares weighed by n, over all places at which 15 % of the bins are on either side: two, or three where that
    is better by Schwarz's criterion; then the first bend upwards is the knee. Its interval is that of the places in the resamples. A bend
    counts where its Wald statistic, with the variance of the resamples, is above SUP_WALD.
    """
    known = ~np.isnan(curve.y)
    x, y, n = curve.x[known], curve.y[known], curve.n[known].astype(float)
    if len(x) < LEAST_BINS:
        return None
    weight = np.sqrt(np.minimum(n, _HEAVIEST * np.median(n)))
    both = np.vstack([y, np.where(np.isnan(curve.drawn[:, known]), y, curve.drawn[:, known])])
    fit = _fitted(x, both, weight, _singles(x))
    if len(x) >= TWICE_BINS:
        twice = _fitted(x, both, weight, _pairs(x))
        if _schwarz(twice.off[0], len(x), 6) < _schwarz(fit.off[0], len(x), 4):
            fit = twice
    upwards = fit.bends > 0
    first = np.where(upwards.any(axis=1), upwards.argmax(axis=1), 0)
    each = np.arange(len(both))
    places, bends = fit.places[each, first], fit.bends[each, first]
    ends = np.append(fit.places[0], x[-1])[first[0] + 1]
    spread = fit.spread[first[0]]
    if bends[0] <= 0 or bends[0] ** 2 <= SUP_WALD * spread**2 or bends[0] * (ends - places[0]) <= least_rise:
        return None
    low, high = np.quantile(places[1:][bends[1:] > 0], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) + fit.apart / 2 * np.array([-1, 1])
    level, before = fit.lines[0, 0], fit.lines[0, 1] + fit.bends[0, : first[0]].sum()
    at = float(places[0])
    reached = level + fit.lines[0, 1] * at + float((fit.bends[0] * np.maximum(0.0, at - fit.places[0])).sum())
    return Knee(at, float(low), float(high), float(reached), float(before), float(before + bends[0]))


@dataclass(frozen=True, slots=True)
class _Fit:
    """The best fit of each row. `off`: its squared residuals, of shape (rows,); `lines`: level at 0 and slope before all bends, (rows, 2);
    `places`, `bends`: of shape (rows, bends); `spread`: of the bends of all rows but the first, at the places of the first, (bends,).
    `apart`: how far the places that were tried are from one another: no interval is finer."""

    off: Floats
    lines: Floats
    places: Floats
    bends: Floats
    spread: Floats
    apart: float


def _fitted(x: Floats, rows: Floats, weight: Floats, places: Floats) -> _Fit:
    """Over all `places`, of shape (choices, bends)."""
    levels = np.broadcast_to(np.stack([np.ones_like(x), x], axis=1), (len(places), len(x), 2))
    lines = np.concatenate([levels, np.maximum(0.0, x[None, :, None] - places[:, None, :])], axis=2) * weight[None, :, None]
    turned, scales = np.linalg.qr(lines)
    weighed = rows * weight
    along = weighed @ turned
    whole = (weighed**2).sum(axis=1)
    left = np.maximum(whole - (along**2).sum(axis=2), 1e-12 * whole)
    best, each = left.argmin(axis=0), np.arange(len(rows))
    found = np.linalg.solve(scales[best], along[best, each][:, :, None])[:, :, 0]
    there = np.linalg.solve(scales[best[0]], along[best[0], 1:].T).T
    apart = float(np.diff(np.unique(places))[0])
    return _Fit(left[best, each], found[:, :2], places[best], found[:, 2:], there[:, 2:].std(axis=0, ddof=1), apart)


def _schwarz(off: float, bins: int, parameters: int) -> float:
    return bins * float(np.log(max(off, 1e-30) / bins)) + parameters * float(np.log(bins))


def _singles(x: Floats) -> Floats:
    spare = max(1, round(_TRIM * len(x)))
    return np.linspace(x[spare], x[-1 - spare], _PLACES)[:, None]


def _pairs(x: Floats) -> Floats:
    """Two places with two bins between them at least."""
    places = np.linspace(x[max(1, round(_TRIM * len(x)))], x[-2], _PAIRS)
    bins = np.searchsorted(x, places)
    return np.array([(a, b) for i, a in enumerate(places) for j, b in enumerate(places) if bins[j] >= bins[i] + 2])


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
    beyond = ~np.asarray(OPS[op](fitted, bound))
    if not beyond.any():
        return np.inf
    first = int(beyond.argmax())
    if first == 0:
        return -np.inf
    share = (bound - fitted[first - 1]) / (fitted[first] - fitted[first - 1])
    return float(x[first - 1] + share * (x[first] - x[first - 1]))
