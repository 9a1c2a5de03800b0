"""Plays of false alarms: what stops the assistant, what brings it back, at the edges of the windows."""

from __future__ import annotations

import pytest
from metrics_script import (
    answer,
    audio,
    barges_in,
    cancelled,
    closes,
    created,
    done,
    heard,
    hears_itself,
    mumbles,
    play,
    says,
    sec,
    started,
    stopped,
)

from metrics.catalog import METRICS
from metrics.records import BargeInClass, Outcome, TurnKind, TurnRecord

US = 1e-6


def host(until: float, *rows: object, alarm: float = 3.0) -> list:
    """An answer that is audible from 2.0 s to `until`; a false alarm at 3.0 s, 0.4 s long; then `rows`."""
    return [(0.0, says(1.0)), (1.5, created("r1")), (1.94, audio("r1", until - 2.0)), (alarm, mumbles(0.4)), *rows]


def judged(rows: list, until: float = 60.0) -> tuple[TurnRecord, TurnRecord]:
    alarm, turn = play(sorted(rows, key=lambda row: row[0]), until)
    assert (alarm.kind, turn.kind) == (TurnKind.FALSE_ALARM, TurnKind.UTTERANCE)
    return alarm, turn


def shares(alarm: TurnRecord) -> dict[str, object]:
    names = ("false_stop_rate", "resume_rate", "false_alarm_resume", "spurious_response")
    found = {name: METRICS[name].measure(alarm) for name in names}
    return {name: None if pair is None else pair[0] for name, pair in found.items()}


def test_it_talks_on() -> None:
    alarm, turn = judged(host(8.0, (3.1, started("i2")), (3.9, stopped("i2")), (4.0, heard("uh huh", "i2")), (5.0, done("r1"))))
    assert (alarm.outcome, alarm.windows_met, turn.outcome) == (Outcome.CONTINUED, True, Outcome.COMPLETED)
    assert (alarm.false_stop_ns, alarm.resumed_ns) == (None, None)
    assert (alarm.host_response_id, alarm.response_id, alarm.turn, alarm.span_s, alarm.audio_s) == ("r1", None, 0, 0.0, 0.0)
    assert (sec(alarm.speech_started_ns), sec(alarm.speech_stopped_ns), alarm.transcript) == (3.1, 3.9, "uh huh")
    assert (turn.speech_stopped_ns, turn.transcript) == (None, None)
    assert shares(alarm) == {"false_stop_rate": 0.0, "resume_rate": None, "false_alarm_resume": 1.0, "spurious_response": 0.0}


def test_nothing_of_a_false_alarm_goes_into_the_metrics_of_turns() -> None:
    alarm, _ = judged(host(8.0, (5.0, done("r1"))))
    of_alarms = {name for name, m in METRICS.items() if m.record is TurnRecord and m.measure(alarm) is not None}
    assert of_alarms == {"false_stop_rate", "false_alarm_resume", "spurious_response"}


STOPS = {
    "0.5 s of silence is no stop": (3.5, 4.0, False),
    "just over 0.5 s is": (3.5, 4.0 + US, True),
    "it may begin up to 1.0 s after the end": (4.4, 5.0, True),
    "but not later": (4.401, 5.1, False),
    "it may begin with the onset": (3.0, 3.6, True),
    "but not before": (2.999, 3.6, False),
}


@pytest.mark.parametrize("which", STOPS)
def test_a_false_stop(which: str) -> None:
    dry, back, stop = STOPS[which]
    alarm, _ = judged(host(dry, (back, audio("r1", 3.0)), (back + 0.1, done("r1"))))
    assert (alarm.false_stop_ns is not None) is stop
    assert alarm.outcome is (Outcome.RESUMED if stop else Outcome.CONTINUED)
    assert METRICS["false_stop_rate"].measure(alarm) == (float(stop), 1.0)


