"""Talkers under Locust's own runner, against a scripted assistant: the records that come of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from users_assistants import Assistant, a_run, locust_running, plain
from users_peers import Peer, Script, served, until

from metrics.records import BargeInClass, ErrorKind, Outcome, SessionOutcome, TurnKind
from users.clock import now_ns
from users.talker import Talker

MS = 1_000_000


def test_a_turn_is_recorded_in_full(tmp_path: Path) -> None:
    began_ns = now_ns()
    with served(plain()) as server, locust_running(a_run(server.host, tmp_path), Talker) as (_, heard):
        until(lambda: heard.sessions)
        (turn,), (session,) = heard.turns, heard.sessions
    assert (turn.talker, turn.call, turn.turn, turn.kind, turn.outcome) == (0, 0, 0, TurnKind.UTTERANCE, Outcome.COMPLETED)
    assert (turn.error_kind, turn.error, turn.session_id) == (None, None, "sess_0")
    assert (turn.clip, turn.voice, turn.spoken, turn.transcript) == ("question.wav", "slt", "question", "hello")
    instants = [
        began_ns,
        turn.speech_onset_ns,
        turn.speech_offset_ns,
        turn.offset_sent_ns,
        turn.speech_stopped_ns,
        turn.committed_ns,
        turn.transcribed_ns,
        turn.response_created_ns,
        turn.first_token_ns,
        turn.first_audio_ns,
        turn.last_audio_ns,
        turn.response_done_ns,
        turn.playout_end_ns,
        now_ns(),
    ]
    assert None not in instants
    assert instants == sorted(instants)
    assert turn.speech_started_ns is not None
    assert turn.speech_onset_ns < turn.speech_started_ns < turn.transcribed_ns
    assert turn.first_audio_ns is not None
    assert turn.first_audible_ns is not None
    assert turn.first_audio_ns + 60 * MS <= turn.first_audible_ns < turn.first_audio_ns + 70 * MS, "the playout delay, then a tone"
    assert turn.playout_end_ns == turn.first_audio_ns + 360 * MS
    assert (turn.response_id, turn.response_status, turn.chunks, turn.underruns) == ("r0.0", "completed", 3, 0)
    assert turn.audio_s == pytest.approx(0.3)
    assert (turn.input_tokens, turn.output_tokens) == (11, 22)
    assert turn.mic_capture_s is not None
    assert turn.mic_capture_s >= 0.020
    assert turn.uplink_network_s is not None
    assert 0 < turn.uplink_network_s < 5
    assert turn.downlink_network_s is not None
    assert turn.audio_rendering_s is not None
    assert turn.audio_processing_s is not None
    assert turn.span_s == pytest.approx((turn.playout_end_ns - (session.ready_ns or 0)) / 1e9, abs=5)
    assert turn.barge_in_class is None


def test_a_session_is_recorded_in_full(tmp_path: Path) -> None:
    assistants: list[Assistant] = []

    def script(peer: Peer) -> None:
        assistants.append(Assistant(peer))
        assistants[0].converse(2)

    with served(script) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"turns": 2}, "session": {"silence_duration_ms": 321, "model": "m-1"}})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: heard.sessions)
        (session,), turns = heard.sessions, heard.turns
        request = server.peers[0].read_request()
    assert request.path == "/v1/realtime?model=m-1"
    assert request.headers["X-Client-Id"] == "talker-0"
    assert assistants[0].messages[0]["type"] == "session.update"
    assert [t.turn for t in turns] == [0, 1]
    assert (session.talker, session.call, session.session_id, session.outcome) == (0, 0, "sess_0", SessionOutcome.HUNG_UP)
    assert (session.error_kind, session.error, session.reconnect, session.lost_ns) == (None, None, False, None)
    assert (session.turns, session.close_code, session.silence_duration_ms) == (2, 1000, 321)
    assert session.ready_ns is not None
    assert session.started_ns < session.ready_ns < turns[0].speech_onset_ns < turns[1].speech_onset_ns < session.closed_ns
    assert session.connect_s is not None
    assert session.connect_s > 0
    assert session.tls_s is None
    assert session.handshake_s is not None
    assert session.handshake_s > 0
    assert session.first_event_s is not None
    assert session.first_event_s >= 0
    assert session.frames_sent == assistants[0].frames
    assert session.audio_bytes_sent == session.frames_sent * 960
    assert session.audio_bytes_received == 2 * 0.3 * 24000 * 2
    assert session.messages_sent == session.frames_sent + 1
    assert session.messages_received == 2 + 2 * (4 + 2 + 3 + 1)
    assert (session.frames_dropped, session.unknown_events, session.malformed_messages) == (0, 0, 0)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_barge_in_tells_what_was_heard(tmp_path: Path, cancel: bool) -> None:
    told: list[dict[str, Any]] = []

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.begin("r0", 4.0)
        assistant.speech_begins()
        while not assistant.messages[1:]:
            assistant.listen()
        assistant.done("r0", "cancelled", "client_cancelled" if cancel else "turn_detected")
        assistant.speech_ends()
        told.extend(assistant.messages[1:])
        assistant.answer("r1")
        assistant.until_gone()

    barge_in = {"per_second": 1000, "not_before_s": 0.2, "cancel": cancel}
    with served(script) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"turns": 2, "barge_in": barge_in}})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: heard.sessions)
    host, said = sorted(heard.turns, key=lambda t: t.turn)
    assert (host.kind, host.outcome, host.response_id) == (TurnKind.UTTERANCE, Outcome.INTERRUPTED, "r0")
    assert (said.kind, said.outcome, said.response_id, said.host_response_id) == (TurnKind.BARGE_IN, Outcome.COMPLETED, "r1", "r0")
    assert said.barge_in_class is (BargeInClass.CLIENT if cancel else BargeInClass.SERVER)
    assert host.first_audio_ns is not None
    assert host.first_audible_ns is not None
    assert said.planned_after_s is not None
    assert said.speech_onset_ns >= host.first_audible_ns + round(said.planned_after_s * 1e9)
    assert said.detected_ns is not None
    assert said.silenced_ns is not None
    assert said.flush_s is not None
    assert said.speech_onset_ns < said.detected_ns <= said.silenced_ns
    played_ms = (said.silenced_ns - host.first_audio_ns - 60 * MS) // MS
    truncate = {"type": "conversation.item.truncate", "item_id": "item_r0", "content_index": 0, "audio_end_ms": played_ms}
    if cancel:
        assert told == [{"type": "response.cancel", "response_id": "r0"}, truncate]
        assert said.cancel_sent_ns is not None
        assert said.cancel_sent_ns >= said.silenced_ns
    else:
        assert told == [truncate]
        assert said.cancel_sent_ns is None
    assert heard.sessions[0].turns == 2


def test_a_false_alarm_tells_nothing_and_is_no_turn(tmp_path: Path) -> None:
    told: list[int] = []

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.answer("r0", 2.0)
        assistant.speech_begins()
        assistant.until_gone()
        told.append(len(assistant.messages))

    alarms = {"per_second": 1000, "not_before_s": 0.1}
    with served(script) as server:
        with locust_running(a_run(server.host, tmp_path, {"conversation": {"false_alarms": alarms}}), Talker) as (_, heard):
            until(lambda: heard.sessions)
        until(lambda: told)
    alarm, turn = heard.turns
    assert (alarm.kind, alarm.outcome, alarm.host_response_id, alarm.turn) == (TurnKind.FALSE_ALARM, Outcome.CONTINUED, "r0", 0)
    assert (turn.kind, turn.outcome) == (TurnKind.UTTERANCE, Outcome.COMPLETED)
    assert alarm.detected_ns is None
    assert heard.sessions[0].turns == 1
    assert told == [1]


def test_out_of_patience_a_talker_hangs_up_and_calls_again(tmp_path: Path) -> None:
    """A response that opens but is not heard is no answer."""

    def silent(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        peer.tell(type="response.created", response={"id": "r0"})
        assistant.until_gone()

    persona = {"name": "hurried", "patience_s": 0.7, "between_calls_s": 0}
    with served(silent, plain()) as server:
        run = a_run(server.host, tmp_path, {"personas": [persona], "conversation": {"turns": 2}})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: heard.sessions and any(turn.call == 1 for turn in heard.turns))
    given_up, *_ = heard.sessions
    turn = heard.turns[0]
    assert (given_up.outcome, given_up.turns, given_up.persona, given_up.error_kind) == (SessionOutcome.ABANDONED, 1, "hurried", None)
    assert (turn.outcome, turn.error_kind, turn.persona) == (Outcome.NO_RESPONSE, ErrorKind.TIMEOUT, "hurried")
    assert (turn.response_id, turn.response_created_ns is not None, turn.first_audible_ns) == ("r0", True, None)
    assert given_up.close_code == 1000, "it hangs up in order"
    assert 0.7 <= (given_up.closed_ns - turn.speech_offset_ns) / 1e9 < 5
    again = next(turn for turn in heard.turns if turn.call == 1)
    assert (again.outcome, again.turn, again.persona) == (Outcome.COMPLETED, 1, "hurried"), "an answer in time, in the next call"


def token_reply(token: str) -> Script:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.refuse("200 OK", body=orjson.dumps({"value": token}).decode())

    return script


def test_every_session_gets_a_token_of_its_own(tmp_path: Path) -> None:
    with served(token_reply("ek_1"), plain(), token_reply("ek_2"), plain(), lambda _: None) as server:
        run = a_run(server.host, tmp_path, {"conversation": {"between_calls_s": 0}}, auth="token")
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 2)
        keys = [server.peers[i].read_request().headers["Authorization"] for i in (1, 3)]
    assert keys == ["Bearer ek_1", "Bearer ek_2"]
    assert [(t.user, t.talker, t.status, t.error_kind) for t in heard.tokens[:2]] == [("talker", 0, 200, None)] * 2
    for token, session in zip(heard.tokens[:2], heard.sessions[:2], strict=True):
        assert token.intended_ns <= token.sent_ns <= token.done_ns <= session.started_ns


def test_no_token_no_session_and_the_wait_is_the_one_asked_for(tmp_path: Path) -> None:
    def busy(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.refuse("429 Too Many Requests", "Retry-After: 1\r\n")

    with (
        served(busy, token_reply("ek_1"), plain()) as server,
        locust_running(a_run(server.host, tmp_path, auth="token"), Talker) as (_, heard),
    ):
        until(lambda: heard.sessions)
    refused, minted = heard.tokens
    assert (refused.error_kind, refused.retry_after_s) == (ErrorKind.RATE_LIMITED, 1.0)
    assert minted.intended_ns - refused.done_ns >= 1_000 * MS
    assert [s.outcome for s in heard.sessions] == [SessionOutcome.HUNG_UP]
