"""A trend that merges: how fast a value grows, and how sure that is, from sums over blocks of time.

Adding samples one by one equals merging the parts, in any order, sum for sum; a round trip through plain data keeps all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

BLOCKS_MAX = 64
"""More blocks than these, from the first to the last, are put together, two at a time: a long run has longer blocks, not more."""
BATCHES_MAX = 30
"""Means that a line is laid through, at most: 10 to 30 batches are what an interval needs (Schmeiser, Batch Size Effects in the Analysis of
Simulation Output, Operations Research 30(3), 1982)."""
CONFIDENCE = 0.95
_MICROS = 10**6
_HOUR_S = 3600.0

Block = tuple[int, int, int]
"""Samples, the sum of their instants in microseconds, the sum of their values in whole units."""


@dataclass(slots=True)
class Trend:
    """A value over time. `count`: samples; `level`: a block is 2 ** `level` seconds long; `blocks` by number from the run's start.

    A value is kept in whole units: bytes, where it is memory.
    """

    count: int = 0
    level: int = 0
    blocks: dict[int, Block] = field(default_factory=dict)

    def add(self, t_s: float, value: float) -> None:
        """Count the sample `value` of the instant `t_s` (seconds). Raises ValueError for NaN and infinities."""
        if not (math.isfinite(t_s) and math.isfinite(value)):
            raise ValueError(f"{value} at {t_s} s is not a measurement")
        micros = round(t_s * _MICROS)
        self._put(micros // _MICROS >> self.level, (1, micros, round(value)))
        self.count += 1
        self._fit()

    def merge(self, other: Trend) -> None:
        """Count all that `other` has counted."""
        if other.level > self.level:
            self._coarsen(other.level)
        for number, block in other.blocks.items():
            self._put(number >> (self.level - other.level), block)
        self.count += other.count
        self._fit()

    @property
    def slope(self) -> float | None:
        """Growth per hour; None while there are not two instants."""
        line = _line(self._batches())
        return None if line is None else line.slope * _HOUR_S

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the slope's confidence interval (CONFIDENCE), per hour; None where the samples are too few to tell.

        Least squares through the means of batches. Samples of memory resemble their neighbours, which would make the interval too narrow:
        means of batches do so less, and by what is left of it (`r`, the correlation of neighbouring residuals) their number is lowered to
        n (1 - r) / (1 + r), in the variance and in Student's quantile (Santer et al., Journal of Geophysical Research 105(D6), 2000,
        equations 4 to 6). One degree of freedom is always left: its quantile, 12.7, makes the interval wide enough.
        """
        line = _line(self._batches())
        if line is None or line.freedom < 1:
            return None
        half = _student(line.freedom) * line.error
        return (line.slope - half) * _HOUR_S, (line.slope + half) * _HOUR_S

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON and msgpack carry; sums as text, as they may have more than 64 bits."""
        return {
            "count": self.count,
            "level": self.level,
            "blocks": [[number, n, str(micros), str(units)] for number, (n, micros, units) in sorted(self.blocks.items())],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Trend:
        """The trend that `to_plain` wrote."""
        blocks = {int(number): (int(n), int(micros), int(units)) for number, n, micros, units in plain["blocks"]}
        return cls(plain["count"], plain["level"], blocks)

    def _put(self, number: int, block: Block) -> None:
        n, micros, units = self.blocks.get(number, (0, 0, 0))
        self.blocks[number] = (n + block[0], micros + block[1], units + block[2])

    def _fit(self) -> None:
        """The least level at which the blocks are few enough: that of the samples alone, whatever the order in which they came."""
        level = _level(self.blocks, self.level, BLOCKS_MAX)
        if level > self.level:
            self._coarsen(level)

    def _coarsen(self, level: int) -> None:
        blocks, by = self.blocks, level - self.level
        self.level, self.blocks = level, {}
        for number, block in blocks.items():
            self._put(number >> by, block)

    def _batches(self) -> list[Block]:
        coarse = Trend(self.count, self.level, dict(self.blocks))
        coarse._coarsen(_level(self.blocks, self.level, BATCHES_MAX))
        return [block for _, block in sorted(coarse.blocks.items())]


@dataclass(frozen=True, slots=True)
class _Line:
    """`slope` per second, its standard `error`, and the whole degrees of `freedom` that it has."""

    slope: float
    error: float
    freedom: int


def _level(numbers: Iterable[int], level: int, most: int) -> int:
    """The level, from `level` on, at which blocks of these numbers span `most` at most."""
    first, last = min(numbers, default=0), max(numbers, default=0)
    by = 0
    while (last >> by) - (first >> by) >= most:
        by += 1
    return level + by


def _line(batches: list[Block]) -> _Line | None:
    """Through the batches' means, each weighted by its samples; None below two batches."""
    if len(batches) < 2:
        return None
    samples = sum(n for n, _, _ in batches)
    mean_us, mean = sum(b[1] for b in batches) / samples, sum(b[2] for b in batches) / samples
    weights = [n * len(batches) / samples for n, _, _ in batches]
    ts = [(micros / n - mean_us) / _MICROS for n, micros, _ in batches]
    ys = [units / n - mean for n, _, units in batches]
    spread = sum(w * t * t for w, t in zip(weights, ts, strict=True))
    slope = sum(w * t * y for w, t, y in zip(weights, ts, ys, strict=True)) / spread
    rests = [y - slope * t for t, y in zip(ts, ys, strict=True)]
    squares = sum(rest * rest for rest in rests)
    alike = sum(a * b for a, b in pairwise(rests)) / squares if squares > 0 else 0.0
    independent = len(batches) * (1.0 - alike) / (1.0 + alike) if alike > 0 else float(len(batches))
    if len(batches) < 3:
        return _Line(slope, math.inf, 0)
    left = max(1.0, independent - 2.0)
    weighted = sum(w * rest * rest for w, rest in zip(weights, rests, strict=True))
    return _Line(slope, math.sqrt(weighted / left / spread), int(left))


@lru_cache(maxsize=BATCHES_MAX)
def _student(freedom: int) -> float:
    """What the magnitude of Student's t does not exceed with probability CONFIDENCE, by bisection of its distribution."""
    low, high = 0.0, 1000.0
    while high - low > 1e-9:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Probability that Student's t lies within -t and t (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = total = 0.0 if freedom == 1 else (cosine if odd else 1.0)
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2.0 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
