"""ElevenLabs Agents: what is sent, and what the messages of the reference come to."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Encoding, MalformedMessage, Reuse, SessionSettings, filled, find, found, make
from protocol.dialects.elevenlabs import ElevenLabs, Options
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    Reply,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    TextDelta,
    Transcribed,
    Truncated,
    Unknown,
)

SOUND = b64encode(b"\1\0" * 5).decode()


def told(dialect: ElevenLabs, message: dict[str, Any]) -> Event | list[Event]:
    return dialect.decode(json.dumps(message).encode())


def audio(event_id: int, encoded: str = SOUND) -> dict[str, Any]:
    return {"type": "audio", "audio_event": {"audio_base_64": encoded, "event_id": event_id}}


def begun(hears: str = "pcm_16000", speaks: str = "pcm_16000") -> dict[str, Any]:
    event = {"conversation_id": "conv_1", "user_input_audio_format": hears, "agent_output_audio_format": speaks}
    return {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": event}


def test_where_and_how_a_session_is_opened() -> None:
    dialect = ElevenLabs(Options(agent="agent_1"))
    assert dialect.endpoint("https://api.elevenlabs.io", None) == "wss://api.elevenlabs.io/v1/convai/conversation?agent_id=agent_1"
    assert ElevenLabs().endpoint("wss://a/?agent_id=mine", None) == "wss://a/v1/convai/conversation?agent_id=mine"
    assert dialect.headers("k1") == {"xi-api-key": "k1"}
    assert dialect.append(b"\1\0\2\0") == b'{"user_audio_chunk":"AQACAA=="}'
    assert find("elevenlabs") is ElevenLabs


def test_a_key_becomes_a_signed_url_for_one_call() -> None:
    recipe = ElevenLabs(Options(agent="a&b")).access(SessionSettings())
    assert recipe is not None
    request = filled(recipe, {"KEY": "k1"})
    assert (request.method, request.body) == ("GET", None)
    assert request.url == "/v1/convai/conversation/get-signed-url?agent_id=a%26b"
    assert (dict(request.headers), recipe.reuse) == ({"xi-api-key": "k1"}, Reuse.CALL)
    url = "wss://api.elevenlabs.io/v1/convai/conversation?agent_id=a&conversation_signature=s"
    grant = found(recipe, json.dumps({"signed_url": url}).encode(), 0.0, {})
    assert grant.url == url  # type: ignore[union-attr]


def test_an_agent_that_the_host_names_is_opened_at_the_hosts_own_url() -> None:
    assert ElevenLabs().access(SessionSettings()) is None


def test_only_what_was_asked_for_is_overridden() -> None:
    assert [json.loads(one) for one in ElevenLabs().configure(SessionSettings())] == [{"type": "conversation_initiation_client_data"}]
    (message,) = ElevenLabs(Options(first_message="Hi")).configure(SessionSettings(model="m", instructions="Be brief.", voice="v"))
    assert json.loads(message)["conversation_config_override"] == {
        "agent": {"prompt": {"prompt": "Be brief.", "llm": "m"}, "first_message": "Hi"},
        "tts": {"voice_id": "v"},
    }


@pytest.mark.parametrize(
    ("speaks", "rate", "encoding"),
    [("pcm_16000", 16_000, "pcm16"), ("pcm_22050", 22_050, "pcm16"), ("pcm_44100", 44_100, "pcm16"), ("ulaw_8000", 8000, "mulaw")],
)
def test_the_agent_says_how_it_speaks(speaks: str, rate: int, encoding: str) -> None:
    dialect = ElevenLabs()
    events = told(dialect, begun(speaks=speaks))
    assert isinstance(events, list)
    created, updated = events
    assert isinstance(created, SessionCreated)
    assert isinstance(updated, SessionUpdated)
    assert created.session_id == "conv_1"
    assert updated.settings["agent_output_audio_format"] == speaks
    assert (dialect.output_rate, dialect.output_encoding) == (rate, encoding)


def test_a_talker_speaks_as_the_agent_is_to_hear() -> None:
    dialect = make(ElevenLabs, {"input_format": "ulaw_8000"})
    assert (dialect.input_rate, dialect.input_encoding) == (8000, Encoding.MULAW)
    assert told(dialect, begun()) == AssistantError(None, "the agent hears 'pcm_16000': set the wire's input_format to it")
    odd = told(ElevenLabs(), begun(speaks="opus_48000"))
    assert isinstance(odd, AssistantError)
    assert odd.message.startswith("the agent speaks 'opus_48000': set it to one of pcm_8000,")
    with pytest.raises(ValueError, match="input_format of elevenlabs must be one of pcm_8000"):
        make(ElevenLabs, {"input_format": "pcm_44100"})


def test_audio_that_was_on_its_way_when_the_agent_was_interrupted_is_not_played() -> None:
    dialect = ElevenLabs()
    assert told(dialect, audio(7)) == AudioDelta(None, None, 0, 5, SOUND)
    assert told(dialect, {"type": "interruption", "interruption_event": {"event_id": 8}}) == Cleared()
    assert [told(dialect, audio(number)) for number in (7, 8)] == [Ignored("audio")] * 2
    assert told(dialect, audio(9)) == AudioDelta(None, None, 0, 5, SOUND)


@pytest.mark.parametrize(
    ("raw", "encoding", "samples"), [(10, "pcm_16000", 5), (2, "pcm_16000", 1), (3, "ulaw_8000", 3), (0, "pcm_8000", 0)]
)
def test_samples_are_counted_without_decoding(raw: int, encoding: str, samples: int) -> None:
    dialect = ElevenLabs()
    told(dialect, begun(speaks=encoding))
    event = told(dialect, audio(1, b64encode(bytes(raw)).decode()))
    assert isinstance(event, AudioDelta)
    assert (event.samples, event.audio()) == (samples, bytes(raw))


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "user_transcript", "user_transcription_event": {"user_transcript": "Hi", "event_id": 3}}, Transcribed(None, "Hi")),
        ({"type": "agent_response", "agent_response_event": {"agent_response": "Yes.", "event_id": 4}}, TextDelta(None, None, "Yes.")),
        ({"type": "agent_chat_response_part", "text_response_part": {"type": "delta", "text": "Y"}}, TextDelta(None, None, "Y")),
        ({"type": "agent_chat_response_part", "text_response_part": {"type": "stop", "text": ""}}, Ignored("agent_chat_response_part")),
        ({"type": "agent_response_correction", "agent_response_correction_event": {}}, Truncated(None, None)),
        ({"type": "vad_score", "vad_score_event": {"vad_score": 0.9}}, Ignored("vad_score")),
        ({"type": "agent_response_complete"}, Ignored("agent_response_complete")),
        ({"type": "surprise"}, Unknown("surprise")),
    ],
)
def test_messages_and_what_they_say(message: dict[str, Any], event: Event) -> None:
    assert told(ElevenLabs(), message) == event


def test_a_ping_is_answered() -> None:
    event = told(ElevenLabs(), {"type": "ping", "ping_event": {"event_id": 12, "ping_ms": 40}})
    assert isinstance(event, Reply)
    assert json.loads(event.message) == {"type": "pong", "event_id": 12}


def test_an_agent_that_waits_for_a_tool_is_told_that_there_is_none() -> None:
    event = told(ElevenLabs(), {"type": "client_tool_call", "client_tool_call": {"tool_name": "t", "tool_call_id": "c1", "parameters": {}}})
    assert isinstance(event, Reply)
    answer = json.loads(event.message)
    assert (answer["type"], answer["tool_call_id"], answer["is_error"]) == ("client_tool_result", "c1", True)


@pytest.mark.parametrize(
    ("kind", "event", "code", "why"),
    [
        ("error", {"code": 1011, "error_type": "llm_timeout", "message": "Too slow."}, "llm_timeout", "Too slow."),
        ("error", {"code": 1008, "reason": "No."}, "1008", "No."),
        ("client_error", {"code": 1008, "error_name": "auth", "message": "Bad key"}, "auth", "Bad key"),
        ("error", {}, "error", ""),
    ],
)
def test_an_error_fails_what_was_due(kind: str, event: dict[str, Any], code: str, why: str) -> None:
    assert told(ElevenLabs(), {"type": kind, "error_event": event}) == [AssistantError(code, why), ResponseDone(None, "failed", code, None)]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"{", "not JSON"),
        (b'"audio"', "not a JSON object"),
        (b'{"type":null}', "message: type is missing; it must be a string"),
        (b'{"type":"audio","audio_event":[]}', "audio: audio_event must be an object, not list"),
        (b'{"type":"audio","audio_event":{"audio_base_64":5}}', "audio: audio_base_64 must be a string, not int"),
        (b'{"type":"audio","audio_event":{"audio_base_64":"AAA"}}', "audio of 3 characters is not base64"),
        (b'{"type":"audio","audio_event":{"audio_base_64":"AAAA"}}', "3 bytes of audio are no whole pcm16 samples"),
        (b'{"type":"ping","ping_event":{"event_id":true}}', "ping: event_id must be a whole number, not bool"),
        (b'{"type":"interruption","interruption_event":{"event_id":"9"}}', "interruption: event_id must be a whole number, not str"),
        (
            b'{"type":"conversation_initiation_metadata","conversation_initiation_metadata_event":{"conversation_id":"c"}}',
            "metadata: user_input_audio_format is missing",
        ),
    ],
)
def test_what_the_wire_does_not_allow_is_told(message: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        ElevenLabs().decode(message)


def test_binary_messages_are_none_of_this_wire() -> None:
    with pytest.raises(MalformedMessage, match="a binary message, where the wire has text only"):
        ElevenLabs().decode_binary(b"\0\0")


PARTS = {
    "audio": "audio_event",
    "interruption": "interruption_event",
    "ping": "ping_event",
    "error": "error_event",
    "user_transcript": "user_transcription_event",
    "agent_response": "agent_response_event",
    "agent_chat_response_part": "text_response_part",
    "client_tool_call": "client_tool_call",
    "conversation_initiation_metadata": "conversation_initiation_metadata_event",
}
KEYS = ["audio_base_64", "event_id", "user_transcript", "agent_response", "text", "tool_call_id", "conversation_id", "code", "message"]
FORMATS = ["user_input_audio_format", "agent_output_audio_format"]
VALUES = st.none() | st.integers() | st.text(max_size=6) | st.just("pcm_16000") | st.just(SOUND[:-1]) | st.lists(st.integers(), max_size=1)
PART = st.dictionaries(st.sampled_from(KEYS + FORMATS), VALUES) | VALUES
MESSAGE = st.sampled_from(list(PARTS)).flatmap(lambda kind: PART.map(lambda part: json.dumps({"type": kind, PARTS[kind]: part}).encode()))


@given(st.lists(st.binary(max_size=9) | MESSAGE, max_size=8))
def test_rubbish_is_malformed_or_an_event(messages: list[bytes]) -> None:
    dialect = ElevenLabs()
    for message in messages:
        try:
            dialect.decode(message)
        except MalformedMessage as error:
            assert len(str(error)) < 400
