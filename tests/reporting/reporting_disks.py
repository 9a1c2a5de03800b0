"""A disk that has no room left, as far as a journal is concerned."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reporting.journal import Journal


class _Full:
    """A file that takes half of the first write and nothing after it: what a full disk does."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._room = True

    def write(self, data: Any) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room = False
        taken: int = self._file.write(bytes(data)[: len(data) // 2])
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def full_disk(journal: Journal) -> Iterator[None]:
    file = journal._file
    journal._file = _Full(file)  # type: ignore[assignment]  # a file only in what a journal does with it
    try:
        yield
    finally:
        journal._file = file
