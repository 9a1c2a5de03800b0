"""A text put into a file: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.files import RunError
from analysis.put import put


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    for text in ("one", "two"):
        put(tmp_path / "page.html", text)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"page.html": text}


@pytest.mark.parametrize("where", ["nowhere/page.html", "folder", "file/page.html"])
def test_where_it_cannot_be_nothing_is_left(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("as it was")
    with pytest.raises(RunError, match=f"{where}: cannot be written: .*; name another file"):
        put(tmp_path / where, "text")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "as it was"


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
