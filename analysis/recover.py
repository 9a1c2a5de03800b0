"""Makes a run of the folder that a killed process left behind: what had ended by then, but for the last second, is in journals there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.load import SCHEMA_VERSIONS, Loaded, RunError
from metrics.health import Health
from metrics.summary import KILLED
from reporting.completion import Ending, RunFacts, complete
from reporting.journal import SUFFIX, to_parquet
from reporting.lock import held
from reporting.run_folder import SO_FAR, STARTED, TABLES, forget_how_it_went

_COMPLETE = "{}: the run is complete, there is nothing to recover"


def recover(folder: str | Path) -> str:
    """Complete the run folder of a killed process; returns the run's summary.

    Raises RunError: no run, one that is complete or still under way, one that another version of Doubletalk wrote, or a disk that cannot
    be written to. Broken off, it can be done again.
    """
    path = Path(folder)
    try:
        with (path / STARTED).open("rb") as started:
            facts = _facts(path, started)
            if (path / "run.json").exists():  # only this was left to do
                forget_how_it_went(path)
                raise RunError(_COMPLETE.format(path))
            for name, columns in TABLES.items():
                _table(path, name, columns)
            duration_s, talkers_max, health = _so_far(path)
            loaded = Loaded(path, {})
            clocks = loaded.turns["clock"]
            clock = str(clocks.iloc[-1]) if len(clocks) else None
            ending = Ending(KILLED, duration_s, talkers_max, clock)
            _, text = complete(path.resolve(), facts, ending, loaded.aggregate(), health)
            forget_how_it_went(path)
    except FileNotFoundError:
        raise RunError(_COMPLETE.format(path) if (path / "run.json").exists() else f"{path}: no run is there") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}") from None
    return text


def _facts(path: Path, started: IO[bytes]) -> RunFacts:
    if held(started):
        raise RunError(f"{path}: the run is still under way; it completes its folder itself")
    try:
        told = json.load(started)
        version, facts = told["schema_version"], told["facts"]
        if version in SCHEMA_VERSIONS:
            return RunFacts(**facts)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / STARTED}: broken: {error or type(error).__name__}") from None
    raise RunError(f"{path}: run of schema version {version}: recover it with the version of Doubletalk that wrote it")


def _so_far(path: Path) -> tuple[float, int, Health]:
    """Duration in s, most talkers and health as they were written down a second ago at most; of a run that had no second yet, nothing."""
    try:
        told = json.loads((path / SO_FAR).read_text(encoding="utf-8"))
        return float(told["duration_s"]), int(told["talkers_max"]), Health.from_plain(told["health"])
    except FileNotFoundError:
        return 0.0, 0, Health()
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / SO_FAR}: broken: {error or type(error).__name__}") from None


def _table(path: Path, name: str, columns: pa.Schema) -> None:
    """Make the Parquet file of a journal, unless that was done before."""
    journal, target = path / f"{name}{SUFFIX}", path / f"{name}.parquet"
    if journal.exists():
        to_parquet(journal, columns, target)
    elif not target.exists():
        pq.write_table(columns.empty_table(), target)
