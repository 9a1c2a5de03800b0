"""Composition root: options, the run, and who listens to the talkers' events. `docs/events.md` shows how to attach your own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from locust import events as locust_events

import gevent

from reporting import locust_stats
from reporting.collector import Collector
from reporting.console import print_finished, print_progress
from reporting.run_folder import RunFacts
from reporting.web import check_form, follow_to_the_end
from scenarios import ScenarioError
from users import events
from users.clock import epoch_s, now_ns
from users.options import add_options, apply_load, options_from
from users.preflight import preflight
from users.run import make_run
from users.talker import Talker
from users.token_minter import TokenMinter
from users.watch import Watch

__all__ = ["Talker", "TokenMinter"]

locust_events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
events.turn.add_listener(locust_stats.on_turn)
events.session.add_listener(locust_stats.on_session)
events.token.add_listener(locust_stats.on_token)


@locust_events.init.add_listener
def on_init(environment: Any, web_ui: Any = None, **_: Any) -> None:
    """Check what the user asked for, and take the scenario's load where Locust was given none."""
    parsed = environment.parsed_options

    def prepare(form: Mapping[str, str] | None = None) -> None:
        host = (form or {}).get("host") or environment.host
        run = make_run(options_from(parsed, host, form))
        preflight(run)
        environment.doubletalk = run
        minting = run.mint is not None and run.scenario.load.tokens_per_s > 0
        environment.user_classes = [Talker, TokenMinter] if minting else [Talker]

    try:
        if parsed.master or parsed.worker or parsed.processes:
            raise ScenarioError("--master, --worker and --processes: runs over several processes are not supported yet")
        if web_ui is None:
            prepare()
            apply_load(parsed, environment.doubletalk.scenario, environment.doubletalk.mint is not None)
        else:
            run = make_run(options_from(parsed, environment.host or "http://127.0.0.1"))
            apply_load(parsed, run.scenario, run.mint is not None)
            check_form(environment, web_ui, prepare)
            follow_to_the_end(web_ui)
    except ScenarioError as error:
        if not (parsed.worker and parsed.processes):  # the children say no more than their parent
            print(f"doubletalk: {error}", file=sys.stderr)
        sys.exit(2)


@locust_events.test_start.add_listener
def on_test_start(environment: Any, **_: Any) -> None:
    """Open the run folder and begin to listen."""
    run = environment.doubletalk
    watch = Watch(run.pacer)
    facts = RunFacts(
        scenario=run.scenario.model_dump(mode="json"),
        seed=run.options.seed,
        dialect=run.options.dialect,
        frame_ms=run.options.frame_ms,
        host=run.place,
        started_epoch_s=epoch_s(),
        started_ns=now_ns(),
        options={**asdict(run.options), "host": run.place},
    )
    collector = Collector(Path(environment.parsed_options.runs), facts, run.roster.present, watch.health, epoch_s)
    environment.doubletalk_collector, environment.doubletalk_watch = collector, watch
    environment.doubletalk_progress = gevent.spawn(print_progress, collector, run.roster.present)
    for hook in (events.turn, events.session, events.token):
        hook.add_listener(collector.on_record)


@locust_events.test_stop.add_listener
def on_test_stop(environment: Any, **_: Any) -> None:
    """Complete the run folder."""
    collector = environment.doubletalk_collector
    for hook in (events.turn, events.session, events.token):
        hook.remove_listener(collector.on_record)
    environment.doubletalk_progress.kill()
    environment.doubletalk_watch.stop()
    environment.doubletalk_finished = collector.finish()


@locust_events.quitting.add_listener
def on_quitting(environment: Any, **_: Any) -> None:
    """The exit code is 0 only where the last run's criteria hold; its summary is printed below Locust's own tables."""
    if hasattr(environment, "doubletalk_collector") and environment.runner is not None:
        environment.runner.stop()  # where a signal ends the run, Locust stops its talkers only after it has settled the exit code
    finished = getattr(environment, "doubletalk_finished", None)
    if finished is not None:
        environment.events.quit.add_listener(lambda **_: print_finished(finished))
        environment.process_exit_code = 0 if finished.passed else 1
    elif environment.parsed_options.headless:
        environment.process_exit_code = 1
