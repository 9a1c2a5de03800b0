"""Reads a run folder into tidy tables: what is in its files, and what is joined to it here. Columns and units are in docs/run-files.md."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pandas as pd

from analysis import files, frames
from analysis.files import SCHEMA_VERSIONS, RunError
from metrics.aggregate import Aggregate, uncolumned
from metrics.records import Record, SampleRecord
from reporting.tables import RECORDS

__all__ = ["SCHEMA_VERSIONS", "Loaded", "RunError", "load"]


@dataclass(frozen=True)
class Loaded:
    """A run: `info` is what `run.json` holds; tables and metrics are read when first used. Raise RunError where a file is broken."""

    path: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        """The run's id: the name of its folder when it was made."""
        return str(self.info["run_id"])

    @cached_property
    def turns(self) -> pd.DataFrame:
        """One row per utterance, barge-in and false alarm: the columns of `turns.parquet`, and those of `frames.turns`."""
        return frames.turns(files.table(self.path, "turns"), self.sessions, self.info)

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row per WebSocket session: the columns of `sessions.parquet`, and those of `frames.sessions`."""
        return frames.sessions(files.table(self.path, "sessions"), self.info)

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """One row per token request: the columns of `tokens.parquet`, and those of `frames.tokens`."""
        return frames.tokens(files.table(self.path, "tokens"), self.info)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per second: the columns of `timeline.parquet`, and those of `frames.timeline`."""
        return frames.timeline(files.table(self.path, "timeline"), self.info)

    @cached_property
    def histograms(self) -> Aggregate:
        """All metrics, of the whole run and of each of its stages, as the run itself added them up (`histograms.json`)."""
        return files.histograms(self.path)

    def records(self, tables: Iterable[str] = (*RECORDS, "timeline")) -> Iterator[Record]:
        """The records that the run was made of, table by table; a row of the timeline holds the sample of its second."""
        for name in tables:
            kind = RECORDS.get(name, SampleRecord)
            hints = get_type_hints(kind)
            fields = {f.name: _enum(hints[f.name]) for f in dataclasses.fields(kind)}
            for rows in files.batches(self.path, name, list(fields)):
                for row in rows:
                    yield kind(**{n: made(row[n]) if made and row[n] is not None else row[n] for n, made in fields.items()})

    def read_off(self, table: str) -> dict[str, tuple[list[int], list[Any]]]:
        """Of each metric that no column of the table has: in which rows it has a value, and these values, as its `measure` gives them. Read
        once: it takes some 50 us a row."""
        if table not in self._read_off:
            metrics = uncolumned(RECORDS.get(table, SampleRecord))
            found: dict[str, tuple[list[int], list[Any]]] = {metric.name: ([], []) for metric in metrics}
            for row, record in enumerate(self.records([table])):
                for metric in metrics:
                    value = metric.measure(record)
                    if value is not None:
                        found[metric.name][0].append(row)
                        found[metric.name][1].append(value)
            self._read_off[table] = found
        return self._read_off[table]

    @cached_property
    def _read_off(self) -> dict[str, dict[str, tuple[list[int], list[Any]]]]:
        return {}

    def aggregate(self) -> Aggregate:
        """All metrics, of the whole and of each stage, computed anew from the records alone; without the steps of a search."""
        made = Aggregate()
        for table in (*RECORDS, "timeline"):
            frame: pd.DataFrame = getattr(self, table)
            for stage, record in zip(frame["stage"], self.records([table]), strict=True):
                made.add(record, stage=stage)
        return made


def load(folder: str | Path) -> Loaded:
    """The run in this folder. Raises RunError: no run, a broken file, or a schema version that this reader does not know."""
    return Loaded(Path(folder), files.info(Path(folder)))


def _enum(hint: Any) -> type[StrEnum] | None:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, StrEnum)), None)
