"""The assistant as Vapi: its client messages, what it makes of a client's, and how a call is created and joined."""

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

from assistant.wires.base import Bye, Format, Sound
from assistant.wires.vapi import Vapi

PCM = b"\1\0\2\0"
WHO = ("resp_1", "item_1")


def told(said: Any) -> list[Any]:
    """Client messages as JSON, audio as it is."""
    messages = said if isinstance(said, list) else [] if said is None else [said]
    return [json.loads(one) if isinstance(one, str) else one for one in messages]


def speech(role: str, status: str) -> dict[str, str]:
    return {"type": "speech-update", "role": role, "status": status}


def test_a_turn_in_client_messages() -> None:
    wire = Vapi("t")
    understood = wire.event("conversation.item.input_audio_transcription.completed", transcript="Hi.")
    assert told(wire.event("session.created", session={"id": "s1"})) == [{"type": "status-update", "status": "in-progress"}]
    assert told(wire.event("input_audio_buffer.speech_started", item_id="i")) == [speech("user", "started")]
    assert told(wire.event("input_audio_buffer.speech_stopped", item_id="i")) == [speech("user", "stopped")]
    assert told(understood) == [{"type": "transcript", "role": "user", "transcriptType": "final", "transcript": "Hi."}]
    assert told(wire.event("response.created", response={})) == []
    assert told(wire.text_delta(WHO, "Well")) == [{"type": "model-output", "output": "Well", "turnId": "resp_1"}]
    assert told(wire.audio_delta(WHO, PCM)) == [speech("assistant", "started"), PCM]
    assert told(wire.audio_delta(WHO, PCM)) == [PCM]
    assert told(wire.event("output_audio_buffer.cleared", response_id="resp_1")) == [{"type": "user-interrupted", "turnId": "resp_1"}]
    assert told(wire.event("response.done", response={})) == [speech("assistant", "stopped")]
    assert told(wire.event("response.done", response={})) == []


def test_what_a_client_says() -> None:
    wire = Vapi("t")
    assert wire.received(PCM) == [Sound(PCM)]
    assert wire.received('{"type":"hangup"}') == [Bye()]
    assert wire.received('{"type":"say","content":"Hi"}') == []


@given(st.text(max_size=40))
def test_rubbish_is_passed_over(message: str) -> None:
    assert Vapi("t").received(message) == []


@pytest.mark.parametrize(
    ("query", "audio"),
    [
        ({}, Format(16_000, base64=False)),
        ({"format": "mulaw", "sampleRate": "8000"}, Format(8000, "mulaw", base64=False)),
        ({"format": "pcm_s16le", "sampleRate": "24000"}, Format(24_000, base64=False)),
        ({"format": "opus", "sampleRate": "24000"}, Format(16_000, base64=False)),
    ],
)
def test_the_format_is_the_calls(query: dict[str, str], audio: Format) -> None:
    wire = Vapi.opened("t", {}, query, [])
    assert (wire.input, wire.output) == (audio, audio)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("vapi"), profile(), api_key="vk-right") as made:
        yield made


def create(server: Running, transport: Any, key: str = "vk-right") -> tuple[int, Any]:
    body = {"assistantId": "a1", "transport": transport}
    status, _, reply = server.request("POST", "/call", body, {"Authorization": f"Bearer {key}"})
    return status, reply


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({}, {"format": "pcm_s16le", "container": "raw", "sampleRate": 16_000}),
        ({"audioFormat": {"format": "mulaw"}}, {"format": "mulaw", "container": "raw", "sampleRate": 8000}),
        ({"audioFormat": {"sampleRate": 24_000}}, {"format": "pcm_s16le", "container": "raw", "sampleRate": 24_000}),
    ],
)
def test_a_call_is_created_and_joined(server: Running, asked: dict[str, Any], made: dict[str, Any]) -> None:
    async def joined(url: str) -> Any:
        async with asyncio.timeout(10), websockets.connect(url) as socket:
            return json.loads(await socket.recv())

    status, call = create(server, {"provider": "vapi.websocket", **asked})
    assert (status, call["assistantId"], call["type"], call["transport"]["audioFormat"]) == (201, "a1", "vapi.websocketCall", made)
    url = call["transport"]["websocketCallUrl"]
    assert url.startswith(f"ws://127.0.0.1:{server.port}/{call['id']}/transport?")
    assert asyncio.run(joined(url)) == {"type": "status-update", "status": "in-progress"}


@pytest.mark.parametrize(
    ("transport", "key", "status"),
    [
        ({"provider": "vapi.websocket"}, "vk-wrong", 401),
        ({"provider": "twilio"}, "vk-right", 400),
        (None, "vk-right", 400),
        ({"provider": "vapi.websocket", "audioFormat": {"format": "opus"}}, "vk-right", 400),
        ({"provider": "vapi.websocket", "audioFormat": {"sampleRate": 44_100}}, "vk-right", 400),
        ({"provider": "vapi.websocket", "audioFormat": 7}, "vk-right", 400),
        ({"provider": "vapi.websocket", "audioFormat": {"format": []}}, "vk-right", 400),
    ],
)
def test_what_is_no_call_is_told(server: Running, transport: Any, key: str, status: int) -> None:
    assert create(server, transport, key)[0] == status


def test_a_call_that_nobody_created_is_refused(server: Running) -> None:
    async def join() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/c1/transport"):
            raise AssertionError("it was let in")

    with pytest.raises(websockets.InvalidStatus, match="401"):
        asyncio.run(join())
