"""Crafted turns beside a crafted truth: each metric's error, what is left out, and what is unaccounted for, worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from benchmarks_turns import MS, turn

from benchmarks.sent import Fate, Sent, Spoken
from benchmarks.truth import Comparison, compare, rows
from metrics.records import BargeInClass, Outcome, TurnKind, TurnRecord

CLIPS = {"hello": Spoken(onset_ns=35 * MS, offset_ns=5 * MS), "stop": Spoken(onset_ns=30 * MS, offset_ns=12 * MS)}
DELAY_S = 0.06


def sent(identity: str = "r1.1", fate: Fate = Fate.COMPLETED, **changes: Any) -> Sent:
    """A response of ten messages; instants in ms, as names without `_ns`."""
    given = {
        f"{k}_ns" if k not in ("chunks", "underruns") else k: v * MS if k not in ("chunks", "underruns") else v for k, v in changes.items()
    }
    instants = {f.name: None for f in dataclasses.fields(Sent) if f.name.endswith("_ns")}
    return Sent(**{"response_id": identity, "connection": 1, "chunks": 10, "underruns": 0, "fate": fate, **instants, **given})


def answered(**changes: Any) -> TurnRecord:
    """The turn of `ANSWER`: speech to 1000 ms, every arrival 1 ms after its sending, but the transcript's 3 ms."""
    arrivals = {"speech_stopped": 1206, "transcribed": 1303, "response_created": 1401, "first_token": 1501, "first_audio": 1601}
    facts = {"speech_onset": 500, "speech_offset": 1000, "first_audible": 1661, "playout_end": 2061, "response_id": "r1.1", "chunks": 10}
    return turn(**{**facts, **arrivals, **changes})


ANSWER = sent(heard_onset=536, heard_end=1006, speech_started=537, speech_stopped=1205, transcribed=1300, created=1400, token=1500,
              first_audio=1600, last_audio=1960, done=1960)  # fmt: skip
"""The frame with the last of the speech was complete at 1005 ms, and was heard at 1006 ms."""


def interrupting(**changes: Any) -> TurnRecord:
    """A barge-in into `ANSWER` from 1700 ms on; its own response is `r1.2`."""
    facts = {"kind": TurnKind.BARGE_IN, "clip": "stop", "speech_onset": 1700, "speech_offset": 2000, "host_response_id": "r1.1",
             "barge_in_class": BargeInClass.SERVER, "speech_started": 1733, "stop_byte": 1842, "stop_event": 1847, "response_id": "r1.2",
             "chunks": 10, "first_token": 2500.5, "first_audio": 2600.5, "first_audible": 2660.5, "playout_end": 3060.5}  # fmt: skip
    return turn(**{**facts, **changes})


HOST = dataclasses.replace(ANSWER, fate=Fate.INTERRUPTED, onset_ns=1731 * MS, last_audio_ns=1841 * MS, done_ns=1846 * MS)
"""`ANSWER` interrupted: the first frame of the barge-in was complete at 1730 ms, and was heard at 1731 ms."""
REPLY = sent("r1.2", heard_onset=1731, heard_end=2013, speech_started=1732, token=2500, first_audio=2600, last_audio=2960, done=2960)


def compared(turns: list[TurnRecord], truth: list[Sent]) -> Comparison:
    return compare(turns, {s.response_id: s for s in truth}, CLIPS, DELAY_S)


def off(comparison: Comparison) -> dict[str, list[float]]:
    return {metric: [round(error, 6) for error in errors] for metric, errors in comparison.errors.items()}


def test_an_answer() -> None:
    """One ms on the way there, one back: two late from the end of speech. The transcript is 3 ms late, the event before it 1 ms."""
    found = compared([answered()], [ANSWER])
    assert off(found) == {
        "outcomes": [0],
        "time_to_first_audio": [2],
        "e2e_latency": [2],
        "ttft": [2],
        "endpointing_delay": [2],
        "asr_processing": [2],
        "llm_ttft": [0],
        "tts_processing": [0],
        "underruns": [0],
    }
    assert not found.problems
    assert not found.left_out


def test_a_wrong_place_of_the_speech_is_an_error() -> None:
    """The record has the speech end a frame late: what it measures is 40 ms too short."""
    found = off(compared([answered(speech_offset=1040)], [ANSWER]))
    assert found["time_to_first_audio"] == found["endpointing_delay"] == [-38]
    assert found["tts_processing"] == [0]


def test_a_barge_in() -> None:
    """The onset at 1700 ms was heard at 1731 ms and is known there to be 30 ms old, so all that follows is one ms late, and one back."""
    found = compared([answered(outcome=Outcome.INTERRUPTED), interrupting()], [HOST, REPLY])
    assert not found.problems
    errors = off(found)
    assert (errors["server_detection"], errors["stop_by_byte"], errors["stop_by_event"]) == ([2], [2], [2])
    assert errors["time_to_first_audio"] == [2, 1.5]
    assert errors["outcomes"] == [0, 0]
    assert errors["underruns"] == [0]
    assert found.left_out == {"underruns of interrupted responses": 1}


@pytest.mark.parametrize(
    ("last_audio_ms", "stop_byte_ms", "error", "left_out", "problems"),
    [
        (1690, None, None, 1, []),
        (1699, 1700.5, [2.5], 0, []),  # sent before the onset, arrived after it
        (1701, None, None, 0, ["r1.1: stop_by_byte not measured"]),
    ],
)
def test_the_last_audio_about_the_onset(
    last_audio_ms: int, stop_byte_ms: float | None, error: list[float] | None, left_out: int, problems: list[str]
) -> None:
    host = dataclasses.replace(HOST, last_audio_ns=last_audio_ms * MS)
    found = compared([answered(outcome=Outcome.INTERRUPTED), interrupting(stop_byte=stop_byte_ms)], [host, REPLY])
    assert off(found).get("stop_by_byte") == error
    assert found.left_out["stop_by_byte where no audio came after the onset"] == left_out
    assert found.problems == problems


