"""Which talker has which persona: shares that come out evenly, whatever the number of talkers, from the seed and the talker's number alone.

Talkers are dealt out by their number by Tijdeman's rule for the chairman assignment problem (The chairman assignment problem, Discrete
Mathematics 32, 1980): of the personas that lag behind their share enough, the one whose next turn is due first is next. So after any number
of talkers each persona has fewer than one talker more or less than its share asks for: of 10 at 70 and 30 there are 7 and 3, of 5 there
are 3 or 4. The seed decides who goes first where two are due at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from scenarios.draws import generator


class Cast:
    """Deals `len(shares)` personas out; `shares` are weights above 0. Raises ValueError where there is none."""

    def __init__(self, shares: Sequence[float], seed: int) -> None:
        if not shares or min(shares) <= 0:
            raise ValueError("a cast needs personas, each with a share above 0")
        exact = [Fraction(str(share)) for share in shares]
        scale = lcm(*(share.denominator for share in exact))
        self._weights = [int(share * scale) for share in exact]
        self._total = sum(self._weights)
        self._order = list(range(len(shares)))
        generator(seed, "cast").shuffle(self._order)
        self._counts = [0] * len(shares)
        self._dealt: list[tuple[int, int]] = []

    def of(self, talker: int) -> tuple[int, int]:
        """The index of a talker's persona, and how many talkers with lower numbers have the same. Raises IndexError below 0."""
        if talker < 0:
            raise IndexError(f"talkers are numbered from 0, not {talker}")
        while len(self._dealt) <= talker:
            self._dealt.append(self._next(len(self._dealt) + 1))
        return self._dealt[talker]

    def _next(self, number: int) -> tuple[int, int]:
        """Persona of the `number`-th talker, counted from 1. In whole numbers: no rounding decides."""
        total, counts = self._total, self._counts
        parts = max(1, 2 * len(counts) - 2)
        lags = {i: self._weights[i] * number - total * counts[i] for i in self._order}
        ready = [i for i in self._order if parts * lags[i] >= total]
        chosen = min(ready, key=lambda i: Fraction((parts - 1) * total - parts * lags[i], self._weights[i]))
        counts[chosen] += 1
        return chosen, counts[chosen] - 1
