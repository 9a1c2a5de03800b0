"""A run as screens see it, at the test's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reporting_records import FACTS, session, token, turn

from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord
from metrics.health import Health
from metrics.records import ErrorKind, Outcome, Record, TurnKind
from reporting.facts import RunFacts
from reporting.live import Failure, WorkerState, WorkerView
from reporting.tables import TIMELINE


@dataclass
class Shown:
    """Implements `reporting.live.Live` from plain fields."""

    facts: RunFacts = FACTS
    aggregate: Aggregate = field(default_factory=Aggregate)
    timeline: Sequence[dict[str, Any]] = field(default_factory=list)
    run_id: str = "20261125-120000-demo"
    under_way: bool = True
    elapsed_s: float = 12.5
    talkers: int = 20
    stage: str = ""
    of_workers: list[WorkerView] = field(default_factory=list)
    of_failures: list[Failure] = field(default_factory=list)
    of_faults: list[FaultRecord] = field(default_factory=list)
    of_health: Health = field(default_factory=Health)

    def workers(self) -> list[WorkerView]:
        return self.of_workers

    def failures(self) -> list[Failure]:
        return self.of_failures

    def chaos(self) -> list[FaultRecord]:
        return self.of_faults

    def health(self) -> Health:
        return self.of_health

    def faults(self) -> list[str]:
        lost = self.of_health.workers_lost
        told = [f"{lost} worker(s) lost: their talkers fell silent; look at their logs"] if lost else []
        return told + self.of_health.faults(self.facts.frame_ms / 1000.0)


def second(number: int, **changes: Any) -> dict[str, Any]:
    """Row of a timeline that ended second `number`, from 1 on."""
    row = dict.fromkeys(TIMELINE.names, 0) | {name: None for name in TIMELINE.names if name.endswith(("_p50_s", "_p95_s", "_p99_s"))}
    return {**row, "t_s": float(number), "talkers": 20, "cpu_share": 0.1, **changes}


RECORDS: list[Record] = [
    *[turn(0.5 + n / 1000) for n in range(18)],
    turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT, error="no audible answer"),
    turn(0.6, kind=TurnKind.BARGE_IN),
    turn(None, kind=TurnKind.FALSE_ALARM, outcome=Outcome.CONTINUED),
    turn(None, outcome=Outcome.CUT_BY_RUN_END),
    session(),
    token(),
]
"""20 turns that count, one of them failed, a turn cut by the run's end, a false alarm, a session and a token."""

WORKERS = [
    WorkerView("host-1", WorkerState.RUNNING, 12, 11, 0.25, 0.0004, 0.001, 0.0, 0.4),
    WorkerView("host-2", WorkerState.LOST, 0, 10, None, None, None, -0.0123, 8.0, 7.2),
]
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
"""What an assistant may send as its error's text."""


def a_run(**changes: Any) -> Shown:
    """A run of 12 seconds over two workers, one of them lost, with an error of a hostile assistant."""
    aggregate = Aggregate()
    for record in RECORDS:
        aggregate.add(record)
    made = Shown(
        aggregate=aggregate,
        timeline=[second(n, turns=2, e2e_latency_p95_s=0.5) for n in range(1, 13)],
        of_workers=WORKERS,
        of_failures=[Failure(9.25, "host-1", 3, "assistant_error", HOSTILE), Failure(2.0, "host-2", None, "auth", "")],
        of_health=Health(cpu_s=2.0, wall_s=12.0, workers_lost=1),
    )
    made.of_health.send_lateness.add(0.0005)
    return replace(made, **changes)