def test_stops_that_are_left_out() -> None:
    over = dataclasses.replace(HOST, fate=Fate.EARLY_STOP, onset_ns=None)
    found = compared([answered(outcome=Outcome.INTERRUPTED), interrupting()], [over, REPLY])
    assert found.left_out["stops of responses that were over before the peer heard the barge-in"] == 1
    whole = dataclasses.replace(HOST, fate=Fate.COMPLETED)
    class_ = BargeInClass.GENERATED
    found = compared([answered(outcome=Outcome.INTERRUPTED), interrupting(barge_in_class=class_, stop_byte=None)], [whole, REPLY])
    assert found.left_out["stops of barge-ins that the assistant did not give way to"] == 1
    assert "stop_by_byte" not in found.errors
    assert "stop_by_event" not in found.errors
    assert off(found)["outcomes"] == [0, 0]


def test_a_busy_speaker() -> None:
    """The response before is heard until 1700 ms: when the answer is first heard says nothing of its arrival."""
    before = answered(response_id="r1.0", first_audio=900, playout_end=1700)
    found = compared([before, answered(first_audible=1700)], [dataclasses.replace(ANSWER, response_id="r1.0"), ANSWER])
    assert len(found.errors["e2e_latency"]) == 1
    assert len(found.errors["time_to_first_audio"]) == 2
    assert found.left_out == {"e2e_latency while the speaker was busy": 1}


def test_underruns() -> None:
    turns = [answered(underruns=2), answered(response_id="r1.2", underruns=0), answered(response_id="r1.3", underruns=1)]
    truth = [dataclasses.replace(ANSWER, response_id=f"r1.{n}", underruns=1) for n in (1, 2, 3)]
    assert off(compared(turns, truth))["underruns"] == [1, -1, 0]


@pytest.mark.parametrize(
    ("fate", "right"),
    [(Fate.COMPLETED, Outcome.COMPLETED), (Fate.EARLY_STOP, Outcome.CUT_SHORT), (Fate.LOST, Outcome.CONNECTION_LOST), (Fate.OPEN, None)],
)
def test_outcomes(fate: Fate, right: Outcome | None) -> None:
    truth = [dataclasses.replace(ANSWER, fate=fate)]
    for outcome in set(Outcome) - {Outcome.CUT_BY_RUN_END}:
        assert off(compared([answered(outcome=outcome)], truth))["outcomes"] == [float(outcome is not right)], outcome


@pytest.mark.parametrize(("fate", "right"), [(Fate.LOST, True), (Fate.INTERRUPTED, False)])
def test_a_barge_in_without_an_answer(fate: Fate, right: bool) -> None:
    """It has none where the peer reset the connection under the response that it fell into."""
    unanswered = interrupting(
        response_id=None, chunks=0, outcome=Outcome.CONNECTION_LOST, barge_in_class=None, stop_byte=None, stop_event=None
    )
    found = compared([answered(outcome=Outcome.INTERRUPTED), unanswered], [dataclasses.replace(HOST, fate=fate)])
    assert off(found)["outcomes"] == [0, float(not right)]


def test_a_wrong_class_of_barge_in_disagrees() -> None:
    wrong = interrupting(barge_in_class=BargeInClass.NO_REACTION)
    assert off(compared([answered(outcome=Outcome.INTERRUPTED), wrong], [HOST, REPLY]))["outcomes"] == [0, 1]


def test_what_the_end_of_the_run_cut_off_is_left_out() -> None:
    cut = answered(outcome=Outcome.CUT_BY_RUN_END, chunks=4, first_audio=9999)
    found = compared([cut], [dataclasses.replace(ANSWER, fate=Fate.OPEN)])
    assert (found.errors, found.problems) == ({}, [])
    assert found.left_out == {"turns cut by the run's end": 1}


@pytest.mark.parametrize(
    ("turns", "truth", "problem"),
    [
        ([], [ANSWER], "r1.1: sent (completed), and not measured"),
        ([answered()], [], "r1.1: measured, and never sent"),
        ([answered(), answered()], [ANSWER], "r1.1: measured 2 times"),
        ([answered(chunks=9)], [ANSWER], "r1.1: 9 audio messages measured, 10 sent (completed)"),
        ([answered(transcribed=None)], [ANSWER], "r1.1: asr_processing not measured"),
        ([answered()], [dataclasses.replace(ANSWER, transcribed_ns=None)], "r1.1: asr_processing measured, and did not happen"),
    ],
)
def test_what_is_unaccounted_for(turns: list[TurnRecord], truth: list[Sent], problem: str) -> None:
    assert compared(turns, truth).problems == [problem]


def test_a_response_that_was_under_way_at_the_end_need_not_be_measured() -> None:
    assert compared([], [dataclasses.replace(ANSWER, fate=Fate.OPEN)]).problems == []


def test_rows() -> None:
    errors = [float(n) for n in range(-99, 101)]
    made = Comparison(errors={"time_to_first_audio": errors, "outcomes": [0.0, 1.0, 1.0, 0.0, 0.0]})
    first, second = rows(made, talkers=7, frame_ms=40, clock="user")
    common = {"talkers": 7, "frame_ms": 40, "clock": "user"}
    assert first == {**common, "metric": "time_to_first_audio", "count": 200, "median_ms": 0.5, "p99_ms": 99.0, "max_ms": 100.0}
    assert second == {**common, "metric": "outcomes", "count": 5, "median_ms": 0.0, "p99_ms": 1.0, "max_ms": 2.0}
