"""Vapi's client messages and audio, decoded into a talker's events, and what a talker says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Encoding, Fact, MalformedMessage, SessionSettings, filled, make, variables
from protocol.dialects.vapi import Vapi
from protocol.events import (
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)

PCM, SILENCE = b"\1\0\2\0", bytes(4)


def said(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def speech(role: str, status: str) -> bytes:
    return said("speech-update", role=role, status=status, turn=0)


def output(token: Any, turn: str | None = None) -> bytes:
    return said("model-output", output=token, turnId=turn)


def told(dialect: Any, *messages: bytes) -> list[Event]:
    """Events of client messages, and of audio where a message is no JSON."""
    events: list[Event] = []
    for message in messages:
        event = dialect.decode(message) if message.startswith(b"{") else dialect.decode_binary(message)
        events += event if isinstance(event, list) else [event]
    return [event for event in events if not isinstance(event, Ignored)]


def sound(response: str | None, pcm: bytes = PCM) -> AudioDelta:
    return AudioDelta(response, None, 0, len(pcm) // 2, pcm)


INTERRUPTED = said("user-interrupted", turnId="t1")
OVER = ResponseDone("r1", "completed", None, None)
CUT = [Cleared(), ResponseDone("r1", "cancelled", "interrupted", None)]


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (speech("user", "started"), [SpeechStarted(None, None)]),
        (speech("user", "stopped"), [SpeechStopped(None, None)]),
        (speech("assistant", "stopped"), []),
        (said("transcript", role="user", transcriptType="final", transcript="Hi."), [Transcribed(None, "Hi.")]),
        (said('transcript[transcriptType="final"]', role="user", transcriptType="final", transcript="Hi."), [Transcribed(None, "Hi.")]),
        (said("transcript", role="user", transcriptType="partial", transcript="H"), []),
        (said("transcript", role="assistant", transcriptType="final", transcript="Yes."), []),
        (output("Well"), [TextDelta("r1", None, "Well")]),
        (output({"toolCalls": []}), []),
        (INTERRUPTED, [Cleared()]),
        (said("status-update", status="in-progress"), []),
        (said("tomorrow"), [Unknown("tomorrow")]),
        (json.dumps({"message": {"type": "speech-update", "role": "user", "status": "started"}}).encode(), [SpeechStarted(None, None)]),
        (PCM, [sound("r1")]),
        (SILENCE, []),
    ],
)
def test_messages(message: bytes, events: list[Event]) -> None:
    assert told(Vapi(), message) == events


def test_a_response_is_what_the_assistant_speaks() -> None:
    messages = [output("Well"), SILENCE, speech("assistant", "started"), PCM, SILENCE, PCM, speech("assistant", "stopped"), SILENCE, PCM]
    spoken = [sound("r1"), sound("r1", SILENCE), sound("r1")]
    assert told(Vapi(), *messages) == [TextDelta("r1", None, "Well"), *spoken, OVER, sound("r2")]


def test_audio_may_come_before_its_message() -> None:
    assert told(Vapi(), PCM, speech("assistant", "started"), PCM, speech("assistant", "stopped")) == [sound("r1"), sound("r1"), OVER]


def test_what_comes_after_an_interruption_is_of_what_was_interrupted() -> None:
    begun = [output("Well", "t1"), speech("assistant", "started"), PCM]
    late = [PCM, output(" so", "t1"), speech("assistant", "stopped")]
    events = [TextDelta("r1", None, "Well"), sound("r1"), *CUT, sound("r1")]
    assert told(Vapi(), *begun, INTERRUPTED, *late) == events
    assert told(Vapi(), *begun, INTERRUPTED, *late, speech("assistant", "started"), PCM) == [*events, sound("r2")]
    assert told(Vapi(), *begun, INTERRUPTED, *late, output("Oh", "t2"), PCM) == [*events, TextDelta("r2", None, "Oh"), sound("r2")]


def test_by_ear_the_sound_tells_responses() -> None:
    dialect = make(Vapi, {"turns": "ear"})
    assert (dialect.by_ear, Fact.DONE in dialect.untold) == (True, True)
    messages = [speech("assistant", "started"), output("Well"), PCM, SILENCE, speech("assistant", "stopped"), INTERRUPTED]
    assert told(dialect, *messages) == [TextDelta(None, None, "Well"), sound(None), sound(None, SILENCE), Cleared()]
    assert (Vapi().by_ear, Fact.DONE in Vapi().untold) == (False, False)


def test_mulaw() -> None:
    dialect = make(Vapi, {"format": "mulaw", "rate": 8000})
    assert (dialect.input_encoding, dialect.output_encoding, dialect.input_rate) == (Encoding.MULAW, Encoding.MULAW, 8000)
    assert dialect.append(b"\1\2\3") == b"\1\2\3"
    assert told(dialect, b"\xff\x7f\xff", b"\xff\x01\xff") == [AudioDelta("r1", None, 0, 3, b"\xff\x01\xff")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"{", "message of 1 bytes is not JSON"),
        (b"{}", "message: type is missing; it must be a string"),
        (said("speech-update", role="user"), "speech-update: status is missing; it must be a string"),
        (said("speech-update", role="user", status="paused"), "speech-update: status must be started or stopped"),
        (said("transcript", role="user", transcriptType="final", transcript=3), "transcript: transcript must be a string, not int"),
    ],
)
def test_what_is_malformed_is_told(message: bytes, text: str) -> None:
    with pytest.raises(MalformedMessage) as error:
        Vapi().decode(message)
    assert str(error.value).startswith(text)


def test_half_a_sample_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="3 bytes of audio are no whole pcm16 samples"):
        Vapi().decode_binary(b"\1\0\2")


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "assistant", "started", "stopped"])
FIELDS = st.dictionaries(st.sampled_from(["role", "status", "transcript", "transcriptType", "output", "turnId", "message"]), VALUES)
KINDS = st.sampled_from(["speech-update", "transcript", "user-interrupted", "model-output", "x[y]"])


@given(
    st.lists(st.binary(max_size=20) | st.builds(lambda kind, fields: said(kind, **fields), KINDS, FIELDS), max_size=6),
    st.binary(max_size=9),
)
def test_rubbish_is_malformed_or_an_event(messages: list[bytes], pcm: bytes) -> None:
    dialect = Vapi()
    for decode, message in [*((dialect.decode, message) for message in messages), (dialect.decode_binary, pcm)]:
        try:
            decode(message)
        except MalformedMessage as error:
            assert str(error)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "opus"}, "option format of vapi is one of pcm_s16le, mulaw, not 'opus'"),
        ({"turns": "both"}, "option turns of vapi is one of events, ear, not 'both'"),
    ],
)
def test_options_that_vapi_lacks_are_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError) as error:
        make(Vapi, options)
    assert str(error.value) == text


def test_what_a_talker_says() -> None:
    dialect = Vapi()
    assert dialect.append(PCM) == PCM
    with pytest.raises(ValueError, match="1 bytes are no whole pcm16 samples"):
        dialect.append(b"\1")
    assert (dialect.configure(SessionSettings()), dialect.farewell()) == ([], b'{"type":"hangup"}')


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("wss://api.vapi.ai/c1/transport", "wss://api.vapi.ai/c1/transport"),
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/direct/transport?format=pcm_s16le&sampleRate=16000"),
    ],
)
def test_where_the_call_is(host: str, url: str) -> None:
    assert Vapi().endpoint(host, None) == url


def test_a_call_is_created_first() -> None:
    recipe = make(Vapi, {"assistant_id": "a1", "format": "mulaw", "rate": 8000}).access(SessionSettings())
    assert recipe is not None
    audio = {"format": "mulaw", "container": "raw", "sampleRate": 8000}
    assert recipe.body == {"assistantId": "a1", "transport": {"provider": "vapi.websocket", "audioFormat": audio}}
    assert (recipe.method, recipe.url, recipe.url_pointers) == ("POST", "/call", ("/transport/websocketCallUrl",))
    assert recipe.headers == {"Authorization": "Bearer ${KEY}"}
    unnamed = Vapi().access(SessionSettings())
    assert unnamed is not None and "assistantId" not in unnamed.body


def test_an_assistant_is_called_by_its_name_whatever_is_in_it() -> None:
    recipe = make(Vapi, {"assistant_id": "${HOME}"}).access(SessionSettings())
    assert variables(recipe) == {}
    assert json.loads(filled(recipe, {}).body or b"")["assistantId"] == "${HOME}"
