"""The impact of each fault of a run, from the tables of its folder: they are read a piece at a time, and of sessions and turns only what
tells of a fault is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metrics.faults import FaultRecord, merged
from metrics.impact import Sessions, failed_turn, impact, lost_turn, windows
from metrics.records import SUCCESSES, UNDECIDED, Outcome, SessionOutcome, TurnKind
from metrics.verdicts import KILLED
from reporting.facts import Ending, RunFacts
from reporting.tables import WORKER
from reporting.workers import Worker

_SESSION = (WORKER, "talker", "started_ns", "ready_ns", "closed_ns", "outcome", "down_s")
_LAST = ("speech_offset_ns", "last_audio_ns", "response_done_ns", "playout_end_ns")
_TURN = (WORKER, "talker", "kind", "outcome", "speech_onset_ns", *_LAST)
_SOUND = sorted(SUCCESSES | UNDECIDED)
_PATIENCE = {Outcome.NO_RESPONSE: ("response_s", 10.0), Outcome.TIMEOUT: ("stall_s", 6.0)}
"""Until when a turn went on that was given up: so long after the last that was known of it, as the scenario's `limits` say."""


def impacts(path: Path, facts: RunFacts, ending: Ending, workers: Sequence[Worker], faults: Sequence[FaultRecord]) -> list[dict[str, Any]]:
    """What `run.json` holds of each fault of the run in `path`, in order; outages that were found are among them. `faults`: as its workers
    told them. Raises OSError."""
    clocks = {worker.facts.name: _clock(worker, facts) for worker in workers}
    sessions = Sessions()
    for row in _rows(path / "sessions.parquet", _SESSION):
        clock = clocks[row[WORKER]]
        ready_s = None if row["ready_ns"] is None else clock(row["ready_ns"])
        lost = row["outcome"] == SessionOutcome.LOST
        sessions.add(row["talker"], clock(row["started_ns"]), ready_s, clock(row["closed_ns"]), lost, row["down_s"])
    if ending.ended == KILLED and sessions.still_down():  # the session that followed may not have ended, and so is in no record
        for row in _rows(
            path / "turns.parquet", _TURN, lambda batch: pc.is_in(batch["talker"], pa.array(sessions.still_down(), pa.int64()))
        ):
            sessions.heard(row["talker"], clocks[row[WORKER]](row["speech_onset_ns"]))
    found = windows(merged(faults), sessions, ending.duration_s)
    if found:
        limits = facts.scenario.get("limits", {})
        for row in _rows(path / "turns.parquet", _TURN, _failed):
            clock, outcome = clocks[row[WORKER]], Outcome(row["outcome"])
            begin_s = clock(row["speech_onset_ns"])
            end_s = max(clock(row[name]) for name in _LAST if row[name] is not None)
            lost_s = sessions.lost_after(row["talker"], begin_s) if outcome is Outcome.CONNECTION_LOST else None
            if lost_s is not None:
                lost_turn(found, row["talker"], lost_s)
                continue
            if outcome in _PATIENCE:
                key, usual_s = _PATIENCE[outcome]
                end_s += limits.get(key, usual_s)
            failed_turn(found, row["talker"], begin_s, end_s)
    return [impact(window, ending.duration_s) for window in found]


def _clock(worker: Worker, facts: RunFacts) -> Callable[[int], float]:
    """From an instant on a worker's clock to seconds of the run."""
    who = worker.facts
    ahead_s = who.started_epoch_s - (worker.clock_offset_s or 0.0) - facts.started_epoch_s

    def seconds(t_ns: int) -> float:
        return (t_ns - who.started_ns) / 1e9 + ahead_s

    return seconds


def _failed(batch: pa.RecordBatch) -> Any:
    sound = pc.or_(pc.is_in(batch["outcome"], pa.array(_SOUND)), pc.equal(batch["kind"], TurnKind.FALSE_ALARM.value))
    return pc.invert(sound)


def _rows(path: Path, columns: Sequence[str], which: Callable[[pa.RecordBatch], Any] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a table, those for which `which` holds; None: all."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(columns)):
            yield from (batch if which is None else batch.filter(which(batch))).to_pylist()
