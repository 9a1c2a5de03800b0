"""OpenAI's Live API (GPT-Live) over its primary WebSocket: fully duplex, with audio both ways for as long as the session lasts.

JSON text messages; audio is base64, paced at real time, silence included. There are no turns on this wire: nothing tells that speech was
heard, that a response begins or ends, or that it is interrupted; it is told by the sound. Transcripts come in pieces without ends.
https://developers.openai.com/api/docs/guides/voice-websockets
"""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Final

import orjson

from protocol.alike import Alike, alike
from protocol.dialect import Dialect, Encoding, Fact, SessionSettings, websocket_url
from protocol.encoded import samples
from protocol.events import AssistantError, AudioDelta, Event, Ignored, SessionCreated, SessionUpdated, TextDelta
from protocol.fields import Json, may, need, read, unknown
from protocol.rfc6455 import Opcode

DEFAULT_MODEL: Final = "gpt-live-1"

_FORMATS: Final = {
    "pcm16": ("audio/pcm", Encoding.PCM16, (24_000, 16_000)),
    "mulaw": ("audio/pcmu", Encoding.MULAW, (8000,)),
    "alaw": ("audio/pcma", Encoding.ALAW, (8000,)),
}
"""By the option's name: the wire's, and the rates in Hz that it has."""
_UNMEASURED: Final = frozenset(
    {
        "decision.event",
        "decision.item.created",
        "decision.item.deleted",
        "info",
        "response.event",
        "session.commentary.appended",
        "session.delegation.created",
        "session.input_audio.append",
        "session.input_audio.muted",
        "session.input_audio.unmuted",
        "session.input_transcript.delta",
        "session.instructions.appended",
        "session.output_audio.fixture.played",
        "session.output_audio.fixture.playing",
        "session.thinking.appended",
        "session.updated",
        "session.usage.updated",
        "transport.answered",
        "transport.dtmf.received",
        "transport.dtmf.send",
        "transport.dtmf.sent",
        "transport.failed",
        "transport.ringing",
    }
)
"""Types of the API that say nothing a talker measures; usage is told in seconds, of the whole session."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a session. `encoding`: pcm16, mulaw or alaw, and `rate`: sample rate in Hz, both ways: 24000 or 16000 for pcm16, 8000 for
    the others."""

    encoding: str = "pcm16"
    rate: int = 24_000

    def __post_init__(self) -> None:
        if self.encoding not in _FORMATS:
            raise ValueError(f"option encoding of openai-live must be one of {', '.join(_FORMATS)}, not {self.encoding!r:.60}")
        rates = _FORMATS[self.encoding][2]
        if self.rate not in rates:
            raise ValueError(f"option rate of openai-live must be {' or '.join(map(str, rates))} with {self.encoding}, not {self.rate}")


class OpenAILive(Dialect):
    """The primary WebSocket. Keeps no state."""

    name = "openai-live"
    Options = Options
    key_variable = "OPENAI_API_KEY"
    by_ear = True
    untold = frozenset(Fact) - {Fact.TEXT}

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._format, encoding, _ = _FORMATS[self.options.encoding]
        self.input_encoding = self.output_encoding = encoding
        self.input_rate = self.output_rate = self.options.rate

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`base_url` with the path `/v1/live/sessions`, as far as it does not end so already. The model is the session's. Raises
        ValueError."""
        return websocket_url(base_url, "/live/sessions" if base_url.partition("?")[0].rstrip("/").endswith("/v1") else "/v1/live/sessions")

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`session.start`. Turn detection is the model's own, so the settings for it are not told."""
        audio: Json = {"format": {"type": self._format, "rate": self.options.rate}}
        if settings.voice is not None:
            audio["output"] = {"voice": settings.voice}
        session: Json = {"model": settings.model or DEFAULT_MODEL, "audio": audio}
        if settings.instructions is not None:
            session["instructions"] = settings.instructions
        return [orjson.dumps({"type": "session.start", "session": session})]

    def append(self, audio: bytes) -> bytes:
        """`session.input_audio.append`."""
        return b'{"type":"session.input_audio.append","audio":"' + b2a_base64(audio, newline=False) + b'"}'

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """Audio deltas differ in `event_id` and `delta`."""
        return alike(message, "delta", "event_id")

    def farewell(self) -> bytes:
        """`session.close`."""
        return b'{"type":"session.close"}'

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one message says. Raises MalformedMessage."""
        fields = read(message)
        kind = need("message", fields, "type", str)
        match kind:
            case "session.output_audio.delta":
                delta = need(kind, fields, "delta", str)
                return AudioDelta(None, None, 0, samples(delta, self.output_encoding), delta)
            case "session.output_transcript.delta":
                return TextDelta(None, None, need(kind, fields, "delta", str))
            case "session.started":
                session = need(kind, fields, "session", dict)
                return [SessionCreated(may(kind, session, "id", str, "session."), session), SessionUpdated(session)]
            case "session.closed":
                reason = need(kind, fields, "reason", str)
                return Ignored(kind) if reason in ("close_requested", "remote_hangup") else AssistantError(reason[:100], "session closed")
            case "error":
                error = need(kind, fields, "error", dict)
                code = may(kind, error, "code", str, "error.") or may(kind, error, "type", str, "error.")
                return AssistantError(code, need(kind, error, "message", str, "error."))
        return Ignored(kind) if kind in _UNMEASURED else unknown(kind)
