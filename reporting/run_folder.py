"""The run folder: `runs/<run id>/` with `run.json`, the Parquet tables, `histograms.json` and `summary.md`."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from metrics.aggregate import Aggregate, Measured, metric_columns
from metrics.catalog import CATALOG_VERSION
from metrics.health import Health
from metrics.records import Record, SessionRecord, TokenRecord, TurnKind, TurnRecord
from metrics.summary import summary, verdicts
from reporting.calibration import accuracy
from reporting.tables import SCHEMA_VERSION, Rows, Table

_VERSIONED = ("doubletalk", "locust", "gevent", "websocket-client", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run before it starts. `scenario` as resolved, in plain data; nothing here is secret. `native`: frames and messages go in C."""

    scenario: dict[str, Any]
    seed: int
    dialect: str
    frame_ms: float
    host: str
    started_epoch_s: float
    started_ns: int
    options: dict[str, Any] = field(default_factory=dict)
    native: bool = False


class RunFolder:
    """Writes one run. Raises OSError where the folder cannot be made."""

    def __init__(self, parent: Path, facts: RunFacts) -> None:
        self.facts = facts
        self.run_id, self.path = _new_folder(parent, facts)
        self._clock: str | None = None
        self._timeline = Rows(self.path / "timeline.parquet", TIMELINE)
        self._tables = {
            TurnRecord: Table(self.path / "turns.parquet", TurnRecord),
            SessionRecord: Table(self.path / "sessions.parquet", SessionRecord),
            TokenRecord: Table(self.path / "tokens.parquet", TokenRecord),
        }

    def add(self, record: Record, measured: Measured) -> None:
        """Append a record to its table; `measured`: its metrics, as `metrics.aggregate.measure` gives them."""
        self._tables[type(record)].add(record, metric_columns(record, measured))
        if isinstance(record, TurnRecord):
            self._clock = record.clock

    def second(self, row: dict[str, Any]) -> None:
        """Append a row to the timeline."""
        self._timeline.add(tuple(row[name] for name in TIMELINE.names))

    def finish(self, ended: str, duration_s: float, talkers_max: int, aggregate: Aggregate, health: Health) -> tuple[dict[str, Any], str]:
        """Complete the folder. `ended`: `complete`, or `interrupted` by a signal before its time. Returns what `run.json` holds, and the summary."""
        for table in self._tables.values():
            table.close()
        self._timeline.close()
        facts = self.facts
        faults = health.faults(facts.frame_ms / 1000.0)
        run: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "catalog_version": CATALOG_VERSION,
            "run_id": self.run_id,
            "valid": not faults,
            "faults": faults,
            "scenario": facts.scenario,
            "seed": facts.seed,
            "dialect": facts.dialect,
            "frame_ms": facts.frame_ms,
            "host": facts.host,
            "options": facts.options,
            "started_epoch_s": facts.started_epoch_s,
            "started_ns": facts.started_ns,
            "ended": ended,
            "duration_s": duration_s,
            "talkers_max": talkers_max,
            "workers": [{"name": "local", "clock_offset_s": 0.0, "native": facts.native}],
            "versions": _versions(),
            "totals": {"turns": aggregate.turns(), "false_alarms": aggregate.turns(TurnKind.FALSE_ALARM),
                       "sessions": self._tables[SessionRecord].rows_written, **dict(sorted(aggregate.counts.items()))},
            "health": health.told(facts.frame_ms / 1000.0),
            "accuracy": accuracy(self.path.parent, talkers_max, facts.frame_ms, self._clock),
        }  # fmt: skip
        run["criteria"] = [
            {"criterion": v.criterion.text, "value": v.value, "count": v.count, "holds": v.holds} for v in verdicts(run, aggregate)
        ]
        text = summary(run, aggregate)
        _write(self.path / "histograms.json", json.dumps({"metrics": aggregate.to_plain(), "health": health.to_plain()}))
        _write(self.path / "summary.md", text)
        _write(self.path / "run.json", json.dumps(run, indent=2))
        return run, text


TIMELINE = pa.schema(
    [
        pa.field("t_s", pa.float64(), nullable=False),
        pa.field("talkers", pa.int64(), nullable=False),
        *(pa.field(name, pa.int64(), nullable=False) for name in ("turns", "failures", "barge_ins", "false_alarms", "sessions_ended", "tokens", "errors", "underruns", "frames_dropped", "missed_starts", "unsent_bytes")),
        *(pa.field(name, pa.float64()) for name in ("e2e_latency_p50_s", "e2e_latency_p95_s", "barge_in_latency_p95_s", "send_lateness_p99_s", "loop_lag_p99_s", "cpu_share")),
    ],
    metadata={"doubletalk_schema_version": str(SCHEMA_VERSION)},
)  # fmt: skip
"""One row a second: what ended in that second. `t_s`: seconds since the start; `send_lateness`, `loop_lag`: of the run so far."""


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


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a file."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
