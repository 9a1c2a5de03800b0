"""The files of a run folder, one function each. All raise RunError: what is wrong with which file, and what to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.aggregate import Aggregate
from metrics.records import SampleRecord
from reporting.run_folder import STARTED
from reporting.tables import RECORDS, TABLES

SCHEMA_VERSIONS = (1,)
"""Versions of the run folder that this reader knows."""
_KEYS = (
    "run_id", "catalog_version", "valid", "faults", "scenario", "seed", "dialect", "frame_ms", "host", "started_epoch_s", "ended",
    "capacity", "duration_s", "talkers_max", "workers", "versions", "totals", "health", "accuracy", "criteria",
)  # fmt: skip
"""What every `run.json` of these versions holds, and readers rely on."""
_ROWS = 5000
"""Rows that are made Python objects of at a time: some 10 MB of turns."""


class RunError(ValueError):
    """A folder that cannot be read as a run; the text says what is wrong with which file, and what to do."""


def info(folder: Path) -> dict[str, Any]:
    """What `run.json` holds: docs/run-files.md has its keys."""
    try:
        told: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        version = told["schema_version"]
    except NotADirectoryError:
        raise RunError(f"{folder}: is a file; name the folder of a finished run, such as runs/20261120-115112-demo") from None
    except FileNotFoundError:
        if (folder / STARTED).exists():
            raise RunError(f"{folder}: the run is under way, or was killed; then: python -m analysis recover {folder}") from None
        raise RunError(f"{folder}: no run.json there; name the folder of a finished run, such as runs/20261120-115112-demo") from None
    except (KeyError, TypeError):
        raise RunError(f"{folder / 'run.json'}: broken: it has no schema_version; name the folder of a finished run") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / 'run.json'}: broken: {error or type(error).__name__}") from None
    if version not in SCHEMA_VERSIONS:
        known = ", ".join(map(str, SCHEMA_VERSIONS))
        raise RunError(f"{folder}: run of schema version {version}; this reader knows {known}: use the version of Doubletalk that wrote it")
    if missing := [key for key in _KEYS if key not in told]:
        raise RunError(f"{folder / 'run.json'}: broken: it has no {missing[0]}; was it changed by hand?")
    return told


def table(folder: Path, name: str) -> pd.DataFrame:
    """A table of the folder: `turns`, `sessions`, `tokens` or `timeline`, with at least the columns that `reporting.tables` gives it. What
    the version that wrote it did not record yet is null."""
    path = folder / f"{name}.parquet"
    with _told(path):
        found = pq.read_table(path, page_checksum_verification=True)
        for field in TABLES[name]:
            at = found.schema.get_field_index(field.name)
            if at >= 0 and found.schema.field(at).type != field.type:
                found = found.set_column(at, field.name, _cast(found[field.name], field))
    missing = [column for column in TABLES[name].names if column not in found.column_names]
    if unknown := [column for column in missing if column not in _defaulted(name)]:
        raise RunError(f"{path}: has no column {unknown[0]}: use the version of Doubletalk that wrote it")
    for column in missing:
        found = found.append_column(column, pa.nulls(len(found), TABLES[name].field(column).type))
    frame: pd.DataFrame = found.to_pandas()
    return frame


def batches(folder: Path, name: str, columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table as plain Python objects, some thousand at a time: None where there is no value, or the version that wrote it did
    not record it yet."""
    path = folder / f"{name}.parquet"
    with _told(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        later = {column: None for column in _defaulted(name) if column in columns and column not in file.schema_arrow.names}
        for batch in file.iter_batches(_ROWS, columns=[column for column in columns if column not in later]):
            yield [{**row, **later} for row in batch.to_pylist()] if later else batch.to_pylist()


def histograms(folder: Path) -> Aggregate:
    """All metrics as the run itself added them up, with those of each stage."""
    path = folder / "histograms.json"
    try:
        return Aggregate.from_plain(json.loads(path.read_text(encoding="utf-8"))["metrics"])
    except FileNotFoundError:
        raise RunError(f"{path}: missing; was the run cut off before its end?") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: broken: {error or type(error).__name__}") from None


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """A column that some other program wrote with another type, as the table has it. Raises pa.ArrowInvalid where it is no such thing."""
    try:
        return column.cast(field.type)
    except (pa.ArrowException, ValueError) as error:
        raise pa.ArrowInvalid(f"{field.name} is no {field.type}: {error}") from None


def _defaulted(name: str) -> set[str]:
    """The columns that a table may lack: fields of its record that are None where nothing is said of them."""
    return {f.name for f in dataclasses.fields(RECORDS.get(name, SampleRecord)) if f.default is None}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Makes of what Arrow says a RunError."""
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: missing; was the run cut off before its end?") from None
    except (pa.ArrowException, OSError) as error:
        told = str(error).splitlines()[0].rpartition(f"{path}': ")[2]  # Arrow names the file, too
        raise RunError(f"{path}: broken: {told[:120]}") from None
