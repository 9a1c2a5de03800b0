"""Deepgram's Voice Agent: what is sent, and what the messages of its reference come to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Dialect, MalformedMessage, Opcode, SessionSettings, filled, find, found, make
from protocol.dialects.deepgram import Deepgram, Options
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
    SpeechStarted,
    TextDelta,
    Transcribed,
    Unknown,
)

SOUND = b"\1\0" * 480


def told(dialect: Dialect, *messages: bytes | dict[str, Any]) -> list[Event]:
    """What these messages come to, one after the other."""
    events: list[Event] = []
    for message in messages:
        one = dialect.decode_binary(message) if isinstance(message, bytes) else dialect.decode(json.dumps(message).encode())
        events += one if isinstance(one, list) else [one]
    return events


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def said(role: str, content: str) -> dict[str, Any]:
    return of("ConversationText", role=role, content=content)


def heard(identity: str, samples: int = 480) -> AudioDelta:
    return AudioDelta(identity, None, 0, samples, b"\1\0" * samples)


def settings_sent(dialect: Dialect, settings: SessionSettings) -> Any:
    """What answers the agent's Welcome."""
    assert dialect.configure(settings) == []
    _, reply = told(dialect, of("Welcome", request_id="q-1"))
    assert isinstance(reply, Reply)
    return json.loads(reply.message)


ASKED, DONE, INTERRUPTS = said("user", "Hello?"), of("AgentAudioDone"), of("UserStartedSpeaking")


