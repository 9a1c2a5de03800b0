"""One WebSocket on the event loop: reads whole messages as they arrive, writes without ever blocking.

The opening is `users/opening.py`'s. A read watcher hands each message with its arrival instant to `on_message`; there is no greenlet
switch per message. What the kernel does not take is queued and drained by a write watcher.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gevent import get_hub

from metrics.records import ErrorKind
from protocol import CloseCode, FrameDecoder, FrameError, Message, Opcode, PreparedFrame, close_payload, encode, mask_keys, parse_close
from users.channel import Channel
from users.errors import RemoteError

UNSENT_LIMIT = 1 << 20
"""Bytes waiting for the kernel above which further audio frames are dropped, and counted: about 16 s of 24 kHz PCM16 in base64."""

_READ, _WRITE = 1, 2
_KEYS = mask_keys(os.urandom)
_TEXT = Opcode.TEXT


@dataclass(frozen=True, slots=True)
class Opening:
    """How long the parts of the opening took, in seconds; `tls_s` None without TLS. `opened_ns`: handshake complete."""

    started_ns: int
    connect_s: float
    tls_s: float | None
    handshake_s: float
    opened_ns: int


class Link:
    """An open WebSocket. `on_message(arrived_ns, text)`; `on_closed(error)` is called once, with None after an orderly close of ours.

    `unsent_bytes`: bytes that wait for the kernel to take them, now and at most; `frames_sent`, `frames_dropped`: audio frames;
    `texts_sent`: other messages.
    """

    def __init__(
        self,
        channel: Channel,
        opening: Opening,
        on_message: Callable[[int, bytes], None],
        on_closed: Callable[[RemoteError | None], None],
    ) -> None:
        self.opening = opening
        self.clock = channel.clock
        self.texts_sent = self.messages_received = 0
        self.frames_sent = self.frames_dropped = 0
        self.unsent_bytes = self.unsent_bytes_max = 0
        self.close_code: int | None = None
        self._channel = channel
        self._on_message = on_message
        self._on_closed = on_closed
        self._decoder = FrameDecoder()
        self._unsent: deque[tuple[bytes, bool]] = deque()  # what is left of a message, and whether it is an audio frame
        self._direct = not channel.sealing  # audio frames go to the kernel as they are
        self._drained: list[Callable[[], None]] = []
        self._open = True
        self._closing = False
        self._ahead = channel.release()
        loop = get_hub().loop
        self._reader = loop.io(channel.fileno(), _READ)
        self._writer = loop.io(channel.fileno(), _WRITE)

    def start(self) -> None:
        """Begin to hand messages over, those first that came right behind the handshake."""
        self._reader.start(self._readable)
        if self._ahead:
            self._take(self._channel.arrived_ns, self._ahead)
        if self._channel.ended:
            self._ended_by_peer()

    @property
    def open(self) -> bool:
        """Whether messages can still be exchanged."""
        return self._open and not self._closing

    @property
    def messages_sent(self) -> int:
        """Text messages and audio frames sent."""
        return self.texts_sent + self.frames_sent

    def send(self, text: bytes) -> None:
        """Send one text message; nothing happens on a closed link."""
        if self.open and self._put(self._frame(Opcode.TEXT, text)):
            self.texts_sent += 1

    def send_frame(self, frame: PreparedFrame) -> bool:
        """Send an audio frame prepared once, masked afresh. False: dropped, as too much waits already or the link is closed."""
        if not self._open or self._closing:
            return False
        if self.unsent_bytes > UNSENT_LIMIT or not self._put(frame.masked(next(_KEYS)), audio=True):
            self.frames_dropped += 1
            return False
        self.frames_sent += 1
        return True

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the link ends before."""
        if self._unsent:
            self._drained.append(then)
        else:
            then()

    def round_trip_s(self) -> float | None:
        """The kernel's least round-trip time; None where it tells none or the link is closed."""
        return self._channel.round_trip_s() if self._open else None

    def hang_up(self) -> None:
        """Begin an orderly close: what arrives from now on is dropped; the assistant's answering close ends the link."""
        if self.open:
            self._closing = True
            self._put(self._frame(Opcode.CLOSE, close_payload(CloseCode.NORMAL)))

    def abort(self) -> None:
        """Close the socket now. Safe at any time, again does nothing."""
        self._end(None)

    def _frame(self, opcode: Opcode, payload: bytes) -> bytes:
        return encode(opcode, payload, next(_KEYS).tobytes())

    def _put(self, frame: bytes | memoryview, audio: bool = False) -> bool:
        """Write or queue; False where the link turned out to be broken, and was ended."""
        sent = 0
        wire = frame
        try:
            if not self._direct:
                wire = self._channel.sealed(frame)
            if not self._unsent:
                sent = self._channel.write(wire)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost while sending: {error.strerror or error}")
            return False
        if sent != len(wire):
            self._queue(bytes(wire[sent:]), audio)
        return True

    def _queue(self, rest: bytes, audio: bool) -> None:
        if not self._unsent:
            self._writer.start(self._writable)
        self._unsent.append((rest, audio))
        self.unsent_bytes += len(rest)
        self.unsent_bytes_max = max(self.unsent_bytes_max, self.unsent_bytes)

    def _writable(self) -> None:
        while self._unsent:
            wire, audio = self._unsent[0]
            try:
                sent = self._channel.write(wire)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost while sending: {error.strerror or error}")
                return
            self.unsent_bytes -= sent
            if sent < len(wire):
                self._unsent[0] = wire[sent:], audio
                return
            self._unsent.popleft()
        self._writer.stop()
        drained, self._drained = self._drained, []
        for then in drained:
            then()

    def _readable(self) -> None:
        try:
            data = self._channel.read()
        except OSError as error:
            self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost: {error.strerror or error}")
            return
        if data:
            self._take(self._channel.arrived_ns, data)
        if self._channel.ended:
            self._ended_by_peer()

    def _ended_by_peer(self) -> None:
        if self._closing:
            self._end(None)
        else:
            self._fail(ErrorKind.REMOTE_CLOSE, "connection closed without a close frame")

    def _take(self, arrived_ns: int, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            for message in error.messages:
                self._dispatch(arrived_ns, message)
            if self._open:
                self._put(self._frame(Opcode.CLOSE, close_payload(error.code)))
                self._fail(ErrorKind.PROTOCOL, f"not a WebSocket frame: {error}")
            return
        for message in messages:
            if message[0] is _TEXT and self._open and not self._closing:
                self.messages_received += 1
                self._on_message(arrived_ns, message[1])
            else:
                self._dispatch(arrived_ns, message)

    def _dispatch(self, arrived_ns: int, message: Message) -> None:
        if not self._open:
            return
        opcode, payload = message.opcode, message.payload
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self.messages_received += 1
            if not self._closing:
                self._on_message(arrived_ns, payload)
        elif opcode is Opcode.PING:
            self._put(self._frame(Opcode.PONG, payload))
        elif opcode is Opcode.CLOSE:
            self._closed_by_peer(payload)

    def _closed_by_peer(self, payload: bytes) -> None:
        try:
            code, reason = parse_close(payload)
        except FrameError as error:
            self._fail(ErrorKind.PROTOCOL, f"broken close frame: {error}")
            return
        self.close_code = code
        if self._closing:
            self._end(None)
            return
        self._put(self._frame(Opcode.CLOSE, close_payload(code) if code else b""))
        self._fail(ErrorKind.REMOTE_CLOSE, f"closed by the assistant: code {code or 'none'}" + (f", {reason[:120]}" if reason else ""))

    def _fail(self, kind: ErrorKind, text: str) -> None:
        self._end(RemoteError(kind, text, close_code=self.close_code))

    def _end(self, error: RemoteError | None) -> None:
        if not self._open:
            return
        self._open = False
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        self._channel.close()
        lost = sum(audio for _, audio in self._unsent)
        self.frames_sent -= lost
        self.frames_dropped += lost
        self._unsent.clear()
        self.unsent_bytes = 0
        self._on_closed(error)
