"""One WebSocket on the event loop: reads whole messages as they arrive, writes without ever blocking.

The opening is `users/opening.py`'s. The process's inbox tells when there is something to read, and each message is handed with its arrival
instant to `on_message`; there is no greenlet switch per message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from metrics.records import ErrorKind
from protocol import CloseCode, FrameDecoder, FrameError, Message, Opcode, PreparedFrame, close_payload, encode, mask_keys, parse_close
from users.channel import Channel
from users.errors import RemoteError
from users.inbox import Inbox
from users.outbox import Outbox

UNSENT_LIMIT = 1 << 20
"""Bytes waiting for the kernel above which further audio frames are dropped, and counted: about 16 s of 24 kHz PCM16 in base64."""

_KEYS = mask_keys(os.urandom)


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

    `open`: messages can be exchanged. `frames_sent`, `frames_dropped`: audio frames; `texts_sent`: other messages.
    """

    __slots__ = (
        "_ahead",
        "_channel",
        "_closing",
        "_decoder",
        "_ended",
        "_inbox",
        "_on_closed",
        "_on_message",
        "_outbox",
        "_started",
        "clock",
        "close_code",
        "frames_dropped",
        "frames_sent",
        "messages_received",
        "open",
        "opening",
        "texts_sent",
    )

    def __init__(
        self,
        channel: Channel,
        opening: Opening,
        inbox: Inbox,
        on_message: Callable[[int, bytes], None],
        on_closed: Callable[[RemoteError | None], None],
    ) -> None:
        self.opening = opening
        self.clock = channel.clock
        self.texts_sent = self.messages_received = 0
        self.frames_sent = self.frames_dropped = 0
        self.close_code: int | None = None
        self.open = True
        self._channel = channel
        self._inbox = inbox
        self._on_message: Callable[[int, bytes], None] | None = on_message
        self._on_closed: Callable[[RemoteError | None], None] | None = on_closed
        self._decoder = FrameDecoder()
        self._ahead = channel.release()
        self._outbox = Outbox(channel, self._broken)
        self._started = self._closing = self._ended = False

    def start(self) -> None:
        """Begin to hand messages over, those first that came right behind the handshake."""
        self._inbox.add(self._channel.fileno(), self._readable)
        self._started = True
        if self._ahead:
            self._take(self._channel.arrived_ns, self._ahead)
        if self._channel.ended:
            self._ended_by_peer()

    @property
    def messages_sent(self) -> int:
        """Text messages and audio frames sent."""
        return self.texts_sent + self.frames_sent

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the kernel to take them."""
        return self._outbox.unsent_bytes

    @property
    def unsent_bytes_max(self) -> int:
        """The most that ever waited."""
        return self._outbox.unsent_bytes_max

    def send(self, text: bytes) -> None:
        """Send one text message; nothing happens on a closed link."""
        if self.open and self._put(Opcode.TEXT, text):
            self.texts_sent += 1

    def send_frame(self, frame: PreparedFrame) -> bool:
        """Send an audio frame prepared once, masked afresh. False: dropped, as too much waits already or the link is closed."""
        if not self.open:
            return False
        outbox = self._outbox
        if outbox.idle or outbox.unsent_bytes <= UNSENT_LIMIT:
            try:
                outbox.put(frame.masked(next(_KEYS)), True)
                self.frames_sent += 1
                return True
            except OSError as error:
                self._lost(error, " while sending")
        self.frames_dropped += 1
        return False

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the link ends before."""
        self._outbox.when_sent(then)

    def round_trip_s(self) -> float | None:
        """The kernel's least round-trip time; None where it tells none or the link has ended."""
        return None if self._ended else self._channel.round_trip_s()

    def hang_up(self) -> None:
        """Begin an orderly close: what arrives from now on is dropped; the assistant's answering close ends the link."""
        if self.open:
            self.open = False
            self._closing = True
            self._put(Opcode.CLOSE, close_payload(CloseCode.NORMAL))

    def abort(self) -> None:
        """Close the socket now. Safe at any time, again does nothing."""
        self._end(None)

    def _put(self, opcode: Opcode, payload: bytes) -> bool:
        """Write or queue; False where the link turned out to be broken, and was ended."""
        try:
            self._outbox.put(encode(opcode, payload, next(_KEYS).tobytes()))
        except OSError as error:
            self._lost(error, " while sending")
            return False
        return True

    def _readable(self) -> None:
        channel = self._channel
        try:
            data = channel.read()
        except OSError as error:
            self._lost(error)
            return
        if data:
            text = self._decoder.whole(data)
            if text is None or self._on_message is None or not self.open:
                self._take(channel.arrived_ns, data)
            else:
                self.messages_received += 1
                self._on_message(channel.arrived_ns, text)
        if channel.ended:
            self._ended_by_peer()

    def _broken(self, error: OSError) -> None:
        self._lost(error, " while sending")

    def _lost(self, error: OSError, when: str = "") -> None:
        self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost{when}: {error.strerror or error}")

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
            if not self._ended:
                self._put(Opcode.CLOSE, close_payload(error.code))
                self._fail(ErrorKind.PROTOCOL, f"not a WebSocket frame: {error}")
            return
        for message in messages:
            self._dispatch(arrived_ns, message)

    def _dispatch(self, arrived_ns: int, message: Message) -> None:
        opcode, payload = message
        if self._ended:
            return
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self.messages_received += 1
            if self.open and self._on_message is not None:
                self._on_message(arrived_ns, payload)
        elif opcode is Opcode.PING:
            self._put(Opcode.PONG, payload)
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
        self._put(Opcode.CLOSE, close_payload(code) if code else b"")
        self._fail(ErrorKind.REMOTE_CLOSE, f"closed by the assistant: code {code or 'none'}" + (f", {reason[:120]}" if reason else ""))

    def _fail(self, kind: ErrorKind, text: str) -> None:
        self._end(RemoteError(kind, text, close_code=self.close_code))

    def _end(self, error: RemoteError | None) -> None:
        if self._ended:
            return
        self._ended, self.open = True, False
        if self._started:
            self._inbox.remove(self._channel.fileno())
        lost = self._outbox.close()
        self._channel.close()
        self.frames_sent -= lost
        self.frames_dropped += lost
        closed, self._on_closed, self._on_message = self._on_closed, None, None  # the session holds the link: no circle is left
        if closed is not None:
            closed(error)
