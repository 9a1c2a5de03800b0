"""Watches the worker: how late its event loop runs, what waits to be sent, how much CPU it takes, so that a run can tell when it measured
itself."""

from __future__ import annotations

import os

import gevent

from metrics.health import LATE_START_S, Health
from metrics.histogram import Histogram
from users.clock import SECOND_NS, cpu_s, now_ns
from users.errors import Faults
from users.outbox import BACKLOG
from users.pacer import Pacer

_PERIOD_NS = SECOND_NS // 50
_LATE_START_NS = round(LATE_START_S * SECOND_NS)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def memory_bytes() -> int:
    """Resident memory of this process; 0 where the kernel does not tell."""
    try:
        with open("/proc/self/statm", "rb") as told:
            return int(told.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


class Starts:
    """Counts the calls and token requests of a run that began too late, or not at all for that: `missed`; and the calls of open arrivals
    that began: `calls`."""

    def __init__(self) -> None:
        self.missed = self.calls = 0

    def missed_call(self, planned_ns: int) -> bool:
        """Whether it is too late for a call that was to begin at `planned_ns`; else it begins. Either is counted."""
        late = now_ns() - planned_ns > _LATE_START_NS
        self.missed += late
        self.calls += not late
        return late

    def began(self, planned_ns: int) -> None:
        """Something begins now that was to begin at `planned_ns`."""
        if now_ns() - planned_ns > _LATE_START_NS:
            self.missed += 1


class Watch:
    """Measures from its creation until `stop`, of which `health` tells all along.

    The loop's lag is the lateness of a greenlet that sleeps to instants 20 ms apart; those that a stall swallows are counted too, each with
    its own lateness, so that a long stall weighs as much as it lasts. It begins once the event loop runs: what making the run ready takes
    holds no talker up.
    """

    def __init__(self, pacer: Pacer, faults: Faults | None = None, starts: Starts | None = None) -> None:
        self._pacer = pacer
        self._faults = faults or Faults()
        self._starts = starts or Starts()
        self._health = Health()
        self._started_ns, self._started_cpu_s = now_ns(), cpu_s()
        self._running = True
        self._greenlet = gevent.spawn(self._measure)

    def health(self) -> Health:
        """What was measured so far. The histograms are the live ones: copy before they are changed elsewhere."""
        health = self._health
        if self._running:
            health.send_lateness = self._pacer.lateness
            health.cpu_s = cpu_s() - self._started_cpu_s
            health.wall_s = (now_ns() - self._started_ns) / SECOND_NS
            health.missed_starts = self._starts.missed
            health.calls_begun = self._starts.calls
            health.unsent_bytes = BACKLOG.bytes
            health.memory_bytes = memory_bytes()
        health.local_faults = self._faults.count
        return health

    def stop(self) -> None:
        """Measure no more: what the end of a run takes is not its talkers' affair. Again does nothing."""
        self.health()
        if self._running:
            self._running = False
            self._health.send_lateness = Histogram()
            self._health.send_lateness.merge(self._pacer.lateness)
        self._greenlet.kill(block=False)

    def _measure(self) -> None:
        health = self._health
        due_ns = now_ns()
        while True:
            due_ns += _PERIOD_NS
            gevent.sleep(max(0.0, (due_ns - now_ns()) / SECOND_NS))
            health.loop_lag.add(max(0, now_ns() - due_ns) / SECOND_NS)
            if BACKLOG.bytes > health.unsent_bytes_max:
                health.unsent_bytes_max = BACKLOG.bytes
