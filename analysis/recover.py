"""Makes a run of the folder that a killed process left behind: what had been reported by then is in a journal there, and what workers could
not report any more in journals beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from analysis.load import SCHEMA_VERSIONS, RunError, load
from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord, fault_from
from metrics.records import SampleRecord
from metrics.stages import Stages, timetable
from metrics.verdicts import KILLED
from reporting.batch import Batch
from reporting.completion import complete
from reporting.facts import Ending, RunFacts
from reporting.journal import Entry, entries, spools, to_parquet
from reporting.lock import held
from reporting.run_folder import REPORTED, STARTED, forget_how_it_went, tables
from reporting.tables import SAMPLED, tables_of
from reporting.workers import LOCAL, Worker, WorkerFacts

_COMPLETE = "{}: the run is complete, there is nothing to recover"


def recover(folder: str | Path) -> str:
    """Complete the run folder of a killed process, or once more that of a run which lost a worker whose journal has turned up; returns the
    run's summary.

    Journals of its workers, `<run id>.<worker>.journal`, count where they lie beside it; each batch counts once. Raises RunError: no run,
    one that is complete or still under way, one that another version of Doubletalk wrote, or a disk that cannot be written to. Broken off,
    it can be done again.
    """
    path = Path(folder).resolve()
    try:
        with (path / STARTED).open("rb") as started:
            facts = _facts(path, started)
            found = _Found(path, facts.scenario)
            ended = _ended(path, found)
            schemas = tables_of(facts.latencies)
            to_parquet(tables(found.each(), schemas["timeline"]), schemas, path)
            found.settle()
            _, text = complete(path, facts, found.ending(ended), found.aggregate, list(found.workers.values()), found.faulted)
            if not any(worker.lost_at_s is not None or worker.missing for worker in found.workers.values()):  # else more may turn up
                forget_how_it_went(path)
                for journal in found.beside:
                    journal.unlink()
    except RunError:
        raise
    except FileNotFoundError:
        raise RunError(_COMPLETE.format(path) if (path / "run.json").exists() else f"{path}: no run is there") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / REPORTED}: broken: {error or type(error).__name__}") from None
    return text


def _ended(path: Path, found: _Found) -> str:
    """How the run ended. Raises RunError where it is complete and there is nothing to add."""
    if not (path / "run.json").exists():
        return KILLED
    info = load(path).info
    lost = any(worker["lost_at_s"] is not None or worker["reports_missing"] for worker in info["workers"])
    if not lost:  # only this was left to do
        forget_how_it_went(path)
    if not (lost and found.beside):
        raise RunError(_COMPLETE.format(path))
    return str(info["ended"])


class _Found:
    """What the journals of a run hold, each batch once."""

    def __init__(self, path: Path, scenario: dict[str, Any]) -> None:
        self._own = path / REPORTED
        self.beside = spools(path)
        for journal in self.beside:
            with journal.open("rb") as file:
                if held(file):
                    raise RunError(f"{journal}: its worker is still writing to it; wait until it has quit")
        self.aggregate = Aggregate()
        self.workers: dict[str, Worker] = {}
        self.faulted: list[FaultRecord] = []
        self._clock: str | None = None
        self._duration_s = 0.0
        self._talkers_max = 0
        self._stages = Stages(0, timetable(scenario))
        self._told: dict[str, Any] = {}

    def each(self) -> Iterator[Entry]:
        """The entries that count, which are added up meanwhile."""
        for journal in (self._own, *self.beside):
            for entry in entries(journal):
                if "joined" in entry:
                    facts = WorkerFacts(**entry["joined"])
                    self.workers.setdefault(facts.name, Worker(facts))
                elif "second" in entry:
                    self._duration_s = entry["second"]["t_s"]
                    self._talkers_max = max(self._talkers_max, entry["second"]["talkers"])
                    sample = SampleRecord(t_s=self._duration_s, **{name: entry["second"][name] for name in SAMPLED})
                    self.aggregate.add(sample, stage=self._stages.at(round(self._duration_s * 1e9)))
                elif "told" in entry:
                    self._told.update(entry["told"])
                elif "lost" in entry:
                    self.workers[entry["lost"]].lose(entry["t_s"])
                elif "clock" in entry:
                    worker = self.workers[entry["clock"]]
                    worker.clock_offset_s, worker.clock_error_s = entry["offset_s"], entry["error_s"]
                elif "fault" in entry:
                    self.faulted.append(fault_from(entry["fault"]))
                elif entry["batch"]["seq"] <= self.workers[entry["worker"]].seq:
                    continue
                else:
                    self._count(entry["worker"], Batch.from_plain(entry["batch"]))
                yield entry

    def _count(self, worker: str, batch: Batch) -> None:
        self.workers[worker].advance(batch, self._duration_s)
        self.aggregate.merge(batch.aggregate)
        self.faulted += batch.faults
        self._clock = batch.clock or self._clock

    def settle(self) -> None:
        """To be called when each entry has been seen: a worker that has not said its last may have kept more elsewhere. Who died with its
        master has not."""
        for worker in self.workers.values():
            if worker.facts.name != LOCAL:
                worker.lose(self._duration_s)

    def ending(self, ended: str) -> Ending:
        """The run's end; to be asked when each entry has been seen."""
        return Ending(ended, self._duration_s, self._talkers_max, self._clock, self._told)


def _facts(path: Path, started: IO[bytes]) -> RunFacts:
    if held(started):
        raise RunError(f"{path}: the run is still under way; it completes its folder itself")
    try:
        told: dict[str, Any] = json.load(started)
        version, facts = told["schema_version"], told["facts"]
        if version in SCHEMA_VERSIONS:
            return RunFacts(**facts)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / STARTED}: broken: {error or type(error).__name__}") from None
    raise RunError(f"{path}: run of schema version {version}: recover it with the version of Doubletalk that wrote it")
