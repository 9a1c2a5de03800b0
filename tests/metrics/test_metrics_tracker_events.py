"""Plays in which events come twice, late, without ids, or tell the driver something."""

from __future__ import annotations

import pytest
from metrics_script import (
    Stage,
    answer,
    audio,
    barges_in,
    cancelled,
    created,
    done,
    error,
    heard,
    play,
    says,
    sec,
    started,
    stopped,
    text,
)

from metrics import spans
from metrics.records import Outcome
from metrics.tracker import Notice
from protocol import MalformedMessage
from protocol.events import AudioDelta, Unknown

E2E = spans.span("speech_offset_ns", "first_audible_ns")


class TestTwoResponsesToOneUtterance:
    """Endpointing took a pause for the end."""

    def test_the_first_is_cancelled_before_the_talker_goes_on(self) -> None:
        rows = [(0.0, says(3.0)), (0.1, started("i1")), (1.2, stopped("i1")), (1.2, created("r1")), (1.3, audio("r1", 1.0)),
                (1.4, started("i2")), (1.5, cancelled("r1")), (3.3, stopped("i2")), *answer("r2", 3.4)]  # fmt: skip
        (turn,) = play(rows)
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r2", 1)
        assert (sec(turn.speech_started_ns), sec(turn.speech_stopped_ns)) == (0.1, 3.3)
        assert sec(turn.first_audio_ns) == 3.5

    def test_the_cancelled_one_was_never_created(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (1.2, cancelled("r1")), *answer("r2", 3.4)])
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r2", 1)

    def test_both_are_completed(self) -> None:
        (turn,) = play([(0.0, says(3.0)), *answer("r1", 1.2, 2.5), *answer("r2", 3.4)])
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r2", 1)
        assert sec(turn.first_audible_ns) == 3.86, "the speaker is busy with the first one until then"

    def test_the_second_opens_while_the_first_is_open(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (1.2, created("r1")), *answer("r2", 3.4), (3.7, done("r1"))])
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r2", 1)

    def test_the_first_is_over_before_the_talker_has_finished(self) -> None:
        (turn,) = play([(0.0, says(3.0)), *answer("r1", 0.5, 0.5), *answer("r2", 3.4)])
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r2", 1)

    def test_the_first_was_empty(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (0.5, created("r1")), (0.6, done("r1")), *answer("r2", 3.4)])
        assert (turn.outcome, turn.response_id) == (Outcome.COMPLETED, "r2")

    def test_the_first_failed(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (0.6, done("r1", "failed", "odd")), *answer("r2", 3.4)])
        assert (turn.outcome, turn.response_id, turn.error) == (Outcome.COMPLETED, "r2", None)

    def test_the_first_failed_and_no_second_comes(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (0.6, done("r1", "failed", "odd"))])
        assert (turn.outcome, turn.error, turn.span_s) == (Outcome.ASSISTANT_ERROR, "odd", pytest.approx(13.0))

    def test_an_early_answer_that_stays_alone_is_the_answer(self) -> None:
        (turn,) = play([(0.0, says(3.0)), *answer("r1", 0.5, 0.5)])
        assert (turn.outcome, turn.response_id, turn.span_s) == (Outcome.COMPLETED, "r1", pytest.approx(13.0))
        assert E2E(turn) == pytest.approx(-2.34)

    def test_a_second_answer_to_what_was_fully_said_is_a_stray_and_is_heard_out(self) -> None:
        (turn,) = play([(0.0, says(1.0)), *answer("r1", 1.5, 2.0), *answer("r2", 2.0, 1.0)])
        assert (turn.outcome, turn.response_id, turn.responses_replaced) == (Outcome.COMPLETED, "r1", 0)
        assert turn.span_s == pytest.approx(4.66), "two seconds of r1, then one of r2"

    def test_a_stray_beside_an_open_answer(self) -> None:
        (turn,) = play(
            [(0.0, says(1.0)), (1.5, created("r1")), (1.6, created("r2")), (1.7, audio("r1", 1.0)), (1.8, done("r2")), (1.9, done("r1"))]
        )
        assert (turn.outcome, turn.response_id, turn.span_s) == (Outcome.COMPLETED, "r1", pytest.approx(2.76))


