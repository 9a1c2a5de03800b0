"""A run's last files: `histograms.json`, `summary.md` and, when all else is there, `run.json`."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from metrics.aggregate import Aggregate
from metrics.catalog import CATALOG_VERSION
from metrics.health import Health
from metrics.records import TurnKind
from metrics.summary import summary, verdicts
from reporting.calibration import accuracy
from reporting.tables import SCHEMA_VERSION

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


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended (`metrics.summary`'s COMPLETE, INTERRUPTED or KILLED), after how long, the most talkers at a time, and the clock of
    its last turn; None where it had none."""

    ended: str
    duration_s: float
    talkers_max: int
    clock: str | None


def complete(path: Path, facts: RunFacts, ending: Ending, aggregate: Aggregate, health: Health) -> tuple[dict[str, Any], str]:
    """Write the last files into the run folder `path`. Returns what `run.json` holds, and the summary. Raises OSError."""
    frame_s = facts.frame_ms / 1000.0
    faults = health.faults(frame_s)
    sessions = sum(n for name, n in aggregate.counts.items() if name.startswith("sessions."))
    run: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "catalog_version": CATALOG_VERSION,
        "run_id": path.name,
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
        "ended": ending.ended,
        "duration_s": ending.duration_s,
        "talkers_max": ending.talkers_max,
        "workers": [{"name": "local", "clock_offset_s": 0.0, "native": facts.native}],
        "versions": _versions(),
        "totals": {"turns": aggregate.turns(), "false_alarms": aggregate.turns(TurnKind.FALSE_ALARM), "sessions": sessions,
                   **dict(sorted(aggregate.counts.items()))},
        "health": health.told(frame_s),
        "accuracy": accuracy(path.parent, ending.talkers_max, facts.frame_ms, ending.clock),
    }  # fmt: skip
    run["criteria"] = [
        {"criterion": v.criterion.text, "value": v.value, "count": v.count, "holds": v.holds} for v in verdicts(run, aggregate)
    ]
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
