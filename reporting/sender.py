"""The sender: reports what a worker's talkers have measured, while a run is under way and at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from locust.event import EventHook
from locust.exception import RPCSendError
from locust.runners import WorkerRunner

import gevent

from reporting.batch import Batch
from reporting.gatherer import Gatherer, Watched
from reporting.journal import spool
from reporting.shipper import Shipper
from reporting.workers import WorkerFacts

logger = logging.getLogger(__name__)

BATCH, ACK, DRAIN = "doubletalk.batch", "doubletalk.ack", "doubletalk.drain"
"""Messages: a worker reports; the master has taken it; the master wants talkers stopped, and all that is left."""
PERIOD_S = 1.0
FLUSH_S = 10.0
"""How long a worker that is about to quit waits for the master to acknowledge what it has."""


class Sender:
    """Takes the records of `hooks` for one run, and ships them as batches whenever it is told to."""

    def __init__(self, hooks: Sequence[EventHook], gatherer: Gatherer, shipper: Shipper) -> None:
        self.shipper = shipper
        self._hooks = hooks
        self._gatherer = gatherer
        self._over = False
        for hook in hooks:
            hook.add_listener(gatherer.on_record)

    def report(self) -> None:
        """Ship what came since the last report."""
        if not self._over:
            self.shipper.ship(self._gatherer.batch())

    def end(self) -> Batch | None:
        """The talkers are gone: ship what is left. Again does nothing, and returns None."""
        if self._over:
            return None
        self._over = True
        for hook in self._hooks:
            hook.remove_listener(self._gatherer.on_record)
        last = self._gatherer.batch(last=True)
        self.shipper.ship(last)
        return last


class WorkerSender:
    """Reports a worker's runs to its master, one after the other. Where the master does not answer, what it has not acknowledged is kept in
    `folder`, and it is said where."""

    def __init__(self, runner: WorkerRunner, hooks: Sequence[EventHook], folder: Path, now_ns: Callable[[], int]) -> None:
        self._runner = runner
        self._hooks = hooks
        self._folder = folder
        self._now_ns = now_ns
        self._sender: Sender | None = None
        self._key: str | None = None
        self._run_id = ""
        self._told = False
        self._ticking: gevent.Greenlet | None = None
        runner.register_message(ACK, self._on_ack)
        runner.register_message(DRAIN, self._on_drain, concurrent=True)

    def begin(self, facts: WorkerFacts, told: dict[str, Any], watched: Watched) -> None:
        """A run begins. `told`: what the master says of it (its `key` and `run_id`)."""
        self.finish()
        self._keep()
        key = told["key"]
        gatherer = Gatherer(facts.name, watched, self._now_ns)

        def send(plain: dict[str, Any]) -> None:
            try:
                self._runner.send_message(BATCH, {"key": key, "batch": plain})
            except RPCSendError as error:
                raise OSError(str(error)) from error

        self._key, self._run_id, self._told = key, told["run_id"], False
        self._sender = Sender(self._hooks, gatherer, Shipper(send, spool(self._folder, self._run_id, facts.name), facts))
        self._ticking = gevent.spawn(self._tick, self._sender)

    def finish(self) -> None:
        """The talkers are gone. Does nothing where no run is under way."""
        if self._sender is not None and self._sender.end() is not None and self._ticking is not None:
            self._ticking.kill(block=False)

    def flush(self, limit_s: float = FLUSH_S) -> bool:
        """Wait until the master has acknowledged everything, at most so long; then keep what it has not. Whether it has."""
        if self._sender is None:
            return True
        shipper, until_ns = self._sender.shipper, self._now_ns() + round(limit_s * 1e9)
        while shipper.waiting and self._now_ns() < until_ns:
            gevent.sleep(0.02)
            shipper.retry()
        self._keep()
        if shipper.waiting and shipper.spool is None:
            logger.error("%d report(s) are lost: the master does not answer, and %s cannot be written to", shipper.waiting, self._folder)
        return not shipper.waiting

    def _keep(self) -> None:
        if self._sender is not None and self._sender.shipper.waiting:
            self._sender.shipper.keep()
            self._sender.shipper.leave()
            self._tell()

    def _tick(self, sender: Sender) -> None:
        while True:
            gevent.sleep(PERIOD_S)
            sender.report()
            self._tell()

    def _tell(self) -> None:
        kept = self._sender.shipper.spool if self._sender else None
        if kept is not None and not self._told:
            self._told = True
            logger.error(
                "the master does not answer: what it has not acknowledged is kept in %s; once this worker has quit, put it beside the "
                "run's folder %s on the master's machine, then: python -m analysis recover RUN, where RUN is that folder",
                kept,
                self._run_id,
            )

    def _on_ack(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._sender is not None and msg.data["key"] == self._key:
            self._sender.shipper.acknowledge(msg.data["seq"])

    def _on_drain(self, environment: Any, msg: Any, **_: Any) -> None:
        """Stop the talkers, report what is left, and Locust's own statistics with it: those that Locust sends by itself come too late."""
        environment.stop_timeout = msg.data["stop_timeout"]
        self._runner.stop()
        self._runner._send_stats()
        self.finish()
        environment.stop_timeout = 0  # Locust tells it to stop once more, and would wait so long before the worker can be used again
        self.flush()
