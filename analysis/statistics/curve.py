"""A metric against something that varied (concurrency), in bins, with what other sessions would have shown. Pure: arrays in, numbers out.

The sampling unit is the session: all turns of one are drawn together (cluster bootstrap; Field and Welsh, JRSS B 69, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import CONFIDENCE, Floats

DRAWS = 400
"""Resamples of the sessions; the ends of a 95 % interval rest on ten of them each."""
MOST_BINS = 24
LEAST_TURNS = 20
"""A bin holds as many, or it is joined to its neighbour: a p95 of fewer is their greatest value."""
_CELLS = 8_000_000
"""Numbers that are held at a time while quantiles are resampled: 64 MB."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each session (`names`, ascending) is in each resample: `counts` of shape (draws, sessions)."""

    names: Ints
    counts: NDArray[np.int32]

    def of(self, sessions: Ints) -> Ints:
        """The places of these sessions in `names`; all are there."""
        return np.searchsorted(self.names, sessions)


def draws(sessions: Ints, seed: int = 1, number: int = DRAWS) -> Draws:
    """Resamples of the sessions that turns are of, with replacement; the same for the same seed."""
    names = np.unique(sessions)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1.0 / max(1, len(names))), size=number)
    return Draws(names, counts.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Curve:
    """`x`: mean of each bin, ascending; `y`: the aggregate there; `n`, `sessions`: of how many values and sessions; all of shape (bins,).
    `drawn`: the aggregate in each resample, of shape (draws, bins), NaN where it has nothing of a bin."""

    x: Floats
    y: Floats
    n: Ints
    sessions: Ints
    drawn: Floats

    def interval(self, at: int) -> tuple[float, float] | None:
        """The 95 % interval of a bin; None where less than two sessions are in it."""
        known = self.drawn[:, at][~np.isnan(self.drawn[:, at])]
        if self.sessions[at] < 2 or not len(known):
            return None
        low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)


def binned(x: Floats, most: int = MOST_BINS, least: int = LEAST_TURNS) -> Ints:
    """The bin of each value, from 0 on: a bin for each distinct value where there are few, else of equal width; neighbours are joined until
    each has `least`."""
    if not len(x):
        return np.empty(0, np.int64)
    distinct = np.unique(x)
    edges = distinct[1:] if len(distinct) <= most else np.linspace(distinct[0], distinct[-1], most + 1)[1:-1]
    rough = np.searchsorted(edges, x, side="right")
    sizes = np.bincount(rough, minlength=len(edges) + 1)
    label, held, labels = 0, 0, np.empty(len(sizes), np.int64)
    for number, size in enumerate(sizes):
        labels[number] = label
        held += size
        if held >= least:
            label, held = label + 1, 0
    if held:  # what is left over at the end joins the last that has enough
        labels[labels == label] = max(0, label - 1)
    joined: Ints = labels[rough]
    return joined


def of_ratio(x: Floats, bins: Ints, numerators: Floats, denominators: Floats, sessions: Ints, drawn: Draws) -> Curve:
    """A share, a rate or, with denominators of 1, a mean in each bin. All but `drawn` of shape (n,)."""
    number = int(bins.max()) + 1
    place = drawn.of(sessions)
    sums = np.zeros((2, len(drawn.names), number))
    for kind, values in enumerate((numerators, denominators)):
        np.add.at(sums[kind], (place, bins), values)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (drawn.counts @ sums[0]) / (drawn.counts @ sums[1])
        y = sums[0].sum(axis=0) / sums[1].sum(axis=0)
    return Curve(*_shape(x, bins, place, number, y), resampled)


def of_quantile(x: Floats, bins: Ints, values: Floats, q: float, sessions: Ints, drawn: Draws) -> Curve:
    """The quantile `q` in each bin, as numpy's `linear` method has it; of a resample, the least value that as large a share does not
    exceed."""
    number = int(bins.max()) + 1
    place = drawn.of(sessions)
    order = np.lexsort((values, bins))
    begins = np.searchsorted(bins[order], np.arange(number + 1))
    y, resampled = np.full(number, np.nan), np.full((len(drawn.counts), number), np.nan)
    for at in range(number):
        rows = order[begins[at] : begins[at + 1]]
        if not len(rows):
            continue
        y[at] = np.quantile(values[rows], q)
        step = max(1, _CELLS // len(rows))
        for first in range(0, len(drawn.counts), step):
            below = np.cumsum(drawn.counts[first : first + step][:, place[rows]], axis=1)
            whole = below[:, -1]
            reached = (below >= np.maximum(1, np.ceil(q * whole))[:, None]).argmax(axis=1)
            resampled[first : first + step, at] = np.where(whole > 0, values[rows][reached], np.nan)
    return Curve(*_shape(x, bins, place, number, y), resampled)


def _shape(x: Floats, bins: Ints, place: Ints, number: int, y: Floats) -> tuple[Floats, Floats, Ints, Ints]:
    n = np.bincount(bins, minlength=number)
    centre = np.bincount(bins, weights=x, minlength=number) / np.maximum(1, n)
    pairs = np.unique(np.stack([bins, place]), axis=1)
    return centre, y, n, np.bincount(pairs[0], minlength=number)
