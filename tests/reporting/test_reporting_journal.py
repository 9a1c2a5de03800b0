"""Journals: whole up to their last entry, wherever they are cut off or torn."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk

from reporting import journal
from reporting.journal import Journal, entries, spool, spools, to_parquet

COLUMNS = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("text", pa.string())], metadata={"v": "1"})
ENTRY = st.dictionaries(
    st.text(max_size=4), st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.binary(max_size=40)
)


def message(*numbers: int) -> bytes:
    columns = [pa.array(numbers, pa.int64()), pa.array([f"row {n}" for n in numbers], pa.string())]
    made: bytes = pa.RecordBatch.from_arrays(columns, schema=COLUMNS).serialize().to_pybytes()
    return made


def kept_in(folder: str | Path, *added: dict[str, Any]) -> tuple[Path, list[int]]:
    """A journal of these entries, and where each ends."""
    made = Journal(Path(folder) / "t.journal")
    ends = []
    for entry in added:
        made.add(entry)
        ends.append(made.path.stat().st_size)
    made.close()
    return made.path, ends


def test_what_was_added_is_on_disk_at_once(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "t.journal")
    assert list(entries(kept.path)) == []
    kept.add({"a": b"\x00\xff", "b": None})
    assert list(entries(kept.path)) == [{"a": b"\x00\xff", "b": None}]
    kept.add({"c": [1, 2.5, "d"]})
    assert list(entries(kept.path)) == [{"a": b"\x00\xff", "b": None}, {"c": [1, 2.5, "d"]}]
    kept.close()
    kept.close()


@settings(max_examples=60)
@given(data=st.data(), added=st.lists(ENTRY, min_size=1, max_size=4))
def test_cut_off_anywhere_all_whole_entries_are_read(data: st.DataObject, added: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ends = kept_in(folder, *added)
        length = data.draw(st.integers(0, ends[-1]))
        path.write_bytes(path.read_bytes()[:length])
        assert list(entries(path)) == added[: sum(end <= length for end in ends)]


@settings(max_examples=60)
@given(data=st.data(), added=st.lists(ENTRY, min_size=1, max_size=4))
def test_torn_anywhere_all_before_it_is_read(data: st.DataObject, added: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ends = kept_in(folder, *added)
        torn = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(torn) - 1))
        torn[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(torn)
        assert list(entries(path)) == added[: sum(end <= at for end in ends)]


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 8, b"\0" * 4096, b"\xff" * 8, b"\xff" * 100])
def test_a_tail_that_is_no_entry_is_passed_over(tmp_path: Path, tail: bytes) -> None:
    path, _ = kept_in(tmp_path, {"a": 1})
    with path.open("ab") as file:
        file.write(tail)
    assert list(entries(path)) == [{"a": 1}]


def test_what_a_full_disk_took_half_of_is_taken_back(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "t.journal")
    kept.add({"n": 1})
    for _ in range(2):
        with full_disk(kept), pytest.raises(OSError):
            kept.add({"n": b"x" * 1000})
    assert list(entries(kept.path)) == [{"n": 1}]
    kept.add({"n": 2})
    assert list(entries(kept.path)) == [{"n": 1}, {"n": 2}]
    kept.close()


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(entries(tmp_path / "none.journal"))


def test_parquet_files_have_large_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_GROUP", 5)
    found = [{"t": [message(n, n + 1)], "u": [message(n)] if n == 4 else []} for n in range(0, 14, 2)]
    to_parquet(found, {"t": COLUMNS, "u": COLUMNS, "v": COLUMNS}, tmp_path)
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 3
    numbers = {name: pq.read_table(tmp_path / f"{name}.parquet").column("n").to_pylist() for name in "tuv"}
    assert numbers == {"t": list(range(14)), "u": [4], "v": []}
    assert pq.read_schema(tmp_path / "v.parquet").equals(COLUMNS, check_metadata=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.parquet", "u.parquet", "v.parquet"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("broken")])
def test_no_half_of_a_parquet_file_is_left(tmp_path: Path, error: Exception) -> None:
    def found() -> Iterator[dict[str, list[bytes]]]:
        yield {"t": [message(1)]}
        raise error

    with pytest.raises(type(error)):
        to_parquet(found(), {"t": COLUMNS, "u": COLUMNS}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_spools_of_a_run_and_of_no_other(tmp_path: Path) -> None:
    for run_id in ("1-demo", "1-demo.v2", "1-demo-2"):
        for worker in ("worker-0", "worker-1"):
            spool(tmp_path, run_id, worker).touch()
    told = {run_id: [path.name for path in spools(tmp_path / run_id)] for run_id in ("1-demo", "1-demo.v2", "1-demo-3")}
    assert told == {
        "1-demo": ["1-demo.worker-0.journal", "1-demo.worker-1.journal"],
        "1-demo.v2": ["1-demo.v2.worker-0.journal", "1-demo.v2.worker-1.journal"],
        "1-demo-3": [],
    }
