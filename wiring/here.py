"""Talkers of this process: what watches it, and a run whose talkers are all here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from socket import gethostname
from typing import Any

from metrics.faults import FaultRecord
from metrics.health import Health
from reporting.collector import Collector
from reporting.facts import RunFacts
from reporting.gatherer import Watched
from reporting.reporter import Reporter
from reporting.target import Target
from reporting.workers import LOCAL, WorkerFacts
from users import events
from users.chaos import Chaos
from users.native import NATIVE
from users.preflight import preflight
from users.run import Run
from users.settled import settle, unsettle
from users.watch import Watch

logger = logging.getLogger(__name__)

HOOKS = (events.turn, events.session, events.token, events.fault)
"""What talkers of a process fire."""


class OwnWatch:
    """Watches this process while talkers of a run are in it."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._watch: Watch | None = None

    def begin(self, run: Run) -> Watched:
        """From now on, as talkers are about to start; returns what is reported of the process besides records."""
        self._watch = watch = Watch(run.pacer, run.faults, run.starts)
        if not NATIVE:
            logger.warning("frames are sent by Python: built in C, a talker takes less CPU (docs/performance.md says how)")
        return Watched(run.roster.present, watch.health, run.began_ns, run.stages)

    def health(self) -> Health | None:
        """The process's own; None before the first run."""
        return self._watch.health() if self._watch is not None else None

    def stopping(self) -> None:
        """Talkers are to leave. Where they are cut off, all at once, the process's health is what it was until then."""
        if self._watch is not None and not self._environment.stop_timeout:
            self._watch.stop()

    def stop(self) -> None:
        """They have left."""
        if self._watch is not None:
            self._watch.stop()
            unsettle()


def chaos_here(environment: Any, run: Run, commands: bool) -> Chaos:
    """What does the scenario's chaos to the talkers of this process, and has it written down. `commands`: it runs its commands, too."""

    def tell(fault: FaultRecord) -> None:
        events.fault.fire(environment=environment, record=fault)

    return Chaos(run, tell, commands=commands)


class Here:
    """The talkers of a run in one process (see `wiring.talkers.Talkers`)."""

    at_once = True

    def __init__(self, environment: Any, reporter: Reporter) -> None:
        self._environment = environment
        self._reporter = reporter
        self._watch = OwnWatch(environment)

    def prepare(self, run: Run) -> None:
        """Try whether the assistant can be called. Raises ValueError where not."""
        preflight(run)

    def begin(self, run: Run, facts: RunFacts, target: Target | None, give_up: Callable[[], object]) -> tuple[Collector, Chaos]:
        """Open the run folder, and listen."""
        watched = self._watch.begin(run)
        here = WorkerFacts(LOCAL, gethostname(), os.getpid(), NATIVE, facts.started_ns, facts.started_epoch_s)
        chaos = chaos_here(self._environment, run, commands=True)
        return self._reporter.start_here(facts, here, HOOKS, watched, target, give_up, run.calls_due), chaos

    def settle(self) -> None:
        """Nothing may hold the talkers up."""
        settle()

    def present(self, run: Run) -> int:
        """How many are there."""
        return run.roster.present()

    def stage(self, name: str) -> None:
        """They know: the run is theirs."""

    def stopping(self) -> None:
        """They are to leave."""
        self._watch.stopping()

    def stop(self) -> None:
        """They have left."""
        self._watch.stop()

    def ended(self) -> None:
        """Nothing is left to do."""
