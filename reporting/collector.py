"""The collector: takes every record of a run, keeps the live metrics and the timeline, and completes the run folder."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent

from metrics.aggregate import Aggregate, measure
from metrics.health import Health
from metrics.histogram import Histogram
from metrics.records import SUCCESSES, UNDECIDED, Record, SessionRecord, TurnKind
from metrics.summary import COMPLETE, INTERRUPTED, passed, verdict
from reporting.completion import RunFacts
from reporting.live import LATEST, Failure, WorkerState, WorkerView, failure_of
from reporting.run_folder import RunFolder

logger = logging.getLogger(__name__)

LOCAL = "local"
"""The name of the worker that this process is."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A completed run: what `run.json` holds, the summary, its verdict in a line, where the folder is, and whether all criteria hold."""

    run: dict[str, Any]
    summary: str
    verdict: str
    path: Path
    passed: bool


class Collector:
    """Gathers one run. `talkers` tells how many are there now, `health` the tester's own health; `now_ns` reads
    the monotonic clock."""

    def __init__(
        self, parent: Path, facts: RunFacts, talkers: Callable[[], int], health: Callable[[], Health], now_ns: Callable[[], int]
    ) -> None:
        self.aggregate = Aggregate()
        """Of the run up to the last full second, and of all of it once it is finished."""
        self.folder = RunFolder(parent, facts)
        self.talkers_max = 0
        self.facts = facts
        self.timeline: list[dict[str, Any]] = []
        self._failures: deque[Failure] = deque(maxlen=LATEST)
        self._ended_s: float | None = None
        self._talkers = talkers
        self._health = health
        self._now_ns = now_ns
        self._frames_dropped = 0
        self._second = Aggregate()
        self._lost = 0
        self._unwritable = False
        self._cpu_s = self._wall_s = 0.0
        self._lateness, self._lag = Histogram(), Histogram()  # as they were a second ago
        self._ticking = gevent.spawn(self._tick)

    def add(self, record: Record) -> None:
        """Take one record."""
        measured = measure(record)
        self._second.add(record, measured)
        if self.folder.add(record, measured):
            self._try(self.folder.flush)
        if isinstance(record, SessionRecord):
            self._frames_dropped += record.frames_dropped
        failure = failure_of(record, self.elapsed_s, LOCAL)
        if failure is not None:
            self._failures.append(failure)

    def on_record(self, record: Record, **_: Any) -> None:
        """`add`, as a listener of an event hook: what it raises would be lost there, so the record is counted as lost instead."""
        try:
            self.add(record)
        except Exception:
            self._lost += 1
            logger.exception("a record could not be kept: the run is invalid")

    @property
    def run_id(self) -> str:
        """The name of the run's folder."""
        return self.folder.run_id

    @property
    def under_way(self) -> bool:
        """Whether the run goes on."""
        return self._ended_s is None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run started, at its end at most."""
        return (self._now_ns() - self.facts.started_ns) / 1e9 if self._ended_s is None else self._ended_s

    @property
    def talkers(self) -> int:
        """How many are there now."""
        return self._talkers() if self.under_way else 0

    def workers(self) -> list[WorkerView]:
        """Those that carry the run, or did: this process."""
        health = self.health()
        share = self.timeline[-1]["cpu_share"] if self.timeline else None
        late, lag = health.send_lateness.quantile(0.99), health.loop_lag.quantile(0.99)
        state = WorkerState.RUNNING if self.under_way else WorkerState.LEFT
        return [WorkerView(LOCAL, state, self.talkers, self.aggregate.turns(), share, late, lag, 0.0, 0.0)]

    def failures(self) -> list[Failure]:
        """The latest, the last first."""
        return list(reversed(self._failures))

    def finish(self, interrupted: bool = False) -> Finished:
        """Complete the run folder; nothing may be added afterwards. `interrupted`: by a signal, before its time."""
        self._ticking.kill()
        self._end_second()
        self._try(self.folder.flush)
        health = self.health()
        self._ended_s = self.elapsed_s
        run, text = self.folder.finish(INTERRUPTED if interrupted else COMPLETE, self.elapsed_s, self.talkers_max, self.aggregate, health)
        return Finished(run, text, verdict(run, self.aggregate), self.folder.path, passed(run, self.aggregate))

    def health(self) -> Health:
        """The tester's own health so far."""
        health = self._health()
        health.frames_dropped = self._frames_dropped
        health.records_lost = self._lost + self.folder.refused
        return health

    def faults(self) -> list[str]:
        """Why the run would be invalid if it ended now, a line each; empty where it would be valid."""
        return self.health().faults(self.facts.frame_ms / 1000.0)

    def _tick(self) -> None:
        second = 0
        while True:
            second += 1
            gevent.sleep(max(0.0, second - self.elapsed_s))
            self._close_second()

    def _close_second(self) -> None:
        health = self._end_second()
        self._try(lambda: self.folder.keep(self.elapsed_s, self.talkers_max, health, lambda: gevent.sleep(0)))

    def _end_second(self) -> Health:
        """Its row; the tester's own health at its end."""
        done, self._second = self._second, Aggregate()
        self.aggregate.merge(done)
        health = self.health()
        wall_s = health.wall_s - self._wall_s
        lateness, lag = health.send_lateness.copy(), health.loop_lag.copy()
        talkers = self._talkers()
        self.talkers_max = max(self.talkers_max, talkers)
        answered = done.turns()
        counted = sum(done.turns(outcome=outcome) for outcome in SUCCESSES | UNDECIDED)
        row: dict[str, Any] = {
            "t_s": self.elapsed_s,
            "talkers": talkers,
            "turns": answered,
            "failures": answered - counted,
            "barge_ins": done.turns(TurnKind.BARGE_IN),
            "false_alarms": done.turns(TurnKind.FALSE_ALARM),
            "sessions_ended": sum(n for k, n in done.counts.items() if k.startswith("sessions.")),
            "tokens": done.counts["tokens"],
            "errors": sum(done.errors().values()),
            "underruns": round(done.ratio("underruns").numerator),
            "e2e_latency_p50_s": done.histogram("e2e_latency").quantile(0.5),
            "e2e_latency_p95_s": done.histogram("e2e_latency").quantile(0.95),
            "barge_in_latency_p95_s": done.histogram("barge_in_latency").quantile(0.95),
            "send_lateness_p99_s": lateness.since(self._lateness).quantile(0.99),
            "loop_lag_p99_s": lag.since(self._lag).quantile(0.99),
            "frames_dropped": health.frames_dropped,
            "missed_starts": health.missed_starts,
            "unsent_bytes": health.unsent_bytes,
            "cpu_share": (health.cpu_s - self._cpu_s) / wall_s if wall_s > 0 else None,
        }
        self.timeline.append(row)
        self.folder.second(row)
        self._cpu_s, self._wall_s, self._lateness, self._lag = health.cpu_s, health.wall_s, lateness, lag
        return health

    def _try(self, write: Callable[[], None]) -> None:
        """Have records written; where that fails they wait in memory, and it is said once."""
        try:
            write()
            self._unwritable = False
        except OSError as error:
            if not self._unwritable:
                logger.error("%s cannot be written to: %s; records wait in memory until it can", self.folder.path, error.strerror or error)
            self._unwritable = True
