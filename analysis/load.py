"""Reads a run folder. Columns and units are in docs/run-files.md."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.aggregate import Aggregate
from metrics.records import Record, SampleRecord
from reporting.run_folder import STARTED
from reporting.tables import RECORDS, SAMPLED

SCHEMA_VERSIONS = (1,)
"""Versions of the run folder that this reader knows."""


class RunError(ValueError):
    """A folder that cannot be read as a run; the text says what is wrong with which file, and what to do."""


@dataclass(frozen=True)
class Loaded:
    """A run: `info` is what `run.json` holds; the tables are read when first used. Raise RunError where a file is broken."""

    path: Path
    info: dict[str, Any]

    @cached_property
    def turns(self) -> pd.DataFrame:
        """One row per utterance, barge-in and false alarm."""
        return self._frame("turns")

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row per WebSocket session."""
        return self._frame("sessions")

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """One row per token request."""
        return self._frame("tokens")

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per second."""
        return self._frame("timeline")

    def records(self) -> Iterator[Record]:
        """The records that the run was made of, table by table; a row of the timeline holds the sample of its second."""
        for name, kind in RECORDS.items():
            fields = {f.name: _enum(get_type_hints(kind)[f.name]) for f in dataclasses.fields(kind)}
            for row in self._table(name).to_pylist():
                yield kind(**{n: made(row[n]) if made and row[n] is not None else row[n] for n, made in fields.items()})
        for row in self._table("timeline").to_pylist():
            yield SampleRecord(t_s=row["t_s"], **{name: row[name] for name in SAMPLED})

    def aggregate(self) -> Aggregate:
        """All metrics, computed anew from the records alone."""
        made = Aggregate()
        for record in self.records():
            made.add(record)
        return made

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self._table(name).to_pandas()
        return frame

    def _table(self, name: str) -> pa.Table:
        path = self.path / f"{name}.parquet"
        try:
            return pq.read_table(path)
        except FileNotFoundError:
            raise RunError(f"{path}: missing; was the run cut off before its end?") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise RunError(f"{path}: broken: {str(error).splitlines()[0][:120]}") from None


def load(folder: str | Path) -> Loaded:
    """The run in this folder. Raises RunError: no run, a broken file, or a schema version that this reader does not know."""
    path = Path(folder)
    try:
        info = json.loads((path / "run.json").read_text(encoding="utf-8"))
        version = info["schema_version"]
    except FileNotFoundError:
        if (path / STARTED).exists():
            raise RunError(f"{path}: the run is under way, or was killed; then: python -m analysis recover {path}") from None
        raise RunError(f"{path}: no run.json there; name the folder of a finished run, such as runs/20261120-115112-demo") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / 'run.json'}: broken: {error or type(error).__name__}") from None
    if version not in SCHEMA_VERSIONS:
        known = ", ".join(map(str, SCHEMA_VERSIONS))
        raise RunError(f"{path}: run of schema version {version}; this reader knows {known}: use the version of Doubletalk that wrote it")
    return Loaded(path, info)


def _enum(hint: Any) -> type[StrEnum] | None:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, StrEnum)), None)
