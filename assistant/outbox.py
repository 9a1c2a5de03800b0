"""The way out of one session: messages in order, whichever task makes them.

State changes put their messages here without waiting, so they are atomic; who put something flushes. Only flushing waits
where the client does not read, and so everything that makes messages waits: what is kept for such a client is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from assistant.wires.base import Message, Told

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Counts(Protocol):
    messages_sent: int
    audio_bytes_sent: int


class Outbox:
    """One session's messages; `counts` is told of each that is handed over, and by who makes them of the audio in them."""

    def __init__(self, send: Send, counts: Counts) -> None:
        self._send = send
        self.counts = counts
        self.waiting: deque[Message] = deque()
        self._way = asyncio.Lock()
        self.closed = False

    def put(self, told: Told) -> None:
        """Queues messages; None (an event that the wire lacks) is dropped, and everything once closed."""
        if told is None or self.closed:
            return
        if isinstance(told, list):
            self.waiting.extend(told)
        else:
            self.waiting.append(told)

    async def flush(self) -> None:
        """Hands what waits to the connection; returns once it is handed over, by this task or by another."""
        async with self._way:
            try:
                while self.waiting:
                    self.counts.messages_sent += 1
                    message = self.waiting.popleft()
                    await self._send({"type": "websocket.send", "bytes" if isinstance(message, bytes) else "text": message})
            except OSError:  # the client is gone; the receive loop is told so too, and ends the session
                self.close()

    def close(self) -> None:
        """Drops what waits and everything that comes."""
        self.closed = True
        self.waiting.clear()
