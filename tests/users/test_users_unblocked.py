"""Locust's master, mended: what it is asked for amid receiving is done aside, and nothing of it after the run is to end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from locust import runners

import gevent
import pytest

from users.unblocked import Unblocked


class Runner:
    """What of a Locust master it touches; `told` is what was done, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.state = runners.STATE_RUNNING
        self.target_user_count, self.spawn_rate = 5, 2.0
        self._users_dispatcher = SimpleNamespace(_dispatch_in_progress=True, _rebalance=False)
        self.fails = False
        self.starts = self.left_at = 0

    def handle_message(self, client_id: str, msg: Any) -> None:
        self.told.append(f"{msg.type} of {client_id}")
        if msg.type in ("join", "quit"):
            self.start(self.target_user_count, self.spawn_rate)
        self.told.append("received")

    def start(self, users: int, rate: float) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.told.append(f"start {users}")
        self.starts += 1
        self._users_dispatcher._rebalance = self.starts == self.left_at  # somebody leaves while talkers are given away

    def stop(self) -> None:
        self.told.append("stop")

    def quit(self) -> None:
        self.told.append("quit")

    def get_worker_index(self, client: str) -> int:
        return 7

    def send_message(self, kind: str, data: dict[str, Any], client: str) -> None:
        self.told.append(f"{kind} {data} to {client}")


def message(kind: str) -> Any:
    return SimpleNamespace(type=kind)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(runners, "HEARTBEAT_LIVENESS", 3)
    monkeypatch.setattr(runners, "HEARTBEAT_DEAD_INTERNAL", -60)
    runner: Any = Runner()
    unblocked = Unblocked(runner, lambda client: client == "late")
    yield runner, unblocked
    unblocked._working.kill()


def settled(runner: Runner) -> list[str]:
    for _ in range(5):
        gevent.sleep(0)
    told, runner.told = runner.told, []
    return told


def test_it_receives_first_and_starts_aside(made: Any) -> None:
    runner, _ = made
    runner.handle_message("a", message("join"))
    assert settled(runner) == ["join of a", "received", "start 5"]
    assert not runner._users_dispatcher._dispatch_in_progress
    runner.start(3, 1.0)
    assert runner.told == ["start 3"], "outside of receiving it is done at once"


def test_who_joins_a_run_is_ready_only_when_told_so(made: Any) -> None:
    runner, unblocked = made
    runner.handle_message("late", message("client_ready"))
    assert settled(runner) == ["ack {'index': 7} to late"]
    unblocked.ready("late")
    unblocked.ready("late")
    assert settled(runner) == ["client_ready of late", "received"]


@pytest.mark.parametrize("how", ["quit", "forget"])
def test_who_was_held_and_has_gone_is_never_ready(made: Any, how: str) -> None:
    runner, unblocked = made
    runner.handle_message("late", message("client_ready"))
    if how == "quit":
        runner.handle_message("late", message("quit"))
    else:
        unblocked.forget("late")
    settled(runner)
    unblocked.ready("late")
    assert settled(runner) == []


@pytest.mark.parametrize("ends", ["stopped", "closing"])
def test_no_run_begins_because_a_worker_left_before_its_end(made: Any, ends: str) -> None:
    runner, unblocked = made
    runner.handle_message("a", message("quit"))
    if ends == "stopped":
        runner.state = runners.STATE_STOPPED
    else:
        unblocked.closing = True
    assert settled(runner) == ["quit of a", "received"]


def test_a_fault_of_one_does_not_end_the_others(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    runner, _ = made
    runner.fails = True
    runner.handle_message("a", message("join"))
    settled(runner)
    assert "could not start or stop" in caplog.text
    runner.fails = False
    runner.handle_message("b", message("join"))
    assert settled(runner)[-1] == "start 5"


def test_talkers_are_given_away_once_more_where_somebody_left_meanwhile(made: Any) -> None:
    runner, _ = made
    runner.left_at = 1
    runner.handle_message("a", message("join"))
    assert settled(runner) == ["join of a", "received", "start 5", "start 5"]
