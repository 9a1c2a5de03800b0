"""The run folder: `runs/<run id>/` with `run.json`, the Parquet tables, `histograms.json` and `summary.md`.

While the run is under way there are a journal of all that was reported, and `started.json` with what `run.json` will need besides: where
the process is killed, what its workers had not reported yet is lost at most (`python -m analysis recover` makes a run of the others).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord
from reporting.completion import complete, write
from reporting.facts import Ending, RunFacts
from reporting.journal import SUFFIX, Entry, Journal, entries, to_parquet
from reporting.lock import hold
from reporting.tables import SCHEMA_VERSION, tables_of
from reporting.workers import Worker, reported

STARTED, REPORTED = "started.json", f"reported{SUFFIX}"


class RunFolder:
    """Writes one run. Raises OSError where the folder cannot be made."""

    def __init__(self, parent: Path, facts: RunFacts) -> None:
        self.facts = facts
        self.run_id, self.path = _new_folder(parent, facts)
        self._journal = Journal(self.path / REPORTED)
        self._waiting: list[Entry] = []
        write(self.path / STARTED, json.dumps({"schema_version": SCHEMA_VERSION, "facts": asdict(facts)}))
        self._lock = (self.path / STARTED).open("rb")
        hold(self._lock)  # as long as the process lives: nobody takes it for one that was killed

    def note(self, entry: Entry) -> None:
        """Something that happened. Raises OSError, as all that follow do; where it cannot be written down, it waits and precedes the next."""
        self._waiting.append(entry)
        self._catch_up()

    def batch(self, worker: str, plain: dict[str, Any]) -> None:
        """A batch of a worker's, as `Batch.to_plain` gives it. Once this returns, it outlives the process; where it raises, it is as if it had
        not been asked."""
        self._catch_up()
        self._journal.add(reported(worker, plain))

    def _catch_up(self) -> None:
        while self._waiting:
            self._journal.add(self._waiting[0])
            del self._waiting[0]

    def finish(
        self, ending: Ending, aggregate: Aggregate, workers: list[Worker], faulted: Sequence[FaultRecord] = ()
    ) -> tuple[dict[str, Any], str]:
        """Complete the folder. `faulted`: as the run's workers told them. Returns what `run.json` holds, and the summary. Raises OSError; it can be recovered then."""
        try:
            self._catch_up()
            schemas = tables_of(self.facts.latencies)
            to_parquet(tables(entries(self.path / REPORTED), schemas["timeline"]), schemas, self.path)
            done = complete(self.path, self.facts, ending, aggregate, workers, faulted)
            if not any(worker.lost_at_s is not None or worker.missing for worker in workers):  # whose own journal may still turn up
                forget_how_it_went(self.path)
        finally:
            self.leave()
        return done

    def leave(self) -> None:
        """Leave it as it is, to be recovered."""
        self._journal.close()
        self._lock.close()


def tables(found: Iterator[dict[str, Any]], timeline: pa.Schema) -> Iterator[dict[str, list[bytes]]]:
    """What a journal's entries hold of the tables of a run folder: Arrow's messages by the name of their table. `timeline`: its columns."""
    seconds: list[dict[str, Any]] = []
    for entry in found:
        if "batch" in entry:
            yield entry["batch"]["tables"]
        elif "second" in entry:
            seconds.append(entry["second"])
    if seconds:
        yield {"timeline": [pa.RecordBatch.from_pylist(seconds, timeline).serialize().to_pybytes()]}


def forget_how_it_went(path: Path) -> None:
    """Remove what a complete run has no use for."""
    for name in (STARTED, REPORTED):
        (path / name).unlink(missing_ok=True)


def _new_folder(parent: Path, facts: RunFacts) -> tuple[str, Path]:
    stamp = datetime.fromtimestamp(facts.started_epoch_s, UTC).strftime("%Y%m%d-%H%M%S")
    name = re.sub(r"[^\w.-]", "-", str(facts.scenario["name"]))
    for attempt in range(1, 1000):
        run_id = f"{stamp}-{name}" + (f"-{attempt}" if attempt > 1 else "")
        try:
            (parent / run_id).mkdir(parents=True)
        except FileExistsError:
            continue
        return run_id, parent / run_id
    raise FileExistsError(f"{parent}: a thousand runs in one second")
