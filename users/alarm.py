"""An alarm on the event loop that rings within some ten microseconds of its instant.

The loop's own timers end `epoll_wait` by its time limit in whole milliseconds, rounded up: a frame due now would go out up to a millisecond
late, and every latency that is measured from it would be as much too long. Linux tells the instant through a descriptor instead (timerfd);
where there is none, the loop's timer has to do.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

from users.clock import SECOND_NS, now_ns

_READ = 1
_FIRST = 2
"""libev's highest priority: what is due goes out before what has arrived is read, whose instants the kernel keeps."""
_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)  # TFD_NONBLOCK and TFD_CLOEXEC are the same numbers (sys/timerfd.h)


class Alarm(Protocol):
    """Rings once for each `set`."""

    def set(self, at_ns: int) -> None:
        """Ring at this instant of the monotonic clock, at once where it has passed; takes the place of an earlier setting."""
        ...

    def close(self) -> None:
        """Never ring again."""
        ...


class _Setting(ctypes.Structure):
    """`struct itimerspec`: interval and first expiry, each in seconds and nanoseconds."""

    _fields_ = (("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("at_s", ctypes.c_long), ("at_ns", ctypes.c_long))


class _Descriptor:
    """An alarm by timerfd."""

    def __init__(self, libc: Any, ring: Callable[[], None]) -> None:
        self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._settime = libc.timerfd_settime
        self._setting = _Setting()
        self._at = ctypes.byref(self._setting)
        self._rings = False  # since it was set last
        self._ring = ring
        self._watcher = get_hub().loop.io(self._fd, _READ, priority=_FIRST)
        self._watcher.start(self._rang)

    def set(self, at_ns: int) -> None:
        setting = self._setting
        setting.at_s, setting.at_ns = divmod(max(1, at_ns), SECOND_NS)
        self._settime(self._fd, _ABSOLUTE, self._at, None)
        self._rings = False

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        os.close(self._fd)
        self._rings = False

    def _rang(self) -> None:
        self._rings = True
        self._ring()
        if self._rings:  # to be set anew silences it as well, at one system call less
            os.read(self._fd, 8)


class _Timer:
    """An alarm by the event loop's timer."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: Any = None

    def set(self, at_ns: int) -> None:
        self.close()
        self._timer = get_hub().loop.timer(max(0.0, (at_ns - now_ns()) / SECOND_NS))
        self._timer.start(self._ring, update=True)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def alarm(ring: Callable[[], None]) -> Alarm:
    """The best alarm of this machine; `ring` is called on the event loop. Raises OSError where the process has no descriptor left."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    return _Descriptor(libc, ring) if hasattr(libc, "timerfd_create") else _Timer(ring)
