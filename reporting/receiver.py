"""The receiver: takes the batches of all workers on the master, acknowledges them, and at the end sees to it that nothing is left
behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from locust.runners import MasterRunner

import gevent

from reporting.collector import Collector
from reporting.sender import ACK, BATCH, DRAIN

GRACE_S = 30.0
"""How much longer than the stop time-out the end of a run may take: closing sessions, reporting, and a worker that is lost meanwhile."""


class Receiver:
    """Of one Locust master. `name` tells which worker a Locust client is in the run with this key, None where it takes no part in it;
    `collector` which run is under way, None where there is none."""

    def __init__(self, runner: MasterRunner, name: Callable[[str, str], str | None], collector: Callable[[], Collector | None]) -> None:
        self._runner = runner
        self._name = name
        self._collector = collector
        runner.register_message(BATCH, self._on_batch)

    def drain(self, stop_timeout_s: float) -> None:
        """Have all workers stop their talkers, and wait until they have reported everything. Those that do not in time are lost."""
        collector = self._collector()
        if collector is None:
            return
        self._runner.send_message(DRAIN, {"stop_timeout": stop_timeout_s})
        with gevent.Timeout(stop_timeout_s + GRACE_S, False):
            while collector.reporting():
                gevent.sleep(0.02)
        for name in collector.reporting():
            collector.lose(name)

    def _on_batch(self, environment: Any, msg: Any, **_: Any) -> None:
        collector, name = self._collector(), self._name(msg.node_id, msg.data["key"])
        if collector is None or name is None:
            return
        seq = collector.take(name, msg.data["batch"])
        self._runner.send_message(ACK, {"key": msg.data["key"], "seq": seq}, msg.node_id)
