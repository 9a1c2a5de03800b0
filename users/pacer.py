"""The pacer: one per process, it sends every talker's next frame when it is due.

Timetables are absolute: frame k of a microphone is due at its start + (k + 1) frame durations, when its last sample has been captured,
whatever happened before. Lateness is measured, never hidden, and never carried over to the next frame.

What is due at the same instant is kept and done together: a wake-up costs as much as a frame. Microphones therefore start on a grid
(`on_grid`), which moves no frame from where it is due.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from metrics.histogram import Histogram
from users.alarm import Alarm, alarm
from users.clock import now_ns
from users.errors import Faults

GRID_NS = 1_000_000
"""At 1,000 talkers and 40 ms frames 25 frames are due at once, and the last of them goes out a quarter of a millisecond after the first:
half the step costs a fifth more CPU for a tenth of a millisecond less."""

_NOTED = 1024


def on_grid(t_ns: int) -> int:
    """The first instant of the grid from `t_ns` on."""
    return -(-t_ns // GRID_NS) * GRID_NS


class Paced(Protocol):
    """Something with a timetable. `urgent`: to be done before the others that are due at the same instant."""

    urgent: bool

    def due(self, due_ns: int) -> int | None:
        """Do what was due at `due_ns`; returns the next due instant, None to be left alone."""
        ...


class Pacer:
    """Keeps what is due in a heap of instants and wakes for the earliest. `late_ns`: whoever sends a frame appends how late it went out."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self.late_ns: list[int] = []
        self._lateness = Histogram()
        self._instants: list[int] = []
        self._due: dict[int, list[Paced]] = {}
        self._alarm: Alarm | None = None
        self._wakes_ns = 0
        self._running = False

    @property
    def lateness(self) -> Histogram:
        """Due to handed to the kernel, seconds, of every frame."""
        self._note()
        return self._lateness

    def add(self, paced: Paced, due_ns: int) -> None:
        """Call `paced.due` at this instant."""
        together = self._due.get(due_ns)
        if together is not None:
            together.append(paced)
            return
        self._due[due_ns] = [paced]
        heapq.heappush(self._instants, due_ns)
        if not self._running and (self._alarm is None or due_ns < self._wakes_ns):
            self._arm()

    def wakes_at(self, t_ns: int) -> bool:
        """Whether something is due at just this instant."""
        return t_ns in self._due

    def _arm(self) -> None:
        if not self._instants:
            if self._alarm is not None:
                self._alarm.close()
                self._alarm = None
            return
        if self._alarm is None:
            self._alarm = alarm(self._run)
        self._wakes_ns = self._instants[0]
        self._alarm.set(self._wakes_ns)

    def _run(self) -> None:
        """Do what is due, once for each: what it is due for again waits for the next pass, so that an overloaded pacer leaves the event
        loop time to receive and to be stopped."""
        self._running = True
        instants, due = self._instants, self._due
        began_ns = now_ns()
        passed = []
        while instants and instants[0] <= began_ns:
            due_ns = heapq.heappop(instants)
            passed.append((due_ns, due.pop(due_ns)))
        for due_ns, together in passed:
            for paced in together:
                try:
                    following = paced.due(due_ns)
                except Exception:
                    self._faults.note("a talker's timetable failed and is stopped")
                    following = None
                if following is not None:
                    again = due.get(following)
                    if again is None:
                        due[following] = [paced]
                        heapq.heappush(instants, following)
                    elif paced.urgent:
                        again.insert(0, paced)
                    else:
                        again.append(paced)
        if len(self.late_ns) >= _NOTED:
            self._note()
        self._running = False
        self._arm()

    def _note(self) -> None:
        self._lateness.add_all(self.late_ns, 1e-9)
        self.late_ns.clear()
