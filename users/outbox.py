"""What goes out over one socket without ever blocking: what the kernel does not take is queued, and drained by a write watcher."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import get_hub

from users.channel import Channel
from users.native import Line

_WRITE = 2


class Backlog:
    """`bytes`: what waits in all outboxes of this process for the kernel to take it."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


BACKLOG = Backlog()


class Outbox:
    """Writes to a released channel, and keeps `line.clear` true to what waits.

    `unsent_bytes`: waiting for the kernel to take them, `unsent_bytes_max`: at most so far.
    `idle`: nothing waits. `on_broken(error)`: the connection turned out to be broken while what waited was drained."""

    __slots__ = (
        "_channel",
        "_direct",
        "_line",
        "_on_broken",
        "_sent",
        "_waiting",
        "_watcher",
        "_write",
        "idle",
        "unsent_bytes",
        "unsent_bytes_max",
    )

    def __init__(self, channel: Channel, line: Line, on_broken: Callable[[OSError], None]) -> None:
        self.idle = True
        self.unsent_bytes = self.unsent_bytes_max = 0
        self._channel = channel
        self._write = channel.writer()
        self._direct = line.clear = not channel.sealing
        self._line = line
        self._on_broken: Callable[[OSError], None] | None = on_broken
        self._waiting: deque[tuple[bytes, bool]] = deque()  # what is left of a message, and whether it is an audio frame
        self._sent: list[Callable[[], None]] = []
        self._watcher: Any = None

    def put(self, frame: bytes | memoryview, audio: bool = False) -> None:
        """Write or queue; what is queued is copied. Raises OSError where the connection is broken."""
        wire = frame if self._direct else self._channel.sealed(frame)
        sent = 0
        if self.idle:
            try:
                sent = self._write(wire)
            except (BlockingIOError, InterruptedError):
                pass
            if sent == len(wire):
                return
        self.queue(bytes(wire[sent:]), audio)

    def queue(self, rest: bytes, audio: bool) -> None:
        """Send these bytes of the wire as soon as the kernel takes them. `audio`: they end an audio frame."""
        if self.idle:
            self.idle = self._line.clear = False
            if self._watcher is None:
                self._watcher = get_hub().loop.io(self._channel.fileno(), _WRITE)
            self._watcher.start(self._writable)
        self._waiting.append((rest, audio))
        self.unsent_bytes += len(rest)
        BACKLOG.bytes += len(rest)
        self.unsent_bytes_max = max(self.unsent_bytes_max, self.unsent_bytes)

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the outbox is closed before."""
        if self.idle:
            then()
        else:
            self._sent.append(then)

    def hold(self) -> None:
        """Hand nothing to the kernel until `go_on`: what is put waits."""
        self.idle = self._line.clear = False
        if self._watcher is None:
            self._watcher = get_hub().loop.io(self._channel.fileno(), _WRITE)
        self._watcher.stop()

    def go_on(self) -> None:
        """Send again: what waits first."""
        self._watcher.start(self._writable)

    def close(self) -> int:
        """Stop; returns how many audio frames will never be sent."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        lost = sum(audio for _, audio in self._waiting)
        self._waiting.clear()
        self._sent.clear()
        self._on_broken = None
        BACKLOG.bytes -= self.unsent_bytes
        self.unsent_bytes = 0
        return lost

    def _writable(self) -> None:
        while self._waiting:
            wire, audio = self._waiting[0]
            try:
                sent = self._write(wire)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if self._on_broken is not None:
                    self._on_broken(error)
                return
            self.unsent_bytes -= sent
            BACKLOG.bytes -= sent
            if sent < len(wire):
                self._waiting[0] = wire[sent:], audio
                return
            self._waiting.popleft()
        self._watcher.stop()
        self.idle = True
        self._line.clear = self._direct
        sent_now, self._sent = self._sent, []
        for then in sent_now:
            then()
