"""A run's last files: `histograms.json`, `summary.md` and, when all else is there, `run.json`."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from metrics.aggregate import Aggregate
from metrics.catalog import CATALOG_VERSION
from metrics.faults import FaultRecord
from metrics.records import TurnKind
from metrics.summary import summary
from metrics.verdicts import verdicts
from reporting.calibration import accuracy
from reporting.facts import Ending, RunFacts
from reporting.impact import impacts
from reporting.tables import SCHEMA_VERSION
from reporting.workers import Worker, faults, merged

_VERSIONED = ("doubletalk", "locust", "gevent", "websocket-client", "numpy", "pyarrow")


def complete(
    path: Path, facts: RunFacts, ending: Ending, aggregate: Aggregate, workers: list[Worker], faulted: Sequence[FaultRecord] = ()
) -> tuple[dict[str, Any], str]:
    """Write the last files into the run folder `path`, whose tables are there. `faulted`: as the run's workers told them. Returns what `run.json` holds, and the summary. Raises OSError."""
    frame_s = facts.frame_ms / 1000.0
    health, found = merged(workers), faults(workers, frame_s, facts.lost_workers_allowed)
    sessions = sum(n for name, n in aggregate.counts.items() if name.startswith("sessions."))
    run: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "catalog_version": CATALOG_VERSION,
        "run_id": path.name,
        "valid": not found,
        "faults": found,
        "scenario": facts.scenario,
        "seed": facts.seed,
        "dialect": facts.dialect,
        "untold": facts.untold,
        "frame_ms": facts.frame_ms,
        "host": facts.host,
        "options": facts.options,
        "started_epoch_s": facts.started_epoch_s,
        "started_ns": facts.started_ns,
        "ended": ending.ended,
        "aborted": ending.told.get("aborted"),
        "capacity": ending.told.get("capacity"),
        "duration_s": ending.duration_s,
        "talkers_max": ending.talkers_max,
        "workers": [worker.told(frame_s) for worker in workers],
        "versions": _versions(),
        "totals": {"turns": aggregate.turns(), "false_alarms": aggregate.turns(TurnKind.FALSE_ALARM), "sessions": sessions,
                   **dict(sorted(aggregate.counts.items()))},
        "health": health.told(frame_s),
        "accuracy": accuracy(path.parent, ending.talkers_max, facts.frame_ms, ending.clock),
    }  # fmt: skip
    run["criteria"] = [
        {"criterion": v.criterion.text, "value": v.value, "interval": v.interval, "count": v.count, "holds": v.holds, "missing": v.missing}
        for v in verdicts(run, aggregate)
    ]
    run["chaos"] = impacts(path, facts, ending, workers, faulted)
    text = summary(run, aggregate)
    write(path / "histograms.json", json.dumps({"metrics": aggregate.to_plain(), "health": health.to_plain()}))
    write(path / "summary.md", text)
    write(path / "run.json", json.dumps(run, indent=2))
    return run, text


def write(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a file. Raises OSError."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
