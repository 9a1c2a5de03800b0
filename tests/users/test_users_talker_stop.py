"""How Locust stops talkers: at the end of their turns, at once, or amid what they do."""

from __future__ import annotations

from pathlib import Path

import gevent
from users_assistants import Assistant, a_run, locust_running, plain
from users_peers import Peer, served, until

from metrics.records import Outcome, SessionOutcome
from users.talker import Talker


def test_locust_stops_a_talker_at_the_end_of_its_turn(tmp_path: Path) -> None:
    answering: list[int] = []

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.answer("r0", 1.5)
        answering.append(1)
        assistant.until_gone()

    with served(script) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"turns": 5}})
        with locust_running(run, Talker) as (runner, heard):
            until(lambda: answering)
            runner.stop()
            assert runner.user_count == 0
    (turn,), (session,) = heard.turns, heard.sessions
    assert turn.outcome is Outcome.COMPLETED
    assert (session.outcome, session.turns, session.close_code) == (SessionOutcome.CUT_BY_RUN_END, 1, 1000)


def test_a_thinking_talker_is_stopped_at_once(tmp_path: Path) -> None:
    with served(lambda peer: Assistant(peer).ready().until_gone()) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"think_s": 600}})
        with locust_running(run, Talker, stop_timeout=600) as (runner, heard):
            until(lambda: run.pacer.lateness.count > 3)
            runner.stop()
    assert heard.turns == []
    assert [s.outcome for s in heard.sessions] == [SessionOutcome.CUT_BY_RUN_END]


def test_a_talker_between_calls_or_backing_off_is_stopped_at_once(tmp_path: Path) -> None:
    with served(plain()) as server, locust_running(a_run(server.host, tmp_path), Talker, stop_timeout=600) as (runner, heard):
        until(lambda: heard.sessions)
        gevent.sleep(0.02)
        runner.stop()
        assert runner.user_count == 0


def test_a_forced_stop_cuts_what_is_under_way(tmp_path: Path) -> None:
    answering: list[int] = []
    gone: list[int] = []

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.begin("r0", 1.0)
        answering.append(1)
        assistant.until_gone()
        gone.append(assistant.frames)

    with served(script) as server:
        run = a_run(server.host, tmp_path)
        with locust_running(run, Talker, stop_timeout=0) as (runner, heard):
            until(lambda: answering)
            gevent.sleep(0.1)
            runner.stop()
            (turn,), (session,) = heard.turns, heard.sessions
            assert run.roster.present() == 0
        until(lambda: gone)
    assert (turn.outcome, turn.error_kind, turn.response_id) == (Outcome.CUT_BY_RUN_END, None, "r0")
    assert (session.outcome, session.error_kind, session.turns) == (SessionOutcome.CUT_BY_RUN_END, None, 1)
    assert session.frames_sent >= gone[0]


def test_a_forced_stop_while_hanging_up_loses_no_record(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.answer("r0", 0.1)
        while (got := peer.receive()) is not None:  # hears the talker's close, and does not answer it
            if got.opcode == 8:
                closing.append(1)

    closing: list[int] = []
    with served(script) as server, locust_running(a_run(server.host, tmp_path), Talker, stop_timeout=0) as (runner, heard):
        until(lambda: closing)
        runner.stop()
        assert [t.outcome for t in heard.turns] == [Outcome.COMPLETED]
        assert len(heard.sessions) == 1


def test_talker_numbers_are_used_again(tmp_path: Path) -> None:
    with served(lambda peer: Assistant(peer).ready().until_gone()) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"think_s": 600}})
        with locust_running(run, Talker, users=3, stop_timeout=0) as (runner, heard):
            until(lambda: len(server.peers) == 3 and run.pacer.lateness.count > 10)
            assert run.roster.present() == 3
            runner.start(1, spawn_rate=100)
            until(lambda: runner.user_count == 1)
            assert run.roster.present() == 1
            runner.start(3, spawn_rate=100)
            until(lambda: runner.user_count == 3 and len(server.peers) == 5)
            assert run.roster.present() == 3
            assert sorted(u.args[0].number for u in runner.user_greenlets) == [0, 1, 2]
        assert run.roster.present() == 0
        assert len(heard.sessions) == 5
