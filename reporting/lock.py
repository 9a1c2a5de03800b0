"""A file that a living process holds on to, so that others can tell that it lives. Where there are no such locks, nobody can."""

from __future__ import annotations

from contextlib import suppress
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, on which runs are only analysed
    fcntl = None  # type: ignore[assignment]  # a module that is not there


def hold(file: IO[bytes]) -> None:
    """Hold an open file until it is closed, or the process ends, however it does."""
    if fcntl is not None:
        with suppress(OSError):  # a file system may have no locks
            fcntl.flock(file, fcntl.LOCK_SH)


def held(file: IO[bytes]) -> bool:
    """Whether another process holds this file, or this one does through another opening of it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
