"""Records as rows of a run file: one column per field and per metric, types taken from the records themselves."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable
from enum import StrEnum
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from metrics.aggregate import columns_of
from metrics.records import Record, SampleRecord, SessionRecord, TokenRecord, TurnRecord

SCHEMA_VERSION = 1
"""Version of the run folder's layout. Raised whenever a column or a key changes its meaning or goes."""

_PIECE = 125
"""Rows that are made columns of at a time, at most. It holds the event loop up for a millisecond."""
_UNFIT = (pa.ArrowException, OverflowError, TypeError)
"""What Arrow raises for a value that is not of its column's type."""
_PLAIN = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
_VERSION = {"doubletalk_schema_version": str(SCHEMA_VERSION)}
WORKER = "worker"
"""The column that tells which worker's talker it was."""


def _parts(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _optional(hint: Any) -> bool:
    return type(None) in _parts(hint)


def _type(hint: Any) -> pa.DataType:
    kind = next(part for part in _parts(hint) if part is not type(None))
    return pa.string() if issubclass(kind, StrEnum) else _PLAIN[kind]


def schema(record_type: type) -> pa.Schema:
    """The columns of a table of such records. A field keeps its name, a metric's is as `metrics.aggregate.columns_of` says."""
    hints = get_type_hints(record_type)
    fields = [pa.field(f.name, _type(hints[f.name]), nullable=_optional(hints[f.name])) for f in dataclasses.fields(record_type)]
    fields += [pa.field(name, pa.float64()) for name in columns_of(record_type)]
    return pa.schema([*fields, pa.field(WORKER, pa.string(), nullable=False)], metadata=_VERSION)


class Table:
    """Records of one type as Arrow's messages: `worker` is what the column of that name says of all of them.

    `refused`: rows that were left out, as a value does not fit its column.
    """

    def __init__(self, record_type: type, worker: str) -> None:
        self.schema = schema(record_type)
        self.refused = 0
        self._worker = worker
        self._fields = attrgetter(*(f.name for f in dataclasses.fields(record_type)))
        self._rows: list[tuple[Any, ...]] = []
        self._messages: list[bytes] = []
        pa.array([], pa.int64())  # its first call imports pandas where that is installed: not amid a run

    def add(self, record: Record, columns: dict[str, float | None]) -> None:
        """Append one record; `columns`: its metrics, as `metrics.aggregate.metric_columns` gives them."""
        self._rows.append((*self._fields(record), *columns.values(), self._worker))
        if len(self._rows) >= _PIECE:
            self._pack()

    def take(self) -> list[bytes]:
        """The messages of all records since the last call: record batches of `schema` each, without it."""
        self._pack()
        taken, self._messages = self._messages, []
        return taken

    def _pack(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            batch = self._batch(rows)
        except _UNFIT:
            fit = [row for row in rows if self._fits(row)]
            self.refused += len(rows) - len(fit)
            if not fit:
                return
            batch = self._batch(fit)
        self._messages.append(batch.serialize().to_pybytes())

    def _batch(self, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fits(self, row: tuple[Any, ...]) -> bool:
        try:
            self._batch([row])
        except _UNFIT:
            return False
        return True


_COUNTED = (
    "talkers", "turns", "failures", "barge_ins", "false_alarms", "sessions_ended", "tokens", "errors", "underruns", "frames_dropped",
    "missed_starts", "unsent_bytes", "workers",
)  # fmt: skip
_MEASURED = ("e2e_latency_p50_s", "e2e_latency_p95_s", "barge_in_latency_p95_s", "send_lateness_p99_s", "loop_lag_p99_s", "cpu_share")
SAMPLED = tuple(f.name for f in dataclasses.fields(SampleRecord) if f.name != "t_s")
"""Columns of the timeline that are the fields of its second's sample."""
PER_SESSION = "target_memory_per_session_bytes"


def timeline_of(latencies: Iterable[str] = ()) -> pa.Schema:
    """Columns of a timeline: one row a second, what ended in that second. `t_s`: seconds since the start; the counts of the tester's own:
    of the run so far. The target's own `latencies` have two columns each."""
    hints = get_type_hints(SampleRecord)
    return pa.schema(
        [
            pa.field("t_s", pa.float64(), nullable=False),
            *(pa.field(name, pa.int64(), nullable=False) for name in _COUNTED),
            *(pa.field(name, pa.float64()) for name in _MEASURED),
            *(pa.field(name, _type(hints[name]), nullable=_optional(hints[name])) for name in SAMPLED),
            pa.field(PER_SESSION, pa.float64()),
            *(pa.field(name, pa.float64()) for latency in latencies for name in latency_columns(latency)),
        ],
        metadata=_VERSION,
    )


def latency_columns(name: str) -> tuple[str, str]:
    """The columns of one of the target's own latencies: its mean and its 95th percentile."""
    return f"target_{name}_s", f"target_{name}_p95_s"


TIMELINE = timeline_of()
"""A timeline without latencies of the target's own."""

RECORDS: dict[str, type] = {"turns": TurnRecord, "sessions": SessionRecord, "tokens": TokenRecord}
TABLES = {"timeline": TIMELINE, **{name: schema(kind) for name, kind in RECORDS.items()}}
"""The tables of a run folder by the name of their file, and their columns."""


def tables_of(latencies: Iterable[str]) -> dict[str, pa.Schema]:
    """The tables of a run that samples these latencies of the target's."""
    return {**TABLES, "timeline": timeline_of(latencies)}
