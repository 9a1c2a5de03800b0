"""The search for the most talkers that keep all criteria: which number is tried next, and what has been found."""

from __future__ import annotations

import math
from collections import defaultdict

from scenarios.load import Search


class CapacitySearch:
    """Steps upwards until a number of talkers misses a criterion, then bisection, then both sides of the edge again.

    What is believed of a number is what most of its tries say; where as many say so as not, it is tried again. `holds`: the most talkers
    that are believed to hold with none below them that does not, 0 for none; `fails`: the fewest that are believed not to, None for none.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._tries: defaultdict[int, list[bool]] = defaultdict(list)

    def told(self, talkers: int, held: bool) -> None:
        """A try has ended: whether this many kept all criteria."""
        self._tries[talkers].append(held)

    @property
    def fails(self) -> int | None:
        """The fewest talkers that are believed not to hold."""
        return min((talkers for talkers in self._tries if not self._believed(talkers)), default=None)

    @property
    def holds(self) -> int:
        """The most talkers that are believed to hold."""
        edge = self.fails
        return max((talkers for talkers in self._tries if self._believed(talkers) and (edge is None or talkers < edge)), default=0)

    def next(self) -> int | None:
        """How many talkers to try; None where the search is over."""
        undecided = next((talkers for talkers, tries in self._tries.items() if 2 * sum(tries) == len(tries)), None)
        if undecided is not None:
            return undecided
        search, low, high = self._search, self.holds, self.fails
        if high is None and low < search.most:
            return search.least if low == 0 else min(search.most, math.ceil(low * search.growth))
        if high is not None and high - low > max(1.0, search.within * high) and high > 1:
            return (low + high) // 2
        for edge in (low, high):
            if edge and len(self._tries[edge]) < search.repeats:
                return edge
        return None

    def _believed(self, talkers: int) -> bool:
        tries = self._tries[talkers]
        return 2 * sum(tries) > len(tries)
