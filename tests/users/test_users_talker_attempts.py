"""A talker whose sessions are refused or lost: when it tries again, how often, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from users_assistants import Assistant, a_run, locust_running, plain
from users_peers import Peer, served, until

from metrics.catalog import METRICS
from metrics.records import ErrorKind, Outcome, SessionOutcome
from users.errors import RemoteError
from users.talker import Talker

pytestmark = pytest.mark.long

MS = 1_000_000


@pytest.mark.parametrize("how", ["close", "reset", "vanish"])
def test_a_session_lost_amid_an_answer_is_taken_up_again(tmp_path: Path, how: str) -> None:
    def dies(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.begin("r0", 2.0)
        if how == "close":
            peer.raw(b"\x88\x06\x03\xf3oops")
            peer.drain()
        elif how == "reset":
            while peer.number == 0 and assistant.frames < 60:
                assistant.listen()
            peer.reset()

    with served(dies, plain()) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"turns": 2}})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 2)
    lost, back = heard.sessions
    first, second = heard.turns
    assert (first.outcome, first.error_kind, first.turn, first.response_id) == (Outcome.CONNECTION_LOST, ErrorKind.REMOTE_CLOSE, 0, "r0")
    assert (second.outcome, second.turn, second.call) == (Outcome.COMPLETED, 1, 0)
    assert (lost.outcome, lost.error_kind, lost.reconnect, lost.turns) == (SessionOutcome.LOST, ErrorKind.REMOTE_CLOSE, False, 1)
    texts = {
        "close": ["closed by the assistant: code 1011, oops"],
        "reset": ["connection lost: Connection reset by peer", "connection lost while sending: Connection reset by peer"],
        "vanish": ["connection closed without a close frame", "connection lost: Connection reset by peer"],
    }
    assert lost.error in texts[how]
    assert lost.close_code == (1011 if how == "close" else None)
    assert (back.outcome, back.reconnect, back.turns, back.call) == (SessionOutcome.HUNG_UP, True, 1, 0)
    assert back.lost_ns is not None
    assert back.lost_ns >= lost.closed_ns
    assert back.started_ns - back.lost_ns >= 250 * MS, "half of the first back-off at least"


def test_attempts_are_limited_and_wait_longer_each_time(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.refuse("503 Service Unavailable")

    with served(script) as server:
        run = a_run(server.host, tmp_path, {"limits": {"reconnects": 2}, "conversation": {"between_calls_s": 0}})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 4)
    *refused, cut = heard.sessions
    assert [s.call for s in refused] == [0, 0, 0, 1]
    assert {(s.outcome, s.error_kind, s.reconnect, s.ready_ns) for s in refused} == {
        (SessionOutcome.REFUSED, ErrorKind.RATE_LIMITED, False, None)
    }
    assert cut.outcome is SessionOutcome.CUT_BY_RUN_END
    assert (cut.error_kind, cut.reconnect, cut.lost_ns, cut.ready_ns) == (None, False, None, None)
    assert sum(s.down_s for s in heard.sessions) == pytest.approx((cut.closed_ns - refused[0].started_ns) / 1e9, abs=1e-6)
    waits_s = [(b.started_ns - a.closed_ns) / 1e9 for a, b in zip(heard.sessions, heard.sessions[1:], strict=False)]
    assert waits_s[0] >= 0.25
    assert waits_s[1] >= 0.5
    assert waits_s[2] >= 1.0
    assert heard.turns == []


def test_a_call_that_never_gets_an_answer_is_given_up_though_its_sessions_become_ready(tmp_path: Path) -> None:
    def drops(peer: Peer) -> None:
        Assistant(peer).ready()
        peer.raw(b"\x88\x02\x03\xf3")
        peer.drain()

    conversation = {"turns": 3, "think_s": 30, "between_calls_s": 0}
    with served(drops) as server:
        run = a_run(server.host, tmp_path, {"limits": {"reconnects": 2}, "conversation": conversation})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 4)
    *lost, cut = heard.sessions
    assert [s.call for s in lost] == [0, 0, 0, 1]
    assert {s.outcome for s in lost} == {SessionOutcome.LOST}
    assert [(s.reconnect, s.lost_ns) for s in heard.sessions] == [(False, None), *((True, s.closed_ns) for s in lost)], "later calls too"
    assert [s.down_s for s in lost[1:]] == [(s.ready_ns - (s.lost_ns or 0)) / 1e9 for s in lost[1:] if s.ready_ns is not None]
    assert cut.down_s == pytest.approx((cut.closed_ns - lost[-1].closed_ns) / 1e9)
    waits_s = [(b.started_ns - a.closed_ns) / 1e9 for a, b in zip(heard.sessions, heard.sessions[1:], strict=False)]
    assert waits_s[1] >= 0.5
    assert waits_s[2] >= 1.0


def test_a_session_that_lasted_begins_the_attempts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off amid the thinking, before any answer, each time; the call goes on."""
    monkeypatch.setattr("users.talker._LASTED_S", 0.2)

    def drops_late(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        while assistant.frames < 20:
            assistant.listen()
        peer.raw(b"\x88\x02\x03\xf3")
        peer.drain()

    conversation = {"turns": 3, "think_s": 30, "between_calls_s": 0}
    with served(drops_late) as server:
        run = a_run(server.host, tmp_path, {"limits": {"reconnects": 1}, "conversation": conversation})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 3)
    assert [(s.call, s.outcome) for s in heard.sessions[:3]] == [(0, SessionOutcome.LOST)] * 3


