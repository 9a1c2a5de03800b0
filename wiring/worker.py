"""A worker: it prepares and begins what its master orders, and reports to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reporting.exporter import Exporter, export_worker
from reporting.reporter import check_folder
from reporting.sender import WorkerSender
from reporting.workers import WorkerFacts
from users import messages
from users.chaos import Chaos
from users.clock import now_ns
from users.run import Run
from users.settled import settle
from users.worker import Worker
from wiring.here import HOOKS, OwnWatch, chaos_here
from wiring.quitting import linger, stop_talkers


class AtCommand:
    """This process is a worker of Locust's (see `wiring.runs.Process`)."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._watch = OwnWatch(environment)
        self._chaos: Chaos | None = None
        self._runs = Path(environment.parsed_options.runs)
        self._sender = WorkerSender(environment.runner, HOOKS, self._runs, now_ns)
        self._worker: Worker | None = None
        self._exporter: Exporter | None = None

    def init(self, web_ui: Any) -> None:
        """Say hello to the master. Raises ValueError where nothing can be kept, or exported."""
        environment, refusal = self._environment, None
        check_folder(self._runs)
        try:
            self._exporter = export_worker(environment, self._watch.health)
        except ValueError as error:
            if not environment.parsed_options.processes:
                raise
            refusal = str(error)  # the master says it, and does not wait for workers that have quit
        environment.runner.register_message(messages.CHAOS, self._on_chaos)
        self._worker = Worker(environment.runner, self._begin, refusal)

    def start(self) -> None:
        """It begins when its master says so."""

    def stopping(self) -> None:
        """The talkers are to leave."""
        if self._chaos is not None:
            self._chaos.stop()
        self._watch.stopping()
        if self._worker is not None:
            self._worker.stopping()

    def stop(self) -> None:
        """The talkers have left: report what is left."""
        self._watch.stop()
        self._sender.finish()

    def quitting(self) -> None:
        """Stop the talkers, and see what is left acknowledged: exit code 1 where it is not."""
        stop_talkers(self._environment)
        self._sender.finish()
        if not self._sender.flush():
            self._environment.process_exit_code = 1
        linger(self._environment, self._exporter)

    def _begin(self, run: Run, facts: Mapping[str, Any], told: dict[str, Any]) -> None:
        self._environment.doubletalk = run
        self._sender.begin(WorkerFacts(**facts), told, self._watch.begin(run))
        self._chaos = chaos_here(self._environment, run, commands=False)
        settle()

    def _on_chaos(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._chaos is not None:  # it takes part in a run
            self._chaos.ordered(msg.data)
