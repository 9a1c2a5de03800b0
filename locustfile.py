"""Composition root: options, the run, and who listens to the talkers' events. `docs/events.md` shows how to attach your own."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from socket import gethostname
from typing import Any

from locust import User
from locust import events as locust_events
from locust.runners import MasterRunner, WorkerRunner

import gevent

from metrics import capacity
from metrics.criteria import judge
from metrics.faults import FaultRecord
from metrics.health import Health
from reporting import locust_stats
from reporting.collector import Collector
from reporting.exporter import export_run, export_worker
from reporting.facts import RunFacts
from reporting.gatherer import Watched
from reporting.readings import Wanted
from reporting.receiver import Receiver
from reporting.reporter import Reporter, check_folder
from reporting.screen import Screen
from reporting.sender import WorkerSender
from reporting.target import Place, Target
from reporting.voice import add_voice
from reporting.web import check_form, check_port, follow_to_the_end
from reporting.workers import LOCAL, WorkerFacts
from scenarios import ScenarioError
from users import events, messages
from users.chaos import Chaos
from users.clock import epoch_s, now_ns
from users.conductor import Conductor, Stand, Step
from users.interrupt import interrupt_between_callbacks
from users.master import Master
from users.native import NATIVE
from users.options import add_options, apply_load, check_load, conducted, options_from, refuse_owners
from users.preflight import preflight
from users.run import Run, make_run
from users.settled import settle, unsettle
from users.talker import Talker
from users.token_minter import TokenMinter
from users.watch import Watch
from users.worker import Worker

__all__ = ["Talker", "TokenMinter"]

logger = logging.getLogger(__name__)

HOOKS = (events.turn, events.session, events.token, events.fault)

locust_events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
events.turn.add_listener(locust_stats.on_turn)
events.session.add_listener(locust_stats.on_session)
events.token.add_listener(locust_stats.on_token)


@locust_events.init.add_listener
def on_init(environment: Any, web_ui: Any = None, **_: Any) -> None:
    """Check what the user asked for, and take the scenario's load where Locust was given none. A worker waits for its master's word."""
    interrupt_between_callbacks()
    locust_stats.count_milliseconds()
    environment.events.quitting.add_listener(on_quitting)  # the last to listen is told first: before Locust ends its cluster
    if isinstance(environment.runner, WorkerRunner):
        try:
            begin_on_command(environment)
        except ValueError as error:
            give_up(error)
        return
    parsed = environment.parsed_options
    given = Namespace(**vars(parsed))  # as on the command line: Locust writes web forms into its own
    reporter = environment.doubletalk_reporter = Reporter(Path(parsed.runs), now_ns)
    if isinstance(environment.runner, MasterRunner):
        command(environment)

    def choose(form: Mapping[str, str] | None = None) -> dict[str, str]:
        """The run as the command line or a form has it. Returns what Locust's fields of the form are to be instead."""
        run = make_run(options_from(given, (form or {}).get("host") or environment.host, form))
        instead = check_load(form, run) if form is not None else {}
        reporter.check()
        environment.doubletalk = run
        environment.user_classes = [Talker, *([TokenMinter] if run.minting else []), *beside(environment, run)]
        return instead

    def prepare(form: Mapping[str, str]) -> dict[str, str]:
        instead = choose(form)
        make_ready(environment)
        return instead

    try:
        environment.doubletalk_exporter = export_run(environment, lambda: reporter.shown)
        if web_ui is None:
            choose()
            apply_load(parsed, environment.doubletalk)
            if not hasattr(environment, "doubletalk_master"):  # whose workers are not there yet
                make_ready(environment)
        else:
            check_port(parsed.web_host, parsed.web_port)
            apply_load(parsed, make_run(options_from(given, environment.host or "http://127.0.0.1")))
            check_form(environment, web_ui, refuse_owners, prepare, lambda: reporter.under_way)
            screen = Screen(lambda: reporter.shown)

            def by_hand(asked: Mapping[str, Any]) -> None:
                if not reporter.under_way:
                    raise ValueError("no run is under way")
                environment.doubletalk_chaos.by_hand(asked)

            add_voice(environment, web_ui, screen, by_hand)
            follow_to_the_end(web_ui, screen.shown)
            if parsed.autostart:
                choose()
                if not hasattr(environment, "doubletalk_master"):
                    make_ready(environment)
    except ValueError as error:
        give_up(error)


def beside(environment: Any, run: Run) -> list[type[User]]:
    """The locustfile's own user classes that run beside the talkers, as many of each as the scenario wants. Raises ValueError for one that
    is not there."""
    chosen = []
    for name, users in run.scenario.load.beside.items():
        known = {key: kind for key, kind in (environment.available_user_classes or {}).items() if kind not in (Talker, TokenMinter)}
        if name not in known:
            place = run.scenario.place("load", "beside", name)
            raise ScenarioError(f"{place}: no user class {name} in the locustfile (-f); there is {', '.join(known) or 'none'}")
        known[name].fixed_count = users
        chosen.append(known[name])
    return chosen