class TestLateEvents:
    def test_a_stuck_response_does_not_become_the_next_answer(self) -> None:
        rows = [(0.0, says(1.0)), (1.5, created("r1")), (8.0, says(1.0)), (9.2, audio("r1", 1.0)), (9.3, done("r1")), *answer("r2", 9.5)]
        first, second = play(rows)
        assert (first.outcome, second.outcome, second.response_id) == (Outcome.TIMEOUT, Outcome.COMPLETED, "r2")
        assert sec(second.first_audible_ns) == 10.26, "the stuck one is heard first"

    def test_what_comes_late_of_a_finished_response_is_dropped(self) -> None:
        stage = Stage().play([(0.0, says(1.0)), *answer("r1", 1.5), (4.0, says(1.0)), (4.1, audio("r1", 1.0)), (4.2, done("r1"))])
        assert stage.notices[-2:] == [Notice.NOTHING, Notice.NOTHING]
        assert stage.play(answer("r2", 5.5)).until(60).turns[1].response_id == "r2"

    @pytest.mark.parametrize("answered", [[audio("r1", 1.0)], []])
    def test_silence_without_end_behind_the_end_of_a_response_ends_the_turn_all_the_same(self, answered: list[AudioDelta]) -> None:
        silence = [(1.7 + i * 0.1, audio("r1", 0.0, 0.1)) for i in range(300)]
        rows = [(0.0, says(1.0)), (1.5, created("r1")), *[(1.5, piece) for piece in answered], (1.6, done("r1")), *silence]
        (turn,) = play(rows)
        assert (turn.outcome, turn.audio_s) == ((Outcome.COMPLETED, 1.0) if answered else (Outcome.NO_RESPONSE, 0.0))
        if answered:
            assert (sec(turn.playout_end_ns), turn.chunks, sec(turn.last_audio_ns)) == (2.56, 1, 1.5)
        assert turn.span_s < 11.1

    @pytest.mark.parametrize(("before", "audible"), [(audio("r1", 1.0), 1.56), (audio("r1", 0.0, 1.0), 3.36)])
    def test_silence_behind_the_end_of_a_response_counts_once_it_goes_on(self, before: AudioDelta, audible: float) -> None:
        silence = [(1.6 + i * 0.1, audio("r1", 0.0, 0.1)) for i in range(8)]
        more = [(2.5 + i * 0.1, audio("r1", 0.0, 0.1)) for i in range(300)]
        rows = [(0.0, says(1.0)), (1.5, created("r1")), (1.5, before), (1.55, done("r1")), *silence, (2.4, audio("r1", 0.5)), *more]
        (turn,) = play(rows)
        assert (turn.outcome, turn.underruns, turn.chunks, turn.audio_s) == (Outcome.COMPLETED, 0, 10, pytest.approx(2.3))
        assert (sec(turn.first_audible_ns), sec(turn.last_audio_ns), sec(turn.playout_end_ns)) == (audible, 2.4, 3.86)

    def test_an_answer_that_comes_too_late_is_not_the_next_one(self) -> None:
        rows = [(0.0, says(1.0)), *answer("late", 11.5, 3.0), (12.5, says(1.0)), (13.0, text("late")), *answer("r2", 14.0)]
        first, second = play(rows)
        assert (first.outcome, second.response_id) == (Outcome.NO_RESPONSE, "r2")
        assert sec(second.first_audible_ns) == 14.66

    def test_a_transcript_in_the_next_turn_stays_with_its_own(self) -> None:
        rows = [(0.0, says(1.0)), (0.1, started("i1")), *answer("r1", 1.5), (4.0, says(1.0)), (4.1, started("i2")),
                (4.2, heard("first", "i1")), (5.3, heard("second", "i2")), *answer("r2", 5.5)]  # fmt: skip
        first, second = play(rows)
        assert (first.transcript, second.transcript, sec(second.transcribed_ns)) == (None, "second", 5.3)

    def test_a_transcript_after_the_response(self) -> None:
        (turn,) = play([(0.0, says(1.0)), (0.1, started("i1")), *answer("r1", 1.5), (2.0, heard("words", "i1"))])
        assert (turn.transcript, sec(turn.transcribed_ns)) == ("words", 2.0)

    def test_transcripts_of_a_split_utterance_are_joined_and_a_failed_one_is_none(self) -> None:
        rows = [(0.0, says(3.0)), (1.2, heard("one", "i1")), (3.2, heard("two", "i2")), (3.3, heard(None, "i3")), *answer("r1", 3.4)]
        (turn,) = play(rows)
        assert (turn.transcript, sec(turn.transcribed_ns)) == ("one two", 3.2)

    def test_a_transcript_in_pieces_is_joined_as_it_is_and_there_with_the_last(self) -> None:
        rows = [(0.0, says(1.0)), (0.6, heard("Hel")), (1.2, heard("lo", goes_on=True)), *answer("r1", 1.5),
                (1.8, heard(" there", goes_on=True)), (1.9, heard("", goes_on=True)), (2.0, heard("Well?"))]  # fmt: skip
        (turn,) = play(rows)
        assert (turn.transcript, sec(turn.transcribed_ns)) == ("Hello there Well?", 2.0)
        (turn,) = play(rows[:-1])
        assert (turn.transcript, sec(turn.transcribed_ns)) == ("Hello there", 1.9)

    def test_pieces_of_a_transcript_are_of_what_was_begun_last(self) -> None:
        rows = [(0.0, says(1.0)), (1.2, heard("One")), *answer("r1", 1.5, 5.0), (2.0, heard(" tail", goes_on=True)), (2.5, barges_in(1.0)),
                (2.6, heard("", goes_on=True)), (2.8, cancelled("r1")), (3.0, heard("Two", goes_on=True)), *answer("r2", 3.9)]  # fmt: skip
        first, second = play(rows)
        assert (first.transcript, second.transcript, sec(second.transcribed_ns)) == ("One tail", "Two", 3.0)
        _, second = play([row for row in rows if row[0] != 3.0])
        assert (second.transcript, second.transcribed_ns) == (None, None)

    def test_failed_transcription_alone_is_no_transcript(self) -> None:
        (turn,) = play([(0.0, says(1.0)), (1.2, heard(None, "i1")), *answer("r1", 1.5)])
        assert (turn.transcript, turn.transcribed_ns) == (None, None)

    def test_turn_events_in_silence_are_nobodys(self) -> None:
        stage = Stage().play([(0.5, started("i0")), (0.6, stopped()), (0.7, error("odd")), (1.0, says(1.0)), (1.2, stopped("i0"))])
        turn = stage.play(answer("r1", 2.5)).until(60).turns[0]
        assert (turn.speech_started_ns, sec(turn.speech_stopped_ns), turn.error) == (None, 1.2, None)


