"""Numbers that merge: a log-bucketed histogram and a ratio of sums.

Adding values on one worker equals merging the parts of many workers, in any order, bucket for bucket and sum for sum; a round trip through
plain data keeps all of it. Sums are kept in whole units for that: the last digits of a sum of floats depend on the order of its terms.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

GAMMA = 1.01
"""Ratio of neighbouring bucket bounds: a quantile is off by at most half of it, 0.5 % of its value."""

_LOG_GAMMA = math.log(GAMMA)
_SMALLEST = 1e-9
"""Magnitudes below this are counted as zero: a nanosecond, where the unit is seconds."""
_UNIT = 10**9
"""Units of a sum in 1: a unit is a nanosecond, where 1 is a second. Each value is rounded to one."""
_WHOLE = 2.0**53
"""From here on floats are whole numbers."""


@dataclass(slots=True)
class Histogram:
    """Counts of values by the logarithm of their magnitude; negative values and zero included.

    `count`, `low` and `high` (extremes; None while empty) are exact; quantiles are exact to 0.5 %. `units`: the sum of the values, each
    rounded to a billionth, in billionths.
    """

    count: int = 0
    units: int = 0
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
        self.units += _units(value)
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
        self.units += _sum(scaled)
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
        self.units += other.units
        if other.low is not None:
            self.low = other.low if self.low is None else min(self.low, other.low)
        if other.high is not None:
            self.high = other.high if self.high is None else max(self.high, other.high)

    def copy(self) -> Histogram:
        """Another with the same counts."""
        return replace(self, positive=dict(self.positive), negative=dict(self.negative))

    def since(self, earlier: Histogram) -> Histogram:
        """What was counted after the copy `earlier` was made. Merged into that it gives this one again; an extreme that is not one of the
        whole is known as exactly as a quantile."""
        made = Histogram(
            self.count - earlier.count,
            self.units - earlier.units,
            zeros=self.zeros - earlier.zeros,
            positive={key: n - earlier.positive.get(key, 0) for key, n in self.positive.items() if n != earlier.positive.get(key, 0)},
            negative={key: n - earlier.negative.get(key, 0) for key, n in self.negative.items() if n != earlier.negative.get(key, 0)},
        )
        if made.count and self.low is not None and self.high is not None:
            made.low = self.low if self.low != earlier.low else max(self.low, made._at(1))
            made.high = self.high if self.high != earlier.high else min(self.high, made._at(made.count))
        return made

    @property
    def total(self) -> float:
        """Sum of the values."""
        return self.units / _UNIT

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None while empty."""
        return self.units / (_UNIT * self.count) if self.count else None

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

    def counts_up_to(self, bounds: Sequence[float]) -> list[int]:
        """How many values do not exceed each of `bounds`, which rise and are not negative.

        A value that exceeds a bound by less than 1 % may be counted with it (all of the bound's bucket is); one that does not never is left
        out. What was counted once is never taken back, as a counter that is read over time asks for.
        """
        edges = _edges(tuple(bounds))
        slots = [0] * (len(edges) + 1)
        for key, n in self.positive.items():
            slots[bisect_left(edges, key)] += n
        below = self.zeros + sum(self.negative.values())
        return list(accumulate(slots[:-1], initial=below))[1:]

    def to_plain(self) -> dict[str, Any]:
        """The whole histogram as plain data that JSON and msgpack carry; its sum as text, as it may have more than 64 bits."""
        return {
            "gamma": GAMMA,
            "count": self.count,
            "units": str(self.units),
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
            units=int(plain["units"]),
            low=plain["low"],
            high=plain["high"],
            zeros=plain["zeros"],
            positive={int(k): int(n) for k, n in plain["positive"]},
            negative={int(k): int(n) for k, n in plain["negative"]},
        )


@dataclass(slots=True)
class Ratio:
    """A ratio of two sums: a share (how many of how many) or a rate (how much per how much).

    `count`: records that went in. `numerator_units`, `denominator_units`: the two sums in billionths, each term rounded to one.
    """

    numerator_units: int = 0
    denominator_units: int = 0
    count: int = 0

    def add(self, numerator: float, denominator: float) -> None:
        """Count one record's part. Raises ValueError for NaN and infinities."""
        if not (math.isfinite(numerator) and math.isfinite(denominator)):
            _refuse(denominator if math.isfinite(numerator) else numerator)
        self.numerator_units += _units(numerator)
        self.denominator_units += _units(denominator)
        self.count += 1

    def add_all(self, numerators: Sequence[float], denominators: Sequence[float]) -> None:
        """Count many records' parts at once, as `add` does each. Raises ValueError for NaN and infinities, and then counts none."""
        parts = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
        if not all(np.isfinite(part).all() for part in parts):
            _refuse(math.nan)
        self.numerator_units += _sum(parts[0])
        self.denominator_units += _sum(parts[1])
        self.count += len(numerators)

    def merge(self, other: Ratio) -> None:
        """Count all that `other` has counted."""
        self.numerator_units += other.numerator_units
        self.denominator_units += other.denominator_units
        self.count += other.count

    @property
    def numerator(self) -> float:
        """The sum above the line."""
        return self.numerator_units / _UNIT

    @property
    def denominator(self) -> float:
        """The sum below the line."""
        return self.denominator_units / _UNIT

    @property
    def value(self) -> float | None:
        """Numerator over denominator; None while the denominator is zero."""
        return self.numerator_units / self.denominator_units if self.denominator_units else None

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON and msgpack carry, as a histogram's."""
        return {"numerator_units": str(self.numerator_units), "denominator_units": str(self.denominator_units), "count": self.count}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Ratio:
        """The ratio that `to_plain` wrote."""
        return cls(int(plain["numerator_units"]), int(plain["denominator_units"]), plain["count"])


def _units(value: float) -> int:
    return round(value * _UNIT) if -_WHOLE < value < _WHOLE else int(value) * _UNIT


def _sum(values: npt.NDArray[np.float64]) -> int:
    """As the sum of `_units` of each."""
    rounded = np.rint(values * float(_UNIT))
    if np.abs(rounded).sum() < _WHOLE:  # whole numbers, of which floats keep the sum
        return int(rounded.sum())
    return sum(map(_units, values.tolist()))


@lru_cache(maxsize=64)
def _edges(bounds: tuple[float, ...]) -> list[float]:
    """The last bucket that each bound takes in; below every bucket for a bound that only zero reaches."""
    if any(bound < 0.0 for bound in bounds):
        raise ValueError(f"bounds {bounds}: they are not negative")
    return [math.ceil(math.log(bound) / _LOG_GAMMA) if bound > _SMALLEST else -math.inf for bound in bounds]


def _middle(key: int) -> float:
    """The value in bucket `key` whose greatest relative error is least: bounds are GAMMA**(key-1) and GAMMA**key."""
    return math.exp((key - 1) * _LOG_GAMMA) * (2.0 * GAMMA / (GAMMA + 1.0))


def _refuse(value: float) -> int:
    raise ValueError(f"{value} is not a measurement")
