"""xAI's Grok Voice Agent API over a WebSocket: the OpenAI Realtime wire with a session of its own shape, and PCM16 at several rates.

https://docs.x.ai/developers/model-capabilities/audio/voice-agent
The events, field by field: https://docs.x.ai/voice-realtime.ws.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol import openai_decode
from protocol.access import Recipe
from protocol.dialect import RATES, SessionSettings
from protocol.dialects.openai_realtime import OpenAIRealtime
from protocol.events import Event, Ignored, SpeechStarted, SpeechStopped, Truncated
from protocol.fields import Json, may, without_none

_VAD_THRESHOLDS: Final = (0.1, 0.9)
"""The API refuses others."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a session. `rate`: sample rate in Hz both ways, one of RATES, which the API takes all."""

    rate: int = 24_000

    def __post_init__(self) -> None:
        if self.rate not in RATES:
            raise ValueError(f"option rate of xai must be one of {', '.join(map(str, RATES))}, not {self.rate}")


class XAI(OpenAIRealtime):
    """OpenAI Realtime as xAI has it."""

    name = "xai"
    Options = Options
    recipe = Recipe(
        url="/v1/realtime/client_secrets",
        headers={"Authorization": "Bearer ${KEY}"},
        body={"expires_after": {"seconds": 300}},
        token_pointers=("/value",),
        expiry_pointers=("/expires_at",),
    )
    key_variable = "XAI_API_KEY"
    default_model = "grok-voice-latest"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.input_rate = self.output_rate = self.options.rate

    def decode(self, message: bytes) -> Event:
        """As of the OpenAI wire; where speech began in the audio may be left out. Raises MalformedMessage."""
        return openai_decode.decode(message, _OWN)

    def _session(self, settings: SessionSettings) -> dict[str, Any]:
        """Transcripts of the talker come unasked. The API always answers, and yields: it has no words for other settings."""
        low, high = _VAD_THRESHOLDS
        detection = without_none(
            type="server_vad",
            threshold=None if settings.vad_threshold is None else min(max(settings.vad_threshold, low), high),
            prefix_padding_ms=settings.prefix_padding_ms,
            silence_duration_ms=settings.silence_duration_ms,
        )
        sound = {"format": {"type": "audio/pcm", "rate": self.options.rate}}
        told = without_none(instructions=settings.instructions, voice=settings.voice)
        return {**told, "turn_detection": detection, "audio": {"input": sound, "output": sound}}


def _speech_started(kind: str, fields: Json) -> Event:
    return SpeechStarted(may(kind, fields, "item_id", str), may(kind, fields, "audio_start_ms", int))


def _speech_stopped(kind: str, fields: Json) -> Event:
    return SpeechStopped(may(kind, fields, "item_id", str), may(kind, fields, "audio_end_ms", int))


def _truncated(kind: str, fields: Json) -> Event:
    return Truncated(may(kind, fields, "item_id", str), may(kind, fields, "audio_end_ms", int))


def _ignored(kind: str, fields: Json) -> Event:
    return Ignored(kind)


_OWN: Final[Mapping[str, openai_decode.Decoder]] = {
    "conversation.item.input_audio_transcription.updated": _ignored,
    "conversation.item.truncated": _truncated,
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    "ping": _ignored,
}