class TestWithoutIds:
    """Wires that do not name their responses: one at a time."""

    def test_turn_after_turn(self) -> None:
        first, second = play([(0.0, says(1.0)), *answer(None, 1.5), (5.0, says(1.0)), *answer(None, 6.5, 1.0)])
        assert [t.audio_s for t in (first, second)] == [2.0, 1.0]
        assert [t.response_id for t in (first, second)] == [None, None]

    def test_a_close_of_nothing_is_dropped(self) -> None:
        (turn,) = play([(0.0, says(1.0)), (1.2, done(None)), *answer(None, 1.5), (2.0, done(None))])
        assert (turn.outcome, turn.audio_s) == (Outcome.COMPLETED, 2.0)

    def test_a_failure_of_nothing_is_the_answer(self) -> None:
        (turn,) = play([(0.0, says(1.0)), (1.2, done(None, "failed", "odd"))])
        assert (turn.outcome, turn.error) == (Outcome.ASSISTANT_ERROR, "odd")

    def test_a_stuck_one_is_given_up(self) -> None:
        first, second = play([(0.0, says(1.0)), (1.5, created(None)), (8.0, says(1.0)), *answer(None, 9.5)])
        assert (first.outcome, second.outcome) == (Outcome.TIMEOUT, Outcome.COMPLETED)

    def test_replaced_within_the_turn(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (1.2, created(None)), (1.4, cancelled(None)), *answer(None, 3.4)])
        assert (turn.outcome, turn.responses_replaced, turn.audio_s) == (Outcome.COMPLETED, 1, 2.0)

    def test_created_again_is_another(self) -> None:
        (turn,) = play([(0.0, says(3.0)), (1.2, created(None)), *answer(None, 3.4)])
        assert (turn.outcome, turn.responses_replaced, sec(turn.response_created_ns)) == (Outcome.COMPLETED, 1, 3.4)

    def test_named_responses_with_nameless_deltas(self) -> None:
        (turn,) = play([(0.0, says(1.0)), (1.5, created("r1")), (1.6, audio(None, 1.0)), (1.7, done("r1"))])
        assert (turn.outcome, turn.response_id, turn.audio_s) == (Outcome.COMPLETED, "r1", 1.0)


