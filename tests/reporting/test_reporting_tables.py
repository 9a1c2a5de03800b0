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
from reporting_records import TYPES, plain, records, turn

from metrics.aggregate import columns_of, metric_columns
from metrics.records import ErrorKind, Outcome, SessionRecord, TokenRecord, TurnKind, TurnRecord
from reporting import tables
from reporting.journal import to_parquet
from reporting.tables import SCHEMA_VERSION, WORKER, Table, schema

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
    assert all(made.field(n).nullable and made.field(n).type == pa.float64() for n in made.names[len(names) : -1])
    assert (made.names[-1], made.field(WORKER).type, made.field(WORKER).nullable) == (WORKER, pa.string(), False)


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


def rows_in(kind: type, messages: list[bytes]) -> list[dict[str, Any]]:
    batches = [pa.ipc.read_record_batch(pa.py_buffer(message), schema(kind)) for message in messages]
    return [row for batch in batches for row in batch.to_pylist()]


def read(kind: type, rows: list[Any]) -> list[dict[str, Any]]:
    """The rows of a Parquet file that was made of such records."""
    with tempfile.TemporaryDirectory() as folder:
        table = Table(kind, "w-1")
        for row in rows:
            table.add(row, metric_columns(row))
        to_parquet([{"t": table.take()}], {"t": schema(kind)}, Path(folder))
        assert table.refused == 0
        found = pq.read_table(Path(folder) / "t.parquet")
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
        expected = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)} | metric_columns(row) | {WORKER: "w-1"}
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


def test_records_are_packed_a_few_at_a_time_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_PIECE", 10)
    table = Table(TokenRecord, "w-1")
    for i in range(25):
        row = plain(TokenRecord, intended_ns=i)
        table.add(row, metric_columns(row))
    taken = table.take()
    assert [len(rows_in(TokenRecord, [message])) for message in taken] == [10, 10, 5]
    assert [row["intended_ns"] for row in rows_in(TokenRecord, taken)] == list(range(25))
    assert table.take() == []
    row = plain(TokenRecord, intended_ns=25)
    table.add(row, metric_columns(row))
    assert [row["intended_ns"] for row in rows_in(TokenRecord, table.take())] == [25]


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=8), st.integers(1, 5))
def test_a_row_that_fits_no_column_is_refused_alone(fits: list[bool], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "_PIECE", piece)
        table = Table(TokenRecord, "w-1")
        for i, fit in enumerate(fits):
            table.add(plain(TokenRecord, intended_ns=i if fit else 2**70), dict.fromkeys(columns_of(TokenRecord)))
        taken = table.take()
    assert [row["intended_ns"] for row in rows_in(TokenRecord, taken)] == [i for i, fit in enumerate(fits) if fit]
    assert table.refused == fits.count(False)
