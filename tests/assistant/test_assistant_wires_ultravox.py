"""The assistant as Ultravox: its data messages, what it makes of a client's, and how a call is created and joined."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from assistant_harness import Running, profile, running
from hypothesis import given
from hypothesis import strategies as st

from assistant.wires.base import Answer, Bye, Format, Sound
from assistant.wires.ultravox import Ultravox

PCM = b"\1\0\2\0"
WHO = ("resp_1", "item_1")


def told(said: Any) -> list[Any]:
    """Data messages as JSON, audio as it is."""
    messages = said if isinstance(said, list) else [] if said is None else [said]
    return [json.loads(one) if isinstance(one, str) else one for one in messages]


def state(now: str) -> dict[str, str]:
    return {"type": "state", "state": now}


def transcript(role: str, ordinal: int, **said: Any) -> dict[str, Any]:
    return {"type": "transcript", "role": role, "medium": "voice", "ordinal": ordinal, "text": None, "delta": None, "final": False, **said}


def test_a_turn_in_data_messages() -> None:
    wire = Ultravox("t")
    understood = "conversation.item.input_audio_transcription.completed"
    assert told(wire.event("session.created", session={"id": "s1"})) == [{"type": "call_started", "callId": "s1"}, state("listening")]
    assert told(wire.event(understood, transcript="Hi.")) == [transcript("user", 1, text="Hi.", final=True)]
    assert told(wire.event("response.created", response={})) == [state("thinking")]
    assert told(wire.text_delta(WHO, "Well")) == [transcript("agent", 2, delta="Well")]
    assert told(wire.audio_delta(WHO, PCM)) == [state("speaking"), PCM]
    assert told(wire.text_delta(WHO, " so")) == [transcript("agent", 2, delta=" so")]
    assert told(wire.audio_delta(WHO, PCM)) == [PCM]
    assert told(wire.event("response.done", response={})) == [transcript("agent", 2, delta="", final=True), state("listening")]
    assert told(wire.event(understood, transcript="Go on.")) == [transcript("user", 3, text="Go on.", final=True)]
    assert told(wire.text_delta(WHO, "Yes")) == [transcript("agent", 4, delta="Yes")]


def test_an_interruption_and_a_failure() -> None:
    wire = Ultravox("t")
    wire.audio_delta(WHO, PCM)
    assert told(wire.event("output_audio_buffer.cleared", response_id="resp_1")) == [{"type": "playback_clear_buffer"}]
    assert told(wire.event("response.done", response={"status": "cancelled"})) == [state("listening")]
    assert told(wire.event("response.created", response={})) == [state("thinking")]
    assert told(wire.event("response.done", response={"status": "failed"})) == [state("listening")]
    assert told(wire.event("input_audio_buffer.speech_started", item_id="i")) == []


def test_what_a_client_says() -> None:
    wire = Ultravox("t")
    assert wire.received(PCM) == [Sound(PCM)]
    (answer,) = wire.received('{"type":"ping","timestamp":12.5}')
    assert isinstance(answer, Answer) and told(answer.message) == [{"type": "pong", "timestamp": 12.5}]
    assert wire.received('{"type":"hang_up","message":"Bye"}') == [Bye()]
    assert wire.received('{"type":"user_text_message","text":"Hi"}') == []


@given(st.text(max_size=40))
def test_rubbish_is_passed_over(message: str) -> None:
    assert Ultravox("t").received(message) == []


@pytest.mark.parametrize(
    ("query", "heard", "spoken"),
    [
        ({}, 48_000, 48_000),
        ({"inputSampleRate": "16000"}, 16_000, 16_000),
        ({"inputSampleRate": "8000", "outputSampleRate": "24000"}, 8000, 24_000),
        ({"inputSampleRate": "7"}, 48_000, 48_000),
    ],
)
def test_rates_are_the_calls(query: dict[str, str], heard: int, spoken: int) -> None:
    wire = Ultravox.opened("t", {}, query, [])
    assert (wire.input, wire.output) == (Format(heard, base64=False), Format(spoken, base64=False))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("ultravox"), profile(), api_key="uk-right") as made:
        yield made


def create(server: Running, medium: Any, key: str = "uk-right", path: str = "/api/calls") -> tuple[int, Any]:
    status, _, reply = server.request("POST", path, {"medium": medium}, {"X-API-Key": key})
    return status, reply


@pytest.mark.parametrize("path", ["/api/calls", "/api/agents/a1/calls"])
def test_a_call_is_created_and_joined(server: Running, path: str) -> None:
    async def joined(url: str) -> list[Any]:
        async with asyncio.timeout(10), websockets.connect(url) as socket:
            return [json.loads(await socket.recv()) for _ in range(2)]

    rates = {"inputSampleRate": 16_000, "outputSampleRate": 24_000}
    status, call = create(server, {"serverWebSocket": {**rates, "clientBufferSizeMs": 30_000}}, path=path)
    assert (status, call["medium"]) == (201, {"serverWebSocket": rates})
    assert call["joinUrl"].startswith(f"ws://127.0.0.1:{server.port}/calls/{call['callId']}/server_web_socket?")
    started, listening = asyncio.run(joined(call["joinUrl"]))
    assert (started["type"], listening) == ("call_started", state("listening"))


@pytest.mark.parametrize(
    ("medium", "key", "status"),
    [
        ({"serverWebSocket": {"inputSampleRate": 16_000}}, "uk-wrong", 401),
        ({"webRtc": {}}, "uk-right", 400),
        ({"serverWebSocket": {}}, "uk-right", 400),
        ({"serverWebSocket": {"inputSampleRate": 11_025}}, "uk-right", 400),
        ({"serverWebSocket": {"inputSampleRate": "16000"}}, "uk-right", 400),
    ],
)
def test_what_is_no_call_is_told(server: Running, medium: Any, key: str, status: int) -> None:
    assert create(server, medium, key)[0] == status


def test_a_call_that_nobody_created_is_refused(server: Running) -> None:
    async def join() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/calls/c1/server_web_socket"):
            raise AssertionError("it was let in")

    with pytest.raises(websockets.InvalidStatus, match="401"):
        asyncio.run(join())