class TestNotices:
    def test_what_the_driver_is_told(self) -> None:
        rows = [(0.0, says(1.0)), (1.1, Unknown("x")), (1.5, created("r1")), (1.6, text("r1")), (1.7, audio("r1", 0.01)),
                (1.8, audio("r1", 1.0)), (1.9, audio("r1", 1.0)), (2.0, done("r1"))]  # fmt: skip
        stage = Stage().play(rows)
        assert stage.notices == [
            Notice.NOTHING,
            Notice.OPENED,
            Notice.NOTHING,
            Notice.FIRST_AUDIO,
            Notice.AUDIBLE,
            Notice.NOTHING,
            Notice.CLOSED,
        ]

    def test_all_at_once(self) -> None:
        stage = Stage().play([(0.0, says(1.0)), (1.5, audio("r1", 1.0)), (1.6, done("r2"))])
        assert stage.notices == [Notice.OPENED | Notice.FIRST_AUDIO | Notice.AUDIBLE, Notice.OPENED | Notice.CLOSED]

    def test_costs_go_to_the_response_that_they_are_of(self) -> None:
        stage = Stage().play([(0.0, says(1.0)), (1.5, created("r1")), (1.6, created("r2")), (1.7, audio("r1", 1.0))])
        stage.tracker.first_audio_cost(0.001, 0.02)
        stage.play([(1.8, audio("r2", 1.0))])
        stage.tracker.first_audio_cost(0.5, None)
        stage.tracker.first_audio_cost(0.9, 0.9)
        (turn,) = stage.play([(1.9, done("r1")), (1.9, done("r2"))]).until(60).turns
        assert (turn.response_id, turn.audio_rendering_s, turn.downlink_network_s) == ("r1", 0.001, 0.02)

    def test_broken_audio_counts_as_nothing(self) -> None:
        stage = Stage().play([(0.0, says(1.0)), (1.5, created("r1"))])
        with pytest.raises(MalformedMessage):
            stage.play([(1.6, AudioDelta("r1", "i", 0, 100, "not base64!"))])
        (turn,) = stage.play([(1.7, audio("r1", 1.0)), (1.8, done("r1"))]).until(60).turns
        assert (turn.chunks, turn.audio_s, sec(turn.first_audio_ns), sec(turn.first_audible_ns)) == (1, 1.0, 1.7, 1.76)
