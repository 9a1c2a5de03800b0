"""The assistant as Deepgram's Voice Agent: what its pipeline tells as that wire's messages, and how one gets in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets
from assistant_harness import profile, running

from assistant.wires.base import Answer, Asked, Bye, Format, Sound, Told, Tuned
from assistant.wires.deepgram import Deepgram

SETTINGS: dict[str, Any] = {"type": "Settings", "audio": {}, "agent": {}}
STARTED, CLEARED, STOPPED = ("input_audio_buffer.speech_started", "output_audio_buffer.cleared", "input_audio_buffer.speech_stopped")
USER_STARTED = {"type": "UserStartedSpeaking"}
FRAME = ("", "")


def opened(**more: Any) -> Deepgram:
    """A session at 8 kHz whose settings are known."""
    sides = {"encoding": "mulaw", "sample_rate": 8000}
    wire = Deepgram("t")
    wire.received(json.dumps({**SETTINGS, "audio": {"input": sides, "output": sides}, **more}))
    return wire


def shown(told: Told) -> Any:
    """The message, as its client reads it."""
    return json.loads(told) if isinstance(told, str) else told


def hears(wire: Deepgram, seconds: float) -> None:
    """The client's microphone goes on."""
    assert wire.received(b"\xff" * round(8000 * seconds))


def answers(wire: Deepgram, seconds: float, *, whole: bool = True) -> None:
    wire.event("response.created", response={})
    wire.audio_delta(FRAME, b"\xff" * round(8000 * seconds))
    if whole:
        wire.event("response.done", response={"status": "completed", "status_details": None})


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("session.created", {"session": {"id": "sess_1"}}, {"type": "Welcome", "request_id": "sess_1"}),
        ("session.updated", {"session": {}}, {"type": "SettingsApplied"}),
        (
            "conversation.item.input_audio_transcription.completed",
            {"transcript": "Hello?"},
            {"type": "ConversationText", "role": "user", "content": "Hello?"},
        ),
        ("response.created", {"response": {}}, {"type": "AgentThinking", "content": ""}),
        ("response.done", {"response": {"status": "completed", "status_details": None}}, {"type": "AgentAudioDone"}),
        ("response.done", {"response": {"status": "cancelled", "status_details": {"reason": "turn_detected"}}}, None),
        (
            "response.done",
            {"response": {"status": "failed", "status_details": {"error": {"code": "tts_error", "message": "No voice."}}}},
            {"type": "Error", "description": "No voice.", "code": "FAILED_TO_SPEAK"},
        ),
        ("input_audio_buffer.committed", {"item_id": "i"}, None),
    ],
)
def test_events_and_messages(kind: str, fields: dict[str, Any], message: Any) -> None:
    assert shown(opened().event(kind, **fields)) == message


def test_words_and_sound() -> None:
    wire = opened()
    assert shown(wire.text_delta(FRAME, "Yes")) == {"type": "ConversationText", "role": "assistant", "content": "Yes"}
    assert wire.audio_delta(FRAME, b"abc") == b"abc"
    assert shown(wire.error("No.", code="invalid_audio")) == {"type": "Warning", "description": "No.", "code": "INVALID_AUDIO"}


def test_speech_is_told_at_once_where_nothing_is_heard_of_the_agent() -> None:
    wire = opened()
    assert shown(wire.event(STARTED)) == USER_STARTED
    assert wire.event(CLEARED) is None, "that client knows already"
    assert wire.event(STOPPED) is None
    assert shown(wire.event(STARTED)) == USER_STARTED, "every utterance is told"


@pytest.mark.parametrize("whole", [False, True])
def test_speech_into_an_answer_is_told_when_that_is_stopped(whole: bool) -> None:
    wire = opened()
    answers(wire, 2.0, whole=whole)
    hears(wire, 1.0)
    assert wire.event(STARTED) is None
    assert shown(wire.event(CLEARED)) == USER_STARTED
    wire.event("response.done", response={"status": "cancelled", "status_details": {}})
    wire.event(STOPPED)
    assert shown(wire.event(STARTED)) == USER_STARTED, "what was cleared is heard no more"


def test_speech_into_an_answer_that_is_not_heard_yet_is_told_when_that_is_given_up() -> None:
    wire = opened()
    wire.event("response.created", response={})
    assert wire.event(STARTED) is None
    assert shown(wire.event(CLEARED)) == USER_STARTED


def test_an_answer_is_heard_for_as_long_as_it_lasts() -> None:
    wire = opened()
    answers(wire, 1.0)
    hears(wire, 0.9)
    assert wire.event(STARTED) is None
    hears(wire, 0.2)
    assert shown(wire.event(STARTED)) == USER_STARTED


def test_latencies_are_told_where_they_are_asked_for() -> None:
    wire = opened(experimental=True)
    hears(wire, 1.0)
    wire.event(STOPPED)
    hears(wire, 0.3)
    wire.event("response.created", response={})
    wire.text_delta(FRAME, "Yes")
    hears(wire, 0.2)
    first, sound = wire.audio_delta(FRAME, b"abc")  # type: ignore[misc]  # it is a list here
    assert json.loads(first) == {"type": "AgentStartedSpeaking", "total_latency": 0.5, "ttt_latency": 0.3, "tts_latency": 0.2}
    assert (sound, wire.audio_delta(FRAME, b"abc")) == (b"abc", b"abc")


