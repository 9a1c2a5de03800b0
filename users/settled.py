"""What would hold all talkers up amid a run is done, or put off, before it begins."""

from __future__ import annotations

import fcntl
import gc
import inspect
import os
import resource

from gevent import Greenlet, sleep, spawn

_SWEEP_S = 0.02
"""Seconds between two looks of the collector at what was made since the last: with 2,000 talkers they take half a millisecond at most, and
0.3 % of a core. Left to itself it waits for a number of objects, and looks at all that was made meanwhile: 10 to 40 ms."""
_MOST_DESCRIPTORS = 1 << 16

_sweeper: Greenlet | None = None


def settle() -> None:
    """To be called once everything that lasts as long as the run is there, before the first talker. Again makes it anew."""
    inspect.stack()  # Locust asks for it when the load ends, and the first to ask waits until every module's file is looked up: 30 to 70 ms
    _leave_alone()
    _make_room()


def unsettle() -> None:
    """The run is over: Python's collector works by itself again."""
    global _sweeper
    if _sweeper is not None:
        _sweeper.kill(block=False)
        _sweeper = None
    gc.enable()


def _leave_alone() -> None:
    """Keep Python's collector of reference circles from what is there, for good, and from what outlives a look at the young, for the run.

    A full collection looks at every object of the process, and nothing is sent or read meanwhile. What a session leaves behind forms no
    circle (a test keeps watch over that), so reference counts alone free it. What libraries leave in circles is freed where it is younger
    than a look, else when the run is over.
    """
    global _sweeper
    gc.collect()
    gc.freeze()
    gc.disable()
    if _sweeper is None:
        _sweeper = spawn(_sweep)


def _sweep() -> None:
    while True:
        sleep(_SWEEP_S)
        gc.collect(0)


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
