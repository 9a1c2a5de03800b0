"""Plays of barge-ins: the order of events, the four classes, the stop clocks, B1 to B4."""

from __future__ import annotations

import pytest
from metrics_script import (
    Stage,
    answer,
    audio,
    barges_in,
    cancelled,
    closes,
    created,
    done,
    heard,
    hears_itself,
    paced,
    play,
    says,
    sec,
    started,
    stopped,
    turn,
)

from metrics.catalog import METRICS
from metrics.interruptions import barge_in_latency, interruption_success, playback_stop, server_cancel, yielded
from metrics.records import BargeInClass, Outcome, TurnKind, TurnRecord
from metrics.spans import span

HOST = [(0.0, says(1.0)), (0.1, started("i1")), (1.5, created("r1")), *paced("r1", 1.6, 10), (1.61, heard("one", "i1"))]
"""An answer that is audible from 1.66 s on and still being generated, 100 ms a chunk, until 2.5 s."""
BARGE_IN = [(2.0, barges_in(0.8)), (2.06, hears_itself())]


def over(*rows: object, until: float = 60.0, host: list = HOST) -> tuple[TurnRecord, TurnRecord]:
    """The records of a host turn cut at 2.05 s, and of the barge-in at 2.0 s."""
    kept = [row for row in host if row[0] < 2.05]
    records = play(sorted([*kept, *BARGE_IN, *rows], key=lambda row: row[0]), until)
    assert [r.kind for r in records] == [TurnKind.UTTERANCE, TurnKind.BARGE_IN]
    return records[0], records[1]


ANSWER = answer("r2", 3.3)


def clocks(record: TurnRecord) -> dict[str, float | None]:
    names = (
        "bargein_detection",
        "playback_stop",
        "server_cancel",
        "buffer_flush",
        "barge_in_latency",
        "stop_by_event",
        "stop_by_byte",
        "stop_by_ear",
    )
    return {name: METRICS[name].measure(record) for name in names}


def test_the_server_cancels() -> None:
    host, said = over((2.1, started("i2")), (2.1, audio("r1", 0.1)), (2.2, cancelled("r1")), (3.2, stopped("i2")), *ANSWER)
    assert (host.outcome, host.error_kind, host.transcript) == (Outcome.INTERRUPTED, None, "one")
    assert host.span_s == pytest.approx(2.0)
    assert sec(host.playout_end_ns) == 2.062, "the talker silences the speaker"
    assert (said.outcome, said.response_id, said.host_response_id) == (Outcome.COMPLETED, "r2", "r1")
    assert said.barge_in_class is BargeInClass.SERVER
    assert (sec(said.speech_started_ns), sec(said.speech_stopped_ns)) == (2.1, 3.2)
    assert clocks(said) == pytest.approx(
        {
            "bargein_detection": 0.06,
            "playback_stop": 0.002 + 0.01,
            "server_cancel": 0.04,
            "buffer_flush": 0.001,
            "barge_in_latency": 0.06 + 0.012 + 0.04 + 0.001,
            "stop_by_event": 0.2,
            "stop_by_byte": 0.1,
            "stop_by_ear": 0.26,
        }
    )
    assert METRICS["server_detection"].measure(said) == pytest.approx(0.1)
    assert said.talked_over_s == pytest.approx(0.26, abs=1e-4)
    assert yielded(said) == (1.0, 1.0)
    assert interruption_success(said) == (1.0, 1.0)
    assert span("speech_offset_ns", "first_audible_ns")(said) == pytest.approx(3.46 - 2.8)


@pytest.mark.parametrize("closed", [2.15, 2.25], ids=["done before speech_started", "done after speech_started"])
def test_the_order_of_cancel_and_speech_started_does_not_matter(closed: float) -> None:
    _, said = over((2.1, audio("r1", 0.1)), (closed, cancelled("r1")), (2.2, started("i2")), *ANSWER)
    assert said.barge_in_class is BargeInClass.SERVER
    assert (sec(said.speech_started_ns), sec(said.stop_event_ns), sec(said.stop_byte_ns)) == (2.2, closed, 2.1)


