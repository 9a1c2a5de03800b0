"""A talker hears a greeting out before it speaks, and waits for none longer than it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from users_assistants import Assistant, a_run, locust_running
from users_peers import Peer, Script, served, until

from metrics.records import Outcome
from users.talker import Talker

MS = 1_000_000
GREETING_MS = 700


def greeting(after_s: float, told: list[int]) -> Script:
    """An assistant that greets `after_s` after the session is ready (0: never); `told`: greetings begun."""

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        if after_s:
            told.append(1)
            assistant.answer("greeting", GREETING_MS / 1000)
        assistant.utterance("u0", "hello")
        assistant.answer("r0")
        assistant.until_gone()

    return script


@pytest.mark.parametrize(("greets", "waits_s", "least_ms"), [(True, 5.0, GREETING_MS), (False, 0.4, 400), (False, 0.0, 0)])
def test_a_greeting_is_heard_out(tmp_path: Path, greets: bool, waits_s: float, least_ms: int) -> None:
    told: list[int] = []
    run = {"limits": {"greeting_s": waits_s}}
    with served(greeting(0.1 if greets else 0, told)) as server, locust_running(a_run(server.host, tmp_path, run), Talker) as (_, heard):
        until(lambda: heard.sessions)
    (turn,), (session,) = heard.turns, heard.sessions
    assert (turn.outcome, turn.response_id, turn.transcript) == (Outcome.COMPLETED, "r0", "hello")
    assert session.ready_ns is not None
    waited_ms = (turn.speech_onset_ns - session.ready_ns) / MS
    assert least_ms <= waited_ms
    assert waited_ms < 4000, "the greeting came long before the wait was over"