def test_the_settings_say_how_both_sides_speak() -> None:
    settings = SessionSettings(model="gpt-5-mini", instructions="Be brief.", voice="aura-2-andromeda-en")
    dialect = make(Deepgram, {"input_rate": 16_000, "output_encoding": "mulaw", "output_rate": 8000, "greeting": "Hello!"})
    assert settings_sent(dialect, settings) == {
        "type": "Settings",
        "audio": {
            "input": {"encoding": "linear16", "sample_rate": 16_000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {
            "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
            "think": {"provider": {"type": "open_ai", "model": "gpt-5-mini"}, "prompt": "Be brief."},
            "speak": {"provider": {"type": "deepgram", "model": "aura-2-andromeda-en"}},
            "greeting": "Hello!",
        },
    }
    assert (dialect.input_rate, dialect.input_encoding, dialect.output_rate, dialect.output_encoding) == (16_000, "pcm16", 8000, "mulaw")


def test_a_saved_agent_says_all_by_itself_and_flux_needs_its_version() -> None:
    sent = settings_sent(Deepgram(Options(agent="a-1", experimental=True)), SessionSettings(instructions="Be brief."))
    assert (sent["agent"], sent["experimental"]) == ("a-1", True)
    agent = settings_sent(Deepgram(Options(listen_model="flux-general-en", speak_model="flux-kit-en")), SessionSettings())["agent"]
    assert agent["listen"]["provider"] == {"type": "deepgram", "model": "flux-general-en", "version": "v2"}
    assert (agent["speak"]["provider"]["version"], "prompt" in agent["think"], "greeting" in agent) == ("v2", False, False)


def test_where_and_how_a_session_is_opened() -> None:
    dialect = Deepgram()
    assert dialect.endpoint("https://agent.deepgram.com", "gpt-5") == "wss://agent.deepgram.com/v1/agent/converse"
    assert dialect.headers("k1") == {"Authorization": "Token k1"}
    assert dialect.headers(None) == {}
    assert dialect.append(SOUND) == SOUND
    assert (dialect.audio_opcode, dialect.control_opcode) == (Opcode.BINARY, Opcode.TEXT)
    assert find("deepgram") is Deepgram


def test_a_key_becomes_a_token_and_the_token_a_bearer() -> None:
    recipe = Deepgram.recipe
    assert recipe is not None
    request = filled(recipe, {"KEY": "k1"})
    assert (request.method, request.url, dict(request.headers)) == ("POST", "/v1/auth/grant", {"Authorization": "Token k1"})
    grant = found(recipe, b'{"access_token": "jwt", "expires_in": 30}', 1000.0, {})
    assert (grant.headers, grant.expires_at_s) == ({"Authorization": "Bearer jwt"}, 1030.0)  # type: ignore[union-attr]


def test_a_session_is_ready_with_its_settings() -> None:
    dialect = Deepgram()
    dialect.configure(SessionSettings())
    created, reply, updated = told(dialect, of("Welcome", request_id="q-1"), of("SettingsApplied"))
    assert (created, type(reply), updated) == (SessionCreated("q-1", {}), Reply, SessionUpdated({}))
    assert told(dialect, of("Welcome", request_id="q-1")) == [created], "settings are sent once"


def test_an_agent_that_waits_for_a_function_is_told_that_there_is_none() -> None:
    asked = [
        {"id": "f1", "name": "weather", "arguments": "{}", "client_side": True},
        {"id": "f2", "name": "book", "arguments": "{}", "client_side": False},
        {"id": "f3", "name": "pay", "arguments": "{}", "client_side": True},
    ]
    replies = told(Deepgram(), of("FunctionCallRequest", functions=asked))
    assert [json.loads(reply.message) for reply in replies if isinstance(reply, Reply)] == [
        {"type": "FunctionCallResponse", "id": identity, "name": name, "content": "error: this client has no functions"}
        for identity, name in (("f1", "weather"), ("f3", "pay"))
    ]
    assert told(Deepgram(), of("FunctionCallRequest", functions=asked[1:2])) == [Ignored("FunctionCallRequest")]


def test_a_turn_is_one_response_whatever_comes_of_it_first() -> None:
    dialect = Deepgram()
    turn = [INTERRUPTS, ASKED, of("AgentThinking", content=""), said("assistant", "Yes"), SOUND, said("assistant", "?"), SOUND, DONE]
    assert told(dialect, *turn) == [
        SpeechStarted(None, None),
        Cleared(),
        Transcribed(None, "Hello?"),
        Ignored("AgentThinking"),
        TextDelta("r1", None, "Yes"),
        heard("r1"),
        TextDelta("r1", None, "?"),
        heard("r1"),
        ResponseDone("r1", "completed", None, None),
    ]
    assert told(dialect, ASKED, SOUND, said("assistant", "Yes"), DONE)[1:] == [
        heard("r2"),
        TextDelta("r2", None, "Yes"),
        ResponseDone("r2", "completed", None, None),
    ]


def test_words_behind_the_end_of_a_response_begin_no_other() -> None:
    dialect = Deepgram()
    assert told(dialect, ASKED, SOUND, DONE, said("assistant", "Yes."))[-1] == Ignored("ConversationText")
    assert told(dialect, DONE) == [Ignored("AgentAudioDone")]
    assert told(dialect, SOUND) == [heard("r2")], "an agent that goes on by itself is heard"


def test_a_talker_who_speaks_breaks_the_response_off() -> None:
    dialect = Deepgram()
    assert told(dialect, ASKED, SOUND, INTERRUPTS)[2:] == [
        SpeechStarted(None, None),
        Cleared(),
        ResponseDone("r1", "cancelled", "turn_detected", None),
    ]
    assert told(dialect, SOUND) == [heard("r1")], "what was on its way is of the response that was broken off"
    assert told(dialect, INTERRUPTS, SOUND)[-1] == heard("r1"), "a second start of speech makes it no other"
    assert told(dialect, ASKED, SOUND)[-1] == heard("r2")


def test_a_response_that_is_all_there_is_cleared_not_broken_off() -> None:
    dialect = Deepgram()
    assert told(dialect, ASKED, SOUND, DONE, INTERRUPTS)[3:] == [SpeechStarted(None, None), Cleared()]
    assert told(dialect, SOUND) == [heard("r2")]


def test_an_error_fails_the_response_that_was_due() -> None:
    fails = of("Error", code="FAILED_TO_THINK", description="No model.")
    failed = AssistantError("FAILED_TO_THINK", "No model.")
    assert told(Deepgram(), fails) == [failed]
    assert told(Deepgram(), ASKED, fails)[1:] == [failed, ResponseDone("r1", "failed", "FAILED_TO_THINK", None)]
    assert told(Deepgram(), INTERRUPTS, fails)[2:] == [failed, ResponseDone("r1", "failed", "FAILED_TO_THINK", None)]
    assert told(Deepgram(), ASKED, SOUND, fails)[2:] == [failed, ResponseDone("r1", "failed", "FAILED_TO_THINK", None)]
    assert told(Deepgram(), of("Warning", code="SLOW", description="Slow."))[0] == AssistantError("SLOW", "Slow.", benign=True)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"type":7}', "message: type must be a string, not int"),
        (b'{"type":"Welcome"}', "Welcome: request_id is missing; it must be a string"),
        (b'{"type":"ConversationText","role":"user","content":null}', "ConversationText: content is missing"),
        (b'{"type":"ConversationText","role":"tool","content":""}', "neither user nor assistant"),
        (b'{"type":"FunctionCallRequest"}', "FunctionCallRequest: functions is missing"),
        (b'{"type":"FunctionCallRequest","functions":["f"]}', "FunctionCallRequest: a function is no object"),
        (b'{"type":"FunctionCallRequest","functions":[{"client_side":true,"id":"f"}]}', "FunctionCallRequest: functions.name is missing"),
        (b'{"type":"Error","code":1,"description":""}', "Error: code must be a string, not int"),
    ],
)
def test_what_the_wire_does_not_allow_is_told(message: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        Deepgram().decode(message)


def test_half_a_sample_is_no_audio() -> None:
    with pytest.raises(MalformedMessage, match="3 bytes of audio are no whole pcm16 samples"):
        Deepgram().decode_binary(b"abc")
    assert told(Deepgram(Options(output_encoding="alaw")), b"abc") == [AudioDelta("r1", None, 0, 3, b"abc")]


def test_types_without_a_meaning_here_are_told_apart_from_strangers() -> None:
    assert told(Deepgram(), of("LatencyReport", total_latency=0.4), of("Surprise")) == [Ignored("LatencyReport"), Unknown("Surprise")]


KINDS = ["Welcome", "SettingsApplied", "ConversationText", "UserStartedSpeaking", "AgentAudioDone", "Error", "Warning", "History", "?"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
FIELDS = st.dictionaries(st.sampled_from(["type", "role", "content", "code", "description", "request_id"]), JSON | st.sampled_from(KINDS))


@given(st.lists(st.binary(max_size=9) | FIELDS.map(lambda fields: json.dumps(fields).encode()) | st.text(max_size=9).map(str.encode)))
def test_rubbish_is_malformed_or_an_event(messages: list[bytes]) -> None:
    dialect = Deepgram()
    closed: set[str] = set()
    for message in messages:
        for decode in (dialect.decode, dialect.decode_binary):
            try:
                one = decode(message)
            except MalformedMessage as error:
                assert len(str(error)) < 400
                continue
            for event in one if isinstance(one, list) else [one]:
                if isinstance(event, ResponseDone):
                    assert event.response_id not in closed, "a response is closed once"
                    closed.add(str(event.response_id))