def test_late_deltas_after_the_cancel_count_for_the_interrupted_response() -> None:
    host, said = over((2.1, audio("r1", 0.1)), (2.2, cancelled("r1")), (2.3, audio("r1", 0.1)), *ANSWER)
    assert (sec(said.stop_event_ns), sec(said.stop_byte_ns), said.response_id, said.chunks) == (2.2, 2.3, "r2", 1)
    assert (host.chunks, sec(host.last_audio_ns)) == (7, 2.3)


def test_silence_behind_the_cancel_is_not_its_last_byte() -> None:
    silence = [(2.3 + i * 0.1, audio("r1", 0.0, 0.1)) for i in range(300)]
    host, said = over((2.1, audio("r1", 0.1)), (2.2, cancelled("r1")), *silence, *ANSWER)
    assert (sec(said.stop_byte_ns), host.chunks, said.outcome) == (2.1, 6, Outcome.COMPLETED)


def test_a_late_transcript_stays_with_the_interrupted_utterance() -> None:
    host, said = over((2.1, cancelled("r1")), (2.3, started("i2")), (2.4, heard("late", "i1")), (3.2, heard("stop", "i2")), *ANSWER)
    assert (host.transcript, said.transcript) == ("one late", "stop")


def test_an_item_that_is_new_before_the_onset_belongs_to_the_interrupted_utterance() -> None:
    def early(stage: object, t: float) -> None:
        barges_in(0.8)(stage, t + 0.05)

    rows = [row for row in HOST if row[0] < 2.0 and row[0] != 0.1]
    host, said = play([*rows, (1.95, early), (1.97, started("i9")), (2.1, started("i2")), (2.2, cancelled("r1")), *ANSWER])
    assert (sec(host.speech_started_ns), sec(said.speech_started_ns)) == (1.97, 2.1)


CLASSES = {
    "cancelled by the server": ([(2.2, cancelled("r1"))], BargeInClass.SERVER),
    "cancelled at the client's asking": ([(2.2, cancelled("r1", "client_cancelled"))], BargeInClass.CLIENT),
    "cancelled for no reason given": ([(2.2, cancelled("r1", None))], BargeInClass.SERVER),
    "completed before the assistant heard the talker": ([(2.05, done("r1")), (2.1, started("i2"))], BargeInClass.GENERATED),
    "completed before the talker heard itself": ([(2.06, done("r1"))], BargeInClass.GENERATED),
    "completed after the assistant heard the talker": (
        [(2.1, started("i2")), (2.15, audio("r1", 0.1)), (2.2, done("r1"))],
        BargeInClass.NO_REACTION,
    ),
    "completed late, but all its audio had come": ([(2.1, started("i2")), (2.2, done("r1"))], BargeInClass.GENERATED),
    "never ended": ([], BargeInClass.NO_REACTION),
    "failed": ([(2.2, done("r1", "failed", "x"))], BargeInClass.NO_REACTION),
}


@pytest.mark.parametrize("which", CLASSES)
def test_classes(which: str) -> None:
    rows, expected = CLASSES[which]
    host = [row for row in HOST if row[0] < 1.95]
    _, said = over(*rows, *ANSWER, host=host)
    assert said.barge_in_class is expected
    shares = {c: METRICS[f"barge_in_{c.value}"].measure(said) for c in BargeInClass}
    assert shares == {c: (float(c is expected), 1.0) for c in BargeInClass}


def test_a_cancel_without_a_reason_after_ours_is_ours() -> None:
    rows = [row for row in HOST if row[0] < 2.05]
    rows += [
        (2.0, barges_in(0.8)),
        (2.06, hears_itself(cancel_after=0.005)),
        (2.1, audio("r1", 0.1)),
        (2.2, cancelled("r1", None)),
        *ANSWER,
    ]
    _, said = play(rows)
    assert said.barge_in_class is BargeInClass.CLIENT
    assert server_cancel(said) == pytest.approx(0.035), "from the cancel, not from the detection"


def test_a_cancel_of_the_servers_own_is_measured_from_the_detection_though_we_sent_one() -> None:
    rows = [row for row in HOST if row[0] < 2.05]
    rows += [(2.0, barges_in(0.8)), (2.06, hears_itself(cancel_after=0.005)), (2.1, audio("r1", 0.1)), (2.2, cancelled("r1")), *ANSWER]
    _, said = play(rows)
    assert (said.barge_in_class, server_cancel(said)) == (BargeInClass.SERVER, pytest.approx(0.04))


