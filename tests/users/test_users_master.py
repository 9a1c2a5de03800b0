"""The master's side of a run, with workers that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from locust import runners

import pytest
from users_assistants import a_run

from users import messages
from users.master import Master
from users.messages import our_version
from users.run import Run


class Clients(dict[str, Any]):
    """Those that are connected, as Locust keeps them."""

    @property
    def all(self) -> list[Any]:
        return list(self.values())


class Runner:
    """What of a Locust master it touches; `told` is what was said to whom, in order. A worker prepares what it is told to at once."""

    def __init__(self) -> None:
        self.clients = Clients()
        self.target_user_count = 5
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.handlers: dict[str, Callable[..., None]] = {}

    def register_message(self, kind: str, handle: Callable[..., None]) -> None:
        self.handlers[kind] = handle

    def send_message(self, kind: str, data: dict[str, Any], client: str) -> None:
        self.told.append((client, kind, data))
        if kind == messages.PREPARE:
            self.says(client, messages.PREPARED, key=data["key"], error=None, facts={})

    def says(self, client: str, kind: str, **data: Any) -> None:
        self.handlers[kind](environment=None, msg=SimpleNamespace(node_id=client, data=data))

    def joins(self, client: str) -> None:
        self.clients[client] = SimpleNamespace(id=client, state=runners.STATE_INIT)
        self.says(client, messages.HELLO, host="here", pid=7, version=our_version())

    def get_worker_index(self, client: str) -> int:
        return sorted(self.clients).index(client)

    def stages(self, client: str) -> list[str]:
        """What the worker was told to begin: the run, or a stage of it."""
        mine = [(kind, data) for whom, kind, data in self.told if whom == client and kind in (messages.BEGIN, messages.STAGE)]
        return ["begin" if kind == messages.BEGIN else data["stage"] for kind, data in mine]

    handle_message = start = stop = quit = lambda *_, **__: None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return a_run("http://127.0.0.1:1", tmp_path)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Runner, Master]]:
    monkeypatch.setattr(runners, "HEARTBEAT_LIVENESS", 3)
    monkeypatch.setattr(runners, "HEARTBEAT_DEAD_INTERNAL", -60)
    runner = Runner()
    master = Master(runner, lambda _: None, lambda _: None, lambda *_: None)
    yield runner, master
    master._watching.kill()
    master._unblocked._working.kill()


def test_who_joins_amid_a_step_is_told_of_it(made: tuple[Runner, Master], run: Run) -> None:
    runner, master = made
    runner.joins("first")
    master.prepare(run)
    master.begin(run, "run-1")
    runner.joins("before")
    master.stage("step-1")
    runner.joins("amid")
    master.stage("")
    runner.joins("between")
    master.stage("step-2")
    assert {client: runner.stages(client) for client in runner.clients} == {
        "first": ["begin", "step-1", "", "step-2"],
        "before": ["begin", "step-1", "", "step-2"],
        "amid": ["begin", "step-1", "", "step-2"],
        "between": ["begin", "step-2"],
    }


def test_the_next_run_begins_in_no_step(made: tuple[Runner, Master], run: Run) -> None:
    runner, master = made
    runner.joins("first")
    for number in range(2):
        master.prepare(run)
        master.begin(run, f"run-{number}")
        master.stage(f"step-{number}")
        master.stopping()
        master.ended()
    assert runner.stages("first") == ["begin", "step-0", "begin", "step-1"]
