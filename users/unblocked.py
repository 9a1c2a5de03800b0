"""Locust's master, mended: it receives while it starts and stops, and gives talkers to whoever is there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from locust import runners

import gevent
from gevent.queue import Queue

logger = logging.getLogger(__name__)

LOST_AFTER_S = 15
"""A worker whose heartbeat is missing for so long is lost. A process that is stopped for ten seconds comes back."""


class Unblocked:
    """Mends four things of a Locust master that cost a run its measurements.

    - Where a worker joins, quits or heals, the greenlet that receives all messages starts the run anew, or stops it, and waits for reports
      that only it could receive: up to a second, or as long as the ramp takes, in which no worker's records or heartbeats arrive. Here each
      goes on in a greenlet of its own, one after the other.
    - A worker that is missing for a minute makes Locust begin the run again from nothing, which ends the other workers' calls: here it
      stays missing.
    - A worker that joins a run is told to spawn talkers before it can know of the run: here one that `holds` says so of is told that the
      master is there, and counts as ready only when `ready` is called with its id.
    - Once talkers were given to other workers, Locust believes that it is still doing so, and does it never again; nor does it where a
      worker leaves while it does. Here it does.
    """

    def __init__(self, runner: runners.MasterRunner, holds: Callable[[str], bool]) -> None:
        runners.HEARTBEAT_LIVENESS = LOST_AFTER_S
        runners.HEARTBEAT_DEAD_INTERNAL = -(10**9)
        self._runner = runner
        self._holds = holds
        self._held: dict[str, Any] = {}
        self._receiving: list[gevent.Greenlet] = []
        self._jobs: Queue[Callable[[], Any]] = Queue()
        self.closing = False
        """Whether the run is ending: talkers are given to nobody then."""
        self._receive, self._start = runner.handle_message, runner.start
        # Locust has no hook around any of these.
        runner.handle_message = self._handle_message  # type: ignore[method-assign, assignment]
        runner.start = self._aside(self._start_and_settle, self._share_out)  # type: ignore[method-assign]
        runner.stop = self._aside(runner.stop)  # type: ignore[method-assign]
        runner.quit = self._aside(runner.quit)  # type: ignore[method-assign]
        self._working = gevent.spawn(self._work)

    def forget(self, client: str) -> None:
        """A worker that was held will never be ready."""
        self._held.pop(client, None)

    def ready(self, client: str) -> None:
        """A worker that was held may be given talkers now. Does nothing for any other."""
        msg = self._held.pop(client, None)
        if msg is not None:
            self._receive(client, msg)

    def _handle_message(self, client: str, msg: Any) -> None:
        if msg.type == "client_ready" and self._holds(client):
            self._held[client] = msg
            self._runner.send_message("ack", {"index": self._runner.get_worker_index(client)}, client)
            return
        if msg.type == "quit":
            self.forget(client)
        self._receiving.append(gevent.getcurrent())
        try:
            self._receive(client, msg)
        finally:
            self._receiving.pop()

    def _start_and_settle(self, *args: Any, **kwargs: Any) -> None:
        self._start(*args, **kwargs)
        dispatcher = self._runner._users_dispatcher
        if dispatcher is None:
            return
        dispatcher._dispatch_in_progress = False
        if dispatcher._rebalance and self._runner.state == runners.STATE_RUNNING:
            self._jobs.put(self._share_out)

    def _share_out(self, *args: Any, **kwargs: Any) -> None:
        """Give the talkers of a run under way to who is there."""
        if not self.closing and self._runner.state in (runners.STATE_SPAWNING, runners.STATE_RUNNING):
            self._start_and_settle(self._runner.target_user_count, self._runner.spawn_rate)

    def _aside(self, act: Callable[..., Any], later: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def acting(*args: Any, **kwargs: Any) -> Any:
            if gevent.getcurrent() in self._receiving:
                self._jobs.put(lambda: (later or act)(*args, **kwargs))
                return None
            return act(*args, **kwargs)

        return acting

    def _work(self) -> None:
        while True:
            try:
                self._jobs.get()()
            except Exception:
                logger.exception("Locust could not start or stop what a worker's coming or going asked for")
