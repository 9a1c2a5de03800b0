"""The runs of a process that reports them, one after the other: chosen, made ready, started, stopped."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from locust.runners import MasterRunner

from reporting.exporter import Exporter, export_run
from reporting.facts import RunFacts
from reporting.report_page import write_report
from reporting.reporter import Reporter
from reporting.screen import Screen
from reporting.target import Target
from reporting.voice import add_voice
from reporting.web import check_form, check_port, follow_to_the_end
from users.chaos import Chaos
from users.clock import epoch_s, now_ns
from users.conductor import Conductor
from users.options import apply_load, options_from, refuse_owners
from users.run import Run, make_run
from wiring.choice import choose, look_at, user_classes
from wiring.cluster import Cluster
from wiring.here import Here
from wiring.load import conduct
from wiring.quitting import end_run, linger, refuse, stop_talkers
from wiring.talkers import Talkers


class Process(Protocol):
    """What a process of Locust's does with our runs. To make one does not block."""

    def init(self, web_ui: Any) -> None:
        """Check what the user asked for. `web_ui`: Locust's; None where it has none. May block; raises ValueError with one line."""
        ...

    def start(self) -> None:
        """Locust starts a run, before its first user is there."""
        ...

    def stopping(self) -> None:
        """The users are to leave."""
        ...

    def stop(self) -> None:
        """The users have left."""
        ...

    def quitting(self) -> None:
        """The process is to end."""
        ...


class Runs:
    """This process has its talkers itself, or is a master."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._given = Namespace(**vars(environment.parsed_options))  # as on the command line: Locust writes web forms into its own
        options = environment.parsed_options
        write = {} if options.no_report else {"write": write_report}
        self._reporter = Reporter(Path(options.runs), now_ns, **write)
        master = isinstance(environment.runner, MasterRunner)
        self._talkers: Talkers = (Cluster if master else Here)(environment, self._reporter)
        self._run: Run | None = None
        self._ready: Run | None = None
        self._target: Target | None = None
        self._chaos: Chaos | None = None
        self._conductor: Conductor | None = None
        self._exporter: Exporter | None = None

    def init(self, web_ui: Any) -> None:
        """Check what the user asked for, and take the scenario's load where Locust was given none."""
        self._exporter = export_run(self._environment, lambda: self._reporter.shown)
        if web_ui is None:
            run, _ = self._choose(None)
            apply_load(self._environment.parsed_options, run)
            self._make_ready_at_once(run)
        else:
            self._offer(web_ui)

    def start(self) -> None:
        """Open the run folder and begin to listen."""
        run = self._run
        if run is None:
            raise RuntimeError("no run was chosen")
        if self._ready is not run:
            try:
                self._make_ready(run)
            except ValueError as error:
                refuse(self._environment, error)
        facts = _facts(run)
        run.begin(facts.started_ns)
        collector, self._chaos = self._talkers.begin(run, facts, self._target, lambda: end_run(self._environment))
        self._conductor = conduct(self._environment, run, self._talkers, collector)
        self._talkers.settle()

    def stopping(self) -> None:
        """Say that talkers finish their turns."""
        if self._conductor is not None:
            self._reporter.interrupted |= not self._conductor.over
            self._conductor.stop()
        if self._chaos is not None:
            self._chaos.stop()
        self._reporter.stopping(self._environment.stop_timeout)
        self._talkers.stopping()

    def stop(self) -> None:
        """Complete the run folder."""
        self._talkers.stop()
        self._reporter.stop()
        self._talkers.ended()

    def quitting(self) -> None:
        """Settle the exit code."""
        if self._reporter.under_way:
            self._reporter.interrupted = True
            stop_talkers(self._environment)
        self._reporter.conclude(self._environment)
        linger(self._environment, self._exporter)

    def _choose(self, form: Mapping[str, str] | None) -> tuple[Run, dict[str, str]]:
        """The run as the command line or a form has it, and what Locust's fields of the form are to be instead."""
        run, instead = choose(self._environment, self._given, form)
        self._reporter.check()
        self._environment.doubletalk = self._run = run
        self._environment.user_classes = user_classes(self._environment, run)
        return run, instead

    def _make_ready(self, run: Run) -> None:
        """Have what is chosen ready to start. Raises ValueError where that cannot be."""
        self._talkers.prepare(run)
        self._target = look_at(run)
        self._ready = run

    def _make_ready_at_once(self, run: Run) -> None:
        if self._talkers.at_once:
            self._make_ready(run)

    def _offer(self, web_ui: Any) -> None:
        """Have runs chosen and started, watched and disturbed in the browser."""
        environment, parsed = self._environment, self._environment.parsed_options
        check_port(parsed.web_host, parsed.web_port)
        apply_load(parsed, make_run(options_from(self._given, environment.host or "http://127.0.0.1")))
        check_form(environment, web_ui, refuse_owners, self._prepare, lambda: self._reporter.under_way)
        screen = Screen(lambda: self._reporter.shown, Path(parsed.runs))
        add_voice(environment, web_ui, screen, self._by_hand)
        follow_to_the_end(web_ui, screen.shown)
        if parsed.autostart:
            run, _ = self._choose(None)
            self._make_ready_at_once(run)

    def _prepare(self, form: Mapping[str, str]) -> dict[str, str]:
        run, instead = self._choose(form)
        self._make_ready(run)
        return instead

    def _by_hand(self, asked: Mapping[str, Any]) -> None:
        if self._chaos is None or not self._reporter.under_way:
            raise ValueError("no run is under way")
        self._chaos.by_hand(asked)


def _facts(run: Run) -> RunFacts:
    """What is known of a run that starts now."""
    return RunFacts(
        scenario=run.scenario.model_dump(mode="json"),
        seed=run.options.seed,
        dialect=run.options.dialect,
        frame_ms=run.options.frame_ms,
        host=run.place,
        started_epoch_s=epoch_s(),
        started_ns=now_ns(),
        options=run.options.shown(),
        lost_workers_allowed=run.scenario.limits.lost_workers,
        settle_s=run.scenario.target.settle_s,
        latencies=tuple(run.scenario.target.latencies),
        untold=run.untold,
    )
