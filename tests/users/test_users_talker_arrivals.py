"""Talkers that take the calls of open arrivals: those that come while they are on the line are not made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from users_assistants import a_run, locust_running, plain
from users_peers import served, until

from users.clock import SECOND_NS, now_ns
from users.talker import Talker

CALLS: dict[str, Any] = {"arrivals": "constant", "calls_per_s": 2.0, "talkers": 1}


def test_calls_that_come_while_the_talker_is_on_the_line_do_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("users.talker._STARTING_NS", 0)
    with served(plain()) as server:
        run = a_run(server.host, tmp_path, {"load": CALLS})
        run.begin(now_ns())
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 3)
    begun = [session.call for session in heard.sessions]
    assert begun[0] == 0
    assert begun[2] - begun[0] > 2, "a call takes more than the half a second between two"
    assert run.starts.calls >= 3
    assert run.starts.missed >= begun[2] - begun[0] - 2, "those between are missed"
    assert all(session.started_ns >= run.began_ns + session.call * SECOND_NS // 2 for session in heard.sessions), "none is early"


@pytest.mark.parametrize("starting", [True, False])
def test_a_talker_that_comes_late_makes_the_call_of_the_start_but_none_of_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starting: bool
) -> None:
    monkeypatch.setattr("users.talker._STARTING_NS", (300 if starting else 2) * SECOND_NS)
    with served(plain()) as server:
        run = a_run(server.host, tmp_path, {"load": CALLS})
        run.begin(now_ns() - 30 * SECOND_NS)
        with locust_running(run, Talker) as (_, heard):
            until(lambda: heard.sessions)
    first = heard.sessions[0].call
    assert first == 0 if starting else first >= 60
    assert run.starts.missed >= (1 if starting else 60), "it began late, or was missed"