def give_up(error: ValueError) -> None:
    """Say what is wrong with what the user asked for, and quit."""
    print(f"doubletalk: {error}", file=sys.stderr)
    sys.exit(2)


def make_ready(environment: Any) -> None:
    """Have what is chosen ready to start, here or on all workers. Raises ValueError where that cannot be."""
    run = environment.doubletalk
    if hasattr(environment, "doubletalk_master"):
        environment.doubletalk_master.prepare(run)
    else:
        preflight(run)
    environment.doubletalk_target = look_at(run)
    environment.doubletalk_ready = run


def look_at(run: Run) -> Target | None:
    """What looks at the target during a run; None where the scenario does not say where it tells of itself. Raises ValueError where that
    cannot be read."""
    asked = run.scenario.target
    metrics_url, health_url = asked.urls(run.host)
    if metrics_url is None and health_url is None:
        return None
    wanted = Wanted(asked.memory, asked.cpu, asked.sessions, asked.latencies)
    target = Target(Place(metrics_url, health_url, asked.every_s, asked.timeout_s, wanted, run.tls), now_ns)
    target.check()
    return target


def command(environment: Any) -> None:
    """This process is the master: its workers' talkers are the run's."""
    reporter = environment.doubletalk_reporter

    def begun(facts: Mapping[str, Any]) -> None:
        if reporter.collector is not None:
            reporter.collector.join(WorkerFacts(**facts))

    def lost(name: str) -> None:
        if reporter.collector is not None:
            reporter.collector.lose(name)

    def compared(name: str, offset_s: float, error_s: float) -> None:
        if reporter.collector is not None:
            reporter.collector.clock(name, offset_s, error_s)

    master = environment.doubletalk_master = Master(environment.runner, begun, lost, compared)
    environment.doubletalk_receiver = Receiver(environment.runner, master.name, lambda: reporter.collector)


def begin_on_command(environment: Any) -> None:
    """This process is a worker."""
    runs = Path(environment.parsed_options.runs)
    check_folder(runs)
    sender = environment.doubletalk_sender = WorkerSender(environment.runner, HOOKS, runs, now_ns)

    def begin(run: Run, facts: Mapping[str, Any], told: dict[str, Any]) -> None:
        environment.doubletalk = run
        environment.doubletalk_watch = watch = Watch(run.pacer, run.faults, run.starts)
        warn_of_python()
        sender.begin(WorkerFacts(**facts), told, Watched(run.roster.present, watch.health, run.began_ns, run.stages))
        environment.doubletalk_chaos = Chaos(run, lambda fault: tell_fault(environment, fault), commands=False)
        settle()

    def health() -> Health | None:
        return environment.doubletalk_watch.health() if hasattr(environment, "doubletalk_watch") else None

    refusal = None
    try:
        environment.doubletalk_exporter = export_worker(environment, health)
    except ValueError as error:
        if not environment.parsed_options.processes:
            raise
        refusal = str(error)  # the master says it, and does not wait for workers that have quit

    def ordered(msg: Any, **_: Any) -> None:
        if hasattr(environment, "doubletalk_chaos"):  # a worker that takes part in a run
            environment.doubletalk_chaos.ordered(msg.data)

    environment.runner.register_message(messages.CHAOS, ordered)
    environment.doubletalk_worker = Worker(environment.runner, begin, refusal)


def tell_fault(environment: Any, fault: FaultRecord) -> None:
    """Have it written down that something was done to talkers of this process."""
    events.fault.fire(environment=environment, record=fault)


def warn_of_python() -> None:
    """Say so where frames are not sent in C."""
    if not NATIVE:
        logger.warning("frames are sent by Python: built in C, a talker takes less CPU (docs/performance.md says how)")


@locust_events.test_start.add_listener
def on_test_start(environment: Any, **_: Any) -> None:
    """Open the run folder and begin to listen; a worker begins when its master says so."""
    if isinstance(environment.runner, WorkerRunner):
        return
    run, reporter, master = environment.doubletalk, environment.doubletalk_reporter, getattr(environment, "doubletalk_master", None)
    if getattr(environment, "doubletalk_ready", None) is not run:
        try:
            make_ready(environment)
        except ValueError as error:
            print(f"doubletalk: {error}", file=sys.stderr)
            environment.process_exit_code = 2
            gevent.spawn(environment.runner.quit)
            raise gevent.GreenletExit from None
    facts = RunFacts(
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
    )
    run.begin(facts.started_ns)
    target = environment.doubletalk_target
    if master is not None:
        collector = reporter.start(facts, master.talkers, target, lambda: give_up_run(environment))

        def send(order: dict[str, Any]) -> None:
            environment.runner.send_message(messages.CHAOS, order)

        environment.doubletalk_chaos = Chaos(run, collector.note_fault, talkers=False, send=send)
        master.begin(run, collector.run_id)
        conduct(environment, run, collector)
        return
    environment.doubletalk_watch = watch = Watch(run.pacer, run.faults, run.starts)
    warn_of_python()
    here = WorkerFacts(LOCAL, gethostname(), os.getpid(), NATIVE, facts.started_ns, facts.started_epoch_s)
    watched = Watched(run.roster.present, watch.health, run.began_ns, run.stages)
    environment.doubletalk_chaos = Chaos(run, lambda fault: tell_fault(environment, fault))
    conduct(environment, run, reporter.start_here(facts, here, HOOKS, watched, target, lambda: give_up_run(environment)))
    settle()