@pytest.mark.parametrize(("back", "outcome"), [(6.4, Outcome.RESUMED), (6.4 + US, Outcome.NOT_RESUMED)])
def test_a_resumption(back: float, outcome: Outcome) -> None:
    """It has to come within 3.0 s of the end, which is at 3.4."""
    alarm, turn = judged(host(3.5, (back, audio("r1", 1.0)), (back + 0.1, done("r1"))))
    assert (alarm.outcome, alarm.windows_met, turn.outcome) == (outcome, True, Outcome.COMPLETED)
    assert sec(alarm.false_stop_ns) == 3.5
    assert METRICS["resume_time"].measure(alarm) == pytest.approx(back - 3.4)
    resumed = float(outcome is Outcome.RESUMED)
    assert shares(alarm) == {"false_stop_rate": 1.0, "resume_rate": resumed, "false_alarm_resume": resumed, "spurious_response": 0.0}


def test_it_stops_and_is_stuck() -> None:
    alarm, turn = judged(host(3.5))
    assert (alarm.outcome, alarm.windows_met, turn.outcome) == (Outcome.NOT_RESUMED, True, Outcome.TIMEOUT)
    assert (sec(alarm.false_stop_ns), alarm.resumed_ns, METRICS["resume_time"].measure(alarm)) == (3.5, None, None)
    assert shares(alarm) == {"false_stop_rate": 1.0, "resume_rate": 0.0, "false_alarm_resume": 0.0, "spurious_response": 0.0}


def test_it_takes_it_for_an_interruption() -> None:
    alarm, turn = judged(host(3.6, (3.2, started("i2")), (3.3, cancelled("r1"))))
    assert (alarm.outcome, alarm.windows_met, sec(alarm.false_stop_ns), turn.outcome) == (Outcome.NOT_RESUMED, True, 3.6, Outcome.CUT_SHORT)


def test_it_breaks_off_though_much_had_been_sent_and_played_on() -> None:
    """No false stop by the ear, but the response did not play to its end."""
    alarm, turn = judged(host(9.0, (3.2, started("i2")), (3.3, cancelled("r1"))))
    assert (alarm.outcome, alarm.windows_met, alarm.false_stop_ns, turn.outcome) == (Outcome.CUT_SHORT, True, None, Outcome.CUT_SHORT)
    assert shares(alarm) == {"false_stop_rate": 0.0, "resume_rate": None, "false_alarm_resume": 0.0, "spurious_response": 0.0}


def test_an_end_of_its_own_is_no_stop() -> None:
    alarm, turn = judged(host(3.6, (2.0, done("r1"))))
    assert (alarm.outcome, alarm.false_stop_ns) == (Outcome.CONTINUED, None)
    assert turn.span_s == pytest.approx(5.4), "an answer to the false alarm would open within 2.0 s"


