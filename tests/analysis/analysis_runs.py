"""Records and run folders for the tests of reading them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from metrics.aggregate import Aggregate
from metrics.health import Health
from metrics.records import (
    BargeInClass,
    ErrorKind,
    Outcome,
    Record,
    SessionOutcome,
    SessionRecord,
    TokenRecord,
    TurnKind,
    TurnRecord,
)
from metrics.stages import Stages
from reporting.batch import Batch
from reporting.facts import Ending, RunFacts
from reporting.gatherer import Gatherer, Watched
from reporting.run_folder import RunFolder
from reporting.workers import Worker, WorkerFacts, joined
from scenarios import Scenario

MS = 1_000_000


def record(made: type, /, **given: Any) -> Any:
    """A record in which everything that may be None is None, and the rest is zero or empty."""
    hints = get_type_hints(made)
    plain: dict[str, Any] = {}
    for field in fields(made):
        parts = get_args(hints[field.name]) or (hints[field.name],)
        plain[field.name] = None if type(None) in parts else parts[0]() if parts[0] in (int, float, str, bool) else None
    return made(**{**plain, **given})


SCENARIO = Scenario(name="tiny", criteria=("success > 95 %",)).model_dump(mode="json")
RECORDS: list[Record] = [
    record(TurnRecord, kind=TurnKind.UTTERANCE, outcome=Outcome.COMPLETED, clip="a", clock="kernel", speech_offset_ns=1000 * MS,
           first_audio_ns=1500 * MS, first_audible_ns=1600 * MS, response_id="r1", chunks=3, audio_s=2.0, span_s=6.0),
    record(TurnRecord, kind=TurnKind.BARGE_IN, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT, turn=1, clock="kernel",
           barge_in_class=BargeInClass.NO_REACTION, speech_onset_ns=9000 * MS, span_s=12.0),
    record(TurnRecord, kind=TurnKind.FALSE_ALARM, outcome=Outcome.RESUMED, clock="user", windows_met=True, false_stop_ns=1,
           resumed_ns=900 * MS),
    record(SessionRecord, outcome=SessionOutcome.LOST, error_kind=ErrorKind.REMOTE_CLOSE, ready_ns=5 * MS, closed_ns=3600_000 * MS),
    record(TokenRecord, user="talker", done_ns=12 * MS, status=200),
]  # fmt: skip


FACTS = RunFacts(SCENARIO, 1, "openai-realtime", 20.0, "http://127.0.0.1:8000", 1_800_000_000.0, 0)


class Reports:
    """The batches of one worker, with `talkers` of them there, as a message carries them."""

    def __init__(self, name: str = "local", talkers: int = 3) -> None:
        self.facts = WorkerFacts(name, "here", 7, True, 0, 1_800_000_000.0)
        self._health = Health()
        self._gatherer = Gatherer(name, Watched(lambda: talkers, lambda: self._health, 0, Stages()), lambda: 1_000_000_000)

    def next(self, *records: Record, last: bool = False) -> dict[str, Any]:
        """The next, with these records and one frame and one timer, a millisecond late each."""
        for one in records:
            self._gatherer.add(one)
        self._health.send_lateness.add(0.001)
        self._health.loop_lag.add(0.001)
        self._health.cpu_s += 0.25
        self._health.wall_s += 1.0
        made: dict[str, Any] = self._gatherer.batch(last).to_plain()
        return made


def under_way(parent: Path) -> tuple[RunFolder, Aggregate, Worker]:
    """A run that has its records and no end yet."""
    written, aggregate, reports = RunFolder(parent, FACTS), Aggregate(), Reports()
    worker = Worker(reports.facts)
    written.note(joined(reports.facts))
    for part in (RECORDS[:2], RECORDS[2:]):
        plain = reports.next(*part)
        written.batch("local", plain)
        batch = Batch.from_plain(plain)
        worker.advance(batch, 1.0)
        aggregate.merge(batch.aggregate)
    return written, aggregate, worker


def finish(written: RunFolder, aggregate: Aggregate, worker: Worker) -> None:
    """Its end."""
    written.finish(Ending("complete", 10.0, 3, "kernel"), aggregate, [worker])


def finished(parent: Path) -> Path:
    """The folder of a finished run."""
    written, aggregate, worker = under_way(parent)
    finish(written, aggregate, worker)
    return written.path
