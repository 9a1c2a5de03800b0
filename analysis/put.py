"""Puts a text into a file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from analysis.files import RunError


def put(path: Path, text: str) -> None:
    """Whole or not at all: nobody reads half a page. What is there and no file (`/dev/stdout`) is written to and stays what it is. Raises
    RunError where it cannot be written."""
    part = path.parent / f"{path.name}.part" if path.is_file() or not path.exists() else path
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        if part != path:
            with suppress(OSError):
                part.unlink()
        raise RunError(f"{path}: cannot be written: {error.strerror or error}; name another file") from None
