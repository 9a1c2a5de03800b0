"""Journals: whole up to their last batch, wherever they are cut off."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk

from reporting import journal
from reporting.journal import Journal, batches, to_parquet

COLUMNS = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("text", pa.string())], metadata={"v": "1"})


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int64()), pa.array([f"row {n}" for n in numbers])], schema=COLUMNS)


def numbers(path: Path) -> list[list[int]]:
    return [found.column("n").to_pylist() for found in batches(path)]


def test_what_was_added_is_on_disk_at_once(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "t.arrows", COLUMNS)
    assert numbers(kept.path) == []
    kept.add(batch(1, 2))
    assert numbers(kept.path) == [[1, 2]]
    kept.add(batch(3))
    assert (numbers(kept.path), kept.rows) == ([[1, 2], [3]], 3)
    kept.close()
    kept.close()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_cut_off_anywhere_all_whole_batches_are_read(data: st.DataObject, sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Journal(Path(folder) / "t.arrows", COLUMNS)
        ends = [kept.path.stat().st_size]
        for size in sizes:
            kept.add(batch(*range(size)))
            ends.append(kept.path.stat().st_size)
        kept.close()
        length = data.draw(st.integers(0, ends[-1]))
        kept.path.write_bytes(kept.path.read_bytes()[:length])
        whole = sum(end <= length for end in ends[1:])
        assert numbers(kept.path) == [list(range(size)) for size in sizes[:whole]]
        assert to_parquet(kept.path, COLUMNS, Path(folder) / "t.parquet") == sum(sizes[:whole])
        assert pq.read_schema(Path(folder) / "t.parquet").equals(COLUMNS, check_metadata=True)


def test_what_a_full_disk_took_half_of_is_taken_back(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "t.arrows", COLUMNS)
    kept.add(batch(1))
    with full_disk(kept), pytest.raises(OSError):
        kept.add(batch(*range(1000)))
    assert (numbers(kept.path), kept.rows) == ([[1]], 1)
    kept.add(batch(2))
    assert numbers(kept.path) == [[1], [2]]


def test_a_parquet_file_has_large_groups_and_takes_the_journals_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_GROUP", 5)
    kept = Journal(tmp_path / "t.arrows", COLUMNS)
    for n in range(0, 14, 2):
        kept.add(batch(n, n + 1))
    kept.close()
    assert to_parquet(kept.path, COLUMNS, tmp_path / "t.parquet") == 14
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 3
    assert pq.read_table(tmp_path / "t.parquet").column("n").to_pylist() == list(range(14))
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(batches(tmp_path / "none.arrows"))
