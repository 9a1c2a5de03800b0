"""Records as Parquet: one column per field and per metric, types taken from the records themselves."""

from __future__ import annotations

import dataclasses
import types
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from metrics.aggregate import columns_of
from metrics.records import Record

SCHEMA_VERSION = 1
"""Version of the run folder's layout. Raised whenever a column or a key changes its meaning or goes."""

_PIECE, _PIECES = 125, 4
"""Rows that are made columns of at a time, and such pieces that are written as a group. Either holds the event loop up, for 1 to 2 ms; with
zstd and dictionaries, or a whole group at once, it would be 5."""
_PLAIN = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}


def schema(record_type: type) -> pa.Schema:
    """The columns of a table of such records. A field keeps its name, a metric's is as `metrics.aggregate.columns_of` says."""
    hints = get_type_hints(record_type)
    fields = [pa.field(f.name, _type(hints[f.name]), nullable=_optional(hints[f.name])) for f in dataclasses.fields(record_type)]
    fields += [pa.field(name, pa.float64()) for name in columns_of(record_type)]
    return pa.schema(fields, metadata={"doubletalk_schema_version": str(SCHEMA_VERSION)})


class Rows:
    """A Parquet file that grows by rows, which are written in groups; `close` completes the file."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.schema = columns
        self.rows_written = 0
        self._writer = pq.ParquetWriter(path, columns, compression="lz4", use_dictionary=False)
        self._rows: list[tuple[Any, ...]] = []
        self._pieces: list[pa.RecordBatch] = []
        pa.array([], pa.int64())  # its first call imports pandas where that is installed: not amid a run

    def add(self, row: tuple[Any, ...]) -> None:
        """Append one row: its values in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) >= _PIECE:
            self._gather()
        elif len(self._pieces) >= _PIECES:
            self._write()

    def close(self) -> None:
        """Write what is left and complete the file."""
        self._gather()
        self._write()
        self._writer.close()

    def _gather(self) -> None:
        if self._rows:
            columns = [pa.array(values, field.type) for values, field in zip(zip(*self._rows, strict=True), self.schema, strict=True)]
            self._pieces.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
            self._rows.clear()

    def _write(self) -> None:
        if self._pieces:
            group = pa.Table.from_batches(self._pieces)
            self._writer.write_table(group)
            self.rows_written += len(group)
            self._pieces.clear()


class Table:
    """Records of one type as such a file."""

    def __init__(self, path: Path, record_type: type) -> None:
        self._rows = Rows(path, schema(record_type))
        self._fields = attrgetter(*(f.name for f in dataclasses.fields(record_type)))

    @property
    def rows_written(self) -> int:
        """Rows in the file so far."""
        return self._rows.rows_written

    def add(self, record: Record, columns: dict[str, float | None]) -> None:
        """Append one record; `columns`: its metrics, as `metric_columns` gives them."""
        self._rows.add((*self._fields(record), *columns.values()))

    def close(self) -> None:
        """Write what is left and complete the file."""
        self._rows.close()


def _parts(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _optional(hint: Any) -> bool:
    return type(None) in _parts(hint)


def _type(hint: Any) -> pa.DataType:
    kind = next(part for part in _parts(hint) if part is not type(None))
    return pa.string() if issubclass(kind, StrEnum) else _PLAIN[kind]
