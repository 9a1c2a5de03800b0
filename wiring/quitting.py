"""Ends: of what cannot be run, of a run that is over or hopeless, and of the process."""

from __future__ import annotations

import re
import sys
from types import TracebackType
from typing import Any, NoReturn

from locust.exception import RPCError

import gevent

from reporting.exporter import Exporter

_UNBOUND = re.compile(r"bind failure: (?P<why>.*) \(addr='tcp://(?P<place>[^']*)'\)")
"""How Locust tells of a port that is taken, in ZeroMQ's words."""


def tell(error: ValueError) -> None:
    """Say in one line what is wrong with what the user asked for."""
    print(f"doubletalk: {error}", file=sys.stderr)


def tell_of_taken_port() -> None:
    """Have a master that cannot listen where it is to say so in one line, with exit code 2: Locust makes its runner before it asks anyone,
    and lets the error through to the interpreter."""
    before = sys.excepthook

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        found = _UNBOUND.search(str(error)) if isinstance(error, RPCError) else None
        if found is None:
            before(kind, error, trace)
            return
        tell(ValueError(f"the master cannot listen for workers on {found['place']}: {found['why']}; choose another --master-bind-port"))
        sys.exit(2)

    sys.excepthook = uncaught


def refuse(environment: Any, error: ValueError) -> NoReturn:
    """A run that was to start cannot: say why, and quit with exit code 2. It ends the greenlet that was to start the run."""
    tell(error)
    environment.process_exit_code = 2
    gevent.spawn(environment.runner.quit)
    raise gevent.GreenletExit from None


def end_run(environment: Any) -> None:
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


def stop_talkers(environment: Any) -> None:
    """Have the talkers leave before the process quits: where a signal ends a run, Locust would stop them only after its `quitting`."""
    try:
        environment.runner.stop()
    except KeyboardInterrupt:  # pressed again: do not wait for the talkers
        environment.stop_timeout = 0
        environment.runner.stop()


def linger(environment: Any, exporter: Exporter | None) -> None:
    """Let Prometheus read how the run ended."""
    if exporter is not None:
        exporter.linger(environment.parsed_options.prometheus_linger)