def give_up_run(environment: Any) -> None:
    """End a run before its time, as it is hopeless or what it looked for is found."""
    options = environment.parsed_options

    def end() -> None:
        if not options.headless:
            environment.runner.stop()
            if options.autoquit == -1:  # the page goes on
                return
            gevent.sleep(options.autoquit)
        environment.runner.quit()
        if environment.web_ui is not None:
            environment.web_ui.stop()

    gevent.spawn(end)


def conduct(environment: Any, run: Run, collector: Collector) -> None:
    """Have the load go as the scenario has it, where Locust does not."""
    if not conducted(run) and not run.timed:
        return
    master, steps = getattr(environment, "doubletalk_master", None), []

    def stage(name: str) -> None:
        run.stages.begin(now_ns(), name)
        collector.begin_stage(name)
        if master is not None:
            master.stage(name)

    def holds(step: Step) -> bool:
        judged = [judge(criterion, collector.aggregate.stage(step.stage)) for criterion in run.criteria]
        steps.append(capacity.step(step.stage, step.talkers, judged))
        return bool(steps[-1]["holds"])

    stand = Stand(
        order=lambda talkers, per_s: environment.runner.start(talkers + run.others, per_s),
        present=run.roster.present if master is None else master.talkers,
        stage=stage,
        judge=holds,
        found=lambda most, fewest: collector.tell("capacity", capacity.found(most, fewest, steps)),
        end=lambda: give_up_run(environment),
    )
    environment.doubletalk_conductor = Conductor(run.scenario.load, run.began_ns, stand, run.scenario.limits.response_s)


@locust_events.test_stopping.add_listener
def on_test_stopping(environment: Any, **_: Any) -> None:
    """Say that talkers finish their turns; where they are cut off, all at once, the tester's health is what it was until then. A master
    sees to it that all workers have reported."""
    if hasattr(environment, "doubletalk_conductor"):
        environment.doubletalk_conductor.stop()
    if hasattr(environment, "doubletalk_chaos"):
        environment.doubletalk_chaos.stop()
    if hasattr(environment, "doubletalk_reporter"):
        environment.doubletalk_reporter.stopping(environment.stop_timeout)
    if not environment.stop_timeout and hasattr(environment, "doubletalk_watch"):
        environment.doubletalk_watch.stop()
    if hasattr(environment, "doubletalk_worker"):
        environment.doubletalk_worker.stopping()
    if hasattr(environment, "doubletalk_receiver"):
        environment.doubletalk_master.stopping()
        environment.doubletalk_receiver.drain(environment.stop_timeout)


@locust_events.test_stop.add_listener
def on_test_stop(environment: Any, **_: Any) -> None:
    """Complete the run folder, or report what is left."""
    if hasattr(environment, "doubletalk_watch"):
        environment.doubletalk_watch.stop()
        unsettle()
    if hasattr(environment, "doubletalk_sender"):
        environment.doubletalk_sender.finish()
        return
    environment.doubletalk_reporter.stop()
    if hasattr(environment, "doubletalk_master"):
        environment.doubletalk_master.ended()
        if environment.parsed_options.headless and environment.doubletalk_master.deserted():
            gevent.spawn(environment.runner.quit)  # there is nobody to wait for


def on_quitting(environment: Any, **_: Any) -> None:
    """Settle the exit code. Where a signal ends the run, Locust would stop its talkers only after this."""
    sender = getattr(environment, "doubletalk_sender", None)
    reporter = getattr(environment, "doubletalk_reporter", None)
    if sender is not None or (reporter is not None and reporter.under_way):
        if reporter is not None:
            reporter.interrupted = True
        try:
            environment.runner.stop()
        except KeyboardInterrupt:  # pressed again: do not wait for the talkers
            environment.stop_timeout = 0
            environment.runner.stop()
    if sender is not None:
        sender.finish()
        if not sender.flush():
            environment.process_exit_code = 1
    if reporter is not None:
        reporter.conclude(environment)
    if getattr(environment, "doubletalk_exporter", None) is not None:
        environment.doubletalk_exporter.linger(environment.parsed_options.prometheus_linger)