def test_a_session_that_comes_back_in_a_later_call_has_recovered_since_the_loss(tmp_path: Path) -> None:
    def drops(peer: Peer) -> None:
        Assistant(peer).ready()
        peer.raw(b"\x88\x02\x03\xf3")
        peer.drain()

    def refuses(peer: Peer) -> None:
        peer.read_request()
        peer.refuse("503 Service Unavailable")

    conversation = {"turns": 1, "think_s": 30, "between_calls_s": 0}
    with served(drops, refuses, refuses, plain()) as server:
        run = a_run(server.host, tmp_path, {"limits": {"reconnects": 1}, "conversation": conversation})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 3 and run.sessions)
    lost, first, second, back = heard.sessions
    assert [(s.call, s.outcome) for s in heard.sessions] == [
        (0, SessionOutcome.LOST),
        (0, SessionOutcome.REFUSED),
        (1, SessionOutcome.REFUSED),
        (1, SessionOutcome.CUT_BY_RUN_END),
    ], "the call was given up, and another made"
    assert [s.lost_ns for s in heard.sessions] == [None, *[lost.closed_ns] * 3]
    assert back.ready_ns is not None
    assert METRICS["time_to_recover"].measure(back) == (back.ready_ns - lost.closed_ns) / 1e9
    assert [METRICS["automatic_recovery_rate"].measure(s) for s in heard.sessions] == [None, None, None, (1.0, 1.0)]
    assert first.down_s + second.down_s + back.down_s == pytest.approx((back.ready_ns - lost.closed_ns) / 1e9)


def test_a_session_that_is_accepted_and_dropped_is_none_where_the_wire_has_no_word_for_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is full: one session lasts and is lost, two are accepted and closed at the first word, the last one stays."""
    monkeypatch.setattr("users.talker._LASTED_S", 1.0)
    monkeypatch.setattr("users.talker._FIRST_BACKOFF_S", 0.02)

    def drops(peer: Peer) -> None:
        peer.accept()
        frames, sounded = 0, False
        while not sounded or frames < (70 if peer.number == 0 else 0):  # of 20 ms
            got = peer.receive()
            assert got is not None
            frames, sounded = frames + 1, sounded or any(got.data)
        peer.raw(b"\x88\x02\x03\xf5")
        peer.drain()

    def stays(peer: Peer) -> None:
        peer.accept()
        peer.drain()

    with served(drops, drops, drops, stays) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"turns": 5}}, dialect="raw-pcm")
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 3 and any(one.turns_begun for one in run.sessions.values()))
    lost, first, second, back = heard.sessions
    assert [s.outcome for s in heard.sessions] == [
        SessionOutcome.LOST,
        SessionOutcome.REFUSED,
        SessionOutcome.REFUSED,
        SessionOutcome.CUT_BY_RUN_END,
    ]
    assert [s.ready_ns is None for s in heard.sessions] == [False, True, True, False]
    assert [s.lost_ns for s in heard.sessions] == [None, *[lost.closed_ns] * 3]
    assert [METRICS["automatic_recovery_rate"].measure(s) for s in heard.sessions] == [None, None, None, (1.0, 1.0)]
    assert sum(METRICS["reconnects_per_hour"].measure(s)[0] for s in heard.sessions) == 1.0
    assert back.ready_ns is not None
    assert METRICS["time_to_recover"].measure(back) == (back.ready_ns - lost.closed_ns) / 1e9
    assert first.down_s + second.down_s + back.down_s == pytest.approx((back.ready_ns - lost.closed_ns) / 1e9)
    assert [s.first_event_s for s in heard.sessions] == [None] * 4
    assert [s.turns for s in heard.sessions] == [1] * 4
    assert [turn.outcome for turn in heard.turns] == [*[Outcome.CONNECTION_LOST] * 3, Outcome.CUT_BY_RUN_END]


def test_no_two_waits_of_a_talker_are_drawn_alike(tmp_path: Path) -> None:
    class Lonely:
        run_ = a_run("http://127.0.0.1:1", tmp_path)
        number, _backoffs = 0, 0

    error = RemoteError(ErrorKind.CONNECT, "")
    assert len({Talker._backoff_s(Lonely, 1, error) for _ in range(20)}) == 20


def test_the_assistant_says_how_long_to_wait(tmp_path: Path) -> None:
    def busy(peer: Peer) -> None:
        peer.read_request()
        peer.refuse("429 Too Many Requests", "Retry-After: 1\r\n")

    with served(busy, plain()) as server, locust_running(a_run(server.host, tmp_path), Talker) as (_, heard):
        until(lambda: len(heard.sessions) == 2)
    refused, held = heard.sessions
    assert held.started_ns - refused.closed_ns >= 1_000 * MS
    assert (held.outcome, held.reconnect) == (SessionOutcome.HUNG_UP, False)


def test_the_back_off_never_overflows(tmp_path: Path) -> None:
    class Lonely:
        run_ = a_run("http://127.0.0.1:1", tmp_path)
        number, _calls, _backoffs = 0, 0, 0

    error = RemoteError(ErrorKind.CONNECT, "")
    waits = [Talker._backoff_s(Lonely, attempts, error) for attempts in (1, 2, 3, 4, 5, 6, 5000)]
    for wait_s, longest in zip(waits, (0.5, 1, 2, 4, 8, 8, 8), strict=True):
        assert longest / 2 <= wait_s <= longest
    assert Talker._backoff_s(Lonely, 1, RemoteError(ErrorKind.RATE_LIMITED, "", retry_after_s=99.0)) == 99.0
