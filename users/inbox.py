"""The inbox: one per process, it reads the sockets of all talkers as bytes arrive on them.

Waking a sleeping process costs more than reading a message. While messages or frames come thick and fast the inbox therefore looks once in
every step of the pacer's grid, along with the frames that are due then; after a step without any it waits for the next arrival again. The
kernel has put its stamp on what arrived by then, so that being read later changes no arrival time. Where several messages come to one
socket within a step they are read together, and have the stamp of the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original

from users.clock import now_ns
from users.errors import Faults
from users.pacer import GRID_NS, Pacer, on_grid

_READ = 1
_AT_ONCE = 4096


class Inbox:
    """Calls back for each socket on which something has arrived. Holds no descriptor of its own while it has no socket."""

    urgent = False

    def __init__(self, pacer: Pacer, faults: Faults | None = None) -> None:
        self._pacer = pacer
        self._faults = faults or Faults()
        self._readers: dict[int, Callable[[], None]] = {}
        self._epoll: Any = None
        self._watcher: Any = None
        self._looking = False  # the pacer calls `due`

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """Call `read` on the event loop whenever there is something to read from `fd`, until `remove`."""
        if self._epoll is None:
            self._epoll = get_original("select", "epoll")()
            self._watcher = get_hub().loop.io(self._epoll.fileno(), _READ)
            self._wait()
        self._readers[fd] = read
        self._epoll.register(fd, _READ)

    def remove(self, fd: int) -> None:
        """Call back for `fd` no more; to be said before it is closed."""
        del self._readers[fd]
        self._epoll.unregister(fd)
        if not self._readers:
            self._watcher.stop()
            self._watcher.close()
            self._epoll.close()
            self._epoll = self._watcher = None

    def due(self, due_ns: int) -> int | None:
        """The pacer's call: look, and be called again where something had arrived, or where the pacer wakes in the next step anyway."""
        next_ns = max(due_ns + GRID_NS, on_grid(now_ns()))
        if self._look() or (self._readers and self._pacer.wakes_at(next_ns)):
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
        found = self._epoll.poll(0, _AT_ONCE)
        readers = self._readers
        for fd, _ in found:
            read = readers.get(fd)
            if read is None:  # one that was read before it has closed this one
                continue
            try:
                read()
            except Exception:
                self._faults.note("what arrived could not be read")
        return bool(found)
