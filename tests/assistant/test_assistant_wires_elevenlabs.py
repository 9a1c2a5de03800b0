"""The assistant as an ElevenLabs agent: what its pipeline tells as that wire's messages, and how one gets in."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import websockets
from assistant_harness import profile, running

from assistant.wires.base import Answer, Format, Refused, Sound, Told, Tuned
from assistant.wires.elevenlabs import ElevenLabs

FRAME = ("", "")
BEGIN = '{"type":"conversation_initiation_client_data"}'
SIGNED = "/v1/convai/conversation/get-signed-url"


def shown(told: Told) -> Any:
    """The message, or messages, as their client reads them."""
    if isinstance(told, list):
        return [json.loads(one) for one in told]
    return None if told is None else json.loads(told)


def done(status: str, code: str = "") -> dict[str, Any]:
    return {"status": status, "status_details": {"error": {"code": code, "message": "Why."}}}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("input_audio_buffer.speech_started", {}, {"type": "vad_score", "vad_score_event": {"vad_score": 1.0}}),
        ("input_audio_buffer.speech_stopped", {}, {"type": "vad_score", "vad_score_event": {"vad_score": 0.0}}),
        (
            "conversation.item.input_audio_transcription.completed",
            {"transcript": "Hello?"},
            {"type": "user_transcript", "user_transcription_event": {"user_transcript": "Hello?", "event_id": 1}},
        ),
        ("response.created", {"response": {}}, {"type": "ping", "ping_event": {"ping_ms": None, "event_id": 1}}),
        ("output_audio_buffer.cleared", {"response_id": "r"}, {"type": "interruption", "interruption_event": {"event_id": 0}}),
        (
            "response.done",
            {"response": done("failed", "tts_error")},
            {"type": "error", "error_event": {"code": 1011, "error_type": "tts_cascade_error", "message": "Why."}},
        ),
        ("response.done", {"response": done("cancelled")}, None),
        ("session.updated", {"session": {}}, None),
    ],
)
def test_events_and_messages(kind: str, fields: dict[str, Any], message: Any) -> None:
    assert shown(ElevenLabs("t").event(kind, **fields)) == message


def test_an_interruption_has_the_id_of_the_last_audio_that_it_drops() -> None:
    wire = ElevenLabs("t")
    ids = [shown(wire.audio_delta(FRAME, "AAAA"))["audio_event"] for _ in range(3)]
    assert ids == [{"audio_base_64": "AAAA", "event_id": number} for number in (1, 2, 3)]
    assert shown(wire.event("output_audio_buffer.cleared"))["interruption_event"] == {"event_id": 3}
    assert shown(wire.audio_delta(FRAME, "AAAA"))["audio_event"]["event_id"] == 4


def test_an_answer_is_told_by_its_pieces_and_as_a_whole() -> None:
    wire = ElevenLabs("t")
    wire.event("response.created", response={})
    start, first = shown(wire.text_delta(FRAME, "Yes"))
    assert start["text_response_part"] == {"type": "start", "text": "", "event_id": 2}
    assert first["text_response_part"] == {"type": "delta", "text": "Yes", "event_id": 3}
    assert [one["text_response_part"]["text"] for one in shown(wire.text_delta(FRAME, " please."))] == [" please."]
    stop, whole = shown(wire.event("response.done", response=done("completed")))
    assert (stop["text_response_part"]["type"], whole["agent_response_event"]["agent_response"]) == ("stop", "Yes please.")


def test_an_answer_that_was_broken_off_is_corrected() -> None:
    wire = ElevenLabs("t")
    wire.text_delta(FRAME, "Well, it")
    correction = shown(wire.event("response.done", response=done("cancelled")))["agent_response_correction_event"]
    assert correction == {"original_agent_response": "Well, it", "corrected_agent_response": "Well, it...", "event_id": 3}
    assert wire.event("response.done", response=done("completed")) is None, "nothing of it is left over"


@pytest.mark.parametrize(
    ("agent", "name", "format"),
    [
        ("", "pcm_16000", Format(16_000)),
        ("agent_1", "pcm_16000", Format(16_000)),
        ("pcm_48000", "pcm_48000", Format(48_000)),
        ("ulaw_8000", "ulaw_8000", Format(8000, "mulaw")),
    ],
)
def test_the_agent_is_what_its_id_says(agent: str, name: str, format: Format) -> None:
    wire = ElevenLabs.opened("t", {}, {"agent_id": agent}, [])
    assert wire.event("session.created", session={"id": "sess_1"}) is None
    tuned, answer = wire.received(BEGIN)
    assert isinstance(answer, Answer)
    event = {"conversation_id": "sess_1", "agent_output_audio_format": name, "user_input_audio_format": name}
    assert (tuned, wire.input, wire.output) == (Tuned(), format, format)
    assert shown(answer.message) == {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": event}
    assert wire.received(BEGIN) == [], "it begins once"


@pytest.mark.parametrize("text", ['{{"user_audio_chunk":"{}"}}', '{{"user_audio_chunk": "{}"}}', '{{"user_audio_chunk":"{}","x":1}}'])
def test_sound_is_heard_however_it_is_written(text: str) -> None:
    wire = ElevenLabs("t")
    message = text.format(b64encode(b"\1\0\2\0").decode())
    assert [type(one) for one in wire.received(message)] == [Tuned, Answer, Sound], "a client may begin with its microphone"
    assert wire.received(message) == [Sound(b"\1\0\2\0")]


@pytest.mark.parametrize(
    "message",
    [
        b"\0\0",
        "{",
        "[]",
        "{}",
        '{"type":[]}',
        '{"type":"surprise"}',
        '{"user_audio_chunk":"AAA"}',
        '{"user_audio_chunk":"AA AA"}',
        '{"user_audio_chunk":"é"}',
        '{"user_audio_chunk":7}',
        '{"user_audio_chunk": null}',
    ],
)
def test_what_cannot_be_read_is_refused(message: str | bytes) -> None:
    wire = ElevenLabs("t")
    wire.received(BEGIN)
    (refused,) = wire.received(message)
    assert isinstance(refused, Refused)
    assert shown(wire.error(refused.message))["error_event"]["error_type"] == "invalid_message"


@pytest.mark.parametrize("kind", ["pong", "user_activity", "contextual_update", "client_tool_result", "feedback"])
def test_what_else_a_client_may_say(kind: str) -> None:
    assert ElevenLabs("t").received(json.dumps({"type": kind, "event_id": 1})) == []


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [({"xi-api-key": "k"}, {}, "k"), ({}, {"conversation_signature": "s"}, "s"), ({"authorization": "Bearer k"}, {}, None)],
)
def test_where_the_secret_is(headers: dict[str, str], query: dict[str, str], secret: str | None) -> None:
    assert ElevenLabs.secret(headers, query, []) == secret
    assert (ElevenLabs.accepted(["convai", "bearer.x"]), ElevenLabs.accepted(["x"])) == ("convai", None)


def test_a_signed_url_opens_a_session(tmp_path: Path) -> None:
    async def converse(url: str) -> dict[str, Any]:
        async with websockets.connect(url) as socket:
            await socket.send(BEGIN)
            met: dict[str, Any] = json.loads(await socket.recv())
            return met

    with running(tmp_path, api_key="k1") as server:
        refused = server.request("GET", f"{SIGNED}?agent_id=a", headers={"xi-api-key": "no"})
        assert (refused[0], refused[2]["detail"]["status"]) == (401, "invalid_api_key")
        status, _, signed = server.request("GET", f"{SIGNED}?agent_id=pcm_24000", headers={"xi-api-key": "k1"})
        assert status == 200
        assert signed["signed_url"].startswith(f"ws://127.0.0.1:{server.port}/v1/convai/conversation?agent_id=pcm_24000&conversation_sig")
        event = asyncio.run(converse(signed["signed_url"]))["conversation_initiation_metadata_event"]
        assert event["agent_output_audio_format"] == "pcm_24000"
        (session,) = server.until("session")
        assert session["session_id"] == event["conversation_id"]


def test_signed_urls_are_limited_as_tokens_are(tmp_path: Path) -> None:
    with running(tmp_path, profile(tokens={"per_second": 0.001, "burst": 1})) as server:
        assert server.request("GET", SIGNED)[0] == 200
        status, headers, body = server.request("GET", SIGNED)
    assert (status, body["detail"]["status"]) == (429, "rate_limit_exceeded")
    assert int(headers["retry-after"]) > 100
