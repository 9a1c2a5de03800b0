"""Composition root: options, the run, and who listens to the talkers' events. `docs/events.md` shows how to attach your own."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from locust import events as locust_events

from reporting import locust_stats
from reporting.completion import RunFacts
from reporting.reporter import Reporter
from reporting.web import check_form, check_port, follow_to_the_end
from scenarios import ScenarioError
from users import events
from users.clock import epoch_s, now_ns
from users.interrupt import interrupt_between_callbacks
from users.native import NATIVE
from users.options import add_options, apply_load, options_from, refuse_owners
from users.preflight import preflight
from users.run import make_run
from users.settled import settle, unsettle
from users.talker import Talker
from users.token_minter import TokenMinter
from users.watch import Watch

__all__ = ["Talker", "TokenMinter"]

logger = logging.getLogger(__name__)

locust_events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
events.turn.add_listener(locust_stats.on_turn)
events.session.add_listener(locust_stats.on_session)
events.token.add_listener(locust_stats.on_token)


@locust_events.init.add_listener
def on_init(environment: Any, web_ui: Any = None, **_: Any) -> None:
    """Check what the user asked for, and take the scenario's load where Locust was given none."""
    parsed = environment.parsed_options
    given = Namespace(**vars(parsed))  # as on the command line: Locust writes web forms into its own

    def prepare(form: Mapping[str, str] | None = None) -> None:
        run = make_run(options_from(given, (form or {}).get("host") or environment.host, form))
        environment.doubletalk_reporter.check()
        preflight(run)
        environment.doubletalk = run
        environment.user_classes = [Talker, TokenMinter] if run.minting else [Talker]

    try:
        if parsed.master or parsed.worker or parsed.processes:
            raise ScenarioError("--master, --worker and --processes: runs over several processes are not supported yet")
        interrupt_between_callbacks()
        environment.doubletalk_reporter = Reporter((events.turn, events.session, events.token), Path(parsed.runs), now_ns)
        if web_ui is None:
            prepare()
            apply_load(parsed, environment.doubletalk)
        else:
            check_port(parsed.web_host, parsed.web_port)
            apply_load(parsed, make_run(options_from(given, environment.host or "http://127.0.0.1")))
            check_form(environment, web_ui, refuse_owners, prepare, lambda: environment.doubletalk_reporter.under_way)
            follow_to_the_end(web_ui)
            if parsed.autostart:
                prepare()
    except ValueError as error:
        if not (parsed.worker and parsed.processes):  # the children say no more than their parent
            print(f"doubletalk: {error}", file=sys.stderr)
        sys.exit(2)


@locust_events.test_start.add_listener
def on_test_start(environment: Any, **_: Any) -> None:
    """Open the run folder and begin to listen."""
    run = environment.doubletalk
    environment.doubletalk_watch = watch = Watch(run.pacer, run.faults, run.starts)
    facts = RunFacts(
        scenario=run.scenario.model_dump(mode="json"),
        seed=run.options.seed,
        dialect=run.options.dialect,
        frame_ms=run.options.frame_ms,
        host=run.place,
        started_epoch_s=epoch_s(),
        started_ns=now_ns(),
        options=run.options.shown(),
        native=NATIVE,
    )
    if not NATIVE:
        logger.warning("frames are sent by Python: built in C, a talker takes less CPU (docs/performance.md says how)")
    environment.doubletalk_reporter.start(facts, run.roster.present, watch.health)
    settle()


@locust_events.test_stopping.add_listener
def on_test_stopping(environment: Any, **_: Any) -> None:
    """Say that talkers finish their turns; where they are cut off, all at once, the tester's health is what it was until then."""
    environment.doubletalk_reporter.stopping(environment.stop_timeout)
    if not environment.stop_timeout and hasattr(environment, "doubletalk_watch"):
        environment.doubletalk_watch.stop()


@locust_events.test_stop.add_listener
def on_test_stop(environment: Any, **_: Any) -> None:
    """Complete the run folder."""
    if hasattr(environment, "doubletalk_watch"):
        environment.doubletalk_watch.stop()
    unsettle()
    environment.doubletalk_reporter.stop()


@locust_events.quitting.add_listener
def on_quitting(environment: Any, **_: Any) -> None:
    """Settle the exit code. Where a signal ends the run, Locust would stop its talkers only after this."""
    reporter = environment.doubletalk_reporter
    if reporter.under_way:
        reporter.interrupted = True
        try:
            environment.runner.stop()
        except KeyboardInterrupt:  # pressed again: do not wait for the talkers
            environment.stop_timeout = 0
            environment.runner.stop()
    reporter.conclude(environment)
