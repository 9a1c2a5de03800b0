"""Tables of records: columns that carry their unit, and values that come back as they went in."""

from __future__ import annotations

import dataclasses
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk
from reporting_records import TYPES, plain, records, turn

from metrics.aggregate import columns_of, metric_columns
from metrics.records import ErrorKind, Outcome, SessionRecord, TokenRecord, TurnKind, TurnRecord
from reporting import tables
from reporting.journal import batches
from reporting.tables import SCHEMA_VERSION, Table, schema

TIMES = ("_ns", "_s", "_ms")


@pytest.mark.parametrize("kind", TYPES)
def test_every_field_is_a_column_of_its_name_and_type(kind: type) -> None:
    made = schema(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    assert made.names[: len(names)] == names
    assert len(set(made.names)) == len(made.names)
    assert made.metadata == {b"doubletalk_schema_version": str(SCHEMA_VERSION).encode()}
    hints = {f.name: str(f.type) for f in dataclasses.fields(kind)}
    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    for name, hint in hints.items():
        column = made.field(name)
        assert column.nullable is hint.endswith("| None")
        assert column.type == types.get(hint.removesuffix(" | None"), pa.string())
    assert all(made.field(n).nullable and made.field(n).type == pa.float64() for n in made.names[len(names) :])


@pytest.mark.parametrize("kind", TYPES)
def test_instants_and_durations_say_their_unit(kind: type) -> None:
    for column in schema(kind):
        name = column.name
        if name.endswith("_ns"):
            assert column.type == pa.int64()
        elif name.endswith("_s"):
            assert column.type == pa.float64()
    told = {m.name for m in schema(kind)}
    for stem in ("latency", "ttft", "jitter", "setup", "time_to_recover", "mint_latency"):
        assert [n for n in told if n.endswith(stem)] == [], f"{stem} without a unit"


def read(kind: type, rows: list[Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        table = Table(path, kind)
        for row in rows:
            table.record(row, metric_columns(row))
        assert table.rows == len(rows)
        table.close()
        found = pq.read_table(path)
        assert found.schema.equals(schema(kind), check_metadata=True)
        rows_read: list[dict[str, Any]] = found.to_pylist()
        return rows_read


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=25)
@given(data=st.data())
def test_values_come_back(kind: type, data: st.DataObject) -> None:
    rows = data.draw(st.lists(records(kind), max_size=4))
    found = read(kind, rows)
    assert len(found) == len(rows)
    for row, back in zip(rows, found, strict=True):
        expected = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)} | metric_columns(row)
        assert set(back) == set(expected)
        for name, value in expected.items():
            assert back[name] == (value.value if isinstance(value, StrEnum) else value), name
            assert (back[name] is None) is (value is None), name


def test_enums_are_their_values_and_absent_is_null() -> None:
    rows = [turn(outcome=Outcome.TIMEOUT, error_kind=ErrorKind.TIMEOUT, kind=TurnKind.BARGE_IN), plain(TurnRecord)]
    first, second = read(TurnRecord, rows)
    assert (first["outcome"], first["error_kind"], first["kind"]) == ("timeout", "timeout", "barge_in")
    assert first["e2e_latency_s"] == 0.5
    assert (second["error_kind"], second["first_audio_ns"], second["e2e_latency_s"]) == (None, None, None)


@pytest.mark.parametrize("kind", [SessionRecord, TokenRecord])
def test_no_rows(kind: type) -> None:
    assert read(kind, []) == []


def test_rows_wait_to_be_flushed_and_are_on_disk_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_PIECE", 10)
    table = Table(tmp_path / "t.parquet", TokenRecord)

    def on_disk() -> list[int]:
        return [row["intended_ns"] for batch in batches(tmp_path / "t.arrows") for row in batch.to_pylist()]

    for i in range(25):
        row = plain(TokenRecord, intended_ns=i)
        table.record(row, metric_columns(row))
        assert table.full is (i % 10 == 9)
        if table.full:
            table.flush()
            assert on_disk() == list(range(i + 1))
        assert table.rows == i + 1
    table.flush()
    assert on_disk() == list(range(25))
    table.close()
    assert [r["intended_ns"] for r in pq.read_table(tmp_path / "t.parquet").to_pylist()] == list(range(25))
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_row_that_fits_no_column_is_refused_alone(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.parquet", TokenRecord)
    for intended_ns in (1, 2**70, 3):
        row = plain(TokenRecord, intended_ns=intended_ns)
        table.record(row, dict.fromkeys(columns_of(TokenRecord)))
    table.close()
    assert (table.rows, table.refused) == (2, 1)
    assert [r["intended_ns"] for r in pq.read_table(tmp_path / "t.parquet").to_pylist()] == [1, 3]


def test_rows_that_cannot_be_written_wait(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.parquet", TokenRecord)
    with full_disk(table._journal):
        row = plain(TokenRecord, intended_ns=1)
        table.record(row, metric_columns(row))
        for _ in range(3):
            with pytest.raises(OSError):
                table.flush()
    row = plain(TokenRecord, intended_ns=2)
    table.record(row, metric_columns(row))
    table.close()
    assert [r["intended_ns"] for r in pq.read_table(tmp_path / "t.parquet").to_pylist()] == [1, 2]