def test_a_response_that_was_cancelled_before_the_onset_left_nothing_to_stop() -> None:
    def early(stage: object, t: float) -> None:
        barges_in(0.8)(stage, t + 0.1)

    rows = [row for row in HOST if row[0] < 1.95]
    _, said = play([*rows, (1.95, early), (2.0, cancelled("r1")), *ANSWER])
    assert (said.barge_in_class, said.stop_event_ns, said.stop_byte_ns) == (BargeInClass.GENERATED, None, None)


class TestAlreadyGenerated:
    """All audio came at once; the response was closed before the barge-in."""

    def test_only_the_talkers_own_part_is_measured(self) -> None:
        host, said = play([(0.0, says(1.0)), *answer("r1", 1.5, 5.0), (3.0, barges_in(0.8)), (3.05, hears_itself()), *answer("r2", 4.3)])
        assert host.outcome is Outcome.INTERRUPTED
        assert said.barge_in_class is BargeInClass.GENERATED
        assert clocks(said) == pytest.approx(
            {
                "bargein_detection": 0.05,
                "playback_stop": 0.012,
                "server_cancel": None,
                "buffer_flush": 0.001,
                "barge_in_latency": 0.063,
                "stop_by_event": None,
                "stop_by_byte": None,
                "stop_by_ear": 3.66,
            }
        )
        assert yielded(said) is None
        assert interruption_success(said) == (1.0, 1.0)
        assert said.talked_over_s == pytest.approx(3.66, abs=1e-4)

    def test_the_next_answer_need_not_wait_for_what_was_flushed(self) -> None:
        _, said = play([(0.0, says(1.0)), *answer("r1", 1.5, 9.0), (3.0, barges_in(0.8)), (3.05, hears_itself()), *answer("r2", 4.3)])
        assert sec(said.first_audible_ns) == 4.46

    def test_it_waits_where_the_talker_never_heard_itself(self) -> None:
        _, said = play([(0.0, says(1.0)), *answer("r1", 1.5, 4.0), (3.0, barges_in(0.8)), *answer("r2", 4.3)])
        assert sec(said.first_audible_ns) == 5.66
        assert (said.detected_ns, barge_in_latency(said)) == (None, None)

    def test_what_was_told_to_the_assistant(self) -> None:
        stage = Stage().play([(0.0, says(1.0)), *answer("r1", 1.5, 5.0), (3.0, barges_in(0.8))])
        assert not stage.tracker.host_open
        assert stage.tracker.silence(3_050_000_000, 3_060_999_999) == ("r1", "item-r1", 0, 1400)
        assert stage.tracker.silence(3_050_000_000, 9_000_000_000) == ("r1", "item-r1", 0, 1400), "silent is silent"


class TestYielding:
    def test_cancelled_and_no_audio_came_after_the_onset(self) -> None:
        host = [row for row in HOST if row[0] < 1.95]
        _, said = over((2.2, cancelled("r1")), *ANSWER, host=host)
        assert (said.barge_in_class, said.stop_byte_ns, server_cancel(said)) == (BargeInClass.SERVER, None, None)
        assert yielded(said) == (1.0, 1.0)
        assert barge_in_latency(said) == pytest.approx(0.073)

    def test_the_server_was_quicker_than_the_talkers_own_ear(self) -> None:
        _, said = over((2.01, audio("r1", 0.1)), (2.02, cancelled("r1")), *ANSWER, host=[row for row in HOST if row[0] < 1.95])
        assert server_cancel(said) == pytest.approx(-0.05)
        assert barge_in_latency(said) == pytest.approx(0.073), "it does not shorten the talker's own part"

    def test_it_never_stops(self) -> None:
        _, said = over(*paced("r1", 2.1, 50), until=13.0)
        assert said.barge_in_class is BargeInClass.NO_REACTION
        assert (said.stop_event_ns, said.stop_byte_ns, said.stop_ear_ns) == (None, None, None)
        assert yielded(said) == (0.0, 1.0)
        assert barge_in_latency(said) is None
        assert interruption_success(said) == (0.0, 1.0)
        assert said.outcome is Outcome.NO_RESPONSE

    @pytest.mark.parametrize(("last", "share"), [(4.0, 1.0), (4.000001, 0.0)])
    def test_the_window(self, last: float, share: float) -> None:
        _, said = over((2.1, started("i2")), (last, audio("r1", 0.1)), (4.1, cancelled("r1")), *answer("r2", 4.5))
        assert yielded(said) == (share, 1.0)
        assert interruption_success(said) == (share, 1.0)

    def test_an_unanswered_barge_in_is_no_success(self) -> None:
        _, said = over((2.2, cancelled("r1")))
        assert (said.outcome, yielded(said), interruption_success(said)) == (
            Outcome.NO_RESPONSE,
            (1.0, 1.0),
            (0.0, 1.0),
        )

    @pytest.mark.parametrize("why", [Outcome.CUT_BY_RUN_END, Outcome.CONNECTION_LOST])
    @pytest.mark.parametrize(("ended", "expected"), [(3.999, None), (4.0, BargeInClass.NO_REACTION)])
    def test_nothing_can_be_said_where_the_session_ended_first(self, why: Outcome, ended: float, expected: BargeInClass | None) -> None:
        _, said = over((2.1, audio("r1", 0.1)), (ended, closes(why)))
        assert said.barge_in_class is expected
        assert yielded(said) == (None if expected is None else (0.0, 1.0))
        assert (interruption_success(said) is None) is (expected is None or why is Outcome.CUT_BY_RUN_END)


