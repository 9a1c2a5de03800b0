"""A run's seconds, kept in memory as columns: as rows, a day of them would take some 200 MB."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any, overload

import pyarrow as pa

Row = dict[str, Any]
"""A row of `timeline.parquet`."""

_MAKE: dict[pa.DataType, Callable[[float], Any]] = {pa.float64(): float, pa.int64(): int, pa.bool_(): bool}


class Timeline(Sequence[Row]):
    """The rows so far, made anew for whoever asks. A whole number is kept exactly up to 2**53."""

    def __init__(self, schema: pa.Schema) -> None:
        self._make = [_MAKE[field.type] for field in schema]
        self._columns = {name: array("d") for name in schema.names}

    def append(self, row: Row) -> None:
        """Add a row, which has a value, or None, for each column. Raises KeyError where it has not."""
        values = [math.nan if (value := row[name]) is None else value for name in self._columns]
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        return {
            name: None if math.isnan(value := column[at]) else make(value)
            for (name, column), make in zip(self._columns.items(), self._make, strict=True)
        }
