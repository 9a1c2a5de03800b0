"""The assistant as a Pipecat bot: its frames and messages, what it makes of a client's, and the way in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from assistant_harness import Running, profile, running
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from assistant.usage import Usage
from assistant.wires.base import Answer, Bye, Format, Refused, Sound, Tuned
from assistant.wires.pipecat import FRAME, Pipecat

PCM = b"\1\0\2\0"


def frame(**kind: Any) -> bytes:
    written: bytes = FRAME(**kind).SerializeToString()
    return written


def audio(pcm: bytes = PCM, rate: int = 16_000, channels: int = 1) -> bytes:
    return frame(audio={"audio": pcm, "sample_rate": rate, "num_channels": channels})


def rtvi(kind: str, identity: str = "i1") -> bytes:
    return frame(message={"data": json.dumps({"label": "rtvi-ai", "type": kind, "id": identity})})


def told(said: Any) -> list[tuple[str, Any]]:
    """Type and data of messages; other frames by their kind and content."""
    found: list[tuple[str, Any]] = []
    for message in said if isinstance(said, list) else [] if said is None else [said]:
        read = FRAME.FromString(message)
        kind = read.WhichOneof("frame")
        if kind == "message":
            fields = json.loads(read.message.data)
            assert fields["label"] == "rtvi-ai" and isinstance(fields["id"], str)
            found.append((fields["type"], fields.get("data")))
        else:
            found.append((kind, (read.audio.audio, read.audio.sample_rate, read.audio.num_channels) if kind == "audio" else None))
    return found


def test_bytes_on_the_wire() -> None:
    wire = Pipecat("t")
    wire.audio_delta(("", ""), PCM)
    assert wire.audio_delta(("", ""), PCM) == b"\x12\x0c\x1a\x04\1\0\2\0\x20\xc0\xbb\x01\x28\x01"
    cleared = wire.event("output_audio_buffer.cleared", response_id="resp_1")
    assert isinstance(cleared, list) and cleared[0] == b"\x2a\x00"


def test_a_turn_in_rtvi() -> None:
    wire = Pipecat("t")
    usage = Usage.of(history_words=100, heard_s=3.0, words=12, spoken_s=4.0)
    who = wire.delta_frame("response.output_audio.delta", "resp_1", "item_1")
    assert told(wire.event("input_audio_buffer.speech_started", item_id="i")) == [("user-started-speaking", None)]
    assert told(wire.event("input_audio_buffer.speech_stopped", item_id="i")) == [("user-stopped-speaking", None)]
    understood = told(wire.event("conversation.item.input_audio_transcription.completed", transcript="Hi."))
    assert [(kind, data["text"], data["final"]) for kind, data in understood] == [
        ("user-input", "Hi.", True),
        ("user-transcription", "Hi.", True),
    ]
    assert told(wire.event("response.created", response={})) == [("bot-llm-started", None)]
    assert told(wire.text_delta(who, "Well")) == [("bot-llm-text", {"text": "Well"})]
    assert told(wire.audio_delta(who, PCM)) == [("bot-started-speaking", None), ("audio", (PCM, 24_000, 1))]
    assert told(wire.audio_delta(who, PCM)) == [("audio", (PCM, 24_000, 1))]
    counted = usage.as_dict()
    tokens = {name: counted[known] for name, known in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))}
    done = told(wire.event("response.done", response=wire.response("resp_1", "c", "completed", usage=usage)))
    metrics = {"tokens": [{**tokens, "total_tokens": counted["total_tokens"]}]}
    assert done == [("bot-llm-stopped", None), ("metrics", metrics), ("bot-stopped-speaking", None)]
    assert told(wire.event("response.output_item.added", item={})) == []
    assert told(wire.audio_delta(who, PCM)) == [("bot-started-speaking", None), ("audio", (PCM, 24_000, 1))]


@pytest.mark.parametrize(
    ("status", "details", "kinds"),
    [
        ("cancelled", {"reason": "turn_detected"}, ["bot-stopped-speaking"]),
        ("failed", {"error": {"message": "The model failed."}}, ["error", "bot-llm-stopped", "bot-stopped-speaking"]),
    ],
)
def test_how_turns_end_otherwise(status: str, details: dict[str, Any], kinds: list[str]) -> None:
    wire = Pipecat("t")
    wire.audio_delta(("", ""), PCM)
    assert [kind for kind, _ in told(wire.event("response.done", response=wire.response("r", "c", status, details=details)))] == kinds


def test_it_hears_at_the_rate_of_the_first_audio() -> None:
    wire = Pipecat("t")
    header = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data\4\0\0\0"
    assert wire.received(audio(header + PCM, 8000)) == [Tuned(), Sound(PCM)]
    assert (wire.input, wire.output) == (Format(8000, base64=False), Format(24_000, base64=False))
    assert wire.received(audio(rate=8000)) == [Sound(PCM)]
    assert wire.received(audio(rate=16_000)) == [Refused("Audio of 16000 Hz after audio of 8000 Hz.")]
    assert [type(one) for one in Pipecat("t").received(audio(rate=11_025))] == [Refused]
    assert [type(one) for one in Pipecat("t").received(audio(channels=2))] == [Refused]


@pytest.mark.parametrize(
    ("asked", "rate"), [({}, 24_000), ({"audio_out_sample_rate": "16000"}, 16_000), ({"audio_out_sample_rate": "7"}, 24_000)]
)
def test_it_speaks_at_the_rate_that_is_asked_for(asked: dict[str, str], rate: int) -> None:
    assert Pipecat.opened("t", {}, asked, []).output == Format(rate, base64=False)


def test_what_a_client_asks() -> None:
    wire = Pipecat("t")
    (answer,) = wire.received(rtvi("client-ready"))
    assert isinstance(answer, Answer)
    assert told(answer.message) == [("bot-ready", {"version": "2.2.0", "about": {"library": "doubletalk"}})]
    assert wire.received(rtvi("disconnect-bot")) == [Bye()]
    (answer,) = wire.received(rtvi("dance"))
    assert isinstance(answer, Answer) and told(answer.message) == [("error-response", {"error": "Unsupported type dance"})]
    assert wire.received(frame(message={"data": '{"mine": 1}'})) == []
    assert wire.received(frame(text={"text": "x"})) == []
    assert wire.received("{}") == [Refused("Text messages are not part of this wire: send frames.")]
    assert wire.received(b"\x12\x7f") == [Refused("A message of 2 bytes is no frame.")]
    assert wire.received(frame(message={"data": "{"})) == [Refused("The message is not JSON.")]


@given(st.binary(max_size=80) | st.binary(max_size=40).map(audio))
def test_rubbish_is_refused_or_passed_over(message: bytes) -> None:
    received = Pipecat("t").received(message)
    try:
        FRAME.FromString(message)
    except DecodeError:
        assert [type(one) for one in received] == [Refused]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("pipecat"), api_key="sk-right") as made:
        yield made


async def greeted(url: str, **headers: str) -> dict[str, Any]:
    """What the bot at this URL answers to a client that is ready."""
    async with asyncio.timeout(10), websockets.connect(url, additional_headers=headers) as socket:
        await socket.send(rtvi("client-ready", "me"))
        answer = FRAME.FromString(await socket.recv())
        found: dict[str, Any] = json.loads(answer.message.data)
        return found


@pytest.mark.parametrize("path", ["/start", "/connect"])
def test_a_key_begins_a_session(server: Running, path: str) -> None:
    assert server.request("POST", path, {"transport": "websocket"}, {"Authorization": "Bearer sk-wrong"})[0] == 401
    status, _, begun = server.request("POST", path, {"transport": "websocket"}, {"Authorization": "Bearer sk-right"})
    assert status == 200
    if path == "/start":
        assert begun["wsUrl"] == f"ws://127.0.0.1:{server.port}/ws-client"
        answers = [asyncio.run(greeted(begun["wsUrl"], Authorization=f"Bearer {begun['token']}"))]
        answers.append(asyncio.run(greeted(f"{begun['wsUrl']}?token={begun['token']}")))
    else:
        answers = [asyncio.run(greeted(begun["ws_url"]))]
    assert {(answer["type"], answer["id"]) for answer in answers} == {("bot-ready", "me")}


def test_nobody_gets_in_without_a_token(server: Running) -> None:
    with pytest.raises(websockets.InvalidStatus, match="401"):
        asyncio.run(greeted(f"ws://127.0.0.1:{server.port}/ws?token=wrong"))


def test_the_limit_is_told(tmp_path: Path) -> None:
    with running(tmp_path, profile(tokens={"per_second": 0.001, "burst": 1})) as server:
        replies = [server.request("POST", path, {}) for path in ("/start", "/connect")]
    assert [status for status, _, _ in replies] == [200, 429]
    assert int(replies[1][1]["retry-after"]) >= 1