class TestSpuriousResponses:
    def test_it_stops_and_answers(self) -> None:
        alarm, turn = judged(host(3.6, (3.3, cancelled("r1")), *answer("r2", 4.2)))
        assert (alarm.outcome, alarm.windows_met, turn.outcome, turn.response_id) == (Outcome.ANSWERED, True, Outcome.CUT_SHORT, "r1")
        assert turn.span_s == pytest.approx(6.36)
        assert shares(alarm) == {"false_stop_rate": 1.0, "resume_rate": 0.0, "false_alarm_resume": 0.0, "spurious_response": 1.0}

    def test_it_talks_on_and_answers_afterwards(self) -> None:
        alarm, turn = judged(host(5.0, (3.5, done("r1")), *answer("r2", 4.2)))
        assert (alarm.outcome, alarm.false_stop_ns, turn.outcome, turn.response_id) == (Outcome.ANSWERED, None, Outcome.COMPLETED, "r1")

    def test_it_answers_when_all_had_been_played(self) -> None:
        alarm, turn = judged(host(3.6, (2.0, done("r1")), *answer("r2", 5.39)))
        assert (alarm.outcome, turn.outcome, turn.response_id, turn.span_s) == (
            Outcome.ANSWERED,
            Outcome.COMPLETED,
            "r1",
            pytest.approx(7.55),
        )

    def test_a_response_without_audio_is_no_answer(self) -> None:
        alarm, turn = judged(host(5.0, (3.9, created("r2")), (4.0, cancelled("r2")), (4.1, done("r1"))))
        assert (alarm.outcome, turn.outcome) == (Outcome.CONTINUED, Outcome.COMPLETED)

    def test_a_stray_that_opened_before_is_no_answer(self) -> None:
        alarm, turn = judged(host(5.0, *answer("r2", 2.2, 3.0), (3.5, done("r1"))))
        assert (alarm.outcome, turn.outcome) == (Outcome.CONTINUED, Outcome.COMPLETED)

    def test_an_answer_is_to_the_last_false_alarm_before_it(self) -> None:
        rows = [*host(9.0), (5.0, mumbles(0.4)), *answer("r2", 6.2), (6.5, done("r1"))]
        first, second, turn = play(rows)
        assert (first.outcome, second.outcome, turn.outcome) == (Outcome.CONTINUED, Outcome.ANSWERED, Outcome.COMPLETED)
        rows = [*host(9.0), *answer("r2", 4.0), (5.0, mumbles(0.4)), (6.5, done("r1"))]
        first, second, turn = play(rows)
        assert (first.outcome, second.outcome, turn.outcome) == (Outcome.ANSWERED, Outcome.CONTINUED, Outcome.COMPLETED)

    def test_a_response_after_an_early_answer_and_a_false_alarm_takes_no_place(self) -> None:
        rows = [(0.0, says(2.0)), (1.5, created("r1")), (1.6, audio("r1", 4.0)), (3.0, mumbles(0.4)), *answer("r2", 4.2), (4.5, done("r1"))]
        alarm, turn = judged(rows)
        assert (alarm.outcome, turn.response_id, turn.responses_replaced) == (Outcome.ANSWERED, "r1", 0)


UNDECIDED = {
    "the run ends": ((3.6, closes(Outcome.CUT_BY_RUN_END)), Outcome.CUT_BY_RUN_END),
    "the session is lost": ((3.6, closes(Outcome.CONNECTION_LOST)), Outcome.CONNECTION_LOST),
    "the response fails": ((3.6, done("r1", "failed", "x")), Outcome.ASSISTANT_ERROR),
}


@pytest.mark.parametrize("which", UNDECIDED)
def test_what_was_cut_off_before_its_windows_had_passed_does_not_count(which: str) -> None:
    row, outcome = UNDECIDED[which]
    alarm, turn = judged(host(8.0, row))
    assert (alarm.outcome, turn.outcome, alarm.windows_met) == (outcome, outcome, False)
    assert set(shares(alarm).values()) == {None}


@pytest.mark.parametrize(("ended", "outcome", "counts"), [(6.4 - US, Outcome.CUT_BY_RUN_END, False), (6.4, Outcome.NOT_RESUMED, True)])
def test_a_stop_counts_once_the_time_to_resume_is_over(ended: float, outcome: Outcome, counts: bool) -> None:
    alarm, _ = judged(host(3.5, (ended, closes(Outcome.CUT_BY_RUN_END))))
    assert (alarm.outcome, alarm.windows_met, sec(alarm.false_stop_ns)) == (outcome, counts, 3.5)
    assert METRICS["resume_rate"].measure(alarm) == ((0.0, 1.0) if counts else None)


def test_a_false_alarm_and_a_barge_in() -> None:
    alarm, turn, said = play([*host(12.0), (8.0, barges_in(0.8)), (8.06, hears_itself()), (8.2, cancelled("r1")), *answer("r2", 9.3)])
    assert (alarm.outcome, alarm.windows_met) == (Outcome.INTERRUPTED, False)
    assert (turn.outcome, said.barge_in_class, said.outcome) == (Outcome.INTERRUPTED, BargeInClass.SERVER, Outcome.COMPLETED)


def test_a_host_without_audio_has_nothing_that_could_stop() -> None:
    alarm, _ = judged([(0.0, says(1.0)), (1.5, created("r1")), (3.0, mumbles(0.4)), (3.5, cancelled("r1"))])
    assert (alarm.outcome, alarm.false_stop_ns, alarm.windows_met) == (Outcome.CUT_SHORT, None, True)
