"""The inbox: one per process, it reads the sockets of all talkers as bytes arrive on them.

Waking a sleeping process costs more than reading a message. While messages or frames come thick and fast the inbox therefore looks once in
every step of the pacer's grid, along with the frames that are due then; after a step without any it waits for the next arrival again. The
kernel has put its stamp on what arrived by then, so that being read later changes no arrival time. Where several messages come to one
socket within a step they are read together, and have the stamp of the last.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original

from users.clock import now_ns
from users.errors import Faults
from users.native import Line, look
from users.pacer import GRID_NS, Pacer, on_grid

_READ = 1


class Inbox:
    """Has each line read on which something has arrived. Holds no descriptor of its own while it has no line."""

    urgent = False

    def __init__(self, pacer: Pacer, faults: Faults | None = None) -> None:
        self._pacer = pacer
        self._faults = faults or Faults()
        self._lines: dict[int, Line] = {}
        self._epoll: Any = None
        self._watcher: Any = None
        self._looking = False  # the pacer calls `due`

    def add(self, line: Line) -> None:
        """Read `line` on the event loop whenever something has arrived on it, until `remove`."""
        if self._epoll is None:
            self._epoll = get_original("select", "epoll")()
            self._watcher = get_hub().loop.io(self._epoll.fileno(), _READ)
            self._wait()
        self._lines[line.fd] = line
        self._epoll.register(line.fd, _READ)

    def remove(self, line: Line) -> None:
        """Read it no more; to be said before its socket is closed."""
        del self._lines[line.fd]
        with suppress(FileNotFoundError):  # its path reads no further at present
            self._epoll.unregister(line.fd)
        if not self._lines:
            self._watcher.stop()
            self._watcher.close()
            self._epoll.close()
            self._epoll = self._watcher = None

    def due(self, due_ns: int) -> int | None:
        """The pacer's call: look, and be called again where something had arrived, or where the pacer wakes in the next step anyway."""
        next_ns = max(due_ns + GRID_NS, on_grid(now_ns()))
        if self._look() or (self._lines and self._pacer.wakes_at(next_ns)):
            return next_ns
        self._looking = False
        if self._watcher is not None:
            self._wait()
        return None

    def _wait(self) -> None:
        if not self._looking:
            self._watcher.start(self._arrived)

    def _arrived(self) -> None:
        self._watcher.stop()
        self._looking = True
        self._look()
        self._pacer.add(self, on_grid(now_ns() + 1))

    def _look(self) -> bool:
        """Read wherever something has arrived; whether it had anywhere."""
        if self._epoll is None:
            return False
        try:
            return look(self._epoll, self._lines) > 0
        except Exception:
            self._faults.note("what arrived could not be read")
            return True
