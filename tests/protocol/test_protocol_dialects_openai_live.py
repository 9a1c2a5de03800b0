"""OpenAI Live, against the vendor's published types."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai.types.live as live
import pytest
from hypothesis import given
from openai_official import members, strict
from rubbish import rubbish

from protocol import Encoding, MalformedMessage, SessionSettings, find, make
from protocol.dialects.openai_live import OpenAILive
from protocol.events import AssistantError, AudioDelta, Event, Ignored, SessionCreated, SessionUpdated, TextDelta, Unknown

CLIENT, SERVER = strict(live.ClientEvent), strict(live.ServerEvent)
SESSION = {"id": "s", "expires_at": 1, "model": "gpt-live-1", "status": "active"}


def told(kind: str, **fields: Any) -> Any:
    message = json.dumps({"type": kind, "event_id": "e", **fields}).encode()
    SERVER.validate_json(message)
    return OpenAILive().decode(message)


def test_it_is_found_by_its_name() -> None:
    assert find("openai-live") is OpenAILive
    wire = OpenAILive()
    assert (wire.by_ear, wire.flushes, wire.recipe, wire.key_variable) == (True, False, None, "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.openai.com", "wss://api.openai.com/v1/live/sessions"),
        ("https://api.openai.com/v1/", "wss://api.openai.com/v1/live/sessions"),
        ("ws://h:1/v1/live/sessions", "ws://h:1/v1/live/sessions"),
    ],
)
def test_the_address_has_no_parameters(base: str, url: str) -> None:
    assert OpenAILive().endpoint(base, "gpt-live-1") == url


@pytest.mark.parametrize(
    ("options", "kind", "encoding", "rate"),
    [
        ({}, "audio/pcm", Encoding.PCM16, 24_000),
        ({"rate": 16_000}, "audio/pcm", Encoding.PCM16, 16_000),
        ({"encoding": "mulaw", "rate": 8000}, "audio/pcmu", Encoding.MULAW, 8000),
        ({"encoding": "alaw", "rate": 8000}, "audio/pcma", Encoding.ALAW, 8000),
    ],
)
def test_the_session_starts_in_the_format_of_the_options(options: dict[str, Any], kind: str, encoding: Encoding, rate: int) -> None:
    wire = make(OpenAILive, options)
    (message,) = wire.configure(SessionSettings(instructions="Hi", voice="marin"))
    CLIENT.validate_json(message)
    audio = {"format": {"type": kind, "rate": rate}, "output": {"voice": "marin"}}
    assert json.loads(message) == {"type": "session.start", "session": {"model": "gpt-live-1", "instructions": "Hi", "audio": audio}}
    assert (wire.input_encoding, wire.output_encoding, wire.input_rate, wire.output_rate) == (encoding, encoding, rate, rate)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"encoding": "opus"}, "encoding of openai-live must be one of pcm16, mulaw, alaw, not 'opus'"),
        ({"rate": 8000}, "rate of openai-live must be 24000 or 16000 with pcm16, not 8000"),
        ({"encoding": "mulaw"}, "rate of openai-live must be 8000 with mulaw, not 24000"),
    ],
)
def test_formats_that_there_are_not(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make(OpenAILive, options)


def test_audio_and_farewell_are_what_the_official_types_want() -> None:
    message = OpenAILive().append(b"\0\0\1\0")
    assert base64.b64decode(CLIENT.validate_json(message).audio) == b"\0\0\1\0"
    assert CLIENT.validate_json(OpenAILive().farewell()).type == "session.close"
    assert OpenAILive().cancel("r") is None
    assert OpenAILive().truncate("i", 0, 1) is None


def test_what_is_measured() -> None:
    assert told("session.started", session=SESSION) == [SessionCreated("s", SESSION), SessionUpdated(SESSION)]
    assert told("session.output_audio.delta", delta="AAABAAIA") == AudioDelta(None, None, 0, 3, "AAABAAIA")
    assert told("session.output_transcript.delta", delta="Hi", start_ms=0, end_ms=9) == TextDelta(None, None, "Hi")
    error = {"type": "invalid_request_error", "code": "unknown_parameter", "message": "no"}
    assert told("error", error=error) == AssistantError("unknown_parameter", "no")


def test_a_companded_byte_is_a_sample() -> None:
    wire = make(OpenAILive, {"encoding": "mulaw", "rate": 8000})
    assert wire.decode(b'{"type":"session.output_audio.delta","delta":"AAAA"}') == AudioDelta(None, None, 0, 3, "AAAA")


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("close_requested", Ignored("session.closed")),
        ("expired", AssistantError("expired", "session closed")),
        ("content", AssistantError("content", "session closed")),
    ],
)
def test_a_session_that_is_closed_says_why(reason: str, event: Event) -> None:
    assert told("session.closed", reason=reason, session=SESSION, usage={"seconds": 3}) == event


def test_every_type_of_the_api_is_known() -> None:
    kinds = {model.model_fields["type"].annotation.__args__[0] for model in members(live.ServerEvent)}
    measured = {"session.started", "session.output_audio.delta", "session.output_transcript.delta", "session.closed", "error"}
    assert measured < kinds
    for kind in kinds - measured:
        assert OpenAILive().decode(json.dumps({"type": kind}).encode()) == Ignored(kind)
    assert OpenAILive().decode(b'{"type":"brand.new"}') == Unknown("brand.new")


TRUE = [
    {"type": "session.started", "session": SESSION},
    {"type": "session.output_audio.delta", "delta": "AAAAAAAA"},
    {"type": "session.output_transcript.delta", "delta": "a", "start_ms": 1, "end_ms": 2},
    {"type": "session.closed", "reason": "expired"},
    {"type": "error", "error": {"type": "t", "code": "c", "message": "m"}},
]


@given(rubbish(TRUE))
def test_rubbish_is_malformed_or_told(message: bytes) -> None:
    try:
        told = OpenAILive().decode(message)
        assert all(isinstance(event, Event) for event in (told if isinstance(told, list) else [told]))
    except MalformedMessage as error:
        assert len(str(error)) < 200
