"""What is known of each worker of a run: who it is, what it carries, how it is, and whether the run is valid because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from metrics.health import Health
from reporting.batch import Batch
from reporting.live import WorkerState, WorkerView

LOCAL = "local"
"""The name of the worker that the process itself is, where there is no other: it ends with its master."""
SILENT_S = 3.0
"""After so long without a report a worker is shown as silent: two reports are missing, and the network has had its chance."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Who a worker is. `started_ns` and `started_epoch_s`: the same instant on its monotonic and its wall clock, with which instants in its
    records become wall-clock time. `native`: frames and messages go in C."""

    name: str
    host: str
    pid: int
    native: bool
    started_ns: int
    started_epoch_s: float


@dataclass(slots=True)
class Worker:
    """A worker's account. `seq`: of its last batch that was taken, `missing`: how many before it were not; times in seconds of the run.
    `clock_offset_s`: its wall clock minus the master's, None where it was not measured; `clock_error_s`: by how much that may be off
    (half a round trip)."""

    facts: WorkerFacts
    health: Health = field(default_factory=Health)
    state: WorkerState = WorkerState.RUNNING
    seq: int = 0
    missing: int = 0
    talkers: int = 0
    talkers_max: int = 0
    turns: int = 0
    heard_s: float = 0.0
    lost_at_s: float | None = None
    lost_talkers: int = 0
    clock_offset_s: float | None = None
    clock_error_s: float | None = None
    cpu_share: float | None = None

    def advance(self, batch: Batch, t_s: float) -> tuple[float, float]:
        """Count a batch that came at `t_s`. Returns the seconds of CPU that it tells of, and in how many."""
        cpu_s, wall_s = batch.health.cpu_s - self.health.cpu_s, batch.health.wall_s - self.health.wall_s
        self.health.advance(batch.health)
        self.missing += batch.seq - self.seq - 1
        self.seq, self.talkers, self.heard_s = batch.seq, batch.talkers, t_s
        self.talkers_max = max(self.talkers_max, batch.talkers)
        self.turns += batch.aggregate.turns()
        if wall_s > 0:
            self.cpu_share = cpu_s / wall_s
        self.state = WorkerState.LEFT if batch.last else WorkerState.RUNNING
        self.lost_at_s, self.lost_talkers = None, 0
        self.health.workers_lost = 0
        return cpu_s, wall_s

    def lose(self, t_s: float) -> None:
        """It will not be heard of again: what it has measured since its last batch is missing."""
        if self.state is not WorkerState.LEFT:
            self.state, self.lost_at_s = WorkerState.LOST, min(self.heard_s, t_s)
            self.lost_talkers, self.talkers = self.talkers or self.lost_talkers, 0
            self.health.workers_lost, self.health.memory_bytes = 1, 0

    def view(self, t_s: float) -> WorkerView:
        """It as screens show it."""
        silent_s = max(0.0, t_s - self.heard_s)
        state = WorkerState.SILENT if self.state is WorkerState.RUNNING and silent_s > SILENT_S else self.state
        return WorkerView(
            name=self.facts.name,
            state=state,
            talkers=self.talkers,
            turns=self.turns,
            cpu_share=self.cpu_share,
            send_lateness_p99_s=self.health.send_lateness.quantile(0.99),
            loop_lag_p99_s=self.health.loop_lag.quantile(0.99),
            clock_offset_s=self.clock_offset_s or 0.0,
            silent_s=silent_s,
            lost_at_s=self.lost_at_s,
        )

    def told(self, frame_s: float) -> dict[str, Any]:
        """What `run.json` says of it."""
        facts = self.facts
        return {
            "name": facts.name,
            "host": facts.host,
            "pid": facts.pid,
            "native": facts.native,
            "started_ns": facts.started_ns,
            "started_epoch_s": facts.started_epoch_s,
            "clock_offset_s": self.clock_offset_s,
            "clock_error_s": self.clock_error_s,
            "state": self.state,
            "lost_at_s": self.lost_at_s,
            "talkers_max": self.talkers_max,
            "turns": self.turns,
            "reports_missing": self.missing,
            "health": self.health.told(frame_s),
        }


def joined(facts: WorkerFacts) -> dict[str, Any]:
    """The journal's entry that a worker takes part."""
    return {"joined": asdict(facts)}


def reported(worker: str, plain: dict[str, Any]) -> dict[str, Any]:
    """The journal's entry of a worker's batch, as `Batch.to_plain` gives it."""
    return {"worker": worker, "batch": plain}


def merged(workers: Iterable[Worker]) -> Health:
    """The health of all workers together."""
    health = Health()
    for worker in workers:
        health.merge(worker.health)
    return health


def faults(workers: Iterable[Worker], frame_s: float, lost_allowed: int) -> list[str]:
    """Why the run is invalid, a line each with what to do; empty where it is valid. At any worker one is enough. `lost_allowed`: so many
    workers may be lost (`limits.lost_workers`)."""
    workers = list(workers)
    lost = [worker for worker in workers if worker.state is WorkerState.LOST]
    found = []
    if len(lost) > lost_allowed:
        for worker in lost:
            told = f"{worker.facts.name} (process {worker.facts.pid} on {worker.facts.host}) was lost at {worker.lost_at_s or 0.0:.1f} s"
            found.append(f"{told} with {worker.lost_talkers} talkers: what they did since is missing; look at its log")
    for worker in workers:
        of = f"{worker.facts.name}: " if len(workers) > 1 else ""
        if worker.missing:
            found.append(f"{of}{worker.missing} report(s) are missing, and what they told: is one of its journals elsewhere?")
        found += [f"{of}{fault}" for fault in worker.health.faults(frame_s)]
    return found
