"""The one file that reads clocks. Instants are monotonic nanoseconds (CLOCK_MONOTONIC: one clock for all processes of a machine)."""

from __future__ import annotations

import socket
import struct
import sys
import time

now_ns = time.monotonic_ns

SECOND_NS = 1_000_000_000

KERNEL, USER = "kernel", "user"
CLOCKS = (KERNEL, USER)
"""Where arrival times can come from: the kernel's stamp on what arrived, or a look at the clock once it has been read."""

SO_TIMESTAMPNS = 35 if sys.platform == "linux" else None
"""Socket option that makes the kernel stamp what arrives (asm-generic/socket.h); None where there is no such option."""
STAMP_SPACE = socket.CMSG_SPACE(16)
"""Room for one such stamp in the ancillary data of `recvmsg`."""

_STAMP = struct.Struct("@qq")
_OLDEST_NS = 60 * SECOND_NS


def epoch_s() -> float:
    """Wall clock, in seconds since 1970: for the one stamp per session and run that lines up with other logs."""
    return time.time()


def cpu_s() -> float:
    """CPU time of this process, in seconds."""
    return time.process_time()


def stamp_arrivals(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what arrives on `sock`; False where it cannot."""
    if SO_TIMESTAMPNS is None:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The kernel's arrival instant in ancillary data, on the monotonic clock; None where it holds none that can be true.

    The kernel stamps with the wall clock: its distance from the wall clock's now is taken off the monotonic clock's now.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            age_ns = time.time_ns() - (seconds * SECOND_NS + nanoseconds)
            if 0 <= age_ns < _OLDEST_NS:
                return int(time.monotonic_ns() - age_ns)
    return None
