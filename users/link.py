"""One WebSocket as its talker has it: opening told, closing shaken, and whose fault its end was. Its messages go by `users/transport.py`;
the opening is `users/opening.py`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metrics.records import ErrorKind
from protocol import CloseCode, FrameError, Opcode, PreparedFrame, close_payload, parse_close
from users.channel import Channel
from users.clock import now_ns
from users.errors import RemoteError
from users.inbox import Inbox
from users.native import Line
from users.network import Emulation
from users.transport import Transport


@dataclass(frozen=True, slots=True)
class Opening:
    """How long the parts of the opening took, in seconds; `tls_s` None without TLS. `opened_ns`: handshake complete."""

    started_ns: int
    connect_s: float
    tls_s: float | None
    handshake_s: float
    opened_ns: int


class Link:
    """An open WebSocket. `on_message(arrived_ns, payload, opcode)`; `on_closed(error)`, once, with None after an orderly close of ours;
    `on_full()`, when as many messages are held as may be.

    `line`: where audio frames go. `open`: messages can be exchanged. `texts_sent`: messages besides audio frames.
    """

    __slots__ = (
        "_ahead",
        "_channel",
        "_closing",
        "_ended",
        "_network",
        "_on_closed",
        "clock",
        "close_code",
        "line",
        "open",
        "opening",
        "texts_sent",
        "transport",
    )

    def __init__(
        self,
        channel: Channel,
        opening: Opening,
        inbox: Inbox,
        on_message: Callable[[int, bytes, Opcode], None],
        on_closed: Callable[[RemoteError | None], None],
        on_full: Callable[[], None] | None = None,
        network: Emulation | None = None,
    ) -> None:
        self.opening = opening
        self.clock = channel.clock
        self.texts_sent = 0
        self.close_code: int | None = None
        self.open = True
        self._channel = channel
        self._on_closed: Callable[[RemoteError | None], None] | None = on_closed
        self._ahead = channel.release()
        self._network = network
        self.transport = Transport(channel, inbox, self, on_message, on_full, network)
        self.line: Line = self.transport.line
        self._closing = self._ended = False

    def start(self) -> None:
        """Begin to hand messages over, those first that came right behind the handshake."""
        self.transport.start()
        if self._network is not None:
            self._network.opened(now_ns(), self._reset_by_network)
        if self._ahead:
            self.transport.take(self.opening.opened_ns, self._ahead)
        if self._channel.ended:
            self.ended_by_peer()

    @property
    def frames_sent(self) -> int:
        """Audio frames sent."""
        return self.line.frames_sent

    @property
    def frames_dropped(self) -> int:
        """Audio frames that could not be sent."""
        return self.transport.frames_dropped

    @property
    def messages_received(self) -> int:
        """Messages received."""
        return self.transport.messages_received

    @property
    def messages_sent(self) -> int:
        """Messages sent, audio frames included."""
        return self.texts_sent + self.frames_sent

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the kernel to take them."""
        return self.transport.outbox.unsent_bytes

    @property
    def unsent_bytes_max(self) -> int:
        """The most that ever waited."""
        return self.transport.outbox.unsent_bytes_max

    def send(self, message: bytes, opcode: Opcode = Opcode.TEXT) -> bool:
        """Send one message that is no audio frame. Whether it is sent, or will be: not on a closed link."""
        sent = self.open and self.transport.put(opcode, message)
        self.texts_sent += sent
        return sent

    def send_frame(self, frame: PreparedFrame) -> bool:
        """Send an audio frame prepared once, masked afresh. False: dropped, as too much waits already or the link is closed."""
        return self.line.send(frame)

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the link ends before."""
        self.transport.outbox.when_sent(then)

    def round_trip_s(self) -> float | None:
        """The kernel's least round-trip time; None where it tells none or the link has ended."""
        return None if self._ended else self._channel.round_trip_s()

    def hang_up(self) -> None:
        """Begin an orderly close: what arrives from now on is dropped; the assistant's answering close ends the link."""
        if self.open:
            self.open = self.line.open = False
            self.line.alike = self.transport.on_message = None
            self._closing = True
            self.transport.put(Opcode.CLOSE, close_payload(CloseCode.NORMAL))

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
        if not (self.open and self.transport.started):
            return False
        self.transport.pause()
        return True

    def go_on(self) -> None:
        """The stall is over; a link that has ended meanwhile stays so."""
        if not (self._ended or self.transport.started):
            self.transport.resume()

    def spoil(self, wire: bytes) -> bool:
        """Put these bytes on the wire as they are."""
        if not self.open:
            return False
        self.transport.put_wire(wire)
        return True

    # What the transport tells.

    def control(self, opcode: Opcode, payload: bytes) -> None:
        """Answer a ping and a close."""
        if opcode is Opcode.PING:
            self.transport.put(Opcode.PONG, payload)
        elif opcode is Opcode.CLOSE:
            self._closed_by_peer(payload)

    def unreadable(self, error: FrameError) -> None:
        """Say so to the assistant, and end."""
        self.transport.put(Opcode.CLOSE, close_payload(error.code))
        self._fail(ErrorKind.PROTOCOL, f"not a WebSocket frame: {error}")

    def lost(self, error: OSError, when: str = "") -> None:
        """The connection is broken."""
        self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost{when}: {error.strerror or error}")

    def ended_by_peer(self) -> None:
        """All in order after a close of ours; else the assistant's fault."""
        if self._closing:
            self._end(None)
        else:
            self._fail(ErrorKind.REMOTE_CLOSE, "connection closed without a close frame")

    def _reset_by_network(self, why: str) -> None:
        self._channel.reset()
        self._fail(ErrorKind.NETWORK, why)

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
        self.transport.put(Opcode.CLOSE, close_payload(code) if code else b"")
        self._fail(ErrorKind.REMOTE_CLOSE, f"closed by the assistant: code {code or 'none'}" + (f", {reason}" if reason else ""))

    def _fail(self, kind: ErrorKind, text: str) -> None:
        self._end(RemoteError(kind, text, close_code=self.close_code))

    def _end(self, error: RemoteError | None) -> None:
        if self._ended:
            return
        self._ended, self.open = True, False
        self.transport.close()
        if self._network is not None:
            self._network.ended()
        self._channel.close()
        closed, self._on_closed = self._on_closed, None  # the session holds the link: no circle is left
        if closed is not None:
            closed(error)
