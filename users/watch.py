"""Watches the worker: how late its event loop runs and how much CPU it takes, so that a run can tell when it measured itself."""

from __future__ import annotations

import gevent

from metrics.health import Health
from users.clock import SECOND_NS, cpu_s, now_ns
from users.errors import Faults
from users.pacer import Pacer

_PERIOD_NS = SECOND_NS // 50


class Watch:
    """Measures from its creation until `stop`. The loop's lag is the lateness of a greenlet that sleeps to instants 20 ms apart; those that
    a stall swallows are counted too, each with its own lateness, so that a long stall weighs as much as it lasts."""

    def __init__(self, pacer: Pacer, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self._health = Health(send_lateness=pacer.lateness)
        self._started_ns, self._started_cpu_s = now_ns(), cpu_s()
        self._greenlet = gevent.spawn(self._measure)

    def health(self, frames_dropped: int = 0) -> Health:
        """What was measured so far. The histograms are the live ones: copy before they are changed elsewhere."""
        self._health.cpu_s = cpu_s() - self._started_cpu_s
        self._health.wall_s = (now_ns() - self._started_ns) / SECOND_NS
        self._health.frames_dropped = frames_dropped
        self._health.local_faults = self._faults.count
        return self._health

    def stop(self) -> None:
        """Measure no more."""
        self._greenlet.kill(block=False)

    def _measure(self) -> None:
        due_ns = now_ns()
        while True:
            due_ns += _PERIOD_NS
            gevent.sleep(max(0.0, (due_ns - now_ns()) / SECOND_NS))
            self._health.loop_lag.add(max(0, now_ns() - due_ns) / SECOND_NS)
