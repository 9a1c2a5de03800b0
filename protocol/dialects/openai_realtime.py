"""The OpenAI Realtime wire over a WebSocket, in the generally available (GA) and the beta shape.

JSON text messages both ways; audio is base64 of PCM16 little-endian mono at 24 kHz.
The API's reference: https://platform.openai.com/docs/api-reference/realtime-client-events
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from protocol import openai_decode
from protocol.access import Recipe
from protocol.alike import Alike, alike
from protocol.dialect import Dialect, SessionSettings, websocket_url
from protocol.events import Event
from protocol.fields import without_none
from protocol.rfc6455 import Opcode

SAMPLE_RATE: Final = 24_000
"""Hz; the only rate that the API takes for PCM."""

TOKENS: Final = Recipe(
    url="/rt-token",
    headers={"Authorization": "Bearer ${KEY}"},
    token_pointers=("/value", "/client_secret/value", "/client_secret", "/token"),
    expiry_pointers=("/expires_at", "/client_secret/expires_at", "/expires_in"),
)
"""An endpoint that mints tokens; they are where OpenAI's GA and beta have them, or where home-grown endpoints do."""

_PCM: Final = {"type": "audio/pcm", "rate": SAMPLE_RATE}


class OpenAIRealtime(Dialect):
    """The GA shape. Keeps no state: every instance gives the same bytes for the same arguments."""

    name = "openai-realtime"
    flushes = True
    recipe: ClassVar[Recipe | None] = TOKENS
    key_variable = "OPENAI_API_KEY"
    default_model: ClassVar[str] = "gpt-realtime"
    input_rate = SAMPLE_RATE
    output_rate = SAMPLE_RATE

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`base_url` with the path `/v1/realtime`, as far as it does not end so already, and `?model=`.

        `model` None: the one that `base_url` already asks for, else `default_model`. Other parameters of `base_url` are
        kept. Raises ValueError for a scheme other than http, https, ws, wss, and for a URL without a host.
        """
        path = "/realtime" if urlsplit(base_url).path.rstrip("/").endswith("/v1") else "/v1/realtime"
        asked = dict(parse_qsl(urlsplit(base_url).query)).get("model")
        return websocket_url(base_url, path, {"model": model or asked or self.default_model})

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """One `session.update`. A setting that is None is not mentioned; the model is the endpoint's and never sent."""
        return [orjson.dumps({"type": "session.update", "session": self._session(settings)})]

    def append(self, audio: bytes) -> bytes:
        """`input_audio_buffer.append`. Raises ValueError for an odd number of bytes."""
        if len(audio) & 1:
            raise ValueError(f"{len(audio)} bytes are no whole PCM16 samples")
        return b'{"type":"input_audio_buffer.append","audio":"' + b2a_base64(audio, newline=False) + b'"}'

    def cancel(self, response_id: str | None) -> bytes:
        """`response.cancel`; None cancels whatever is under way."""
        message = {"type": "response.cancel"}
        if response_id is not None:
            message["response_id"] = response_id
        return orjson.dumps(message)

    def truncate(self, item_id: str, content_index: int, played_ms: int) -> bytes:
        """`conversation.item.truncate` to `played_ms`: audio really played, never more than was received."""
        message = {"item_id": item_id, "content_index": content_index, "audio_end_ms": played_ms}
        return orjson.dumps({"type": "conversation.item.truncate", **message})

    def commit(self) -> bytes:
        """Ends the user's turn by hand, where the session has no turn detection."""
        return b'{"type":"input_audio_buffer.commit"}'

    def clear(self) -> bytes:
        """Drops audio that was appended and not committed."""
        return b'{"type":"input_audio_buffer.clear"}'

    def create_response(self) -> bytes:
        """Asks for a response, where the session does not create them by itself."""
        return b'{"type":"response.create"}'

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """Audio deltas of one content part differ in `event_id` and `delta`."""
        return alike(message, "delta", "event_id")

    def decode(self, message: bytes) -> Event:
        """The event in one message, of GA or beta name. Raises MalformedMessage."""
        return openai_decode.decode(message)

    def _session(self, settings: SessionSettings) -> dict[str, Any]:
        listening: dict[str, Any] = {"format": _PCM, "turn_detection": _turn_detection(settings)}
        if settings.transcription_model is not None:
            listening["transcription"] = {"model": settings.transcription_model}
        speaking = without_none(format=_PCM, voice=settings.voice)
        return {
            "type": "realtime",
            "output_modalities": ["audio"],
            **without_none(instructions=settings.instructions),
            "audio": {"input": listening, "output": speaking},
        }


class OpenAIRealtimeBeta(OpenAIRealtime):
    """The beta shape: another header, and a flat session."""

    name = "openai-realtime-beta"

    def headers(self, secret: str | None) -> dict[str, str]:
        """As in GA, and `OpenAI-Beta`, with or without a secret."""
        return {**super().headers(secret), "OpenAI-Beta": "realtime=v1"}

    def _session(self, settings: SessionSettings) -> dict[str, Any]:
        session: dict[str, Any] = {
            "modalities": ["audio", "text"],  # audio alone is refused: its transcript comes as text
            **without_none(instructions=settings.instructions, voice=settings.voice),
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "turn_detection": _turn_detection(settings),
        }
        if settings.transcription_model is not None:
            session["input_audio_transcription"] = {"model": settings.transcription_model}
        return session


def _turn_detection(settings: SessionSettings) -> dict[str, Any]:
    """Server VAD, the same in both shapes. What is set is always sent: the API's defaults have changed unannounced."""
    return without_none(
        type="server_vad",
        threshold=settings.vad_threshold,
        prefix_padding_ms=settings.prefix_padding_ms,
        silence_duration_ms=settings.silence_duration_ms,
        create_response=settings.create_response,
        interrupt_response=settings.interrupt_response,
    )
