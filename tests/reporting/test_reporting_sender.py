"""Sender and receiver: a worker's records reach its master's run, over a way that may be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from locust.event import EventHook
from locust.exception import RPCSendError

import pytest
from reporting_local import World, collecting, travelled, who
from reporting_records import FACTS, turn

from analysis import load
from analysis.recover import recover
from metrics.health import Health
from metrics.records import ErrorKind
from metrics.stages import Stages
from reporting.collector import Collector
from reporting.gatherer import Watched
from reporting.journal import entries, spool
from reporting.live import WorkerState
from reporting.receiver import Receiver
from reporting.sender import WorkerSender


class End:
    """One end of Locust's connection, as far as reports go by it. `cut`: it cannot send; `deaf`: what it sends is lost."""

    def __init__(self) -> None:
        self.other: End = self
        self.environment = SimpleNamespace(stop_timeout=None)
        self.cut = self.deaf = False
        self.stopped = 0
        self._handlers: dict[str, Callable[..., None]] = {}

    def register_message(self, kind: str, handle: Callable[..., None], concurrent: bool = False) -> None:
        self._handlers[kind] = handle

    def send_message(self, kind: str, data: Any, client_id: str | None = None) -> None:
        if self.cut:
            raise RPCSendError("ZMQ sent failure")
        if not self.deaf:
            self.other._handlers[kind](environment=self.other.environment, msg=SimpleNamespace(node_id="client", data=travelled(data)))

    def stop(self) -> None:
        self.stopped += 1

    def _send_stats(self) -> None:
        pass


class Run:
    """A master's run with one worker, of the key `k`."""

    def __init__(self, folder: Path, world: World) -> None:
        self.collector: Collector | None = world.collector
        self.world = world
        self.master, self.worker = End(), End()
        self.master.other, self.worker.other = self.worker, self.master
        self.hook = EventHook()
        self.runs = folder / "worker"
        master: Any = self.master  # what is asked of a runner
        worker: Any = self.worker
        self.receiver = Receiver(master, lambda client, key: "worker-0" if key == "k" else None, lambda: self.collector)
        self.sender = WorkerSender(worker, [self.hook], self.runs, world.now_ns)
        world.collector.join(who("worker-0"))
        self.begin("k")

    def begin(self, key: str) -> None:
        told = {"key": key, "run_id": self.world.collector.run_id, "elapsed_s": 2.0}
        self.sender.begin(who("worker-0"), told, Watched(lambda: 4, Health, FACTS.started_ns - 2_000_000_000, Stages()))

    def turns(self, number: int) -> None:
        for _ in range(number):
            self.hook.fire(environment=None, record=turn())

    def report(self) -> None:
        assert self.sender._sender is not None
        self.sender._sender.report()

    def waiting(self) -> int:
        assert self.sender._sender is not None
        return self.sender._sender.shipper.waiting

    def spooled(self) -> list[int]:
        path = spool(self.runs, self.world.collector.run_id, "worker-0")
        return [entry["batch"]["seq"] for entry in entries(path) if "batch" in entry] if path.exists() else []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    facts = replace(FACTS, scenario={**FACTS.scenario, "name": "demo.v2"})
    with collecting(tmp_path / "master", facts, here=False) as (_, world):
        made = Run(tmp_path, world)
        yield made
        if made.sender._ticking is not None:
            made.sender._ticking.kill()


def test_records_reach_the_run_and_are_acknowledged(run: Run) -> None:
    run.turns(2)
    run.report()
    run.turns(1)
    run.sender.finish()
    run.turns(1)  # nobody listens any more
    run.sender.finish()
    run.sender.flush()
    collector = run.world.collector
    assert (collector.aggregate.turns(), run.waiting(), run.spooled()) == (3, 0, [])
    assert [(view.name, view.state, view.turns) for view in collector.workers()] == [("worker-0", WorkerState.LEFT, 3)]


def test_a_master_that_does_not_answer_is_told_once_with_what_to_do(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.turns(1)
    run.report()
    run.worker.deaf = True
    run.turns(2)
    run.sender.finish()
    for _ in range(2):
        run.sender.flush(0.0)
    run_id = run.world.collector.run_id
    path = spool(run.runs, run_id, "worker-0")
    told = f"is kept in {path}; once this worker has quit, put it beside the run's folder {run_id} on the master's machine, then: "
    assert caplog.text.count(told) == 1
    assert run.spooled() == [2]
    run.world.collector._ticking.kill()
    run.world.collector.folder.leave()
    folder = run.world.collector.folder.path
    path.rename(folder.parent / path.name)
    recover(folder)
    assert load(folder).info["totals"]["turns"] == 3


def test_a_way_that_is_stuck_ends_no_reports(run: Run) -> None:
    run.worker.cut = True
    run.turns(1)
    run.report()
    run.turns(1)
    run.report()
    assert run.waiting() == 2
    run.worker.cut = False
    run.sender.finish()
    assert (run.world.collector.aggregate.turns(), run.waiting()) == (2, 0)


def test_what_a_run_left_unacknowledged_is_kept_when_the_next_begins(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.worker.deaf = True
    run.turns(1)
    run.begin("next")
    assert run.spooled() == [1]
    assert caplog.text.count("is kept in") == 1


def test_reports_of_another_run_are_neither_taken_nor_acknowledged(run: Run) -> None:
    run.sender.finish()
    run.begin("other")
    run.turns(1)
    run.report()
    assert (run.waiting(), run.world.collector.aggregate.turns()) == (1, 0)
    run.collector = None
    run.begin("k")
    run.report()
    assert run.waiting() == 1


def test_draining_stops_the_talkers_and_waits_for_what_is_left(run: Run) -> None:
    run.turns(3)
    run.receiver.drain(20.0)
    assert (run.worker.stopped, run.worker.environment.stop_timeout) == (1, 0)
    assert run.world.collector.workers()[0].state is WorkerState.LEFT
    assert (run.world.collector.aggregate.turns(), run.world.collector.faults()) == (3, [])


def test_a_worker_that_does_not_answer_a_drain_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reporting.receiver.GRACE_S", 0.05)
    run.master.deaf = True
    run.receiver.drain(0.0)
    assert run.world.collector.workers()[0].state is WorkerState.LOST
    run.collector = None
    run.receiver.drain(0.0)


def test_failures_are_dated_by_the_runs_start(run: Run) -> None:
    """It had gone on for 2 s when the worker began."""
    run.world.t_s = 1.5
    run.hook.fire(environment=None, record=turn(None, talker=3, error_kind=ErrorKind.TIMEOUT))
    run.report()
    assert [(failure.t_s, failure.talker) for failure in run.world.collector.failures()] == [(3.5, 3)]
