"""Both makes of the line: in Python, and in C where that was built."""

from __future__ import annotations

import os
from types import ModuleType

import pytest

from protocol import PreparedFrame
from users import line, native
from users.channel import Channel
from users.clock import KERNEL


def _makes() -> list[ModuleType]:
    if not native.NATIVE:
        return [line]
    from users import _line

    return [line, _line]


MAKES = _makes()


def make_id(make: ModuleType) -> str:
    return "python" if make is line else "c"


both = pytest.mark.parametrize("make", MAKES, ids=make_id)
"""A test with the argument `make`: the module that has `Line`, `Capture`, `capture_all` and `look`."""


class Noting:
    """An owner that notes what its line calls."""

    def __init__(self) -> None:
        self.data: list[tuple[int, bytes]] = []
        self.later: list[PreparedFrame] = []
        self.rests: list[bytes] = []
        self.failures: list[str] = []
        self.fulls = self.overfulls = 0
        self.wires: list[bytes] = []

    def send_later(self, frame: PreparedFrame) -> bool:
        self.later.append(frame)
        return True

    def send_rest(self, rest: bytes) -> bool:
        self.rests.append(rest)
        return True

    def send_failed(self, errno: int) -> bool:
        self.failures.append(f"send: {os.strerror(errno)}")
        return False

    def send_wire(self, wire: bytes) -> None:
        self.wires.append(wire)

    def overfull(self) -> bool:
        self.overfulls += 1
        return False

    def arrived(self, arrived_ns: int, data: bytes) -> None:
        self.data.append((arrived_ns, data))

    def read_failed(self, errno: int) -> None:
        self.failures.append(f"read: {os.strerror(errno)}")

    def full(self) -> None:
        self.fulls += 1


class Reader(Noting):
    """Reads a released channel through a line of this make."""

    def __init__(self, channel: Channel, make: ModuleType) -> None:
        super().__init__()
        self.channel = channel
        self.line = make.Line(channel.raw, channel.clock == KERNEL, self)

    @property
    def arrived_ns(self) -> int:
        return int(self.line.arrived_ns)

    def read(self) -> bytes:
        """What has come, decrypted; empty for nothing. Raises OSError."""
        self.line.read()
        if self.failures:
            raise OSError(self.failures.pop())
        taken, self.data = self.data, []
        return b"".join(self.channel.opened(data) for _, data in taken)
