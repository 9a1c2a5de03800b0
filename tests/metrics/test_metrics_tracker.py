"""Plays of turns that are not interrupted: event orders as they happen, and what each comes to."""

from __future__ import annotations

import pytest
from metrics_script import (
    Stage,
    answer,
    audio,
    cancelled,
    closes,
    committed,
    created,
    done,
    error,
    heard,
    paced,
    play,
    says,
    sec,
    started,
    stopped,
    text,
)

from metrics import answers, spans
from metrics.records import ErrorKind, Outcome, TurnKind
from metrics.tracker import Limits
from protocol.events import AudioDone

USAGE = {
    "input_tokens": 12,
    "output_tokens": "many",
    "input_token_details": {"audio_tokens": 7, "cached_tokens": 4, "cached_tokens_details": {"audio_tokens": 3}},
    "output_token_details": "none",
}
E2E = spans.span("speech_offset_ns", "first_audible_ns")


def test_an_ordinary_turn() -> None:
    (turn,) = play(
        [
            (1.0, says(2.0)),
            (1.1, started("i1")),
            (3.3, stopped("i1")),
            (3.3, committed("i1")),
            (3.4, created("r1")),
            (3.5, heard("what time is it", "i1")),
            (3.6, text("r1")),
            (3.7, audio("r1", 1.0, silence=0.2)),
            (3.8, AudioDone("r1", "item-r1")),
            (3.9, done("r1", usage=USAGE)),
        ]
    )
    assert turn.kind is TurnKind.UTTERANCE
    assert (turn.outcome, turn.error_kind, turn.error) == (Outcome.COMPLETED, None, None)
    instants = {
        "speech_onset": 1.0,
        "speech_offset": 3.0,
        "speech_started": 1.1,
        "speech_stopped": 3.3,
        "committed": 3.3,
        "response_created": 3.4,
        "transcribed": 3.5,
        "first_token": 3.6,
        "first_audio": 3.7,
        "first_audible": 3.96,
        "last_audio": 3.7,
        "response_done": 3.9,
        "playout_end": 4.96,
    }
    assert {name: sec(getattr(turn, f"{name}_ns")) for name in instants} == instants
    assert (turn.talker, turn.call, turn.turn, turn.session_id, turn.clock, turn.clip, turn.voice) == (
        3,
        0,
        0,
        "sess",
        "kernel",
        "clip-0",
        "awb",
    )
    assert (turn.spoken, turn.transcript, turn.response_id, turn.response_status) == ("words", "what time is it", "r1", "completed")
    assert (turn.audio_s, turn.chunks, turn.underruns, turn.jitter_s, turn.rfc3550_jitter_s) == (1.2, 1, 0, None, None)
    assert (turn.input_tokens, turn.output_tokens) == (12, None)
    assert (turn.input_audio_tokens, turn.cached_tokens, turn.cached_audio_tokens, turn.output_audio_tokens) == (7, 4, 3, None)
    assert turn.span_s == pytest.approx(4.96)
    assert E2E(turn) == pytest.approx(0.96)


def test_spans_cover_the_session_without_a_gap() -> None:
    first, second = play([(1.0, says(1.0)), *answer("r1", 2.5), (7.0, says(1.0)), *answer("r2", 8.5)])
    assert first.span_s == pytest.approx(4.66)
    assert second.span_s == pytest.approx(10.66 - 4.66)


def test_an_answer_that_overlaps_has_a_negative_latency() -> None:
    (turn,) = play([(0.0, says(2.0)), *answer("r1", 1.5, 3.0)])
    assert turn.outcome is Outcome.COMPLETED
    assert E2E(turn) == pytest.approx(-0.34)


