"""The assistant as Gemini Live: what its clients may send, what it answers, and ephemeral tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from assistant_harness import Running, profile, running
from hypothesis import given
from hypothesis import strategies as st

from assistant.usage import Usage
from assistant.wires.base import Answer, Asked, Bye, Format, Refused, Sound, Tuned
from assistant.wires.gemini_live import GeminiLive
from protocol import find, make
from protocol.events import (
    AudioDelta,
    AudioDone,
    Cleared,
    Ignored,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    Transcribed,
)

USAGE = Usage(text_in=10, audio_in=20, cached=5, text_out=7, audio_out=80)
PCM = bytes(range(64))
ODD = "Invalid value at 'realtimeInput.audio': expected 16-bit PCM at 8, 16, 24 or 48 kHz."


def opened(**setup: Any) -> GeminiLive:
    """A wire that is set up."""
    wire = GeminiLive("t")
    wire.received(json.dumps({"setup": {"model": "models/m", **setup}}))
    return wire


def blob(audio: bytes = PCM, kind: str = "audio/pcm;rate=16000", name: str = "mimeType") -> dict[str, str]:
    return {"data": base64.b64encode(audio).decode(), name: kind}


def told(message: Any) -> list[dict[str, Any]]:
    messages = message if isinstance(message, list) else [message]
    assert all(isinstance(one, bytes) for one in messages)
    return [json.loads(one) for one in messages]


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [
        ({"x-goog-api-key": "k"}, {}, "k"),
        ({}, {"key": "k"}, "k"),
        ({"authorization": "Token auth_tokens/t"}, {}, "t"),
        ({}, {"access_token": "auth_tokens/t"}, "t"),
        ({"authorization": "Bearer k"}, {}, None),
        ({}, {}, None),
    ],
)
def test_secrets_come_as_googles_clients_send_them(headers: dict[str, str], query: dict[str, str], secret: str | None) -> None:
    assert GeminiLive.secret(headers, query, []) == secret


def test_setup_becomes_a_session() -> None:
    wire = GeminiLive("t")
    setup = {
        "model": "models/m",
        "systemInstruction": {"parts": [{"text": "Be"}, {"text": "brief."}]},
        "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 250}, "activityHandling": "NO_INTERRUPTION"},
        "inputAudioTranscription": {},
        "sessionResumption": {},
    }
    vad = {"type": "server_vad", "silence_duration_ms": 250, "interrupt_response": False}
    heard = {"turn_detection": vad, "transcription": {"model": "gemini"}}
    session = {"type": "realtime", "audio": {"input": heard}, "instructions": "Be\nbrief."}
    assert wire.received(json.dumps({"setup": setup})) == [Tuned(), Asked("session.update", {"session": session})]
    assert told(wire.event("session.updated", session={"id": "s"})) == [
        {"setupComplete": {"sessionId": "s"}},
        {"sessionResumptionUpdate": {"newHandle": "handle_t", "resumable": True}},
    ]
    assert wire.event("session.updated", session={"id": "s"}) is None


def test_names_may_be_written_as_googles_python_client_writes_them() -> None:
    wire = GeminiLive("t")
    config = {"automatic_activity_detection": {"disabled": True}}
    (_, asked) = wire.received(json.dumps({"setup": {"realtime_input_config": config}}).encode())
    assert isinstance(asked, Asked)
    assert asked.fields["session"]["audio"]["input"] == {"turn_detection": None, "transcription": None}
    assert wire.received(json.dumps({"realtime_input": {"audio": blob(name="mime_type")}})) == [Sound(PCM)]


@pytest.mark.parametrize(
    ("given_input", "received"),
    [
        ({"audio": blob()}, [Sound(PCM)]),
        ({"audio": blob(kind="audio/pcm")}, [Sound(PCM)]),
        ({"audio": {"data": "-_-_", "mimeType": "audio/pcm"}}, [Bye(1007, ODD)]),
        ({"audio": {"data": "-_8=", "mimeType": "audio/pcm"}}, [Sound(b"\xfb\xff")]),
        ({"mediaChunks": [blob(), blob()]}, [Sound(PCM), Sound(PCM)]),
        ({"audio": blob(kind="image/png")}, []),
        ({"text": "hello"}, []),
        ({"audioStreamEnd": True}, []),
        ({"activityStart": {}}, []),
        ({"activityEnd": {}}, [Asked("input_audio_buffer.commit"), Asked("response.create")]),
    ],
)
def test_input_in_real_time(given_input: dict[str, Any], received: list[Any]) -> None:
    assert opened().received(json.dumps({"realtimeInput": given_input})) == received


def test_audio_at_another_rate_is_heard_at_that_rate() -> None:
    wire = opened()
    message = json.dumps({"realtimeInput": {"audio": blob(kind="audio/pcm;rate=48000")}})
    assert wire.received(message) == [Tuned(), Sound(PCM)]
    assert wire.received(message) == [Sound(PCM)]
    assert (wire.input, wire.output) == (Format(48_000), Format(24_000))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("x", "Invalid JSON payload received."),
        ("{}", "A message has one field."),
        ('{"setup":{}}', "setup must be the first message, and only that."),
        ('{"realtimeInput":1}', "Invalid value at 'realtimeInput': expected an object."),
        ('{"other":{}}', 'Unknown name "other".'),
        ('{"realtimeInput":{"audio":{"mimeType":"audio/pcm","data":"AAA"}}}', "Base64 decoding failed."),
        ('{"realtimeInput":{"audio":{"mimeType":"audio/pcm","data":"AAAA"}}}', "expected 16-bit PCM"),
        ('{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=44100","data":"AAA="}}}', "expected 16-bit PCM"),
    ],
)
def test_what_cannot_be_read_closes_the_session(message: str, reason: str) -> None:
    (bye,) = opened().received(message)
    assert isinstance(bye, Bye)
    assert (bye.code, reason in bye.reason) == (1007, True)


def test_before_setup_there_is_nothing_else() -> None:
    assert GeminiLive("t").received('{"realtimeInput":{}}') == [Bye(1007, "setup must be the first message, and only that.")]


def test_a_turn_is_told_so_that_the_talkers_dialect_reads_it() -> None:
    wire, dialect = opened(outputAudioTranscription={}), make(find("gemini-live"), {})
    done = wire.response("resp", "conv", "completed", usage=USAGE)
    messages = [
        wire.event("session.updated", session={"id": "s"}),
        wire.event("input_audio_buffer.speech_started", item_id="i", audio_start_ms=1250),
        wire.event("conversation.item.input_audio_transcription.delta", delta="What?"),
        wire.event("conversation.item.input_audio_transcription.completed", transcript="What?"),
        wire.text_delta(("r", "i"), "Well"),
        wire.audio_delta(("r", "i"), base64.b64encode(PCM).decode()),
        wire.event("response.done", response=done),
        wire.event("output_audio_buffer.cleared", response_id="r"),
    ]
    assert [wire.event(kind) for kind in ("session.created", "response.created", "response.output_item.added")] == [None] * 3
    flat = [one for message in messages if message is not None for one in (message if isinstance(message, list) else [message])]
    events = [event for one in flat for event in dialect.decode_binary(one) if not isinstance(event, Ignored)]  # type: ignore[union-attr, arg-type]
    assert events[:4] == [
        SessionCreated("s", {"sessionId": "s"}),
        SessionUpdated({"sessionId": "s"}),
        SpeechStarted(None, 1250),
        Transcribed(None, "What?"),
    ]
    assert events[4] == Transcribed(None, "", goes_on=True)  # that it is all
    assert events[6] == AudioDelta("r1", None, 0, 32, base64.b64encode(PCM).decode())
    assert events[7] == AudioDone("r1", None)
    assert isinstance(events[8], ResponseDone)
    usage = events[8].usage or {}
    assert (usage["input_tokens"], usage["output_tokens"], usage["input_token_details"], usage["output_token_details"]) == (
        30,
        87,
        {"audio_tokens": 20, "cached_tokens": 5},
        {"audio_tokens": 80},
    )
    assert events[9] == Cleared()


def test_words_are_told_where_they_were_asked_for() -> None:
    assert opened().text_delta(("r", "i"), "Well") is None


@pytest.mark.parametrize(
    ("status", "contents"),
    [
        ("completed", [{"generationComplete": True}, {"turnComplete": True}]),
        ("cancelled", [{"turnComplete": True}]),
        ("failed", [{"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}]),
    ],
)
def test_the_end_of_a_turn(status: str, contents: list[dict[str, Any]]) -> None:
    wire = opened()
    done = told(wire.event("response.done", response=wire.response("r", "c", status, usage=USAGE)))
    assert [one["serverContent"] for one in done] == contents
    assert "usageMetadata" in done[-1]


def test_the_end_of_the_sessions_time_is_announced() -> None:
    assert told(opened().error("over", code="session_expired")) == [{"goAway": {"timeLeft": "0s"}}]
    assert opened().error("no") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "setup",
    "realtimeInput",
    "clientContent",
    "audio",
    "mediaChunks",
    "parts",
    "systemInstruction",
    "realtimeInputConfig",
    "data",
    "mimeType",
]
NESTED = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3), max_leaves=6)


@given(st.lists(NESTED.map(json.dumps) | st.text(max_size=20) | st.binary(max_size=20), max_size=4), st.booleans())
def test_whatever_a_client_sends_is_taken(messages: list[str | bytes], ready: bool) -> None:
    wire = opened() if ready else GeminiLive("t")
    for message in messages:
        for one in wire.received(message):
            assert isinstance(one, Sound | Asked | Refused | Answer | Tuned | Bye)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gemini"), api_key="goog") as server:
        yield server


def test_a_token_is_minted_for_the_key(served: Running) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for path, headers, body in (
        ("/v1alpha/auth_tokens", {"x-goog-api-key": "goog"}, {"uses": 1}),
        ("/v1alpha/auth_tokens?key=goog", {}, {"newSessionExpireTime": soon}),
        ("/v1alpha/auth_tokens?key=goog", {}, None),
    ):
        status, _, reply = served.request("POST", path, body, headers)
        assert (status, reply["name"].startswith("auth_tokens/")) == (200, True)
        assert served.hub.tokens.accepts(GeminiLive.secret({"authorization": f"Token {reply['name']}"}, {}, []), 0.0)


@pytest.mark.parametrize(
    ("key", "body", "status", "name"),
    [
        ("other", {}, 401, "UNAUTHENTICATED"),
        ("goog", {"newSessionExpireTime": "2000-01-01T00:00:00Z"}, 400, "INVALID_ARGUMENT"),
        ("goog", {"newSessionExpireTime": 5}, 400, "INVALID_ARGUMENT"),
        ("goog", b"[", 400, "INVALID_ARGUMENT"),
        ("goog", [], 400, "INVALID_ARGUMENT"),
    ],
)
def test_a_request_that_is_refused(served: Running, key: str, body: Any, status: int, name: str) -> None:
    found, _, reply = served.request("POST", "/v1alpha/auth_tokens", body, {"x-goog-api-key": key})
    assert (found, reply["error"]["status"]) == (status, name)


def test_no_token_past_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, profile(tokens={"per_second": 0.001, "burst": 1})) as server:
        replies = [server.request("POST", "/v1alpha/auth_tokens") for _ in range(2)]
        assert [status for status, _, _ in replies] == [200, 429]
        assert int({name.lower(): value for name, value in replies[1][1].items()}["retry-after"]) > 900
