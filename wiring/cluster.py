"""Talkers of the workers: what a master does with them, and who is told what they report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gevent

from reporting.collector import Collector
from reporting.facts import RunFacts
from reporting.receiver import Receiver
from reporting.reporter import Reporter
from reporting.target import Target
from reporting.workers import WorkerFacts
from users import messages
from users.chaos import Chaos
from users.master import Master
from users.run import Run


class Cluster:
    """The talkers of a run on workers (see `wiring.talkers.Talkers`)."""

    at_once = False

    def __init__(self, environment: Any, reporter: Reporter) -> None:
        self._environment = environment
        self._reporter = reporter
        self._master = Master(environment.runner, self._begun, self._lost, self._compared)
        self._receiver = Receiver(environment.runner, self._master.name, lambda: reporter.collector)

    def prepare(self, run: Run) -> None:
        """Have all workers prepare the run. Raises ValueError where there is none, or one cannot."""
        self._master.prepare(run)

    def begin(self, run: Run, facts: RunFacts, target: Target | None, give_up: Callable[[], object]) -> tuple[Collector, Chaos]:
        """Open the run folder, and let the workers begin."""
        collector = self._reporter.start(facts, self._master.talkers, target, give_up, run.calls_due)

        def send(order: dict[str, Any]) -> None:
            self._environment.runner.send_message(messages.CHAOS, order)

        chaos = Chaos(run, collector.note_fault, talkers=False, send=send)
        self._master.begin(run, collector.run_id)
        return collector, chaos

    def settle(self) -> None:
        """No talker is here to be held up."""

    def present(self, run: Run) -> int:
        """How many are there."""
        return self._master.talkers()

    def stage(self, name: str) -> None:
        """Have the workers know."""
        self._master.stage(name)

    def stopping(self) -> None:
        """See to it that all workers have reported."""
        self._master.stopping()
        self._receiver.drain(self._environment.stop_timeout)

    def stop(self) -> None:
        """They have left, as the workers have told."""

    def ended(self) -> None:
        """The run folder is complete; where no worker is left, there is nobody to wait for."""
        self._master.ended()
        if self._environment.parsed_options.headless and self._master.deserted():
            gevent.spawn(self._environment.runner.quit)

    def _begun(self, facts: Mapping[str, Any]) -> None:
        if self._reporter.collector is not None:
            self._reporter.collector.join(WorkerFacts(**facts))

    def _lost(self, name: str) -> None:
        if self._reporter.collector is not None:
            self._reporter.collector.lose(name)

    def _compared(self, name: str, offset_s: float, error_s: float) -> None:
        if self._reporter.collector is not None:
            self._reporter.collector.clock(name, offset_s, error_s)
