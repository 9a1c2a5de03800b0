"""Talker numbers: who has which. A run's talkers are always 0 to n-1, however many processes they are in."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import Protocol

Give = Callable[[int], None]


class Numbers(Protocol):
    """Where a talker gets its number, and leaves it."""

    def take(self) -> int:
        """A number that nobody has; may wait for one."""

    def give_back(self, number: int) -> None:
        """The talker has left."""

    def present(self) -> int:
        """How many talkers of this process have one."""


class Roster:
    """Hands out the lowest free number."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0

    def lowest(self) -> int:
        """The number that `take` would give now."""
        return self._free[0] if self._free else self._next

    def take(self) -> int:
        """A number that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        """The talker has left."""
        heapq.heappush(self._free, number)

    def take_again(self, number: int) -> bool:
        """Take this number; whether it was free."""
        if number not in self._free:
            return False
        self._free.remove(number)
        heapq.heapify(self._free)
        return True

    def present(self) -> int:
        """How many talkers are in the run."""
        return self._next - len(self._free)


class Desk:
    """The master's: gives numbers to the talkers of all workers, in the order in which they ask. `limit` tells how many talkers there are
    to be: where a talker is to take another's place, it waits until that has left."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._roster = Roster()
        self._held: dict[int, str] = {}
        self._asking: deque[tuple[str, Give]] = deque()
        self._gone: dict[str, list[int]] = {}

    def ask(self, worker: str, give: Give) -> None:
        """A talker of this worker asks; `give` is called with its number, now or later."""
        self._asking.append((worker, give))
        self._serve()

    def give_back(self, worker: str, number: int) -> None:
        """A talker of this worker has left; a number that the worker does not hold is none of its business."""
        if self._held.get(number) == worker:
            del self._held[number]
            self._roster.give_back(number)
            self._serve()

    def forget(self, worker: str) -> None:
        """A worker is gone, and its talkers with it."""
        self._asking = deque((asker, give) for asker, give in self._asking if asker != worker)
        self._gone[worker] = [number for number, holder in self._held.items() if holder == worker]
        for number in self._gone[worker]:
            del self._held[number]
            self._roster.give_back(number)
        self._serve()

    def reclaim(self, worker: str) -> bool:
        """A worker that was gone is back, and its talkers with it. Whether they have their numbers again: not where others have one of
        them."""
        numbers = self._gone.pop(worker, [])
        if any(number in self._held for number in numbers):
            return False
        for number in numbers:
            if self._roster.take_again(number):
                self._held[number] = worker
        return True

    def present(self) -> int:
        """How many talkers are in the run."""
        return len(self._held)

    def _serve(self) -> None:
        while self._asking and self._roster.lowest() < self._limit():
            worker, give = self._asking.popleft()
            number = self._roster.take()
            self._held[number] = worker
            give(number)
