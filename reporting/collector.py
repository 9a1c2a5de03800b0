"""The collector: takes the batches of a run's workers, keeps the live metrics and the timeline, and completes the run folder."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent

from metrics.aggregate import Aggregate, measure
from metrics.faults import FaultRecord
from metrics.faults import merged as merged_faults
from metrics.health import Health
from metrics.hopeless import hopeless
from metrics.stages import WHOLE, Stages, timetable
from metrics.verdicts import ABORTED, COMPLETE, INTERRUPTED, passed, verdict
from reporting.batch import Batch
from reporting.facts import Ending, RunFacts
from reporting.live import LATEST, Failure, WorkerState, WorkerView
from reporting.run_folder import RunFolder
from reporting.second import Second, sample, sample_columns
from reporting.tables import timeline_of
from reporting.target import Look
from reporting.timeline import Timeline
from reporting.workers import Worker, WorkerFacts, faults, joined, merged

logger = logging.getLogger(__name__)

_OURS = ""
"""What is written down that no worker has reported."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A completed run: what `run.json` holds, the summary, its verdict in a line, where the folder is, and whether all criteria hold."""

    run: dict[str, Any]
    summary: str
    verdict: str
    path: Path
    passed: bool


class Collector:
    """Collects one run. `talkers` tells how many are there now; `now_ns` reads the monotonic clock; `source` is called before each second
    ends: a worker in this process reports then; `look` gives the latest look at the target, None where there was none in this second;
    `give_up` is called once, where the run is hopeless; `due` tells how many calls were to begin until an instant of the run, in seconds;
    None: arrivals are not open. It is a `reporting.live.Live`."""

    def __init__(
        self,
        parent: Path,
        facts: RunFacts,
        talkers: Callable[[], int],
        now_ns: Callable[[], int],
        source: Callable[[], object] = lambda: None,
        look: Callable[[], Look | None] = lambda: None,
        give_up: Callable[[], object] = lambda: None,
        due: Callable[[float], int] | None = None,
    ) -> None:
        self.aggregate = Aggregate()
        self.facts = facts
        self.folder = RunFolder(parent, facts)
        self.timeline = Timeline(timeline_of(facts.latencies))
        self.talkers_max = 0
        self._talkers = talkers
        self._now_ns = now_ns
        self._source = source
        self._give_up = give_up
        self._due = due
        self._calls = (0, 0)
        self._load_ended_s: float | None = None
        self._stages = Stages(0, timetable(facts.scenario))
        self.told: dict[str, Any] = {}
        self._look = look
        self._level_s = 0.0
        self._workers: dict[str, Worker] = {}
        self._failures: deque[Failure] = deque(maxlen=LATEST)
        self._faulted: list[FaultRecord] = []
        self._ended_s: float | None = None
        self._clock: str | None = None
        self._unwritten: dict[str, OSError] = {}
        self._second = Second()
        self._ticking = gevent.spawn(self._tick)

    def join(self, facts: WorkerFacts) -> None:
        """A worker takes part. Once more says nothing new."""
        if facts.name not in self._workers:
            self._workers[facts.name] = Worker(facts, heard_s=self.elapsed_s)
            self._try(_OURS, lambda: self.folder.note(joined(facts)))

    def take(self, name: str, plain: dict[str, Any]) -> int:
        """Take a worker's batch, as `Batch.to_plain` gives it. Returns the number of the last that was taken: the worker may forget those
        up to it, and is to send anew what follows. One that was taken already, or comes before its turn, is passed over, as is one that
        cannot be written down. Raises KeyError for a worker that takes no part, ValueError for a batch of another version."""
        worker = self._workers[name]
        if plain["seq"] != worker.seq + 1 or not self.under_way:
            return worker.seq
        batch = Batch.from_plain(plain)
        if self._try(name, lambda: self.folder.batch(name, plain)):
            cpu_s, wall_s = worker.advance(batch, self.elapsed_s)
            self.aggregate.merge(batch.aggregate)
            self._second.add(batch, cpu_s, wall_s)
            self._failures.extend(batch.failures)
            self._faulted.extend(batch.faults)
            self._clock = batch.clock or self._clock
        return worker.seq

    def lose(self, name: str) -> None:
        """A worker will not be heard of again; one that left, or takes no part, is not lost."""
        worker = self._workers.get(name)
        if worker is not None and self.under_way and worker.state in (WorkerState.RUNNING, WorkerState.SILENT):
            worker.lose(self.elapsed_s)
            self._unwritten.pop(name, None)
            self._try(_OURS, lambda: self.folder.note({"lost": name, "t_s": self.elapsed_s}))

    def clock(self, name: str, offset_s: float, error_s: float) -> None:
        """A worker's wall clock was compared: it is `offset_s` ahead of this one's, give or take `error_s`. The best comparison is kept."""
        worker = self._workers.get(name)
        if worker is not None and (worker.clock_error_s is None or error_s < worker.clock_error_s):
            worker.clock_offset_s, worker.clock_error_s = offset_s, error_s
            self._try(_OURS, lambda: self.folder.note({"clock": name, "offset_s": offset_s, "error_s": error_s}))

    def end_load(self) -> None:
        """The load ends now: talkers finish their turns. Again says nothing new."""
        if self._load_ended_s is None:
            self._load_ended_s = self.elapsed_s

    def finish(self, interrupted: bool = False) -> Finished:
        """Complete the run folder; nothing is taken afterwards. `interrupted`: by somebody, before its time. Raises OSError, as where a
        worker that is not lost has a batch that could not be written down; then it can be recovered."""
        self._ticking.kill()
        self._end_second()
        self._ended_s = self.elapsed_s
        for name in self._workers:
            if name in self._unwritten:
                self.folder.leave()
                raise self._unwritten[name]
        ended = ABORTED if "aborted" in self.told else INTERRUPTED if interrupted else COMPLETE
        ending = Ending(ended, self._ended_s, self.talkers_max, self._clock, self.told)
        run, text = self.folder.finish(ending, self.aggregate, list(self._workers.values()), self._faulted)
        return Finished(run, text, verdict(run, self.aggregate), self.folder.path, passed(run, self.aggregate))

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

    @property
    def stage(self) -> str:
        """Name of the load's stage that is under way; WHOLE for none."""
        return self._stages.at(round(self.elapsed_s * 1e9)) if self.under_way else WHOLE

    def begin_stage(self, name: str) -> None:
        """A stage begins now that the scenario has no time for: a step of a search. WHOLE: it is over."""
        self._stages.begin(round(self.elapsed_s * 1e9), name)

    def reporting(self) -> list[str]:
        """Names of the workers that have not said their last."""
        return [name for name, worker in self._workers.items() if worker.state is WorkerState.RUNNING]

    def workers(self) -> list[WorkerView]:
        """Those that carry the run, or did."""
        return [worker.view(self.elapsed_s) for worker in self._workers.values()]

    def failures(self) -> list[Failure]:
        """The latest, the last first."""
        return list(reversed(self._failures))

    def note_fault(self, record: FaultRecord) -> None:
        """Something was done that no worker did."""
        if self.under_way:
            self._faulted.append(record)
            self._try(_OURS, lambda: self.folder.note({"fault": asdict(record)}))

    def chaos(self) -> list[FaultRecord]:
        """What was done to talkers or assistant on purpose so far, in order."""
        return merged_faults(self._faulted)

    def health(self) -> Health:
        """The tester's own health so far, merged over all workers."""
        return merged(self._workers.values())

    def faults(self) -> list[str]:
        """Why the run would be invalid if it ended now, a line each; empty where it would be valid."""
        return faults(self._workers.values(), self.facts.frame_ms / 1000.0, self.facts.lost_workers_allowed)

    def _tick(self) -> None:
        second = 0
        while True:
            second += 1
            gevent.sleep(max(0.0, second - self.elapsed_s))
            self._end_second()

    def _end_second(self) -> None:
        """Its row."""
        self._source()
        health, talkers, t_s = self.health(), self.talkers, self.elapsed_s
        second, sampled = self._second, self._sample(t_s, talkers, health)
        self.talkers_max = max(self.talkers_max, talkers)
        workers = sum(worker.state is WorkerState.RUNNING for worker in self._workers.values())
        row = second.row(t_s, talkers, workers, health) | sampled
        self._second = Second()
        self.timeline.append(row)
        self._try(_OURS, lambda: self.folder.note({"second": row}))
        self._look_ahead()

    def tell(self, key: str, value: Any) -> None:
        """Something that `run.json` is to say of how the run went; again under the same key: instead."""
        self.told[key] = value
        self._try(_OURS, lambda: self.folder.note({"told": {key: value}}))

    def _look_ahead(self) -> None:
        """Give a hopeless run up, unless its load has ended: talkers who end their turns are to leave anyway."""
        if "aborted" not in self.told and self._load_ended_s is None:
            why = hopeless(self.facts.scenario, self.aggregate, self.elapsed_s)
            if why is not None:
                self.tell("aborted", why)
                self._give_up()

    def _sample(self, t_s: float, talkers: int, health: Health) -> dict[str, Any]:
        """The second's sample: counted, and as columns of its row."""
        if talkers > self.talkers_max:
            self._level_s = t_s
        look = self._look()
        settled = talkers > 0 and t_s - self._level_s >= self.facts.settle_s
        record = sample(t_s, settled, look, health, self._calls_since(t_s, health))
        measured = measure(record)
        stage = self._stages.at(round(t_s * 1e9))
        self.aggregate.add(record, measured, stage)
        self._second.aggregate.add(record, measured, stage)
        return sample_columns(record, measured, look, self.facts.latencies)

    def _calls_since(self, t_s: float, health: Health) -> tuple[int | None, int | None]:
        """Calls that were due, and that began, since the last second; none is due once the load has ended. None: arrivals are not open."""
        if self._due is None:
            return None, None
        due = self._due(t_s if self._load_ended_s is None else self._load_ended_s)
        before, self._calls = self._calls, (due, min(due, health.calls_begun))
        return self._calls[0] - before[0], self._calls[1] - before[1]

    def _try(self, whose: str, write: Callable[[], None]) -> bool:
        """Have something written down; whether it was. Where it was not, that is said, once until nobody's waits any more: some may fit
        where more does not."""
        try:
            write()
        except OSError as error:
            if not self._unwritten:
                logger.error("%s cannot be written to: %s; records wait in memory until it can", self.folder.path, error.strerror or error)
            self._unwritten[whose] = error
            return False
        self._unwritten.pop(whose, None)
        return True