OUTCOMES = {
    "nothing comes": ([], Outcome.NO_RESPONSE, 11.0, ErrorKind.TIMEOUT, "no audible answer"),
    "closed without audio": ([(1.5, created("r1")), (1.6, done("r1"))], Outcome.NO_RESPONSE, 1.6, ErrorKind.TIMEOUT, "no audible answer"),
    "closed without ever being created": ([(1.5, done("r1"))], Outcome.NO_RESPONSE, 1.5, ErrorKind.TIMEOUT, "no audible answer"),
    "only text": ([(1.5, text("r1")), (1.6, done("r1"))], Outcome.NO_RESPONSE, 1.6, ErrorKind.TIMEOUT, "no audible answer"),
    "only silence": (
        [(1.5, audio("r1", 0.0, silence=1.0)), (1.6, done("r1"))],
        Outcome.NO_RESPONSE,
        2.56,
        ErrorKind.TIMEOUT,
        "no audible answer",
    ),
    "stuck before audio": ([(1.5, created("r1"))], Outcome.TIMEOUT, 7.5, ErrorKind.TIMEOUT, "answer begun, never closed"),
    "stuck after audio": (
        [(1.5, created("r1")), (1.6, audio("r1", 3.0))],
        Outcome.TIMEOUT,
        10.66,
        ErrorKind.TIMEOUT,
        "answer begun, never closed",
    ),
    "broken off, nothing follows": (
        [(1.5, created("r1")), (1.6, audio("r1", 1.0)), (2.0, cancelled("r1"))],
        Outcome.CUT_SHORT,
        12.0,
        ErrorKind.ASSISTANT_ERROR,
        "answer broken off by the assistant",
    ),
    "failed": (
        [(1.5, created("r1")), (1.7, done("r1", "failed", "server_error"))],
        Outcome.ASSISTANT_ERROR,
        1.7,
        ErrorKind.ASSISTANT_ERROR,
        "server_error",
    ),
    "failed without a reason": ([(1.7, done("r1", "failed"))], Outcome.ASSISTANT_ERROR, 1.7, ErrorKind.ASSISTANT_ERROR, "response failed"),
    "rate limited": (
        [(1.7, done("r1", "failed", "rate_limit_exceeded"))],
        Outcome.ASSISTANT_ERROR,
        1.7,
        ErrorKind.RATE_LIMITED,
        "rate_limit_exceeded",
    ),
    "refused by an error": ([(1.5, error("server_error"))], Outcome.NO_RESPONSE, 11.0, ErrorKind.ASSISTANT_ERROR, "server_error"),
    "refused by a rate limit": (
        [(1.5, error("insufficient_quota"))],
        Outcome.NO_RESPONSE,
        11.0,
        ErrorKind.RATE_LIMITED,
        "insufficient_quota",
    ),
    "a benign error says nothing": ([(1.5, error("race", benign=True))], Outcome.NO_RESPONSE, 11.0, ErrorKind.TIMEOUT, "no audible answer"),
    "an error, then an answer": ([(1.2, error("odd")), *answer("r1", 1.5)], Outcome.COMPLETED, 3.66, None, None),
    "incomplete is an end too": (
        [(1.5, audio("r1", 1.0)), (1.6, done("r1", "incomplete", "max_output_tokens"))],
        Outcome.COMPLETED,
        2.56,
        None,
        None,
    ),
    "session lost": (
        [(1.5, created("r1")), (1.7, closes(Outcome.CONNECTION_LOST))],
        Outcome.CONNECTION_LOST,
        1.7,
        ErrorKind.REMOTE_CLOSE,
        "session lost",
    ),
    "run over": ([(1.5, created("r1")), (1.7, closes(Outcome.CUT_BY_RUN_END))], Outcome.CUT_BY_RUN_END, 1.7, None, None),
}


@pytest.mark.parametrize("which", OUTCOMES)
def test_outcomes(which: str) -> None:
    rows, outcome, ended, kind, told = OUTCOMES[which]
    (turn,) = play([(0.0, says(1.0)), *rows])
    assert (turn.outcome, turn.error_kind, turn.error) == (outcome, kind, told)
    assert turn.span_s == pytest.approx(ended)


