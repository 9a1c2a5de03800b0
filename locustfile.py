"""Composition root: options, the process, and who listens to the talkers' events. `docs/events.md` shows how to attach your own."""

from __future__ import annotations

import sys
from typing import Any

from locust import events as locust_events
from locust.runners import WorkerRunner

from reporting import locust_stats
from users import events
from users.interrupt import interrupt_between_callbacks
from users.options import add_options
from users.talker import Talker
from users.token_minter import TokenMinter
from wiring.quitting import tell, tell_of_taken_port
from wiring.runs import Process, Runs
from wiring.worker import AtCommand

__all__ = ["Talker", "TokenMinter"]

tell_of_taken_port()
locust_events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
events.turn.add_listener(locust_stats.on_turn)
events.session.add_listener(locust_stats.on_session)
events.token.add_listener(locust_stats.on_token)


@locust_events.init.add_listener
def on_init(environment: Any, web_ui: Any = None, **_: Any) -> None:
    """Choose what this process is. Exit code 2 where what the user asked for cannot be."""
    interrupt_between_callbacks()
    locust_stats.count_milliseconds()
    environment.events.quitting.add_listener(on_quitting)  # the last to listen is told first: before Locust ends its cluster
    environment.doubletalk_process = AtCommand(environment) if isinstance(environment.runner, WorkerRunner) else Runs(environment)
    try:
        process(environment).init(web_ui)
    except ValueError as error:
        tell(error)
        sys.exit(2)


@locust_events.test_start.add_listener
def on_test_start(environment: Any, **_: Any) -> None:
    """Begin a run, before its first talker is there."""
    process(environment).start()


@locust_events.test_stopping.add_listener
def on_test_stopping(environment: Any, **_: Any) -> None:
    """The talkers are to leave."""
    process(environment).stopping()


@locust_events.test_stop.add_listener
def on_test_stop(environment: Any, **_: Any) -> None:
    """The talkers have left: complete the run."""
    process(environment).stop()


def on_quitting(environment: Any, **_: Any) -> None:
    """Settle the exit code."""
    process(environment).quitting()


def process(environment: Any) -> Process:
    """What this process is, from `init` on."""
    found: Process = environment.doubletalk_process
    return found