def test_a_barge_in_into_a_barge_in() -> None:
    rows = [(0.0, says(1.0)), *answer("r1", 1.5, 5.0), (3.0, barges_in(0.8)), (3.05, hears_itself()), *answer("r2", 4.3, 5.0),
            (6.0, barges_in(0.8)), (6.05, hears_itself()), *answer("r3", 7.3)]  # fmt: skip
    first, second, third = play(rows)
    assert [r.outcome for r in (first, second, third)] == [Outcome.INTERRUPTED, Outcome.INTERRUPTED, Outcome.COMPLETED]
    assert [r.host_response_id for r in (first, second, third)] == [None, "r1", "r2"]
    assert [r.turn for r in (first, second, third)] == [0, 1, 2]
    assert interruption_success(second) == (1.0, 1.0), "its answer was heard, until the talker itself interrupted that"
    assert sum(r.span_s for r in (first, second, third)) == pytest.approx(9.46)


def test_the_session_ends_with_an_interrupted_turn_pending() -> None:
    host, said = over((2.2, cancelled("r1")), (2.5, closes(Outcome.CONNECTION_LOST)))
    assert (host.outcome, said.outcome) == (Outcome.INTERRUPTED, Outcome.CONNECTION_LOST)
    assert interruption_success(said) == (0.0, 1.0)


def test_strays_are_silenced_with_the_rest() -> None:
    rows = [
        (0.0, says(1.0)),
        *answer("r1", 1.5, 3.0),
        *answer("stray", 2.0, 9.0),
        (3.0, barges_in(0.8)),
        (3.05, hears_itself()),
        *answer("r2", 4.3),
    ]
    host, said = play(rows)
    assert (host.response_id, said.response_id, sec(said.first_audible_ns)) == ("r1", "r2", 4.46)


@pytest.mark.parametrize(("resumed", "underruns", "lasted"), [(2.05, 1, 0.05), (2.5, 1, 0.062)], ids=["before", "across"])
def test_underruns_count_as_far_as_they_are_heard(resumed: float, underruns: int, lasted: float) -> None:
    """The buffer is dry from 2.0 on; the speaker is silenced at 2.062."""
    host = [(0.0, says(1.0)), (1.44, audio("r1", 0.5))]
    after = [(1.9, barges_in(0.8)), (2.06, hears_itself()), (resumed, audio("r1", 0.1)), (2.6, audio("r1", 0.1)), (2.9, cancelled("r1"))]
    host, _ = play([*host, *sorted(after, key=lambda row: row[0]), *ANSWER])
    assert (host.underruns, host.underrun_s) == (underruns, pytest.approx(lasted))


def test_a_barge_in_class_is_only_of_barge_ins() -> None:
    said = turn(TurnKind.UTTERANCE, speech_onset=1.0, stop_event=2.0)
    assert all(METRICS[f"barge_in_{c.value}"].measure(said) is None for c in BargeInClass)
    assert METRICS["stop_by_event"].measure(said) is None
    assert (
        playback_stop(said),
        server_cancel(said),
        yielded(said),
        interruption_success(said),
    ) == (None,) * 4
