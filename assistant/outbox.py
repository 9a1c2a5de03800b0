"""The way out of one session: messages in order, whichever task makes them.

State changes put their messages here without waiting, so they are atomic; who put something flushes. Only flushing waits,
where the client does not read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Counts(Protocol):
    messages_sent: int


class Outbox:
    """One session's messages; `counts` is told of each that is handed over."""

    def __init__(self, send: Send, counts: Counts) -> None:
        self._send = send
        self._counts = counts
        self.waiting: deque[str] = deque()
        self._flushing = False
        self.closed = False

    def put(self, text: str | None) -> None:
        """Queues a message; None (an event that the dialect lacks) is dropped, and everything once closed."""
        if text is not None and not self.closed:
            self.waiting.append(text)

    async def flush(self) -> None:
        """Hands what waits to the connection. Where another task does so already, it takes this too."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self.waiting:
                self._counts.messages_sent += 1
                await self._send({"type": "websocket.send", "text": self.waiting.popleft()})
        except OSError:  # the client is gone; the receive loop is told so too, and ends the session
            self.close()
        finally:
            self._flushing = False

    def close(self) -> None:
        """Drops what waits and everything that comes."""
        self.closed = True
        self.waiting.clear()
