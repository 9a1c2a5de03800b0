"""What is done for every frame that is sent and every message that is read: in Python here, in C in `users/_line.c`.

The two do the same, but that C costs less; `users/native.py` says which is used. Only the usual case is done here. For
everything else a line calls its owner, a `users.transport.Transport`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from protocol import Alike, PreparedFrame, mask_keys
from users import clock
from users.channel import READ_SIZE
from users.transit import Path, Transit

__all__ = ["Capture", "Line", "Path", "Transit", "capture_all", "look"]

HELD_MAX = 16
"""Messages that are held at most: two thirds of a second of audio in the usual pieces of 40 ms."""

KEYS = mask_keys(os.urandom)
"""Masking keys of this process."""

_AT_ONCE = 4096


class Owner(Protocol):
    """What a line calls for what is not usual."""

    def send_later(self, frame: PreparedFrame) -> bool:
        """The line is not clear, or cannot send such a frame: send it otherwise. Whether it is sent, or will be."""
        ...

    def send_rest(self, rest: bytes) -> bool:
        """The kernel has taken a frame but for this, perhaps nothing of it. Whether the rest will be sent."""
        ...

    def send_failed(self, errno: int) -> bool:
        """The connection is broken. False: nothing was sent."""
        ...

    def send_wire(self, wire: bytes) -> None:
        """A message that is no audio has passed the network: send it."""
        ...

    def overfull(self) -> bool:
        """Too much waits for the network. False: the frame was dropped."""
        ...

    def arrived(self, arrived_ns: int, data: bytes) -> None:
        """Bytes of the wire came; none: the peer sends no more."""
        ...

    def read_failed(self, errno: int) -> None:
        """The connection is broken."""
        ...

    def full(self) -> None:
        """As much is held as may be."""
        ...


class Line:
    """A talker's connected, non-blocking socket, which the owner keeps open as long as the line is.

    `stamped`: the kernel stamps what arrives. `open`: frames may be sent. `clear`: they may be sent directly, as nothing waits before them
    and nothing seals them. `arrived_ns`: when what was read last arrived; it never runs backwards, though the two clocks it comes from may
    differ by microseconds.

    `alike`: what the messages share of which only arrival instant and samples are held, one after the other in `held` (numbers alone,
    which Python's collector need not follow); `messages` counts them; None: none are. The owner holds them; the line in C does it itself,
    as long as `between` tells it that what is read next begins a message. `heard_ns`: when the last that goes on, held or not,
    arrived; one that arrives more than `lull_ns` after it is not held; `lull_ns` 0: none is too late.

    `stamp`: makes of each audio frame, before it is sent, this session's own; None: all sessions send the same.

    `path`: the emulated network that all bytes pass, both ways; None: there is none. `held` has the instants behind it then, some of which
    may be to come.
    """

    __slots__ = (
        "_sock",
        "_stamped",
        "alike",
        "arrived_ns",
        "between",
        "clear",
        "fd",
        "frames_sent",
        "heard_ns",
        "held",
        "lull_ns",
        "messages",
        "open",
        "owner",
        "path",
        "stamp",
    )

    def __init__(self, sock: Any, stamped: bool, owner: Owner) -> None:
        self.fd: int = sock.fileno()
        self.owner: Owner | None = owner
        self.open = True
        self.clear = self.between = False
        self.alike: Alike | None = None
        self.path: Path | None = None
        self.stamp: Callable[[PreparedFrame], PreparedFrame] | None = None
        self.held: list[int] = []
        self.arrived_ns = self.frames_sent = self.messages = self.heard_ns = self.lull_ns = 0
        self._stamped = stamped
        self._sock = sock

    def send(self, frame: PreparedFrame) -> bool:
        """Send an audio frame prepared once, masked afresh. Whether it is sent, or will be; never raises OSError."""
        if not self.open or self.owner is None:
            return False
        if self.stamp is not None:
            frame = self.stamp(frame)
        if self.path is not None:
            return self.path.send(self, frame, frame.size)
        return self._send_now(frame)

    def put(self, wire: bytes) -> bool:
        """Send a message that is no audio, masked already, by the path. Whether there is one."""
        return self.owner is not None and self.path is not None and self.path.send(self, wire, len(wire))

    def hand(self, what: PreparedFrame | bytes) -> bool:
        """What has passed the network."""
        if self.owner is None:
            return False
        if not isinstance(what, bytes):
            return self._send_now(what)
        self.owner.send_wire(what)
        return True

    def _send_now(self, frame: PreparedFrame) -> bool:
        owner = self.owner
        if owner is None:
            return False
        if not self.clear:
            return owner.send_later(frame)
        wire = frame.masked(next(KEYS))
        try:
            taken = self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            return owner.send_failed(error.errno or 0)
        if taken < len(wire):
            return owner.send_rest(bytes(wire[taken:]))
        self.frames_sent += 1
        return True

    def read(self) -> None:
        """Read what has arrived, at most READ_SIZE bytes, and hand it over."""
        owner = self.owner
        if owner is None:
            return
        path = self.path
        size = READ_SIZE if path is None else path.read_size
        try:
            data, ancillary, _, _ = self._sock.recvmsg(size, clock.STAMP_SPACE if self._stamped else 0)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if path is None:
                owner.read_failed(error.errno or 0)
            else:
                self.arrived_ns = max(self.arrived_ns, clock.now_ns())
                path.came(self, self.arrived_ns, error.errno or 0)
            return
        self.arrived_ns = max(self.arrived_ns, clock.arrival_ns(ancillary) or clock.now_ns())
        if path is None:
            owner.arrived(self.arrived_ns, data)
        else:
            path.came(self, self.arrived_ns, data)


class Capture:
    """The frames of a microphone, one after the other: those of what is spoken from frame `speech_from` on, else those of `idle`, what it
    hears while nothing is, round and round.

    `next`: number of the next frame. `frames`: what is spoken; None while nothing is. `shift`: frame of `idle` that would be frame 0, not
    negative. `mark`: number of the frame after which `marked` is called, sent or not; -1 for none. `worst_ns`, `spoken_worst_ns`: greatest
    send lateness of all frames and of those that were spoken, -1 before the first. Raises ValueError where `idle` is empty.
    """

    __slots__ = ("_idle", "frames", "line", "mark", "next", "shift", "speech_from", "spoken_worst_ns", "worst_ns")

    def __init__(self, line: Line, idle: tuple[PreparedFrame, ...]) -> None:
        if not idle:
            raise ValueError("a microphone hears something all the time")
        self.line = line
        self.frames: tuple[PreparedFrame, ...] | None = None
        self.next = self.speech_from = self.shift = 0
        self.mark = self.worst_ns = self.spoken_worst_ns = -1
        self._idle = idle

    def marked(self, due_ns: int, sent_ns: int, sent: bool) -> None:
        """The frame with the mark was due and handed over; `sent`: whether it was sent, or will be."""
        raise NotImplementedError

    def _capture(self, due_ns: int, late_ns: list[int]) -> bool:
        if not self.line.open:
            return True
        index = self.next
        self.next = index + 1
        spoken = self.frames is not None and index >= self.speech_from
        if spoken and self.frames is not None:
            frame = self.frames[index - self.speech_from]
        else:
            frame = self._idle[(index + self.shift) % len(self._idle)]
        try:
            sent = self.line.send(frame)
        except Exception:
            if index == self.mark:
                self.marked(due_ns, clock.now_ns(), False)
            raise
        sent_ns = clock.now_ns()
        late = sent_ns - due_ns
        late_ns.append(late)
        if late > self.worst_ns:
            self.worst_ns = late
        if spoken and late > self.spoken_worst_ns:
            self.spoken_worst_ns = late
        if index != self.mark:
            return False
        self.marked(due_ns, sent_ns, sent)
        return self.frames is None


def capture_all(captures: Sequence[Capture], due_ns: int, late_ns: list[int]) -> bool:
    """Send the frame of each that was captured whole at `due_ns`; append to `late_ns` how late each was. Whether any has spoken its last
    frame or has an ended line. One that fails holds up no other; the first exception is raised at the end."""
    changed = False
    failure: Exception | None = None
    for capture in captures:
        try:
            changed |= capture._capture(due_ns, late_ns)
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return changed


def look(poller: Any, lines: dict[int, Line]) -> int:
    """Read every line on which the epoll object `poller` finds something, by descriptor; how many those are. One that fails holds up no
    other; the first exception is raised at the end."""
    found = poller.poll(0, _AT_ONCE)
    failure: Exception | None = None
    for fd, _ in found:
        line = lines.get(fd)
        if line is None:  # one that was read before it has taken it away
            continue
        try:
            line.read()
            if line.path is not None and line.path.resume_ns:
                line.path.pause(line, poller)
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return len(found)
