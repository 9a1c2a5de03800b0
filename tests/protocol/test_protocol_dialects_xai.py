"""xAI: its session, its rates, its own events; the rest is OpenAI's wire, tested as such."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from rubbish import rubbish

from protocol import MalformedMessage, SessionSettings, filled, find, found, make
from protocol.dialects.xai import XAI
from protocol.events import AudioDelta, Event, Ignored, SpeechStarted, SpeechStopped, Transcribed, Truncated, Unknown


def told(kind: str, **fields: Any) -> Event:
    return XAI().decode(json.dumps({"type": kind, **fields}).encode())


def test_it_is_found_by_its_name() -> None:
    assert find("xai") is XAI
    assert (XAI.key_variable, XAI().flushes, XAI().input_rate, XAI().output_rate) == ("XAI_API_KEY", True, 24_000, 24_000)


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])
def test_it_speaks_and_hears_at_the_rate_of_the_option(rate: int) -> None:
    wire = make(XAI, {"rate": rate})
    audio = json.loads(wire.configure(SessionSettings())[0])["session"]["audio"]
    assert (wire.input_rate, wire.output_rate) == (rate, rate)
    assert audio == {key: {"format": {"type": "audio/pcm", "rate": rate}} for key in ("input", "output")}


def test_a_rate_that_talkers_do_not_have() -> None:
    with pytest.raises(ValueError, match="option rate of xai must be one of 8000, 16000, 24000, 48000, not 44100"):
        make(XAI, {"rate": 44_100})


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        ("https://api.x.ai", None, "wss://api.x.ai/v1/realtime?model=grok-voice-latest"),
        ("https://api.x.ai/v1", "m", "wss://api.x.ai/v1/realtime?model=m"),
        ("wss://api.x.ai/v1/realtime?model=mine", None, "wss://api.x.ai/v1/realtime?model=mine"),
    ],
)
def test_the_address(base: str, model: str | None, url: str) -> None:
    assert XAI().endpoint(base, model) == url


def test_an_ephemeral_token_is_a_bearer() -> None:
    recipe = XAI.recipe
    assert recipe is not None
    request = filled(recipe, {"KEY": "k"})
    assert (request.url, request.headers, request.body) == (
        "/v1/realtime/client_secrets",
        {"Authorization": "Bearer k"},
        b'{"expires_after":{"seconds":300}}',
    )
    grant = found(recipe, b'{"value":"t","expires_at":2000000000}', 0.0, {})
    assert (grant.token, grant.url, grant.expires_at_s) == ("t", None, 2e9)
    assert XAI().headers(grant.token) == {"Authorization": "Bearer t"}


def test_the_session_has_xais_shape() -> None:
    settings = SessionSettings(instructions="Hi", voice="eve", vad_threshold=0.95, silence_duration_ms=250, prefix_padding_ms=None)
    assert json.loads(XAI().configure(settings)[0]) == {
        "type": "session.update",
        "session": {
            "instructions": "Hi",
            "voice": "eve",
            "turn_detection": {"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 250},
            "audio": {key: {"format": {"type": "audio/pcm", "rate": 24000}} for key in ("input", "output")},
        },
    }
    bare = SessionSettings(vad_threshold=None, prefix_padding_ms=None, silence_duration_ms=None)
    assert json.loads(XAI().configure(bare)[0])["session"]["turn_detection"] == {"type": "server_vad"}


def test_where_in_the_audio_may_be_left_out() -> None:
    assert told("input_audio_buffer.speech_started", item_id="i") == SpeechStarted("i", None)
    assert told("input_audio_buffer.speech_started", item_id="i", audio_start_ms=20) == SpeechStarted("i", 20)
    assert told("input_audio_buffer.speech_stopped") == SpeechStopped(None, None)
    assert told("conversation.item.truncated", item_id="i") == Truncated("i", None)


def test_its_own_events_say_nothing_that_is_measured() -> None:
    assert told("ping", timestamp=5) == Ignored("ping")
    updated = "conversation.item.input_audio_transcription.updated"
    assert told(updated, transcript="so far") == Ignored(updated)
    assert told("brand.new") == Unknown("brand.new")


def test_all_else_is_openais() -> None:
    assert told("conversation.item.input_audio_transcription.completed", item_id="i", transcript="t") == Transcribed("i", "t")
    piece = told("response.output_audio.delta", response_id="r", item_id="i", content_index=0, delta="AAABAAIA")
    assert piece == AudioDelta("r", "i", 0, 3, "AAABAAIA")


TRUE = [
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 1},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 1},
    {"type": "conversation.item.truncated", "item_id": "i", "audio_end_ms": 1},
    {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "content_index": 0, "delta": "AAAAAAAA"},
    {"type": "ping", "timestamp": 1},
]


@given(rubbish(TRUE))
def test_rubbish_is_malformed_or_told(message: bytes) -> None:
    try:
        assert isinstance(XAI().decode(message), Event)
    except MalformedMessage as error:
        assert len(str(error)) < 200
