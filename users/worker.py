"""A worker's side of a run in many processes: it prepares what the master orders, begins when it is told to, and asks for talker
numbers."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

from locust import argument_parser
from locust.runners import WorkerRunner

import gevent
from gevent.event import AsyncResult
from gevent.lock import Semaphore

from users import messages
from users.clock import SECOND_NS, epoch_s, now_ns
from users.messages import our_version
from users.native import NATIVE
from users.preflight import preflight
from users.run import Run, make_run

logger = logging.getLogger(__name__)


class WorkerNumbers:
    """Talker numbers that the master gives to this worker's talkers. `key` is the run's."""

    def __init__(self, runner: WorkerRunner, key: str) -> None:
        self._runner, self._key = runner, key
        self._ids = count()
        self._asked: dict[int, AsyncResult] = {}
        self._held = 0

    def take(self) -> int:
        """Ask the master, and wait for its answer."""
        ask, answer = next(self._ids), AsyncResult()
        self._asked[ask] = answer
        try:
            self._runner.send_message(messages.NUMBER, {"key": self._key, "ask": ask})
            number: int = answer.get()
        finally:
            self._asked.pop(ask, None)
        self._held += 1
        return number

    def give_back(self, number: int) -> None:
        """The talker has left."""
        self._held -= 1
        self._runner.send_message(messages.BACK, {"key": self._key, "number": number})

    def present(self) -> int:
        """How many talkers of this worker have one."""
        return self._held

    def given(self, told: dict[str, Any]) -> None:
        """The master gives a number. One whose talker was killed while it waited goes back."""
        if told["key"] != self._key:
            return
        answer = self._asked.get(told["ask"])
        if answer is None or answer.ready():
            self._runner.send_message(messages.BACK, {"key": self._key, "number": told["number"]})
        else:
            answer.set(told["number"])


class Worker:
    """Of one Locust worker. `begin` is called with the run, who this worker is in it (fields of `reporting.workers.WorkerFacts`), and what
    the master says of it, before the first talker is there. `refusal`: why it can take part in none; None where it can."""

    def __init__(
        self, runner: WorkerRunner, begin: Callable[[Run, dict[str, Any], dict[str, Any]], None], refusal: str | None = None
    ) -> None:
        self._runner = runner
        self._begin = begin
        self._refusal = refusal
        self._key: str | None = None
        self._prepared: Run | None = None
        self._preparing = Semaphore(1)
        self._newest: str | None = None
        self._facts: dict[str, Any] = {}
        self._numbers: WorkerNumbers | None = None
        self._stopping = False
        _know_defaults()
        self._handle = runner.handle_message
        runner.handle_message = self._on_message  # type: ignore[method-assign]  # Locust has no hook before a message is handled
        runner.register_message(messages.PREPARE, self._on_prepare, concurrent=True)
        runner.register_message(messages.BEGIN, self._on_begin)
        runner.register_message(messages.STAGE, self._on_stage)
        runner.register_message(messages.REFUSE, self._on_refuse, concurrent=True)
        runner.register_message(messages.NUMBER, self._on_number)
        runner.register_message(messages.PING, self._on_ping)
        self._say_hello()

    def _say_hello(self) -> None:
        self._runner.send_message(messages.HELLO, {"version": our_version(), **_here()})

    def stopping(self) -> None:
        """The talkers are to go, and nobody follows them before the next run."""
        self._stopping = True

    def _on_message(self, msg: Any) -> None:
        if msg.type == "spawn" and self._stopping:  # talkers of another worker that has left already
            return
        self._handle(msg)
        if msg.type == "ack":  # the master has forgotten a worker that stopped, and takes it for a new one
            self._say_hello()

    def _on_prepare(self, environment: Any, msg: Any, **_: Any) -> None:
        """One order after the other; one that a newer has overtaken is passed over."""
        self._newest = key = msg.data["key"]
        with self._preparing:
            if key != self._newest:
                return
            error = None if self._prepared is not None and key == self._key else self._prepare(msg.data)
        self._runner.send_message(messages.PREPARED, {"key": key, "error": error, "facts": None if error else self._facts})

    def _prepare(self, plain: dict[str, Any]) -> str | None:
        """Make a run ready; why it cannot be, None where it is."""
        self._prepared = None
        try:
            if self._refusal is not None:
                raise ValueError(self._refusal)
            order, options, scenario = messages.ordered(plain)
            run = make_run(options, scenario)
            if run.planner.fingerprint != order.clips:
                where = options.corpus or "the built-in one"
                raise ValueError(f"its corpus ({where}) is not the master's: the same clips are needed everywhere")
            preflight(run)
        except ValueError as refused:
            return str(refused)
        except Exception as fault:
            logger.exception("a run cannot be prepared")
            return f"a fault of the load tester itself: {type(fault).__name__}: {fault}; see the worker's log, and report it"
        run.roster = self._numbers = WorkerNumbers(self._runner, order.key)
        self._facts = {**_here(), "native": NATIVE, "started_ns": now_ns(), "started_epoch_s": epoch_s()}
        self._key, self._prepared = order.key, run
        return None

    def _on_begin(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._prepared is not None and msg.data["key"] == self._key:
            self._stopping = False
            self._prepared.begin(now_ns() - round(msg.data["elapsed_s"] * SECOND_NS))
            self._begin(self._prepared, {**self._facts, "name": msg.data["name"]}, msg.data)

    def _on_stage(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._prepared is not None and msg.data["key"] == self._key:
            self._prepared.stages.begin(now_ns(), msg.data["stage"])

    def _on_refuse(self, environment: Any, msg: Any, **_: Any) -> None:
        """The master has no use for this worker."""
        print(f"doubletalk: {msg.data['why']}", file=sys.stderr, flush=True)
        environment.process_exit_code = 2
        gevent.spawn(self._runner.quit)

    def _on_number(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._numbers is not None:
            self._numbers.given(msg.data)

    def _on_ping(self, environment: Any, msg: Any, **_: Any) -> None:
        self._runner.send_message(messages.PONG, {**msg.data, "clock_s": epoch_s()})


def _know_defaults() -> None:
    """Have Locust find out once what its options' defaults are. It makes its parser anew for each option of each order to spawn: some 75 ms
    in which no talker sends, in every second of the ramp."""
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        argument_parser.default_args_dict = cache(argument_parser.default_args_dict)
    argument_parser.default_args_dict()


def _here() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}
