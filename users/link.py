"""One WebSocket on the event loop: reads whole messages as they arrive, writes without ever blocking.

The opening is `users/opening.py`'s. The process's inbox tells when there is something to read, and each message is handed with its arrival
instant to `on_message`; there is no greenlet switch per message.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from metrics.records import ErrorKind
from protocol import (
    Alike,
    CloseCode,
    FrameDecoder,
    FrameError,
    Message,
    Opcode,
    PreparedFrame,
    close_payload,
    encode,
    parse_close,
)
from users.channel import Channel
from users.clock import KERNEL, now_ns
from users.errors import RemoteError
from users.inbox import Inbox
from users.line import HELD_MAX, KEYS
from users.native import Line
from users.network import Emulation
from users.outbox import Outbox

UNSENT_LIMIT = 1 << 20
"""Bytes waiting for the kernel above which further audio frames are dropped, and counted: about 16 s of 24 kHz PCM16 in base64."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How long the parts of the opening took, in seconds; `tls_s` None without TLS. `opened_ns`: handshake complete."""

    started_ns: int
    connect_s: float
    tls_s: float | None
    handshake_s: float
    opened_ns: int


class Link:
    """An open WebSocket. `on_message(arrived_ns, text)`; `on_closed(error)` is called once, with None after an orderly close of ours;
    `on_full()`, when as many messages are held as may be.

    `line`: where audio frames go. `open`: messages can be exchanged. `frames_dropped`: audio frames; `texts_sent`: other messages.
    """

    __slots__ = (
        "_ahead",
        "_channel",
        "_closing",
        "_decoder",
        "_ended",
        "_inbox",
        "_network",
        "_on_closed",
        "_on_full",
        "_on_message",
        "_outbox",
        "_received",
        "_started",
        "clock",
        "close_code",
        "frames_dropped",
        "line",
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
        on_full: Callable[[], None] | None = None,
        network: Emulation | None = None,
    ) -> None:
        self.opening = opening
        self.clock = channel.clock
        self.texts_sent = self.frames_dropped = self._received = 0
        self.close_code: int | None = None
        self.open = True
        self._channel = channel
        self._inbox = inbox
        self._on_message: Callable[[int, bytes], None] | None = on_message
        self._on_closed: Callable[[RemoteError | None], None] | None = on_closed
        self._on_full = on_full
        self._decoder = FrameDecoder()
        self._ahead = channel.release()
        self.line = Line(channel.raw, channel.clock == KERNEL, self)
        self.line.arrived_ns = channel.arrived_ns
        self._network = network
        self.line.path = network.path if network is not None else None
        self._outbox = Outbox(channel, self.line, self._broken)
        self._started = self._closing = self._ended = False

    def start(self) -> None:
        """Begin to hand messages over, those first that came right behind the handshake."""
        self._inbox.add(self.line)
        self._started = True
        self.line.between = not self._channel.sealing
        if self._network is not None:
            self._network.opened(now_ns(), self._reset_by_network)
        if self._ahead:
            self._take(self.opening.opened_ns, self._ahead)
        if self._channel.ended:
            self._ended_by_peer()

    def hold(self, alike: Alike | None) -> None:
        """Of text messages like these hold only when they came and their samples, instead of handing them over; None: of none. Only those
        are held that are read whole and by themselves."""
        self.line.alike = alike

    def held(self, until_ns: int | None = None) -> list[int]:
        """Takes what is held: arrival instant and samples of each message in turn. It came before what is handed over after it. Behind a
        network, only what has arrived by `until_ns` (None: by now)."""
        line = self.line
        held = line.held
        if held and line.path is not None:
            arrived = 2 * bisect_right(held[::2], now_ns() if until_ns is None else until_ns)
            line.held = held[arrived:]
            return held[:arrived]
        if held:
            line.held = []
        return held

    def left(self) -> list[int]:
        """Takes what is held and has not arrived yet: that of a network, as `held`."""
        left, self.line.held = self.line.held, []
        return left

    @property
    def frames_sent(self) -> int:
        """Audio frames sent."""
        return self.line.frames_sent

    @property
    def messages_received(self) -> int:
        """Messages received, those that are held included."""
        return self._received + self.line.messages

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

    def send(self, text: bytes) -> bool:
        """Send one text message. Whether it is sent, or will be: not on a closed link."""
        sent = self.open and self._put(Opcode.TEXT, text)
        self.texts_sent += sent
        return sent

    def send_frame(self, frame: PreparedFrame) -> bool:
        """Send an audio frame prepared once, masked afresh. False: dropped, as too much waits already or the link is closed."""
        return self.line.send(frame)

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the link ends before."""
        self._outbox.when_sent(then)

    def round_trip_s(self) -> float | None:
        """The kernel's least round-trip time; None where it tells none or the link has ended."""
        return None if self._ended else self._channel.round_trip_s()

    def hang_up(self) -> None:
        """Begin an orderly close: what arrives from now on is dropped; the assistant's answering close ends the link."""
        if self.open:
            self.open = self.line.open = False
            self.line.alike = None
            self._closing = True
            self._put(Opcode.CLOSE, close_payload(CloseCode.NORMAL))

    def abort(self) -> None:
        """Close the socket now. Safe at any time, again does nothing."""
        self._end(None)

    # What chaos does. Each says whether it could.

    def drop(self, error: RemoteError, reset: bool = False) -> bool:
        """End the connection without a close frame: with a FIN, as a program that exits does, or with `reset` with a RST."""
        if not self.open:
            return False
        self._channel.vanish(reset)
        self._end(error)
        return True

    def stall(self) -> bool:
        """Read and send nothing until `go_on`. A link that stalls already does not begin anew."""
        if not (self.open and self._started):
            return False
        self._inbox.remove(self.line)
        self._started = False
        self._outbox.hold()
        return True

    def go_on(self) -> None:
        """The stall is over; a link that has ended meanwhile stays so. What came in the stall arrives now: nobody heard it before."""
        if not (self._ended or self._started):
            self.line.arrived_ns = now_ns()
            self._inbox.add(self.line)
            self._started = True
            self._outbox.go_on()

    def spoil(self, wire: bytes) -> bool:
        """Put these bytes on the wire as they are."""
        if not self.open:
            return False
        try:
            self._outbox.put(wire)
        except OSError as error:
            self._lost(error, " while sending")
        return True

    # What the line calls.

    def send_later(self, frame: PreparedFrame) -> bool:
        """Something waits before it, or TLS seals it."""
        outbox = self._outbox
        if outbox.idle or outbox.unsent_bytes <= UNSENT_LIMIT:
            try:
                outbox.put(frame.masked(next(KEYS)), True)
                self.line.frames_sent += 1
                return True
            except OSError as error:
                self._lost(error, " while sending")
        self.frames_dropped += 1
        return False

    def send_rest(self, rest: bytes) -> bool:
        """The kernel has taken a frame but for this."""
        self._outbox.queue(rest, True)
        self.line.frames_sent += 1
        return True

    def send_failed(self, errno: int) -> bool:
        """A frame found the connection broken."""
        self.frames_dropped += 1
        self._broken(OSError(errno, os.strerror(errno)))
        return False

    def send_wire(self, wire: bytes) -> None:
        """A message that is no audio has passed the network."""
        try:
            self._outbox.put(wire)
        except OSError as error:
            self._broken(error)

    def overfull(self) -> bool:
        """Too much waits for the network."""
        self.frames_dropped += 1
        return False

    def arrived(self, arrived_ns: int, data: bytes) -> None:
        """Bytes came that are not held."""
        channel = self._channel
        try:
            plain = channel.opened(data)
        except OSError as error:
            self._lost(error)
            return
        if plain:
            text = self._decoder.whole(plain)
            if text is None or self._on_message is None or not self.open:
                self._take(arrived_ns, plain)
            else:
                self._whole(arrived_ns, text, self._on_message)
        if channel.ended:
            self._ended_by_peer()

    def read_failed(self, errno: int) -> None:
        """Reading found the connection broken."""
        self._lost(OSError(errno, os.strerror(errno)))

    def full(self) -> None:
        """As much is held as may be."""
        if self._on_full is not None:
            self._on_full()

    def _whole(self, arrived_ns: int, text: bytes, on_message: Callable[[int, bytes], None]) -> None:
        line = self.line
        samples = line.alike.samples(text) if line.alike is not None else None
        if samples is None:
            self._received += 1
            on_message(arrived_ns, text)
            return
        line.messages += 1
        at = 2 * bisect_right(line.held[::2], arrived_ns)  # C may hold what was read after it, but is still to come
        line.held[at:at] = (arrived_ns, samples)
        if len(line.held) % (2 * HELD_MAX) == 0:
            self.full()

    def _put(self, opcode: Opcode, payload: bytes) -> bool:
        """Write or queue; False where the link turned out to be broken, and was ended."""
        wire = encode(opcode, payload, next(KEYS).tobytes())
        if self.line.path is not None:
            return self.line.put(wire)
        try:
            self._outbox.put(wire)
        except OSError as error:
            self._lost(error, " while sending")
            return False
        return True

    def _reset_by_network(self, why: str) -> None:
        self._channel.reset()
        self._fail(ErrorKind.NETWORK, why)

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
        self.line.between = self._decoder.between and not self._channel.sealing

    def _dispatch(self, arrived_ns: int, message: Message) -> None:
        opcode, payload = message
        if self._ended:
            return
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._received += 1
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
        line = self.line
        line.open, line.owner = False, None
        if self._started:
            self._inbox.remove(line)
        if self._network is not None:
            self._network.ended()
            line.path = None
        lost = self._outbox.close()
        self._channel.close()
        line.frames_sent -= lost
        self.frames_dropped += lost
        closed, self._on_closed = self._on_closed, None
        self._on_message = self._on_full = None  # the session holds the link: no circle is left
        if closed is not None:
            closed(error)
