"""Records as rows of a run file: one column per field and per metric, types taken from the records themselves."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from metrics.aggregate import columns_of
from metrics.records import Record
from reporting.journal import SUFFIX, Journal, to_parquet

SCHEMA_VERSION = 1
"""Version of the run folder's layout. Raised whenever a column or a key changes its meaning or goes."""

_PIECE = 125
"""Rows that are made columns of and written at a time, at most. It holds the event loop up for a millisecond."""
_UNFIT = (pa.ArrowException, OverflowError, TypeError)
"""What Arrow raises for a value that is not of its column's type."""
_PLAIN = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}


def schema(record_type: type) -> pa.Schema:
    """The columns of a table of such records. A field keeps its name, a metric's is as `metrics.aggregate.columns_of` says."""
    hints = get_type_hints(record_type)
    fields = [pa.field(f.name, _type(hints[f.name]), nullable=_optional(hints[f.name])) for f in dataclasses.fields(record_type)]
    fields += [pa.field(name, pa.float64()) for name in columns_of(record_type)]
    return pa.schema(fields, metadata={"doubletalk_schema_version": str(SCHEMA_VERSION)})


class Rows:
    """Rows on their way into the Parquet file `path`: they are kept in a journal beside it until `close` makes it of them.

    `refused`: rows that were left out, as a value does not fit its column.
    """

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.schema = columns
        self._path = path
        self._journal = Journal(path.with_suffix(SUFFIX), columns)
        self.refused = 0
        self._rows: list[tuple[Any, ...]] = []
        pa.array([], pa.int64())  # its first call imports pandas where that is installed: not amid a run

    @property
    def rows(self) -> int:
        """How many have been added."""
        return self._journal.rows + len(self._rows)

    @property
    def full(self) -> bool:
        """Whether just as many more wait as are written at a time."""
        return bool(self._rows) and len(self._rows) % _PIECE == 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Append one row: its values in the order of the schema. It waits for `flush`."""
        self._rows.append(row)

    def flush(self) -> None:
        """Have all rows on disk. Raises OSError where that cannot be; they go on waiting then."""
        while self._rows:
            piece = self._rows[:_PIECE]
            try:
                batch = self._batch(piece)
            except _UNFIT:
                fit = [row for row in piece if self._fits(row)]
                if len(fit) == len(piece):
                    raise
                self.refused += len(piece) - len(fit)
                self._rows[:_PIECE] = fit
                continue
            self._journal.add(batch)
            del self._rows[:_PIECE]

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fits(self, row: tuple[Any, ...]) -> bool:
        try:
            self._batch([row])
        except _UNFIT:
            return False
        return True

    def close(self) -> None:
        """Make the Parquet file. Raises OSError; what was flushed is still there then."""
        self.flush()
        self._journal.close()
        to_parquet(self._journal.path, self.schema, self._path)


class Table(Rows):
    """Records of one type as such rows."""

    def __init__(self, path: Path, record_type: type) -> None:
        super().__init__(path, schema(record_type))
        self._fields = attrgetter(*(f.name for f in dataclasses.fields(record_type)))

    def record(self, record: Record, columns: dict[str, float | None]) -> None:
        """Append one record; `columns`: its metrics, as `metric_columns` gives them."""
        self.add((*self._fields(record), *columns.values()))


def _parts(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _optional(hint: Any) -> bool:
    return type(None) in _parts(hint)


def _type(hint: Any) -> pa.DataType:
    kind = next(part for part in _parts(hint) if part is not type(None))
    return pa.string() if issubclass(kind, StrEnum) else _PLAIN[kind]
