"""Numbers that merge: a log-bucketed histogram and a ratio of sums.

Adding values on one worker equals merging the parts of many workers, bucket for bucket;
a round trip through plain data keeps all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

GAMMA = 1.01
"""Ratio of neighbouring bucket bounds: a quantile is off by at most half of it, 0.5 % of its value."""

_LOG_GAMMA = math.log(GAMMA)
_SMALLEST = 1e-9
"""Magnitudes below this are counted as zero: a nanosecond, where the unit is seconds."""


@dataclass(slots=True)
class Histogram:
    """Counts of values by the logarithm of their magnitude; negative values and zero included.

    `count`, `total` (sum of values), `low` and `high` (extremes; None while empty) are exact; quantiles are exact to 0.5 %.
    """

    count: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    zeros: int = 0
    positive: dict[int, int] = field(default_factory=dict)
    negative: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        """Count one value. Raises ValueError for NaN and infinities, which no metric is."""
        if value > _SMALLEST:
            key = math.ceil(math.log(value) / _LOG_GAMMA) if value != math.inf else _refuse(value)
            self.positive[key] = self.positive.get(key, 0) + 1
        elif value < -_SMALLEST:
            key = math.ceil(math.log(-value) / _LOG_GAMMA) if value != -math.inf else _refuse(value)
            self.negative[key] = self.negative.get(key, 0) + 1
        elif value == value:
            self.zeros += 1
        else:
            _refuse(value)
        self.count += 1
        self.total += value
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value

    def add_all(self, values: Sequence[float], unit: float = 1.0) -> None:
        """Count many values at once, each times `unit`, at a fraction of the cost of `add`.

        They go into the same buckets, but for values within a rounding error of a bound. Raises ValueError for NaN and infinities, and
        then counts none.
        """
        if not values:
            return
        scaled = np.asarray(values, np.float64) * unit
        if not np.isfinite(scaled).all():
            _refuse(math.nan)
        for mine, part in ((self.positive, scaled[scaled > _SMALLEST]), (self.negative, -scaled[scaled < -_SMALLEST])):
            if not len(part):
                continue
            keys = np.ceil(np.log(part) / _LOG_GAMMA).astype(np.int64)
            lowest = int(keys.min())
            for key, n in enumerate(np.bincount(keys - lowest).tolist(), lowest):
                if n:
                    mine[key] = mine.get(key, 0) + n
        self.zeros += int((np.abs(scaled) <= _SMALLEST).sum())
        self.count += len(scaled)
        self.total += float(scaled.sum())
        low, high = float(scaled.min()), float(scaled.max())
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def merge(self, other: Histogram) -> None:
        """Count all that `other` has counted."""
        for mine, theirs in ((self.positive, other.positive), (self.negative, other.negative)):
            for key, n in theirs.items():
                mine[key] = mine.get(key, 0) + n
        self.zeros += other.zeros
        self.count += other.count
        self.total += other.total
        if other.low is not None:
            self.low = other.low if self.low is None else min(self.low, other.low)
        if other.high is not None:
            self.high = other.high if self.high is None else max(self.high, other.high)

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None while empty."""
        return self.total / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """Smallest value that at least the share `q` (0 to 1) of all values do not exceed, to 0.5 %; None while empty.

        The nearest-rank definition, so a quantile is a value that occurred (within its bucket), never one between two modes.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"quantile {q}: it is a share from 0 to 1")
        if self.low is None or self.high is None:
            return None
        rank = max(1, math.ceil(q * self.count - 1e-9))
        if rank == self.count:
            return self.high
        if rank == 1:
            return self.low
        return min(max(self._at(rank), self.low), self.high)

    def _at(self, rank: int) -> float:
        seen = 0
        for key in sorted(self.negative, reverse=True):
            seen += self.negative[key]
            if seen >= rank:
                return -_middle(key)
        seen += self.zeros
        if seen >= rank:
            return 0.0
        for key in sorted(self.positive):
            seen += self.positive[key]
            if seen >= rank:
                return _middle(key)
        raise AssertionError("counts and buckets differ")

    def count_above(self, bound: float) -> int:
        """How many values are above `bound`, which is positive: exact to the bucket that holds it, which is counted where its middle is."""
        return sum(n for key, n in self.positive.items() if _middle(key) > bound)

    def to_plain(self) -> dict[str, Any]:
        """The whole histogram as plain data that JSON and msgpack carry."""
        return {
            "gamma": GAMMA,
            "count": self.count,
            "total": self.total,
            "low": self.low,
            "high": self.high,
            "zeros": self.zeros,
            "positive": sorted(self.positive.items()),
            "negative": sorted(self.negative.items()),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Histogram:
        """The histogram that `to_plain` wrote. Raises ValueError where its buckets have other bounds than ours."""
        if plain["gamma"] != GAMMA:
            raise ValueError(f"histogram with gamma {plain['gamma']} cannot be merged with gamma {GAMMA}: same version on all sides")
        return cls(
            count=plain["count"],
            total=plain["total"],
            low=plain["low"],
            high=plain["high"],
            zeros=plain["zeros"],
            positive={int(k): int(n) for k, n in plain["positive"]},
            negative={int(k): int(n) for k, n in plain["negative"]},
        )


@dataclass(slots=True)
class Ratio:
    """A ratio of two sums: a share (how many of how many) or a rate (how much per how much).

    `count`: records that went in. `value` is None while the denominator is zero.
    """

    numerator: float = 0.0
    denominator: float = 0.0
    count: int = 0

    def add(self, numerator: float, denominator: float) -> None:
        """Count one record's part. Raises ValueError for NaN and infinities."""
        if not math.isfinite(numerator + denominator):
            _refuse(numerator if not math.isfinite(numerator) else denominator)
        self.numerator += numerator
        self.denominator += denominator
        self.count += 1

    def merge(self, other: Ratio) -> None:
        """Count all that `other` has counted."""
        self.numerator += other.numerator
        self.denominator += other.denominator
        self.count += other.count

    @property
    def value(self) -> float | None:
        """Numerator over denominator."""
        return self.numerator / self.denominator if self.denominator else None

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON and msgpack carry."""
        return {"numerator": self.numerator, "denominator": self.denominator, "count": self.count}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Ratio:
        """The ratio that `to_plain` wrote."""
        return cls(plain["numerator"], plain["denominator"], plain["count"])


def _middle(key: int) -> float:
    """The value in bucket `key` whose greatest relative error is least: bounds are GAMMA**(key-1) and GAMMA**key."""
    return math.exp((key - 1) * _LOG_GAMMA) * (2.0 * GAMMA / (GAMMA + 1.0))


def _refuse(value: float) -> int:
    raise ValueError(f"{value} is not a measurement")
