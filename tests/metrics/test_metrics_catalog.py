"""Every metric of the catalogue: a value computed by hand, and when there is none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from metrics_script import record, session, token, turn

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS, TABLES, of
from metrics.histogram import Histogram
from metrics.metric import OPS, Shape, Unit, aggregate_of, show_target
from metrics.records import (
    SELF_MADE,
    BargeInClass,
    ErrorKind,
    Outcome,
    Record,
    SampleRecord,
    SessionOutcome,
    SessionRecord,
    TokenRecord,
    TurnKind,
    TurnRecord,
)

ANSWERED = turn(
    speech_onset=10.0, speech_offset=12.0, speech_stopped=12.3, transcribed=12.42, response_created=12.5, first_token=12.65,
    first_audio=12.85, first_audible=12.97, last_audio=14.35, response_done=14.4, response_status="completed", mic_capture_s=0.021,
    audio_processing_s=0.002, uplink_network_s=0.015, downlink_network_s=0.005, audio_rendering_s=0.001, speaker_output_s=0.01,
    network="3g", network_up_s=0.16, network_down_s=0.15,
    audio_s=3.0, chunks=30, jitter_s=0.02, rfc3550_jitter_s=0.07, underruns=2, underrun_s=0.15, longest_gap_s=0.12, span_s=30.0,
)  # fmt: skip
"""A turn with every stage on its path."""

BARGED = turn(
    TurnKind.BARGE_IN, speech_onset=10.0, speech_offset=11.0, detected=10.06, speech_started=10.2, silenced=10.07, speaker_output_s=0.01,
    flush_s=0.003, stop_event=10.3, stop_byte=10.25, stop_ear=10.8, talked_over_s=0.8, first_audible=12.0,
    barge_in_class=BargeInClass.SERVER,
)  # fmt: skip
"""A barge-in that the server cancels for, and answers."""

FALSE_STOP = turn(
    TurnKind.FALSE_ALARM, Outcome.RESUMED, speech_offset=10.0, false_stop=10.2, resumed=11.5, windows_met=True
)  # fmt: skip

READY = session(started_ns=0, ready_ns=250_000_000, closed_ns=1_800_250_000_000)
BACK = session(reconnect=True, lost_ns=5_000_000_000, ready_ns=7_500_000_000, closed_ns=1_807_500_000_000, down_s=2.5)

SAMPLE = record(
    SampleRecord, t_s=30.0, settled=True, target_up=True, target_memory_bytes=300_000_000, target_cpu_share=0.4, target_sessions=8,
    tester_memory_bytes=120_000_000, calls_due=3, calls_begun=2,
)  # fmt: skip

BY_HAND: dict[str, tuple[Record, Any]] = {
    "e2e_latency": (ANSWERED, 0.97),
    "time_to_first_audio": (ANSWERED, 0.85),
    "ttft": (ANSWERED, 0.65),
    "total_response": (ANSWERED, 2.4),
    "mic_capture": (ANSWERED, 0.021),
    "audio_processing": (ANSWERED, 0.002),
    "uplink_network": (ANSWERED, 0.015),
    "endpointing_delay": (ANSWERED, 0.3),
    "asr_processing": (ANSWERED, 0.12),
    "llm_ttft": (ANSWERED, 0.15),
    "tts_processing": (ANSWERED, 0.2),
    "downlink_network": (ANSWERED, 0.005),
    "audio_rendering": (ANSWERED, 0.001),
    "speaker_output": (ANSWERED, 0.01),
    "stage_residual": (ANSWERED, 0.97 - 0.3 - 0.12 - 0.15 - 0.2 - 0.001 - 0.01),
    "turn_gap": (ANSWERED, 0.97),
    "network_delay": (ANSWERED, 0.31),
    "assistant_latency": (ANSWERED, 0.66),
    "token_mint_latency": (token(intended_ns=0, sent_ns=100_000_000, done_ns=350_000_000), 0.35),
    "session_setup": (READY, 0.25),
    "bargein_detection": (BARGED, 0.06),
    "server_detection": (BARGED, 0.2),
    "playback_stop": (BARGED, 0.02),
    "server_cancel": (BARGED, 0.19),
    "buffer_flush": (BARGED, 0.003),
    "barge_in_latency": (BARGED, 0.06 + 0.02 + 0.19 + 0.003),
    "stop_by_event": (BARGED, 0.3),
    "stop_by_byte": (BARGED, 0.25),
    "stop_by_ear": (BARGED, 0.8),
    "yield_rate": (BARGED, (1.0, 1.0)),
    "interruption_success": (BARGED, (1.0, 1.0)),
    "talked_over": (BARGED, 0.8),
    "barge_in_cancelled_by_server": (BARGED, (1.0, 1.0)),
    "barge_in_cancelled_by_client": (BARGED, (0.0, 1.0)),
    "barge_in_already_generated": (BARGED, (0.0, 1.0)),
    "barge_in_no_reaction": (BARGED, (0.0, 1.0)),
    "false_stop_rate": (FALSE_STOP, (1.0, 1.0)),
    "resume_rate": (FALSE_STOP, (1.0, 1.0)),
    "resume_time": (FALSE_STOP, 1.5),
    "false_alarm_resume": (FALSE_STOP, (1.0, 1.0)),
    "spurious_response": (FALSE_STOP, (0.0, 1.0)),
    "jitter": (ANSWERED, 0.02),
    "rfc3550_jitter": (ANSWERED, 0.07),
    "chunk_drop_rate": (ANSWERED, None),
    "underruns": (ANSWERED, (2.0, 0.5)),
    "underrun": (ANSWERED, 0.15),
    "continuity": (ANSWERED, (3.0, 3.15)),
    "c50": (ANSWERED, (0.0, 1.0)),
    "c100": (ANSWERED, (0.0, 1.0)),
    "c200": (ANSWERED, (1.0, 1.0)),
    "delivery_rtf": (ANSWERED, 0.5),
    "reconnects_per_hour": (BACK, (1.0, 0.5)),
    "network_quality_index": (ANSWERED, 1 / (1 + 0.3 * 0.02 + 0.5 * 0.02)),
    "success": (ANSWERED, (1.0, 1.0)),
    "session_success": (READY, (1.0, 1.0)),
    "abandonment": (session(outcome=SessionOutcome.ABANDONED), (1.0, 1.0)),
    "token_success": (token(error_kind=ErrorKind.TIMEOUT), (0.0, 1.0)),
    "availability": (BACK, (1800.0, 1802.5)),
    "automatic_recovery_rate": (BACK, (1.0, 1.0)),
    "time_to_recover": (BACK, 2.5),
    "calls_begun": (SAMPLE, (2.0, 3.0)),
    "target_availability": (SAMPLE, (1.0, 1.0)),
    "target_cpu": (SAMPLE, 0.4),
    "target_memory": (SAMPLE, 300e6),
    "target_memory_per_session": (SAMPLE, 37.5e6),
    "target_memory_growth": (SAMPLE, (30.0, 300e6)),
    "tester_memory_growth": (SAMPLE, (30.0, 120e6)),
}


def test_every_metric_has_a_value_computed_by_hand() -> None:
    assert set(BY_HAND) == set(METRICS)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_value(name: str) -> None:
    record, expected = BY_HAND[name]
    metric = METRICS[name]
    assert metric.record is type(record)
    measured = metric.measure(record)
    assert measured == (None if expected is None else pytest.approx(expected))
    whole = Aggregate()
    whole.add(record)
    value = whole.values[name]
    assert value.count == (expected is not None)
    assert isinstance(value, Histogram) is (metric.shape is Shape.DISTRIBUTION)
    if isinstance(value, Histogram) and expected is not None:
        assert value.mean == pytest.approx(expected)


NEVER = {"underruns", "success", "speaker_output"}
"""Asked of every turn, or known without one."""


@pytest.mark.parametrize("name", [m.name for m in of(TurnRecord) if m.name not in NEVER])
def test_a_turn_that_brought_nothing_says_nothing(name: str) -> None:
    assert METRICS[name].measure(turn(outcome=Outcome.NO_RESPONSE)) is None


def test_of_a_turn_that_brought_nothing() -> None:
    empty = turn(outcome=Outcome.NO_RESPONSE, span_s=12.0, speaker_output_s=0.01)
    assert METRICS["success"].measure(empty) == (0.0, 1.0)
    assert METRICS["underruns"].measure(empty) == (0.0, 0.2)
    assert METRICS["speaker_output"].measure(empty) is None


OTHERS = [
    ("success", turn(outcome=Outcome.INTERRUPTED), (1.0, 1.0)),
    ("success", turn(outcome=Outcome.CUT_BY_RUN_END), None),
    ("success", turn(TurnKind.FALSE_ALARM, Outcome.CONTINUED), None),
    ("underruns", turn(TurnKind.FALSE_ALARM, Outcome.CONTINUED), None),
    ("e2e_latency", turn(speech_offset=2.0, first_audible=1.5), -0.5),
    ("ttft", turn(speech_offset=1.0, first_token=1.5, first_audio=1.2), 0.2),
    ("ttft", turn(speech_offset=1.0, first_audio=1.2), 0.2),
    ("delivery_rtf", turn(first_audio=1.0, last_audio=3.0, audio_s=1.0, chunks=2, response_status="cancelled"), None),
    ("delivery_rtf", turn(first_audio=1.0, last_audio=1.0, audio_s=1.0, chunks=1, response_status="completed"), None),
    ("delivery_rtf", turn(first_audio=1.0, last_audio=3.0, audio_s=1.0, chunks=2, response_status="completed"), 2.0),
    ("network_quality_index", turn(uplink_network_s=0.1, downlink_network_s=0.1, jitter_s=None), None),
    ("server_cancel", turn(TurnKind.BARGE_IN, detected=10.1, cancel_sent=10.2, stop_byte=10.3, barge_in_class=BargeInClass.CLIENT), 0.1),
    ("server_cancel", turn(TurnKind.BARGE_IN, detected=10.1, stop_byte=10.3, barge_in_class=BargeInClass.CLIENT), 0.2),
    ("server_cancel", turn(TurnKind.BARGE_IN, detected=10.1, cancel_sent=10.2, stop_byte=10.3, barge_in_class=BargeInClass.SERVER), 0.2),
    ("server_cancel", turn(TurnKind.BARGE_IN, detected=10.1, stop_byte=10.3, barge_in_class=BargeInClass.NO_REACTION), None),
    ("resume_rate", turn(TurnKind.FALSE_ALARM, Outcome.NOT_RESUMED, false_stop=1.0, windows_met=True), (0.0, 1.0)),
    ("resume_rate", turn(TurnKind.FALSE_ALARM, Outcome.CUT_BY_RUN_END, false_stop=1.0), None),
    ("resume_time", turn(TurnKind.FALSE_ALARM, Outcome.NOT_RESUMED, false_stop=1.0), None),
    ("token_mint_latency", token(error_kind=ErrorKind.AUTH, done_ns=5), None),
    ("token_success", token(), (1.0, 1.0)),
    ("session_setup", session(SessionOutcome.REFUSED), None),
    ("session_success", session(SessionOutcome.REFUSED), (0.0, 1.0)),
    ("session_success", session(SessionOutcome.LOST, ready_ns=1), (0.0, 1.0)),
    ("session_success", session(SessionOutcome.CUT_BY_RUN_END, ready_ns=1), (1.0, 1.0)),
    ("session_success", session(SessionOutcome.CUT_BY_RUN_END), None),
    ("session_success", session(SessionOutcome.ABANDONED, ready_ns=1), (1.0, 1.0)),
    ("session_success", session(SessionOutcome.LOST, ready_ns=1, error_kind=ErrorKind.REMOTE_CLOSE), (0.0, 1.0)),
    *(("session_success", session(SessionOutcome.LOST, ready_ns=1, error_kind=kind), None) for kind in sorted(SELF_MADE)),
    *(("success", turn(outcome=Outcome.CONNECTION_LOST, error_kind=kind), None) for kind in sorted(SELF_MADE)),
    *(
        (
            "interruption_success",
            turn(TurnKind.BARGE_IN, Outcome.CONNECTION_LOST, error_kind=kind, barge_in_class=BargeInClass.SERVER),
            None,
        )
        for kind in sorted(SELF_MADE)
    ),
    (
        "availability",
        session(SessionOutcome.LOST, ready_ns=0, closed_ns=9_000_000_000, down_s=1.0, error_kind=ErrorKind.CHAOS),
        (9.0, 10.0),
    ),
    ("automatic_recovery_rate", session(ready_ns=9, lost_ns=1, error_kind=ErrorKind.NETWORK), (1.0, 1.0)),
    ("abandonment", session(SessionOutcome.HUNG_UP, ready_ns=1), (0.0, 1.0)),
    ("abandonment", session(SessionOutcome.CUT_BY_RUN_END, ready_ns=1), None),
    ("abandonment", session(SessionOutcome.LOST, ready_ns=1), None),
    ("reconnects_per_hour", session(SessionOutcome.REFUSED, reconnect=True), (0.0, 0.0)),
    ("automatic_recovery_rate", session(), None),
    ("target_availability", replace(SAMPLE, target_up=False), (0.0, 1.0)),
    ("target_availability", replace(SAMPLE, target_up=None), None),
    ("target_memory_per_session", replace(SAMPLE, target_sessions=0), None),
    ("target_memory_per_session", replace(SAMPLE, target_memory_bytes=None), None),
    ("calls_begun", replace(SAMPLE, calls_due=None, calls_begun=None), None),
    ("calls_begun", replace(SAMPLE, calls_due=0, calls_begun=0), None),
    ("calls_begun", replace(SAMPLE, calls_due=0, calls_begun=1), (1.0, 0.0)),
    ("target_memory_growth", replace(SAMPLE, settled=False), None),
    ("target_memory_growth", replace(SAMPLE, target_memory_bytes=None), None),
    ("tester_memory_growth", replace(SAMPLE, tester_memory_bytes=None), None),
    ("automatic_recovery_rate", session(SessionOutcome.LOST, ready_ns=1), None),
    ("automatic_recovery_rate", session(SessionOutcome.LOST, ready_ns=1, reconnect=True, lost_ns=0), (1.0, 1.0)),
    ("automatic_recovery_rate", session(SessionOutcome.REFUSED, reconnect=True, lost_ns=0), None),
    ("automatic_recovery_rate", session(SessionOutcome.CUT_BY_RUN_END, reconnect=True, lost_ns=0), (0.0, 1.0)),
    ("automatic_recovery_rate", session(SessionOutcome.CUT_BY_RUN_END), None),
    ("availability", session(SessionOutcome.REFUSED, down_s=0.25), (0.0, 0.25)),
    ("availability", session(SessionOutcome.CUT_BY_RUN_END), None),
    ("time_to_recover", session(ready_ns=1), None),
]


@pytest.mark.parametrize(("name", "record", "expected"), OTHERS)
def test_other_cases(name: str, record: Record, expected: Any) -> None:
    assert METRICS[name].measure(record) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("missing", ["speech_stopped_ns", "response_created_ns", "first_token_ns", "audio_rendering_s", "first_audible_ns"])
def test_the_residual_needs_every_stage(missing: str) -> None:

    assert METRICS["stage_residual"].measure(replace(ANSWERED, **{missing: None})) is None


@pytest.mark.parametrize("transcribed", [None, 12.55])
def test_recognition_that_the_response_did_not_wait_for_is_not_on_the_path(transcribed: float | None) -> None:

    record = replace(ANSWERED, transcribed_ns=None if transcribed is None else round(transcribed * 1e9))
    assert METRICS["stage_residual"].measure(record) == pytest.approx(0.97 - 0.3 - 0.15 - 0.2 - 0.001 - 0.01)


def test_barge_in_latency_without_its_parts() -> None:

    measure = METRICS["barge_in_latency"].measure
    generated = replace(BARGED, barge_in_class=BargeInClass.GENERATED)
    assert measure(generated) == pytest.approx(0.083)
    assert measure(replace(BARGED, barge_in_class=BargeInClass.NO_REACTION)) is None
    assert measure(replace(BARGED, detected_ns=None)) is None
    assert measure(replace(BARGED, silenced_ns=None)) is None
    assert measure(replace(BARGED, flush_s=None)) is None
    assert measure(replace(BARGED, stop_byte_ns=10_010_000_000)) == pytest.approx(0.083), "B3 is negative"


def test_the_catalogue_is_whole() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"[a-z0-9_]+", metric.name)
        assert metric.table in TABLES
        assert metric.better in ("lower", "higher", "neutral")
        assert all((metric.title, metric.begins, metric.ends, metric.absent))
        for target in metric.targets:
            assert target.op in OPS and target.grade in ("target", "good", "excellent") and target.source
            aggregate_of(Aggregate().values[metric.name], target.aggregate)
            assert (target.bound < 1.0) or metric.unit is not Unit.SHARE
    assert sum(len(of(kind)) for kind in (TurnRecord, SessionRecord, TokenRecord, SampleRecord)) == len(METRICS)
    assert set(TABLES) == {m.table for m in METRICS.values()}


def test_the_codes_of_the_system_design() -> None:
    codes = {m.code for m in METRICS.values() if m.code}
    assert codes == {"E2E", "TTFT", *(f"L{i}" for i in range(1, 10)), *(f"B{i}" for i in range(1, 5)), "B1-B4"}


TARGETS = {
    "e2e_latency": ["p50 < 840 ms", "p95 < 1200 ms", "p50 < 800 ms", "p50 < 500 ms"],
    "ttft": ["mean < 1500 ms", "p95 < 2500 ms"],
    "barge_in_latency": ["p95 < 320 ms"],
    "interruption_success": ["> 90 %"],
    "false_alarm_resume": ["> 98 %"],
    "jitter": ["p50 < 30 ms"],
    "chunk_drop_rate": ["< 0.1 %"],
    "underruns": ["< 1 /min"],
    "continuity": ["> 98 %"],
    "reconnects_per_hour": ["< 0.5 /h"],
    "network_quality_index": ["mean > 0.85"],
    "token_mint_latency": ["p95 < 1000 ms"],
    "time_to_recover": ["max < 30 s"],
    "speaker_output": ["p50 <= 10 ms"],
    "target_availability": ["> 99.5 %"],
    "target_memory_per_session": ["mean < 50 MB"],
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_of_the_reference_documents(name: str) -> None:

    assert [show_target(t, METRICS[name].unit) for t in METRICS[name].targets] == TARGETS[name]