def test_limits_are_those_given() -> None:
    rows = [(0.0, says(1.0)), (5.0, says(1.0)), (6.1, created("r1"))]
    first, second = play(rows, limits=Limits(response_s=2.0, stall_s=1.0))
    assert (first.outcome, first.span_s) == (Outcome.NO_RESPONSE, pytest.approx(3.0))
    assert (second.outcome, second.span_s) == (Outcome.TIMEOUT, pytest.approx(4.1))


def test_nothing_happens_a_nanosecond_before_a_deadline() -> None:
    stage = Stage().play([(0.0, says(1.0))])
    due = stage.tracker.deadline_ns()
    assert due == 11_000_000_000
    stage.tracker.poll(due - 1)
    assert stage.turns == []
    stage.tracker.poll(due)
    assert len(stage.turns) == 1
    assert stage.tracker.deadline_ns() is None
    stage.tracker.poll(due + 1)
    stage.tracker.close(due + 2, Outcome.CONNECTION_LOST)
    assert len(stage.turns) == 1


def test_text_and_audio_come_interleaved_and_before_the_event_that_opens() -> None:
    (turn,) = play(
        [(0.0, says(1.0)), (1.5, audio("r1", 0.5)), (1.6, text("r1")), (1.7, created("r1")), (1.8, created("r1")), (2.0, done("r1"))]
    )
    assert (sec(turn.first_audio_ns), sec(turn.first_token_ns), sec(turn.response_created_ns)) == (1.5, 1.6, 1.7)
    assert answers.ttft(turn) == pytest.approx(0.5)


def test_closing_twice_changes_nothing() -> None:
    (turn,) = play([(0.0, says(1.0)), *answer("r1", 1.5), (2.0, cancelled("r1")), (2.1, done("r1", "failed", "x"))])
    assert (turn.outcome, turn.response_status, sec(turn.response_done_ns)) == (Outcome.COMPLETED, "completed", 1.7)


def test_what_the_driver_can_ask() -> None:
    stage = Stage().play([(0.0, says(1.0))])
    tracker = stage.tracker
    assert (tracker.answer, tracker.answered, tracker.host_open, tracker.audible_at(0)) == (None, False, False, False)
    assert tracker.silence(0, 0) is None
    stage.play([(1.5, audio("r1", 1.0))])
    assert tracker.answer is not None and tracker.answer.identity == "r1" and tracker.answered
    assert not tracker.audible_at(1_559_999_999)
    assert tracker.audible_at(1_560_000_000)
    assert not tracker.audible_at(2_560_000_000)
    stage.play([(1.6, done("r1"))]).until(60)
    assert tracker.answer is None and not tracker.answered and tracker.silence(0, 0) is None


def test_paced_audio_with_an_underrun() -> None:
    (turn,) = play([(0.0, says(1.0)), *paced("r1", 1.5, 3), *paced("r1", 2.0, 2), (2.2, done("r1"))])
    assert (turn.chunks, turn.underruns) == (5, 1)
    assert turn.underrun_s == turn.longest_gap_s == pytest.approx(2.0 - 1.86)
    assert sec(turn.playout_end_ns) == 2.2


def test_since_when_an_answer_is_waited_for() -> None:
    stage = Stage()
    tracker = stage.tracker
    assert tracker.waiting_since_ns is None
    stage.play([(1.0, says(2.0))])
    assert sec(tracker.waiting_since_ns) == 3.0
    stage.play([(3.5, created("r1")), (3.6, text("r1"))])
    assert sec(tracker.waiting_since_ns) == 3.0, "nothing is heard of it yet"
    stage.play([(3.7, audio("r1", 1.0))])
    assert tracker.waiting_since_ns is None
    stage.play([(3.8, done("r1"))]).until(10.0)
    assert tracker.waiting_since_ns is None, "the turn is over"
