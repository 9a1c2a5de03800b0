"""The assistant as a home-grown server: each combination of the query's options, against the talker's dialect with the same ones."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from assistant_harness import running
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from assistant.wires.base import Bye, Sound
from assistant.wires.raw_pcm import RawPcm
from protocol import Opcode, make
from protocol.dialects import DIALECTS
from protocol.events import (
    AudioDelta,
    Cleared,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)
from protocol.wav import wav

PCM = bytes(range(64))
DIALECT = DIALECTS["raw-pcm"]
WORDS = {
    "ready_type": "hi",
    "speech_started_type": "on",
    "speech_stopped_type": "off",
    "transcript_type": "heard",
    "transcript_field": "a.words",
    "begins_type": "begin",
    "ends_type": "end",
    "text_type": "word",
    "type_field": "a.kind",
}
SIDES = [
    {"json": json_, "input_wav": wav_in, "output_wav": wav_out, "input_encoding": heard, "output_encoding": spoken, **more}
    for json_, wav_in, wav_out, heard, spoken, more in itertools.product(
        [False, True],
        [False, True],
        [False, True],
        ["pcm16", "mulaw"],
        ["pcm16", "alaw"],
        [{}, {"input_type": "", "audio_field": "x.y"}, WORDS],
    )
    if not (wav_in and heard != "pcm16") and not (wav_out and spoken != "pcm16")
]


def opened(options: dict[str, Any]) -> RawPcm:
    query = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
    return RawPcm.opened("t", {}, query, [])


@pytest.mark.parametrize("options", SIDES, ids=lambda options: "-".join(f"{value}"[:5] for value in list(options.values())[:6]))
def test_each_side_reads_what_the_other_writes(options: dict[str, Any]) -> None:
    wire, dialect = (
        opened({**options, "input_rate": 8000, "output_rate": 48_000}),
        make(DIALECT, {**options, "input_rate": 8000, "output_rate": 48_000}),
    )
    sent = dialect.append(PCM)
    assert wire.received(sent.decode() if dialect.audio_opcode is Opcode.TEXT else sent) == [Sound(PCM)]
    chunk = base64.b64encode(PCM).decode() if wire.output.base64 else PCM
    told = wire.audio_delta(wire.delta_frame("", "resp", "item"), chunk)
    heard = dialect.decode(told.encode()) if isinstance(told, str) else dialect.decode_binary(told)  # type: ignore[arg-type]
    assert isinstance(heard, AudioDelta)
    assert heard.audio() == PCM
    assert (wire.input.rate, wire.output.rate) == (8000, 48_000)
    assert (wire.input.encoding, wire.output.encoding) == (options["input_encoding"], options["output_encoding"])


def test_what_the_query_has_words_for_is_told() -> None:
    wire, dialect = opened(WORDS), make(DIALECT, WORDS)
    done = [wire.response("resp", "conv", status) for status in ("completed", "cancelled")]
    told = [
        wire.event("session.created", session={}),
        wire.event("input_audio_buffer.speech_started", item_id="i"),
        wire.event("input_audio_buffer.speech_stopped", item_id="i"),
        wire.event("conversation.item.input_audio_transcription.completed", item_id="i", transcript="hello"),
        wire.event("response.created", response=done[0]),
        wire.text_delta(("", ""), "Well"),
        wire.event("response.done", response=done[0]),
        wire.event("output_audio_buffer.cleared", response_id="resp"),
    ]
    events = [dialect.decode(one.encode()) for one in told if isinstance(one, str)]
    flat = [event for one in events for event in (one if isinstance(one, list) else [one])]
    kinds = [SessionUpdated, SpeechStarted, SpeechStopped, Transcribed, ResponseCreated, TextDelta, ResponseDone, Cleared]
    assert [type(event) for event in flat] == kinds
    assert (flat[3], flat[5], flat[6]) == (
        Transcribed(None, "hello"),
        TextDelta("r1", None, "Well"),
        ResponseDone("r1", "completed", None, None),
    )
    assert wire.event("response.done", response=done[1]) is None
    assert json.loads(str(opened({"error_type": "oops", "error_field": "why.text"}).error("no"))) == {"type": "oops", "why": {"text": "no"}}


def test_a_wav_file_of_another_rate_is_not_heard() -> None:
    wire = opened({"input_wav": True, "input_rate": 8000})
    assert wire.received(wav(PCM, 8000)) == [Sound(PCM)]
    assert wire.received(wav(PCM, 16_000)) == []


def test_without_a_query_it_says_clear_alone() -> None:
    wire = RawPcm.opened("t", {}, {}, [])
    assert wire.event("output_audio_buffer.cleared") == '{"type":"clear"}'
    assert (wire.event("session.created"), wire.event("response.created"), wire.text_delta(("", ""), "x"), wire.error("no")) == (None,) * 4
    assert (wire.received(PCM), wire.received("words")) == ([Sound(PCM)], [])


@pytest.mark.parametrize("query", [{"input_rate": "44100"}, {"output_rate": "x"}, {"input_encoding": "opus"}])
def test_a_query_that_cannot_be_used_ends_the_session(query: dict[str, str]) -> None:
    (name, value), *_ = query.items()
    assert RawPcm.opened("t", {}, query, []).received(PCM) == [Bye(1008, f"the query cannot be used: {name}={value}")]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"type_field": "a", "error_type": "e", "error_field": "a.b"}, "error_field=a.b lies where type_field=a does"),
        ({"type_field": "a.b", "text_type": "t", "text_field": "a"}, "text_field=a lies where type_field=a.b does"),
        ({"transcript_type": "t", "transcript_field": "type"}, "transcript_field=type lies where type_field=type does"),
        ({"audio_field": "type.audio"}, "audio_field=type.audio lies where type_field=type does"),
        ({"json": "true", "input_field": "type"}, "input_field=type lies where type_field=type does"),
        ({"type_field": ""}, "type_field="),
        ({"error_type": "e", "error_field": "a..b"}, "error_field=a..b"),
    ],
)
def test_fields_of_which_one_lies_where_another_is_end_the_session(query: dict[str, str], why: str) -> None:
    wire = RawPcm.opened("t", {}, query, [])
    assert wire.received(PCM) == [Bye(1008, f"the query cannot be used: {why}")]
    assert (wire.error("no"), wire.text_delta(("", ""), "x")) == (None, None)
    with pytest.raises(ValueError):
        make(DIALECT, {name: value == "true" if name == "json" else value for name, value in query.items()})


@pytest.mark.parametrize("query", [{"error_field": "type.why"}, {"input_field": "type"}, {"audio_type": "", "audio_field": "type"}])
def test_a_field_may_lie_where_the_type_does_if_no_message_has_both(query: dict[str, str]) -> None:
    assert RawPcm.opened("t", {}, query, []).received(PCM) == [Sound(PCM)]


def test_an_empty_option_of_the_url_is_empty(tmp_path: Path) -> None:
    place = f"/raw?json=true&input_type=&ready_type={'é' * 100}"
    with running(tmp_path) as server, connect(f"ws://127.0.0.1:{server.port}{place}&error_type=oops") as socket:
        assert json.loads(socket.recv(5)) == {"type": "é" * 100}
        socket.send(json.dumps({"audio": base64.b64encode(b"odd").decode()}))
        assert json.loads(socket.recv(5))["type"] == "oops"


def test_a_long_reason_is_cut_to_what_a_close_frame_holds(tmp_path: Path) -> None:
    with running(tmp_path) as server, connect(f"ws://127.0.0.1:{server.port}/raw?output_rate={'é' * 100}") as socket:
        socket.send(PCM)
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(5)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, f"the query cannot be used: output_rate={'é' * 42}")


@given(
    st.text(max_size=40) | st.binary(max_size=60),
    st.sampled_from([{}, {"json": "true"}, {"input_wav": "true"}, {"json": "true", "input_type": ""}]),
)
def test_rubbish_is_sound_or_nothing(message: str | bytes, query: dict[str, str]) -> None:
    for received in RawPcm.opened("t", {}, query, []).received(message):
        assert isinstance(received, Sound)
