"""A quantity over time that changes evenly, piece by piece; and what begins at such a rate, on a timetable of its own."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from scenarios.draws import generator


@dataclass(frozen=True, slots=True)
class Piece:
    """`length_s` seconds in which the quantity goes from `first` to `last`, in a straight line."""

    length_s: float
    first: float
    last: float

    @property
    def total(self) -> float:
        """Its integral over time."""
        return self.length_s * (self.first + self.last) / 2

    def after(self, total: float) -> float:
        """Seconds from its start until the integral is `total`, which is no more than the whole."""
        slope = (self.last - self.first) / self.length_s
        if abs(slope) < 1e-12:
            return total / self.first
        return (math.sqrt(max(0.0, self.first**2 + 2 * slope * total)) - self.first) / slope


@dataclass(frozen=True)
class Rate:
    """The pieces one after the other; 0 before and after them."""

    pieces: tuple[Piece, ...]

    @cached_property
    def _begins(self) -> list[tuple[float, float]]:
        """Of each piece, and of the end: when it begins, and the integral until then."""
        found, t_s, total = [(0.0, 0.0)], 0.0, 0.0
        for piece in self.pieces:
            t_s, total = t_s + piece.length_s, total + piece.total
            found.append((t_s, total))
        return found

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self._begins[-1][0]

    @property
    def total(self) -> float:
        """Its integral: of a rate, how many there are."""
        return self._begins[-1][1]

    def until(self, t_s: float) -> float:
        """Its integral until an instant."""
        total = 0.0
        for (begins_s, _), piece in zip(self._begins, self.pieces, strict=False):
            inside_s = min(piece.length_s, max(0.0, t_s - begins_s))
            total += inside_s * (piece.first + self._value(piece, inside_s)) / 2
        return total

    def at(self, t_s: float) -> float:
        """The quantity at an instant; where it jumps, what it is from then on, and at its end, what it was."""
        for (begins_s, _), piece in reversed(list(zip(self._begins, self.pieces, strict=False))):
            if t_s >= begins_s:
                return self._value(piece, t_s - begins_s) if t_s <= self.length_s else 0.0
        return 0.0

    @staticmethod
    def _value(piece: Piece, inside_s: float) -> float:
        share = min(1.0, inside_s / piece.length_s) if piece.length_s else 1.0
        return piece.first + share * (piece.last - piece.first)

    def reaches(self, total: float) -> float | None:
        """When its integral is `total`, in seconds, and about to grow or at its end; None where it never is, or never grows."""
        if total > self.total or self.total == 0.0:
            return None
        for (begins_s, before), piece in zip(self._begins, self.pieces, strict=False):
            if total < before + piece.total:
                return begins_s + piece.after(total - before)
        return next(ends_s for ends_s, until in self._begins if until == self.total)


class Arrivals:
    """The instants of a run, in seconds, at which calls begin; drawn from the seed alone, and kept as far as they were asked for.

    Evenly spaced, the k-th (from 0) is where the rate's integral is k; at random, where it is the sum of k + 1 exponential draws of mean 1:
    a Poisson process of that rate (time change; Lewis and Shedler, 1979).
    """

    def __init__(self, rate: Rate, poisson: bool, seed: int) -> None:
        self._rate = rate
        self._totals = self._at_random(seed) if poisson else (float(k) for k in count())
        self._instants: list[float] = []
        self._over = False

    def instant(self, number: int) -> float | None:
        """When the call with this number, from 0, begins; None where there are not so many."""
        while len(self._instants) <= number and not self._over:
            begins_s = self._rate.reaches(next(self._totals))
            if begins_s is None:
                self._over = True
            else:
                self._instants.append(begins_s)
        return self._instants[number] if number < len(self._instants) else None

    def until(self, t_s: float) -> int:
        """How many calls have begun at an instant."""
        while not self._over and (not self._instants or self._instants[-1] <= t_s):
            self.instant(len(self._instants))
        return bisect_right(self._instants, t_s)

    @staticmethod
    def _at_random(seed: int) -> Iterator[float]:
        total, rng = 0.0, generator(seed, "arrivals")
        while True:
            total += rng.expovariate(1.0)
            yield total
