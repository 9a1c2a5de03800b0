"""The run folder: `runs/<run id>/` with `run.json`, the Parquet tables, `histograms.json` and `summary.md`.

While the run is under way the tables are journals, and `started.json` and `so_far.json` say what `run.json` will need besides: where the
process is killed, records of its last second are lost at most (`python -m analysis recover` makes a run of the others).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from metrics.aggregate import Aggregate, Measured, metric_columns
from metrics.health import Health
from metrics.records import Record, SessionRecord, TokenRecord, TurnRecord
from reporting.completion import Ending, RunFacts, complete, write
from reporting.lock import hold
from reporting.tables import SCHEMA_VERSION, Rows, Table, schema

STARTED, SO_FAR = "started.json", "so_far.json"


class RunFolder:
    """Writes one run. Raises OSError where the folder cannot be made."""

    def __init__(self, parent: Path, facts: RunFacts) -> None:
        self.facts = facts
        self.run_id, self.path = _new_folder(parent, facts)
        self._clock: str | None = None
        self._timeline = Rows(self.path / "timeline.parquet", TIMELINE)
        self._tables = {kind: Table(self.path / f"{name}.parquet", kind) for name, kind in RECORDS.items()}
        write(self.path / STARTED, json.dumps({"schema_version": SCHEMA_VERSION, "facts": asdict(facts)}))
        self._lock = (self.path / STARTED).open("rb")
        hold(self._lock)  # as long as the process lives: nobody takes it for one that was killed

    def add(self, record: Record, measured: Measured) -> bool:
        """Append a record to its table; `measured`: its metrics, as `metrics.aggregate.measure` gives them. Whether so many wait to be
        written that `flush` should be called."""
        table = self._tables[type(record)]
        table.record(record, metric_columns(record, measured))
        if isinstance(record, TurnRecord):
            self._clock = record.clock
        return table.full

    @property
    def refused(self) -> int:
        """Records that were left out, as a value does not fit its column."""
        return sum(table.refused for table in self._tables.values())

    def second(self, row: dict[str, Any]) -> None:
        """Append a row to the timeline."""
        self._timeline.add(tuple(row[name] for name in TIMELINE.names))

    def flush(self) -> None:
        """Have all records and rows on disk. Raises OSError where that cannot be; they wait for the next time."""
        for table in (self._timeline, *self._tables.values()):
            table.flush()

    def keep(self, duration_s: float, talkers_max: int, health: Health, pause: Callable[[], object]) -> None:
        """`flush`, and have on disk what else `run.json` would need if the process were killed now. `pause` is called between the steps,
        of a millisecond at most each. Raises OSError as `flush`."""
        for table in (self._timeline, *self._tables.values()):
            table.flush()
            pause()
        text = json.dumps({"duration_s": duration_s, "talkers_max": talkers_max, "health": health.to_plain()})
        pause()
        write(self.path / SO_FAR, text)

    def finish(self, ended: str, duration_s: float, talkers_max: int, aggregate: Aggregate, health: Health) -> tuple[dict[str, Any], str]:
        """Complete the folder. `ended`: COMPLETE, or INTERRUPTED by a signal before its time. Returns what `run.json` holds, and the
        summary. Raises OSError; what was flushed is still there then."""
        for table in (self._timeline, *self._tables.values()):
            table.close()
        done = complete(self.path, self.facts, Ending(ended, duration_s, talkers_max, self._clock), aggregate, health)
        forget_how_it_went(self.path)
        self._lock.close()
        return done


TIMELINE = pa.schema(
    [
        pa.field("t_s", pa.float64(), nullable=False),
        pa.field("talkers", pa.int64(), nullable=False),
        *(pa.field(name, pa.int64(), nullable=False) for name in ("turns", "failures", "barge_ins", "false_alarms", "sessions_ended", "tokens", "errors", "underruns", "frames_dropped", "missed_starts", "unsent_bytes")),
        *(pa.field(name, pa.float64()) for name in ("e2e_latency_p50_s", "e2e_latency_p95_s", "barge_in_latency_p95_s", "send_lateness_p99_s", "loop_lag_p99_s", "cpu_share")),
    ],
    metadata={"doubletalk_schema_version": str(SCHEMA_VERSION)},
)  # fmt: skip
"""One row a second: what ended in that second. `t_s`: seconds since the start; the counts of the tester's own: of the run so far."""

RECORDS: dict[str, type] = {"turns": TurnRecord, "sessions": SessionRecord, "tokens": TokenRecord}
TABLES = {"timeline": TIMELINE, **{name: schema(kind) for name, kind in RECORDS.items()}}
"""The tables of a run folder by the name of their file, and their columns."""


def forget_how_it_went(path: Path) -> None:
    """Remove what a complete run has no use for."""
    for name in (STARTED, SO_FAR):
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
