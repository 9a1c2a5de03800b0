"""Confidence intervals of what a sample shows: of a share, a mean, a quantile. Two-sided; `level` is the confidence, such as 0.99."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

Interval = tuple[float, float]


def share(hits: int, count: int, level: float) -> Interval:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927). `count` at least 1."""
    z = _z(level)
    middle = (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(hits * (count - hits) / count + z * z / 4)
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == count else middle + half)


def mean(values: Sequence[float], level: float) -> Interval:
    """The interval of a mean by the central limit theorem. Two values at least."""
    half = _z(level) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def quantile(values: Sequence[float], part: float, level: float) -> Interval:
    """The interval of the quantile below which `part` of a distribution lies, between two order statistics; no shape is assumed.

    An end is infinite where the sample is too small to have one: so many values may well all lie on the other side of the quantile.
    """
    ordered, tail, count = sorted(values), (1 - level) / 2, len(values)
    cumulated = _binomial(count, part)
    below = sum(chance <= tail for chance in cumulated)  # so few values or fewer below the quantile: too unlikely
    above = next((rank for rank, chance in enumerate(cumulated) if chance >= 1 - tail), count)
    low = ordered[below - 1] if below > 0 else -math.inf
    high = ordered[above] if above < count else math.inf
    return low, high


def _binomial(count: int, part: float) -> list[float]:
    """The chance of 0, 1, ..., `count` hits or fewer in `count` draws that hit with chance `part`."""
    logs = [
        math.lgamma(count + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(count - hits + 1)
        + hits * math.log(part)
        + (count - hits) * math.log1p(-part)
        for hits in range(count + 1)
    ]
    cumulated, total = [], 0.0
    for log in logs:
        total += math.exp(log)
        cumulated.append(total)
    return cumulated


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
