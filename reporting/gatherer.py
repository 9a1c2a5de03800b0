"""The gatherer: takes every record of a worker's talkers, and makes a batch of them whenever it is asked to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from metrics.aggregate import Aggregate, measure, metric_columns
from metrics.faults import FaultRecord
from metrics.health import Health
from metrics.histogram import Histogram
from metrics.records import Fired, SessionRecord, TurnRecord
from metrics.stages import Stages
from reporting.batch import Batch
from reporting.live import LATEST, Failure, failure_of
from reporting.tables import RECORDS, Table

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a run in this process besides its records. `talkers` tells how many are there now, `health` the process's own;
    `began_ns`: when the run began, and `stages`: its stages, by this process's monotonic clock."""

    talkers: Callable[[], int]
    health: Callable[[], Health]
    began_ns: int
    stages: Stages


class Gatherer:
    """Of one worker and run. `now_ns` reads the monotonic clock."""

    def __init__(self, worker: str, watched: Watched, now_ns: Callable[[], int]) -> None:
        self._worker = worker
        self._watched = watched
        self._now_ns = now_ns
        self._seq = 0
        self._names = {kind: name for name, kind in RECORDS.items()}
        self._tables = {kind: Table(kind, worker) for kind in self._names}
        self._aggregate = Aggregate()
        self._failures: list[Failure] = []
        self._faults: list[FaultRecord] = []
        self._lateness, self._lag = Histogram(), Histogram()  # as they were at the last batch
        self._frames_dropped = self._lost = 0
        self._clock: str | None = None

    def add(self, record: Fired | FaultRecord) -> None:
        """Take one record."""
        if isinstance(record, FaultRecord):
            self._faults.append(record)
            return
        measured = measure(record)
        columns = metric_columns(record, measured)
        table = self._tables[type(record)]
        self._aggregate.add(record, measured, self._watched.stages.of(record, self._now_ns()))
        table.add(record, columns)
        if isinstance(record, TurnRecord):
            self._clock = record.clock
        elif isinstance(record, SessionRecord):
            self._frames_dropped += record.frames_dropped
        elapsed_s = (self._now_ns() - self._watched.began_ns) / 1e9
        failure = failure_of(record, elapsed_s, self._worker)
        if failure is not None:
            self._failures = [*self._failures[1 - LATEST :], failure]

    def on_record(self, record: Fired | FaultRecord, **_: Any) -> None:
        """`add`, as a listener of an event hook: what it raises would be lost there, so the record is counted as lost instead."""
        try:
            self.add(record)
        except Exception:
            self._lost += 1
            logger.exception("a record could not be kept: the run is invalid")

    def batch(self, last: bool = False) -> Batch:
        """What came since the last batch. `last`: the talkers are gone."""
        self._seq += 1
        tables = {name: messages for kind, name in self._names.items() if (messages := self._tables[kind].take())}
        aggregate, self._aggregate = self._aggregate, Aggregate()
        failures, self._failures = self._failures, []
        faults, self._faults = self._faults, []
        return Batch(
            self._seq, 0 if last else self._watched.talkers(), tables, aggregate, self._health_since(), failures, self._clock, last, faults
        )

    def _health_since(self) -> Health:
        so_far = self._watched.health()
        lateness, lag = so_far.send_lateness.copy(), so_far.loop_lag.copy()
        since = replace(so_far, send_lateness=lateness.since(self._lateness), loop_lag=lag.since(self._lag))
        since.frames_dropped = self._frames_dropped
        since.records_lost = self._lost + sum(table.refused for table in self._tables.values())
        self._lateness, self._lag = lateness, lag
        return since
