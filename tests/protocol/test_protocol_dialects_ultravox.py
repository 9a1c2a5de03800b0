"""Ultravox's data messages and audio, decoded into a talker's events, and what a talker says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import MalformedMessage, SessionSettings, filled, make, variables
from protocol.dialects.ultravox import Ultravox
from protocol.events import (
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    Reply,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    TextDelta,
    Transcribed,
    Unknown,
)

PCM = b"\1\0\2\0"


def said(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def state(now: str) -> bytes:
    return said("state", state=now)


def agent(delta: str | None, ordinal: int, *, final: bool = False, text: str | None = None) -> bytes:
    return said("transcript", role="agent", medium="voice", delta=delta, text=text, ordinal=ordinal, final=final)


def told(dialect: Ultravox, *messages: bytes) -> list[Event]:
    """Events of data messages, and of audio where a message is PCM."""
    events: list[Event] = []
    for message in messages:
        event = dialect.decode_binary(message) if message == PCM else dialect.decode(message)
        events += event if isinstance(event, list) else [event]
    return [event for event in events if not isinstance(event, Ignored)]


def begun() -> Ultravox:
    dialect = Ultravox()
    assert told(dialect, state("listening")) == [SessionUpdated({})]
    return dialect


def sound(response: str) -> AudioDelta:
    return AudioDelta(response, None, 0, 2, PCM)


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (state("thinking"), [ResponseCreated("r1")]),
        (state("speaking"), []),
        (state("idle"), []),
        (agent("Well", 2), [TextDelta("r1", None, "Well")]),
        (agent(None, 2, text="Well so"), [TextDelta("r1", None, "Well so")]),
        (agent("", 2, final=True), []),
        (said("transcript", role="user", medium="voice", text="Hi.", delta=None, final=True, ordinal=1), [Transcribed(None, "Hi.")]),
        (said("transcript", role="user", medium="voice", text="Hi", delta=None, final=False, ordinal=1), []),
        (said("playback_clear_buffer"), [Cleared()]),
        (said("pong", timestamp=1.5), []),
        (said("debug", message="x"), []),
        (said("tomorrow"), [Unknown("tomorrow")]),
        (PCM, [sound("r1")]),
    ],
)
def test_messages(message: bytes, events: list[Event]) -> None:
    assert told(begun(), message) == events


@pytest.mark.parametrize(
    ("first", "events"),
    [
        (said("call_started", callId="c1"), [SessionCreated("c1", {"type": "call_started", "callId": "c1"}), SessionUpdated({})]),
        (state("idle"), [SessionUpdated({})]),
        (PCM, [SessionUpdated({}), sound("r1")]),
    ],
)
def test_whatever_comes_first_makes_the_session_ready(first: bytes, events: list[Event]) -> None:
    dialect = Ultravox()
    assert told(dialect, first) == events
    assert SessionUpdated({}) not in told(dialect, state("listening"), PCM)


def test_a_response_is_what_is_said_between_two_states() -> None:
    messages = [
        state("thinking"),
        agent("A", 2),
        state("speaking"),
        PCM,
        agent(" b", 2),
        PCM,
        agent("", 2, final=True),
        state("listening"),
        PCM,
    ]
    events = [ResponseCreated("r1"), TextDelta("r1", None, "A"), sound("r1"), TextDelta("r1", None, " b"), sound("r1")]
    assert told(begun(), *messages) == [*events, ResponseDone("r1", "completed", None, None), sound("r2")]


def test_thinking_that_comes_to_nothing_is_cancelled() -> None:
    assert told(begun(), state("thinking"), state("listening")) == [ResponseCreated("r1"), ResponseDone("r1", "cancelled", None, None)]


def test_thinking_between_words_is_of_the_same_response() -> None:
    messages = [state("thinking"), PCM, state("thinking"), PCM, state("listening")]
    events = [ResponseCreated("r1"), sound("r1"), sound("r1"), ResponseDone("r1", "completed", None, None)]
    assert told(begun(), *messages) == events


def test_clearing_breaks_a_response_off_and_its_late_words_open_none() -> None:
    messages = [state("thinking"), agent("A", 2), PCM, said("playback_clear_buffer"), agent(" b", 2), state("listening"), agent("C", 4)]
    over = [Cleared(), ResponseDone("r1", "cancelled", "cleared", None)]
    assert told(begun(), *messages) == [ResponseCreated("r1"), TextDelta("r1", None, "A"), sound("r1"), *over, TextDelta("r2", None, "C")]


def test_a_tool_is_answered_so_that_the_call_goes_on() -> None:
    (reply,) = told(begun(), said("client_tool_invocation", toolName="t", invocationId="i1", parameters={}))
    assert isinstance(reply, Reply)
    answer = {"type": "client_tool_result", "invocationId": "i1", "errorType": "undefined", "errorMessage": "a talker has no tools"}
    assert json.loads(reply.message) == answer


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"{", "message of 1 bytes is not JSON"),
        (b"3", "message of 1 bytes is not a JSON object"),
        (b"{}", "message: type is missing; it must be a string"),
        (said("state", state=3), "state: state must be a string, not int"),
        (said("transcript", role="agent", final="no"), "transcript: final must be true or false, not str"),
        (said("transcript", role="user", final=True, text=None), "transcript: text is missing; it must be a string"),
        (said("client_tool_invocation"), "client_tool_invocation: invocationId is missing; it must be a string"),
    ],
)
def test_what_is_malformed_is_told(message: bytes, text: str) -> None:
    with pytest.raises(MalformedMessage) as error:
        Ultravox().decode(message)
    assert str(error.value).startswith(text)


def test_half_a_sample_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="3 bytes of audio are no whole pcm16 samples"):
        Ultravox().decode_binary(b"\1\0\2")


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "agent", "thinking", "listening"])
FIELDS = st.dictionaries(st.sampled_from(["role", "state", "text", "delta", "final", "ordinal", "callId", "invocationId"]), VALUES)
KINDS = st.sampled_from(["state", "transcript", "playback_clear_buffer", "call_started", "client_tool_invocation", "x"])


@given(
    st.lists(st.binary(max_size=20) | st.builds(lambda kind, fields: said(kind, **fields), KINDS, FIELDS), max_size=6),
    st.binary(max_size=9),
)
def test_rubbish_is_malformed_or_an_event(messages: list[bytes], pcm: bytes) -> None:
    dialect = Ultravox()
    for decode, message in [*((dialect.decode, message) for message in messages), (dialect.decode_binary, pcm)]:
        try:
            decode(message)
        except MalformedMessage as error:
            assert str(error)


def test_what_a_talker_says() -> None:
    dialect = Ultravox()
    assert dialect.append(PCM) == PCM
    with pytest.raises(ValueError, match="1 bytes are no whole PCM16 samples"):
        dialect.append(b"\1")
    assert dialect.configure(SessionSettings()) == []
    assert dialect.farewell() == b'{"type":"hang_up"}'


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (
            "wss://voice.ultravox.ai/calls/c1/server_web_socket?apiVersion=1",
            "wss://voice.ultravox.ai/calls/c1/server_web_socket?apiVersion=1",
        ),
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/calls/direct/server_web_socket?inputSampleRate=16000&outputSampleRate=24000"),
    ],
)
def test_where_the_call_is(host: str, url: str) -> None:
    assert Ultravox().endpoint(host, None) == url


RATES = {"serverWebSocket": {"inputSampleRate": 16_000, "outputSampleRate": 24_000, "clientBufferSizeMs": 30_000}}
ASKED = SessionSettings(model="ultravox-v0.7", instructions="Be brief.", voice="Mark")


@pytest.mark.parametrize(
    ("options", "settings", "url", "body"),
    [
        ({}, SessionSettings(), "/api/calls", {"medium": RATES}),
        ({}, ASKED, "/api/calls", {"model": "ultravox-v0.7", "systemPrompt": "Be brief.", "voice": "Mark", "medium": RATES}),
        ({"agent_id": "a1"}, ASKED, "/api/agents/a1/calls", {"medium": RATES}),
    ],
)
def test_a_call_is_created_first(options: dict[str, Any], settings: SessionSettings, url: str, body: dict[str, Any]) -> None:
    recipe = make(Ultravox, options).access(settings)
    assert recipe is not None
    assert (recipe.method, recipe.url, recipe.body, recipe.url_pointers) == ("POST", url, body, ("/joinUrl",))
    assert recipe.headers == {"X-API-Key": "${KEY}"}


def test_what_a_session_says_is_sent_as_it_is_and_names_no_variable() -> None:
    recipe = make(Ultravox, {}).access(SessionSettings(instructions="Say ${HOME}, or ${", voice="${V}"))
    assert recipe is not None
    assert variables(recipe) == {}
    body = json.loads(filled(recipe, {}).body or b"")
    assert (body["systemPrompt"], body["voice"]) == ("Say ${HOME}, or ${", "${V}")
    called = make(Ultravox, {"agent_id": "a/b ${c}?"}).access(SessionSettings())
    assert called is not None
    assert called.url == "/api/agents/a%2Fb%20%24%7Bc%7D%3F/calls"
