"""Responses told apart by sound: plays whose assistant says nothing but audio."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metrics_script import RATE, Happening, Stage, audio, barges_in, created, done, mumbles, ns, piece, says, sec, text

from audio import encode
from metrics.by_ear import BREAK_S, QUIET_S, ByEar
from metrics.catalog import METRICS
from metrics.records import BargeInClass, Outcome, TurnKind, TurnRecord
from metrics.tracker import Notice
from metrics.utterance import Utterance
from metrics.windows import FALSE_STOP_S, RESUME_WINDOW_S
from protocol import MalformedMessage
from protocol.events import AudioDelta, Cleared, Event, Ignored, ResponseDone
from protocol.events import TextDelta as Text

Row = tuple[float, Happening]


def sound(start: float, end: float, every: float = 0.1, level: int = 8000) -> list[Row]:
    """Sound that comes as it is spoken, from one second to the other."""
    return [(round(start + i * every, 9), piece(every, level)) for i in range(round((end - start) / every))]


def hush(start: float, end: float, every: float = 0.1) -> list[Row]:
    """Silence that comes as it lasts."""
    return sound(start, end, every, level=0)


def burst(at: float, seconds: float) -> list[Row]:
    """Sound that comes all at once."""
    return [(at, piece(0.5)) for _ in range(round(seconds / 0.5))]


def played(rows: list[Row], until: float = 60.0) -> list[TurnRecord]:
    """The records of a play, rows in order of time."""
    return Stage(ear=ByEar(RATE, "pcm16")).play(sorted(rows, key=lambda row: row[0])).until(until).turns


ASKED: Row = (0.0, says(1.0))
ANSWERS: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "paced": (sound(1.5, 3.5), {"audible": 1.56, "end": 3.56, "audio_s": 2.0, "underruns": 0}),
    "at once": (burst(1.5, 2.0), {"audible": 1.56, "end": 3.56, "audio_s": 2.0, "underruns": 0}),
    "in small pieces": (sound(1.5, 3.5, 0.02), {"audible": 1.56, "end": 3.56, "audio_s": 2.0, "underruns": 0}),
    "amid silence": (
        hush(0.0, 1.5) + sound(1.5, 3.5) + hush(3.5, 9.0),
        {"audible": 1.56, "end": 3.56, "audio_s": 2.0, "underruns": 0},
    ),
    "amid silence, from within a piece": (
        [*hush(0.0, 1.5), (1.5, piece(0.04, silence=0.06)), *sound(1.6, 3.5), *hush(3.5, 9.0)],
        {"audible": 1.62, "end": 3.56, "audio_s": 2.0, "underruns": 0},
    ),
    "amid silence, of which a piece is late by less than the playout delay": (
        [*hush(0.0, 0.7), (0.75, piece(0.1, 0)), *hush(0.8, 1.5), *sound(1.5, 3.5), *hush(3.5, 9.0)],
        {"audible": 1.56, "end": 3.56, "audio_s": 2.0, "underruns": 0},
    ),
    "amid silence, of which a piece is late by more": (
        [*hush(0.0, 0.7), (0.8, piece(0.1, 0)), *hush(0.8, 1.5), *sound(1.5, 3.5), *hush(3.5, 9.0)],
        {"audible": 1.66, "end": 3.66, "audio_s": 2.0, "underruns": 0},
    ),
    "behind silence that comes faster than it lasts": (
        [(1.5, piece(0.1, 0)), (1.52, piece(0.4, 0)), *burst(1.53, 2.0)],
        {"audible": 2.06, "end": 4.06, "audio_s": 2.0, "underruns": 0},
    ),
    "with a pause": (
        sound(1.5, 2.5) + hush(2.5, 3.5) + sound(3.5, 4.5) + hush(4.5, 9.0),
        {"audible": 1.56, "end": 4.56, "audio_s": 3.0, "underruns": 0},
    ),
    "underrun of 0.3 s": (sound(1.5, 2.5) + sound(2.8, 3.8), {"end": 3.8, "audio_s": 2.0, "underruns": 1, "underrun_s": 0.24}),
    "underrun of 1 s": (sound(1.5, 2.5) + sound(3.5, 4.5), {"end": 4.5, "audio_s": 2.0, "underruns": 1, "underrun_s": 0.94}),
    "underrun of 2 s, which is its end": (sound(1.5, 2.5) + sound(4.5, 5.5), {"end": 2.56, "audio_s": 1.0, "underruns": 0}),
    "a click before it": (
        [(1.1, piece(0.02)), *hush(1.12, 3.42), *sound(3.5, 4.5)],
        {"audible": 3.56, "end": 4.56, "audio_s": 1.0, "underruns": 0},
    ),
    "a word of assent before the end of the question": (
        sound(0.7, 0.9) + sound(1.8, 2.8),
        {"audible": 1.86, "end": 2.86, "audio_s": 1.0, "underruns": 0, "replaced": 1},
    ),
    "begun before the end of the question": (sound(0.8, 2.5), {"audible": 0.86, "end": 2.56, "audio_s": 1.7, "replaced": 0}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer(name: str) -> None:
    rows, expected = ANSWERS[name]
    (turn,) = played([ASKED, *rows])
    assert turn.outcome is Outcome.COMPLETED
    found = {
        "audible": sec(turn.first_audible_ns),
        "end": sec(turn.playout_end_ns),
        "audio_s": round(turn.audio_s, 6),
        "underruns": turn.underruns,
        "underrun_s": round(turn.underrun_s, 6),
        "replaced": turn.responses_replaced,
    }
    assert {key: found[key] for key in expected} == expected
    assert turn.response_done_ns is None, "nobody told its end"
    assert METRICS["total_response"].measure(turn) is None


def test_silence_is_no_answer() -> None:
    (turn,) = played([ASKED, *hush(0.0, 30.0)])
    assert (turn.outcome, turn.response_id, turn.audio_s) == (Outcome.NO_RESPONSE, None, 0.0)


def test_a_turn_lasts_until_its_silence_is_long_enough() -> None:
    stage = Stage(ear=ByEar(RATE, "pcm16")).play([ASKED, *sound(1.5, 3.5)])
    assert stage.tracker.deadline_ns() == ns(3.56 + QUIET_S)
    assert stage.until(3.56 + QUIET_S - 0.001).turns == []
    assert len(stage.until(3.56 + QUIET_S).turns) == 1


def host(until: float) -> list[Row]:
    return [ASKED, *sound(1.5, until), (2.5, barges_in(1.0))]


BARGE_INS: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "given way to": (host(2.8) + sound(4.0, 5.0), {"how": BargeInClass.SERVER, "ear": 2.86, "byte": 2.7, "audible": 4.06}),
    "given way to, amid silence": (
        host(2.8) + hush(2.8, 4.0) + sound(4.0, 5.0) + hush(5.0, 9.0),
        {"how": BargeInClass.SERVER, "ear": 2.86, "byte": 2.7, "audible": 4.06},
    ),
    "not given way to": (host(5.5) + sound(6.5, 7.5), {"how": BargeInClass.NO_REACTION, "ear": 5.56, "byte": 5.4, "audible": 6.56}),
    "ended by itself soon after, which sounds alike": (
        host(3.5) + sound(4.5, 5.5),
        {"how": BargeInClass.SERVER, "ear": 3.56, "byte": 3.4, "audible": 4.56},
    ),
    "all of it sent before": (
        [ASKED, *burst(1.5, 2.5), (2.5, barges_in(1.0)), *sound(5.0, 6.0)],
        {"how": BargeInClass.GENERATED, "ear": 4.06, "byte": None, "audible": 5.06},
    ),
    "cleared, and answered at once": (
        [ASKED, *burst(1.5, 4.0), (2.5, barges_in(1.0)), (2.8, Cleared()), *sound(3.7, 4.7)],
        {"how": BargeInClass.GENERATED, "ear": 2.8, "byte": None, "audible": 3.76},
    ),
    "cleared amid what comes": (
        [*host(2.8), (2.75, Cleared()), *sound(3.7, 4.7)],
        {"how": BargeInClass.SERVER, "ear": 2.75, "byte": 2.7, "audible": 3.76, "event": 2.75},
    ),
    "cleared just before the answer": (
        [*host(3.5), (3.5, Cleared()), *sound(3.6, 4.6)],
        {"how": BargeInClass.SERVER, "ear": 3.5, "byte": 3.4, "audible": 3.66, "event": 3.5},
    ),
}


@pytest.mark.parametrize("name", BARGE_INS)
def test_a_barge_in(name: str) -> None:
    rows, expected = BARGE_INS[name]
    interrupted, turn = played(rows)
    assert (interrupted.outcome, turn.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)
    assert turn.kind is TurnKind.BARGE_IN
    assert turn.host_response_id == interrupted.response_id != turn.response_id
    found = {
        "how": turn.barge_in_class,
        "ear": None if turn.stop_ear_ns is None else round(turn.stop_ear_ns / 1e9, 4),
        "byte": sec(turn.stop_byte_ns),
        "event": sec(turn.stop_event_ns),
        "audible": sec(turn.first_audible_ns),
    }
    assert found == {"event": None, **expected}


def test_a_barge_in_that_gets_no_answer() -> None:
    _, turn = played(host(2.8))
    assert (turn.outcome, turn.barge_in_class) == (Outcome.NO_RESPONSE, BargeInClass.SERVER)


FALSE_ALARMS: dict[str, tuple[list[Row], tuple[Outcome, bool, float | None, float | None]]] = {
    "ignored": (sound(1.5, 6.0), (Outcome.CONTINUED, True, None, None)),
    "paused and resumed": (sound(1.5, 2.8) + sound(4.0, 6.0), (Outcome.RESUMED, True, 2.86, 4.0)),
    "paused and resumed amid silence": (
        hush(0.0, 1.5) + sound(1.5, 2.8) + hush(2.8, 4.0) + sound(4.0, 6.0),
        (Outcome.RESUMED, True, 2.86, 4.06),
    ),
    "paused too shortly to count": (sound(1.5, 2.8) + sound(3.3, 6.0), (Outcome.CONTINUED, True, None, None)),
    "stuck, or at its end": (sound(1.5, 2.8), (Outcome.CONTINUED, False, None, None)),
    "answered, which sounds as if resumed": (sound(1.5, 2.8) + sound(4.6, 6.0), (Outcome.RESUMED, True, 2.86, 4.6)),
    "at its end later": (sound(1.5, 4.5), (Outcome.CONTINUED, True, None, None)),
    "cleared, then answered": ([*sound(1.5, 2.8), (2.8, Cleared()), *sound(4.0, 6.0)], (Outcome.ANSWERED, True, 2.8, None)),
}


@pytest.mark.parametrize("name", FALSE_ALARMS)
def test_a_false_alarm(name: str) -> None:
    rows, expected = FALSE_ALARMS[name]
    alarm, turn = played([ASKED, *rows, (2.5, mumbles(0.5))])
    assert turn.outcome in (Outcome.COMPLETED, Outcome.CUT_SHORT)
    rounded = [None if at is None else round(at / 1e9, 3) for at in (alarm.false_stop_ns, alarm.resumed_ns)]
    assert (alarm.outcome, alarm.windows_met, *rounded) == expected


def test_an_end_that_was_told_leaves_no_doubt_about_a_false_alarm() -> None:
    rows: list[Row] = [ASKED, (1.4, created("r")), (1.5, audio("r", 1.3)), (1.6, done("r")), (2.5, mumbles(0.5))]
    alarm, _ = Stage().play(rows).until(60.0).turns
    assert (alarm.outcome, alarm.windows_met) == (Outcome.CONTINUED, True)


def test_a_false_alarm_in_an_answer_that_began_early() -> None:
    alarm, _ = played([ASKED, *sound(0.8, 2.8), *sound(4.0, 6.0), (2.5, mumbles(0.5))])
    assert (alarm.outcome, sec(alarm.resumed_ns)) == (Outcome.RESUMED, 4.0)


def opened(rows: list[Row]) -> int:
    """How many responses open in a play."""
    stage = Stage(ear=ByEar(RATE, "pcm16")).play(sorted(rows, key=lambda row: row[0])).until(60.0)
    return sum(bool(notice & Notice.OPENED) for notice in stage.notices)


def test_what_answers_a_false_alarm_may_pause_too() -> None:
    rows = [ASKED, *sound(1.5, 2.8), (2.8, Cleared()), *sound(4.0, 5.0), *sound(6.0, 7.0), (2.5, mumbles(0.5))]
    assert opened(rows) == 2


def test_what_comes_back_may_come_back_from_the_last_false_alarm() -> None:
    mumbled: list[Row] = [(2.5, mumbles(0.5)), (5.0, mumbles(0.5))]
    assert opened([ASKED, *sound(1.5, 2.8), *sound(7.5, 8.5), *mumbled]) == 1
    assert opened([ASKED, *sound(1.5, 2.8), *sound(9.0, 10.0), *mumbled]) == 2


def test_a_response_that_is_over_is_not_kept_by_a_talker_who_has_not_looked_yet() -> None:
    stage = Stage(ear=ByEar(RATE, "pcm16")).play([ASKED, *sound(1.5, 2.5)])
    stage.tracker.speak(Utterance(TurnKind.FALSE_ALARM, 0, 0, "clip", "awb", "mm", ns(5.0), ns(5.5)))
    stage.play(sound(6.0, 7.0))
    assert sum(bool(notice & Notice.OPENED) for notice in stage.notices) == 2


def test_an_end_that_is_told_is_told() -> None:
    (turn,) = played([ASKED, *sound(1.5, 2.5), (2.5, done(None)), *sound(3.0, 4.0)])
    assert (sec(turn.response_done_ns), turn.response_status, turn.audio_s) == (2.5, "completed", 1.0)


def test_late_words_of_what_was_cleared_open_nothing() -> None:
    assert opened([ASKED, *sound(1.5, 2.8), (2.5, mumbles(0.5)), (2.8, Cleared()), (2.9, text(None))]) == 1


def test_what_was_cleared_is_waited_for_no_longer() -> None:
    _, turn = played([ASKED, *burst(1.5, 9.0), (2.5, barges_in(1.0)), (2.8, Cleared()), *sound(3.7, 4.7)])
    assert turn.span_s == pytest.approx(4.76 + QUIET_S - 2.5)


def test_a_greeting_is_no_answer() -> None:
    for ends in (1.0, 2.4):
        (turn,) = played([*sound(0.2, ends), (2.0, says(0.8)), *sound(3.4, 4.4)])
        assert (turn.outcome, sec(turn.first_audible_ns), turn.audio_s) == (Outcome.COMPLETED, 3.46, 1.0), ends


def test_words_open_a_response_once_the_talker_has_finished() -> None:
    (turn,) = played(
        [(0.5, text(None)), ASKED, (0.6, text(None)), (1.2, text(None)), *sound(1.5, 2.5), (2.6, text(None)), (4.5, text(None))]
    )
    assert (turn.outcome, sec(turn.first_token_ns), sec(turn.first_audible_ns)) == (Outcome.COMPLETED, 1.2, 1.56)


def test_words_without_sound_do_not_take_the_next_answer() -> None:
    first, second = played([ASKED, (1.2, text(None)), *hush(1.3, 9.0), (9.0, says(1.0)), *sound(10.5, 11.5)])
    assert first.outcome is Outcome.TIMEOUT
    assert (second.outcome, sec(second.first_audible_ns)) == (Outcome.COMPLETED, 10.56)


def test_each_answer_is_one_turns() -> None:
    rows: list[Row] = []
    for at in range(0, 30, 5):
        rows += [(at, says(1.0)), *sound(at + 1.5, at + 3.0)]
    turns = played(rows)
    assert [turn.response_id for turn in turns] == [f"heard-{n}" for n in range(1, 7)]
    assert {round(turn.audio_s, 6) for turn in turns} == {1.5}


def test_silence_that_never_ends_is_not_kept() -> None:
    ear = ByEar(RATE, "pcm16")
    for _, event in hush(0.0, 30.0):
        assert isinstance(event, AudioDelta)
        assert ear.heard(0, event, None) == []
    ear = ByEar(RATE, "pcm16")
    crackle = piece(0.1)._replace(encoded=(np.arange(RATE // 10) % 480 == 0).astype("<i2").tobytes().replace(b"\1\0", b"\0\x20"))
    for at in range(100):
        assert ear.heard(ns(at / 10), crackle, None) == [], "a crackle is loud, and no sound"
    assert len(ear._pending) <= 3
    (first, *_) = ear.heard(ns(10), piece(0.1), None)
    assert (first[0], ear.begins_ns) == (ns(9.8), ns(9.86)), "what is kept of it is of the response"


def test_audio_that_holds_none_is_not_kept() -> None:
    ear = ByEar(RATE, "pcm16")
    empty = AudioDelta(None, None, 0, 0, "")
    for told in ([], [ns(0.01), ns(0.2)]):
        assert [at for at, _ in ear.heard(ns(0.01 if not told else 0.2), piece(0.02 if not told else 0.1), None)] == told
        before = len(ear._pending)
        assert [ear.heard(ns(0.3), empty, None) for _ in range(50)] == [[]] * 50
        assert len(ear._pending) == before


def test_a_response_that_was_cleared_before_any_sound_of_it_was_not_complete() -> None:
    later = [(6.0, says(1.0)), (7.5, text(None)), (8.0, barges_in(1.0)), (8.2, Cleared()), *sound(10.0, 11.0)]
    _, _, turn = played([ASKED, *sound(1.5, 2.5), *later])
    assert (turn.barge_in_class, sec(turn.stop_event_ns)) == (BargeInClass.SERVER, 8.2)


@pytest.mark.parametrize("encoding", ["pcm16", "mulaw", "alaw"])
def test_every_encoding_is_heard(encoding: str) -> None:
    ear = ByEar(8000, encoding)

    def heard(at: float, level: int) -> list[tuple[int, Event]]:
        data = encode(encoding, np.full(1600, level, "<i2").tobytes())
        return ear.heard(ns(at), AudioDelta(None, None, 0, 1600, data), None)

    assert heard(0.0, 0) == []
    ((_, event),) = heard(0.2, 4000)
    assert isinstance(event, AudioDelta)
    assert (event.response_id, event.samples) == ("heard-1", 1600)
    assert heard(0.4, 0) == []
    assert len(heard(0.6, 4000)) == 2, "with the silence before it"
    assert ear.quiet(ns(0.86 + QUIET_S), None) == [(ns(0.86), ResponseDone("heard-1", "completed", None, None))]


def test_broken_audio_is_told() -> None:
    ear = ByEar(RATE, "pcm16")
    for broken in ("AAA", "????", b"\0\0\0"):
        with pytest.raises(MalformedMessage):
            ear.heard(0, AudioDelta(None, None, 0, 1, broken), None)


def test_what_is_no_audio_passes() -> None:
    assert ByEar(RATE, "pcm16").heard(5, Ignored("x"), None) == [(5, Ignored("x"))]
    assert ByEar(RATE, "pcm16").heard(5, Text(None, None, "x"), None) == [], "nobody has asked for words"


def test_the_windows_fit_one_another() -> None:
    assert FALSE_STOP_S < BREAK_S < QUIET_S < RESUME_WINDOW_S
