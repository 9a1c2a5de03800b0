"""What wires cannot tell against the catalogue: what a record lacks without a fact is what the table says."""

from __future__ import annotations

from typing import Any

import pytest
from metrics_script import turn

from metrics.catalog import METRICS, of
from metrics.records import BargeInClass, TurnKind, TurnRecord
from metrics.untold import BY_TALKER, NEEDS, untold
from protocol import DIALECTS, Dialect, Fact

FIELDS = {
    Fact.SPEECH_STARTED: ("speech_started_ns",),
    Fact.SPEECH_STOPPED: ("speech_stopped_ns",),
    Fact.COMMITTED: ("committed_ns",),
    Fact.TRANSCRIPT: ("transcribed_ns", "transcript"),
    Fact.CREATED: ("response_created_ns",),
    Fact.TEXT: ("first_token_ns",),
    Fact.DONE: ("response_done_ns",),
    Fact.CANCELLED: ("stop_event_ns",),
    Fact.USAGE: ("input_tokens", "output_tokens", "input_audio_tokens", "cached_tokens", "cached_audio_tokens", "output_audio_tokens"),
}
INSTANTS = ["speech_offset_ns", "offset_sent_ns", "speech_stopped_ns", "committed_ns", "transcribed_ns", "response_created_ns",
            "first_token_ns", "first_audio_ns", "first_audible_ns", "last_audio_ns", "response_done_ns", "playout_end_ns"]  # fmt: skip
STOPS = ["speech_started_ns", "detected_ns", "silenced_ns", "stop_event_ns", "stop_byte_ns", "stop_ear_ns"]
DURATIONS = ["mic_capture_s", "audio_processing_s", "uplink_network_s", "downlink_network_s", "audio_rendering_s", "jitter_s"]
WHOLE: dict[str, Any] = {
    **{name: 10**9 * (2 + at) for at, name in enumerate(INSTANTS)},
    **dict.fromkeys(DURATIONS, 1.5),
    **{name: 10**9 + at for at, name in enumerate(STOPS)},
    **dict.fromkeys(FIELDS[Fact.USAGE], 5),
    "flush_s": 0.1, "talked_over_s": 0.2, "response_status": "completed", "transcript": "hello", "audio_s": 3.0, "chunks": 5, "span_s": 9.0,
    "speech_onset_ns": 10**9, "response_id": "r", "barge_in_class": BargeInClass.SERVER,
}  # fmt: skip


def measured(**lacking: Any) -> set[str]:
    record = turn(TurnKind.BARGE_IN)
    fields = {name: getattr(record, name) for name in TurnRecord.__slots__}
    whole = TurnRecord(**{**fields, **WHOLE, **lacking})
    return {metric.name for metric in of(TurnRecord) if metric.measure(whole) is not None}


@pytest.mark.parametrize("fact", Fact)
def test_what_a_fact_is_needed_for(fact: Fact) -> None:
    assert measured() - measured(**dict.fromkeys(FIELDS[fact])) == NEEDS[fact][1]


def test_what_a_talker_that_silences_nothing_cannot_tell() -> None:
    assert measured() - measured(silenced_ns=None, flush_s=None) == BY_TALKER
    assert set(METRICS) >= BY_TALKER


def test_the_reason_names_the_wire_and_what_it_lacks() -> None:
    assert untold(DIALECTS["openai-realtime"]()) == {}
    told = untold(DIALECTS["raw-pcm"]())
    assert told["llm_ttft"] == "on the wire raw-pcm the assistant does not tell that it begins a response and the words of a response"
    assert "stop_by_event" not in told
    assert told["barge_in_latency"].startswith("on the wire raw-pcm a speaker is silenced when the assistant says so")


def test_options_change_what_a_wire_tells() -> None:
    class Half(Dialect):
        name = "half"
        flushes = True
        untold = frozenset({Fact.SPEECH_STARTED, Fact.USAGE})

    assert untold(Half()) == {"server_detection": "on the wire half the assistant does not tell that it hears speech begin"}
