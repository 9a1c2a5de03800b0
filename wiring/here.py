"""Talkers of this process: what watches it, and a run whose talkers are all here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from socket import gethostname
from typing import Any

from metrics.faults import FaultRecord
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


def watch_over(run: Run) -> tuple[Watch, Watched]:
    """Watch this process from now on, as its talkers are about to start; what is reported of it besides records."""
    watch = Watch(run.pacer, run.faults, run.starts)
    if not NATIVE:
        logger.warning("frames are sent by Python: built in C, a talker takes less CPU (docs/performance.md says how)")
    return watch, Watched(run.roster.present, watch.health, run.began_ns, run.stages)


def chaos_here(environment: Any, run: Run, commands: bool) -> Chaos:
    """What does the scenario's chaos to the talkers of this process, and has it written down. `commands`: it runs its commands, too."""

    def tell(fault: FaultRecord) -> None:
        events.fault.fire(environment=environment, record=fault)

    return Chaos(run, tell, commands=commands)


class Here:
    """The talkers of a run in one process (see `wiring.runs.Talkers`)."""

    def __init__(self, environment: Any, reporter: Reporter) -> None:
        self._environment = environment
        self._reporter = reporter
        self._watch: Watch | None = None

    at_once = True

    def prepare(self, run: Run) -> None:
        """Try whether the assistant can be called. Raises ValueError where not."""
        preflight(run)

    def begin(self, run: Run, facts: RunFacts, target: Target | None, give_up: Callable[[], object]) -> tuple[Collector, Chaos]:
        """Open the run folder, and listen."""
        self._watch, watched = watch_over(run)
        here = WorkerFacts(LOCAL, gethostname(), os.getpid(), NATIVE, facts.started_ns, facts.started_epoch_s)
        chaos = chaos_here(self._environment, run, commands=True)
        return self._reporter.start_here(facts, here, HOOKS, watched, target, give_up), chaos

    def settle(self) -> None:
        """Nothing may hold the talkers up."""
        settle()

    def present(self, run: Run) -> int:
        """How many are there."""
        return run.roster.present()

    def stage(self, name: str) -> None:
        """They know: the run is theirs."""

    def stopping(self) -> None:
        """Where they are cut off, all at once, the tester's health is what it was until then."""
        if self._watch is not None and not self._environment.stop_timeout:
            self._watch.stop()

    def stop(self) -> None:
        """They have left."""
        if self._watch is not None:
            self._watch.stop()
            unsettle()

    def ended(self) -> None:
        """Nothing is left to do."""
