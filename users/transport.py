"""Messages over one socket on the event loop: reads them as they arrive, writes without ever blocking. What they mean is its link's.

The process's inbox tells when there is something to read, and each message is handed with its arrival instant to `on_message`;
there is no greenlet switch per message. Audio frames go out by the line, all else by the outbox or, behind a network profile, by its path.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

from protocol import FrameDecoder, FrameError, Message, Opcode, PreparedFrame, encode
from users.channel import Channel
from users.clock import KERNEL, now_ns
from users.inbox import Inbox
from users.line import HELD_MAX, KEYS
from users.native import Line
from users.network import Emulation
from users.outbox import Outbox

UNSENT_LIMIT = 1 << 20
"""Bytes waiting for the kernel above which further audio frames are dropped, and counted: about 16 s of 24 kHz PCM16 in base64."""


class Endpoint(Protocol):
    """What a transport tells its link."""

    def control(self, opcode: Opcode, payload: bytes) -> None:
        """A ping, pong or close frame came."""
        ...

    def unreadable(self, error: FrameError) -> None:
        """What came is no WebSocket frame; what came before it was handed over."""
        ...

    def lost(self, error: OSError, when: str = "") -> None:
        """The connection is broken; `when` begins with a space."""
        ...

    def ended_by_peer(self) -> None:
        """The peer sends no more."""
        ...


class Transport:
    """Of a released channel, until `close`. `on_message(arrived_ns, payload, opcode)`, TEXT or BINARY; None: messages are counted, and
    dropped. `on_full()`: as many messages are held as may be.

    `line`: where audio frames go. `outbox`: where all else waits. `frames_dropped`: audio frames. `started`: it reads.
    """

    __slots__ = (
        "_channel",
        "_decoder",
        "_endpoint",
        "_inbox",
        "_on_full",
        "_received",
        "frames_dropped",
        "line",
        "on_message",
        "outbox",
        "started",
    )

    def __init__(
        self,
        channel: Channel,
        inbox: Inbox,
        endpoint: Endpoint,
        on_message: Callable[[int, bytes, Opcode], None],
        on_full: Callable[[], None] | None,
        network: Emulation | None,
    ) -> None:
        self.frames_dropped = self._received = 0
        self.started = False
        self.on_message: Callable[[int, bytes, Opcode], None] | None = on_message
        self._on_full = on_full
        self._channel = channel
        self._inbox = inbox
        self._endpoint: Endpoint | None = endpoint
        self._decoder = FrameDecoder()
        self.line = Line(channel.raw, channel.clock == KERNEL, self)
        self.line.arrived_ns = channel.arrived_ns
        self.line.path = network.path if network is not None else None
        self.outbox = Outbox(channel, self.line, self._broken)

    def start(self) -> None:
        """Begin to read."""
        self._inbox.add(self.line)
        self.started = True
        self.line.between = not self._channel.sealing

    def pause(self) -> None:
        """Read and send nothing until `resume`."""
        self._inbox.remove(self.line)
        self.started = False
        self.outbox.hold()

    def resume(self) -> None:
        """Read and send again. What came in the pause arrives now: nobody heard it before."""
        self.line.arrived_ns = now_ns()
        self._inbox.add(self.line)
        self.started = True
        self.outbox.go_on()

    def close(self) -> None:
        """Read and send no more: what waits is dropped. The channel stays open. To be called once."""
        line = self.line
        line.open, line.owner = False, None
        if self.started:
            self._inbox.remove(line)
        line.path = None
        lost = self.outbox.close()
        line.frames_sent -= lost
        self.frames_dropped += lost
        self._endpoint = self.on_message = self._on_full = None  # the link holds the transport: no circle is left

    @property
    def messages_received(self) -> int:
        """Messages received, those that are held included."""
        return self._received + self.line.messages

    def put(self, opcode: Opcode, payload: bytes) -> bool:
        """Send one message that is no audio. False where the connection turned out to be broken, and was ended."""
        wire = encode(opcode, payload, next(KEYS).tobytes())
        if self.line.path is not None:
            return self.line.put(wire)
        return self.put_wire(wire)

    def put_wire(self, wire: bytes) -> bool:
        """Send these bytes as they are, past the network. As `put`."""
        try:
            self.outbox.put(wire)
        except OSError as error:
            self._broken(error)
            return False
        return True

    # What the line calls.

    def send_later(self, frame: PreparedFrame) -> bool:
        """Something waits before it, or TLS seals it."""
        outbox = self.outbox
        if outbox.idle or outbox.unsent_bytes <= UNSENT_LIMIT:
            try:
                outbox.put(frame.masked(next(KEYS)), True)
                self.line.frames_sent += 1
                return True
            except OSError as error:
                self._broken(error)
        self.frames_dropped += 1
        return False

    def send_rest(self, rest: bytes) -> bool:
        """The kernel has taken a frame but for this."""
        self.outbox.queue(rest, True)
        self.line.frames_sent += 1
        return True

    def send_failed(self, errno: int) -> bool:
        """A frame found the connection broken."""
        self.frames_dropped += 1
        self._broken(OSError(errno, os.strerror(errno)))
        return False

    def send_wire(self, wire: bytes) -> None:
        """A message that is no audio has passed the network."""
        self.put_wire(wire)

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
            message = self._decoder.whole(plain)
            if message is None or self.on_message is None:
                self.take(arrived_ns, plain)
            else:
                self._whole(arrived_ns, *message, self.on_message)
        if channel.ended and self._endpoint is not None:
            self._endpoint.ended_by_peer()

    def read_failed(self, errno: int) -> None:
        """Reading found the connection broken."""
        self._lost(OSError(errno, os.strerror(errno)))

    def full(self) -> None:
        """As much is held as may be."""
        if self._on_full is not None:
            self._on_full()

    def take(self, arrived_ns: int, data: bytes) -> None:
        """Hand over the messages of these bytes."""
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            for message in error.messages:
                self._dispatch(arrived_ns, message)
            if self._endpoint is not None:
                self._endpoint.unreadable(error)
            return
        for message in messages:
            self._dispatch(arrived_ns, message)
        self.line.between = self._decoder.between and not self._channel.sealing

    def _whole(self, arrived_ns: int, opcode: Opcode, payload: bytes, on_message: Callable[[int, bytes, Opcode], None]) -> None:
        line, alike = self.line, self.line.alike
        samples = None
        if alike is not None and alike.binary is (opcode is Opcode.BINARY) and not 0 < line.lull_ns < arrived_ns - line.heard_ns:
            samples = alike.samples(payload)
        if samples is None:
            self._received += 1
            on_message(arrived_ns, payload, opcode)
            return
        line.messages += 1
        line.heard_ns = arrived_ns
        at = 2 * bisect_right(line.held[::2], arrived_ns)  # C may hold what was read after it, but is still to come
        line.held[at:at] = (arrived_ns, samples)
        if len(line.held) % (2 * HELD_MAX) == 0:
            self.full()

    def _dispatch(self, arrived_ns: int, message: Message) -> None:
        opcode, payload = message
        if self._endpoint is None:
            return
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._received += 1
            if self.on_message is not None:
                self.on_message(arrived_ns, payload, opcode)
        else:
            self._endpoint.control(opcode, payload)

    def _broken(self, error: OSError) -> None:
        if self._endpoint is not None:
            self._endpoint.lost(error, " while sending")

    def _lost(self, error: OSError) -> None:
        if self._endpoint is not None:
            self._endpoint.lost(error)
