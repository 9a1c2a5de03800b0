"""The pacer: one per process, it sends every talker's next frame when it is due.

Timetables are absolute: frame k of a microphone is due at its start + (k + 1) frame durations, when its last sample has been captured,
whatever happened before. Lateness is measured, never hidden, and never carried over to the next frame.
"""

from __future__ import annotations

import heapq
from typing import Any, Protocol

from gevent import get_hub

from metrics.histogram import Histogram
from users.clock import SECOND_NS, now_ns
from users.errors import Faults


class Paced(Protocol):
    """Something with a timetable."""

    def due(self, due_ns: int) -> int | None:
        """Do what was due at `due_ns`; returns the next due instant, None to be left alone."""
        ...


class Pacer:
    """Keeps the next due instants in a heap and wakes for the earliest. `lateness`: due to done, seconds, of everything paced."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self.lateness = Histogram()
        self._heap: list[tuple[int, int, Paced]] = []
        self._order = 0
        self._timer: Any = None
        self._wakes_ns = 0
        self._running = False

    def add(self, paced: Paced, due_ns: int) -> None:
        """Call `paced.due` at this instant."""
        self._order += 1
        heapq.heappush(self._heap, (due_ns, self._order, paced))
        if not self._running and (self._timer is None or due_ns < self._wakes_ns):
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        if self._heap:
            self._wakes_ns = self._heap[0][0]
            self._timer = get_hub().loop.timer(max(0.0, (self._wakes_ns - now_ns()) / SECOND_NS))
            self._timer.start(self._run, update=True)

    def _run(self) -> None:
        """Do what is due, once for each: what it is due for again waits for the next pass, so that an overloaded pacer leaves the event
        loop time to receive and to be stopped."""
        self._running = True
        heap = self._heap
        began_ns = now_ns()
        due = []
        while heap and heap[0][0] <= began_ns:
            due.append(heapq.heappop(heap))
        for due_ns, order, paced in due:
            try:
                following = paced.due(due_ns)
            except Exception:
                self._faults.note("a talker's timetable failed and is stopped")
                following = None
            self.lateness.add((now_ns() - due_ns) / SECOND_NS)
            if following is not None:
                heapq.heappush(heap, (following, order, paced))
        self._running = False
        self._arm()