@pytest.mark.parametrize(
    ("side", "asked", "expected"),
    [
        ("input", None, Format(24_000, "pcm16", base64=False)),
        ("output", {"encoding": "alaw", "sample_rate": 8000, "container": "none"}, Format(8000, "alaw", base64=False)),
        ("output", {"encoding": "linear16", "sample_rate": 48_000}, Format(48_000, "pcm16", base64=False)),
    ],
)
def test_settings_say_how_both_sides_write_audio(side: str, asked: Any, expected: Format) -> None:
    wire = Deepgram("t")
    assert wire.received(b"\0\0") == [], "sound before the settings is nobody's"
    received = wire.received(json.dumps({**SETTINGS, "audio": {side: asked}}))
    assert received == [Tuned(), Asked("session.update", {"session": {"type": "realtime"}})]
    assert getattr(wire, side) == expected
    assert wire.received(b"\0\0") == [Sound(b"\0\0")]


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "{}",
        '{"type":[]}',
        '{"type":"Settings"}',
        '{"type":"Settings","audio":[],"agent":{}}',
        '{"type":"Settings","audio":{},"agent":7}',
        '{"type":"Settings","audio":{"input":7},"agent":{}}',
        '{"type":"Settings","audio":{"input":{"encoding":["linear16"]}},"agent":{}}',
        '{"type":"Settings","audio":{"input":{"encoding":"opus"}},"agent":{}}',
        '{"type":"Settings","audio":{"input":{"encoding":"linear16","sample_rate":true}},"agent":{}}',
        '{"type":"Settings","audio":{"input":{"encoding":"linear16","sample_rate":24000.0}},"agent":{}}',
        '{"type":"Settings","audio":{"input":{"encoding":"linear16","sample_rate":11025}},"agent":{}}',
        '{"type":"Settings","audio":{"output":{"container":"wav"}},"agent":{}}',
    ],
)
def test_what_cannot_be_read_ends_the_session(message: str) -> None:
    error, bye = Deepgram("t").received(message)
    assert isinstance(error, Answer)
    assert shown(error.message)["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    assert bye == Bye(1008, "UNPARSABLE_CLIENT_MESSAGE")


def test_what_else_a_client_may_say() -> None:
    wire = opened()
    assert wire.received('{"type":"KeepAlive"}') == []
    assert wire.received('{"type":"UpdatePrompt","prompt":"Be brief."}') == [Answer('{"type":"PromptUpdated"}')]
    (refused,) = wire.received('{"type":"InjectAgentMessage","message":"Hi"}')
    assert shown(refused.message)["type"] == "InjectionRefused"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("headers", "protocols", "secret"),
    [
        ({"authorization": "Token k"}, [], "k"),
        ({"authorization": "bearer t"}, [], "t"),
        ({"authorization": "Basic x"}, [], None),
        ({}, ["token", "k"], "k"),
        ({}, ["bearer", "t"], "t"),
        ({}, ["token"], None),
        ({}, ["realtime", "k"], None),
        ({"authorization": "Token "}, [], None),
    ],
)
def test_where_the_secret_is(headers: dict[str, str], protocols: list[str], secret: str | None) -> None:
    assert Deepgram.secret(headers, {}, protocols) == secret


def test_the_word_before_the_secret_is_accepted() -> None:
    assert [Deepgram.accepted(offered) for offered in (["token", "k"], ["bearer", "t"], ["x"], [])] == ["token", "bearer", None, None]


def test_a_key_becomes_a_token_that_opens_a_session(tmp_path: Path) -> None:
    async def converse(port: int, token: str) -> list[dict[str, Any]]:
        url, headers = f"ws://127.0.0.1:{port}/v1/agent/converse", {"Authorization": f"Bearer {token}"}
        async with websockets.connect(url, additional_headers=headers) as socket:
            welcome = json.loads(await socket.recv())
            await socket.send(json.dumps(SETTINGS))
            return [welcome, json.loads(await socket.recv())]

    with running(tmp_path, api_key="k1") as server:
        refused = server.request("POST", "/v1/auth/grant", headers={"Authorization": "Token no"})
        assert (refused[0], refused[2]["err_code"]) == (401, "INVALID_AUTH")
        status, _, granted = server.request("POST", "/v1/auth/grant", headers={"Authorization": "Token k1"})
        assert (status, granted["expires_in"]) == (200, 30)
        welcome, applied = asyncio.run(converse(server.port, granted["access_token"]))
        assert (welcome["type"], applied) == ("Welcome", {"type": "SettingsApplied"})
        (session,) = server.until("session")
        assert session["session_id"] == welcome["request_id"]
        assert [token["status"] for token in server.truth("token")] == [200]


def test_tokens_are_limited_as_on_other_paths(tmp_path: Path) -> None:
    with running(tmp_path, profile(tokens={"per_second": 0.001, "burst": 1})) as server:
        assert server.request("POST", "/v1/auth/grant")[0] == 200
        status, headers, body = server.request("POST", "/v1/auth/grant")
    assert (status, body["err_code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(headers["retry-after"]) > 100
