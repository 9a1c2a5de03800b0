"""What would hold all talkers up amid a run is done, or put off, before it begins."""

from __future__ import annotations

import fcntl
import gc
import os
import resource

_YOUNG = 25_000
"""Objects made and not freed that make the collector look at them. Python's own number, 700, is reached again and again by chance as turns
come and go, and then it looks at what all talkers have made of late: 20 ms with two thousand."""
_NEVER = 1_000_000
"""How often the young are looked at before the older are: the sessions of a thousand talkers take a tenth of a second."""
_MOST_DESCRIPTORS = 1 << 16


def settle() -> None:
    """To be called once everything that lasts as long as the run is there, before the first talker."""
    _leave_alone()
    _make_room()


def _leave_alone() -> None:
    """Keep Python's collector of reference circles from what is there, for good.

    A full collection looks at every object of the process, and nothing is sent or read meanwhile. What a session leaves behind forms no
    circle (a test keeps watch over that), so reference counts alone free it, and the collector can be left to the little that libraries
    leave.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _NEVER, _NEVER)


def _make_room() -> None:
    """Have the kernel make its table of this process's descriptors as large as it may become.

    It doubles when it is full, and where a process has threads it waits for all processors then, tens of milliseconds (`expand_fdtable` in
    Linux's fs/file.c): otherwise at the 256th, 512th, 1,024th talker.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, _MOST_DESCRIPTORS)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        os.close(fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, most - 1))
    except OSError:  # the last one is taken: the table is large already
        pass
    finally:
        os.close(null)
