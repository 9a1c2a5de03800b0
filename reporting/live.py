"""What a run shows of itself while it is under way: to the web page, the Prometheus exporter and the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord
from metrics.health import Health
from metrics.records import Record, SampleRecord
from reporting.facts import RunFacts

LATEST = 50
"""Errors that are kept to be shown."""


class WorkerState(StrEnum):
    """Where a worker is in the run."""

    RUNNING = "running"
    SILENT = "silent"
    """Nothing came from it for a while; its talkers may still be talking."""
    LOST = "lost"
    """It will not come back: what it had not reported yet is missing from the run."""
    LEFT = "left"
    """It has reported everything, and quit."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as screens show it. `name` is unique in the run. `cpu_share` of a core in its last second, None before there was one; p99 of
    `send_lateness` and `loop_lag` of the run so far, None where nothing was measured. `clock_offset_s`: its wall clock minus the master's;
    `silent_s`: since its last report; `lost_at_s`: when it fell silent for good, in seconds of the run, None where it did not."""

    name: str
    state: WorkerState
    talkers: int
    turns: int
    cpu_share: float | None
    send_lateness_p99_s: float | None
    loop_lag_p99_s: float | None
    clock_offset_s: float
    silent_s: float
    lost_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong, as the page lists it. `t_s`: seconds since the run's start; `talker`: None for the token minter's."""

    t_s: float
    worker: str
    talker: int | None
    kind: str
    text: str


class Live(Protocol):
    """A run that is under way, or the last one once it is over."""

    @property
    def facts(self) -> RunFacts:
        """What was known of it before it started."""

    @property
    def aggregate(self) -> Aggregate:
        """Its metrics, up to the last full second."""

    @property
    def timeline(self) -> Sequence[dict[str, Any]]:
        """Its seconds so far, the columns of `timeline.parquet` each."""

    @property
    def run_id(self) -> str:
        """The name of its folder."""

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since its start, at its end at most."""

    @property
    def talkers(self) -> int:
        """How many are there now."""

    @property
    def stage(self) -> str:
        """Name of the load's stage that is under way, or of a search's step while it is measured; `metrics.stages.WHOLE` for none."""

    def workers(self) -> list[WorkerView]:
        """Those that carry it, or did."""

    def failures(self) -> list[Failure]:
        """The latest, the last first; LATEST at most."""

    def chaos(self) -> list[FaultRecord]:
        """What was done to talkers or assistant on purpose so far, in order."""

    def health(self) -> Health:
        """The tester's own health so far, merged over all workers."""

    def faults(self) -> list[str]:
        """Why it would be invalid if it ended now, a line each; empty where it would be valid."""


def failure_of(record: Record, t_s: float, worker: str) -> Failure | None:
    """What a record tells of something that went wrong; None where nothing did."""
    if isinstance(record, SampleRecord) or record.error_kind is None:
        return None
    return Failure(t_s, worker, getattr(record, "talker", None), record.error_kind.value, record.error or "")
