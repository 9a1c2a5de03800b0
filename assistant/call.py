"""What the parts of one session share: its identity, its way out, its settings, its timers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from assistant.conversation import Conversation
from assistant.ears import Ears
from assistant.hub import Hub
from assistant.outbox import Outbox
from assistant.settings import Settings, TurnDetection
from assistant.truth import SessionTruth
from assistant.wires.base import REALTIME, Wire

log = logging.getLogger("assistant")


class Call:
    """One session seen from inside. `aborted` cuts the connection without a close frame. `tuned`: how both sides write audio is settled,
    and `ears` and `book` are made for it."""

    def __init__(self, hub: Hub, outbox: Outbox, wire: Wire, *, client: str | None, settings: Settings) -> None:
        self.hub = hub
        self.outbox = outbox
        self.client = client
        self.session_id = f"sess_{wire.tag}"
        self.key = hub.session_key(client)
        self.wire = wire
        self.settings = settings
        self.conversation = Conversation(f"conv_{wire.tag}")
        self.turn_detection: TurnDetection | None = self.settings.turn_detection
        self.ears = Ears(hub.sounds.index(REALTIME), self.turn_detection)
        self.book = hub.sounds.book(REALTIME)
        self.tuned = False
        self.truth = SessionTruth(self.session_id, client, opened_ns=monotonic_ns())
        self.aborted = asyncio.Event()
        self._ids = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def tune(self) -> None:
        """Listen and speak as the wire writes audio."""
        index, self.book = await self.hub.sounds.make(self.wire.input, self.wire.output)
        self.ears = Ears(index, self.turn_detection)
        self.tuned = True

    def rng(self, purpose: str, turn: int) -> random.Random:
        return self.hub.rng(self.key, purpose, turn)

    def fresh_id(self, prefix: str) -> str:
        """An id that this session has not used."""
        self._ids += 1
        return f"{prefix}_{self.wire.tag}_{self._ids}"

    def emit(self, kind: str, **fields: Any) -> int:
        """Queues an event; returns the instant."""
        self.outbox.put(self.wire.event(kind, **fields))
        return monotonic_ns()

    def error(self, message: str, *, code: str | None = None, param: str | None = None, event_id: Any = None) -> None:
        """Queues an error event; the session lives on."""
        shown = event_id if isinstance(event_id, str) else None
        self.outbox.put(self.wire.error(message, code=code, param=param, event_id=shown))

    def later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle | None:
        """Does something after a delay, and flushes; at once where there is no delay. Timers die with the session."""
        if delay_s <= 0:
            action()
            return None

        def run() -> None:
            self._timers.discard(handle)
            action()
            self.spawn(self.outbox.flush())

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(handle)
        return handle

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Runs a coroutine as a task of this session."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken(error)

    def broken(self, error: BaseException) -> None:
        """A defect of the assistant itself: told, counted, and the session is cut rather than left hanging."""
        log.error("session %s failed", self.session_id, exc_info=error)
        self.hub.exposition.errors.labels("internal").inc()
        self.aborted.set()

    async def end(self) -> None:
        """Stops all timers and tasks and waits for them."""
        self.outbox.close()
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
