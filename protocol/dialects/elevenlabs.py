"""ElevenLabs Agents over a WebSocket: JSON text both ways, audio as base64 in it.

The wire tells neither when a response begins nor when it ends, so both are told by the sound; `interruption` tells a client to drop what it
has not played. `event_id` counts messages, not responses: audio that was on its way when its agent was interrupted has an id up to that of
the interruption, and vendors' clients do not play it.
The API's reference: https://elevenlabs.io/docs/agents-platform/api-reference/agents-platform/websocket
The events: https://elevenlabs.io/docs/agents-platform/customization/events/client-events
"""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from protocol.access import Recipe
from protocol.dialect import Dialect, Encoding, Fact, SessionSettings, sayable, websocket_url
from protocol.encoded import samples
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    Reply,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    TextDelta,
    Transcribed,
    Truncated,
)
from protocol.fields import Json, need, read, unknown, without_none

_HEARD: Final = {
    "pcm_8000": (Encoding.PCM16, 8000),
    "pcm_16000": (Encoding.PCM16, 16_000),
    "pcm_24000": (Encoding.PCM16, 24_000),
    "pcm_48000": (Encoding.PCM16, 48_000),
    "ulaw_8000": (Encoding.MULAW, 8000),
}
"""Formats in which a talker can speak: encoding and rate in Hz."""
_SPOKEN: Final = {**_HEARD, "pcm_22050": (Encoding.PCM16, 22_050), "pcm_44100": (Encoding.PCM16, 44_100)}
"""Formats in which an agent can."""
_UNMEASURED: Final = frozenset(
    {
        "agent_reasoning_response_part",
        "agent_response_complete",
        "agent_response_metadata",
        "agent_tool_request",
        "agent_tool_response",
        "agent_tool_response_full_payload",
        "agent_typing",
        "asr_initiation_metadata",
        "context_usage",
        "dtmf_request",
        "external_agent_connected",
        "external_agent_disconnected",
        "guardrail_triggered",
        "internal_tentative_agent_response",
        "internal_turn_probability",
        "mcp_connection_status",
        "mcp_tool_call",
        "rich_content",
        "tentative_user_transcript",
        "vad_score",
    }
)
"""Types of the API that say nothing a talker measures."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an agent. `agent`: its id; "": the host's URL names it (`?agent_id=`). `input_format`: in which the talkers speak, as the
    agent is set to hear: pcm_8000, pcm_16000, pcm_24000, pcm_48000 or ulaw_8000. `first_message`: what the agent says first instead of its
    own; "": its own. That, and the scenario's `model`, `instructions` and `voice`, are overrides, which the agent must allow."""

    agent: str = ""
    input_format: str = "pcm_16000"
    first_message: str = ""

    def __post_init__(self) -> None:
        if self.input_format not in _HEARD:
            raise ValueError(f"option input_format of elevenlabs must be one of {', '.join(_HEARD)}, not {self.input_format!r:.60}")


class ElevenLabs(Dialect):
    """The wire of one session: `_dropped` is the last `event_id` of audio that is not to be played; None before an interruption."""

    name = "elevenlabs"
    Options = Options
    by_ear = True
    untold = frozenset(Fact) - {Fact.TRANSCRIPT, Fact.TEXT, Fact.CANCELLED}
    key_variable = "ELEVENLABS_API_KEY"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.input_encoding, self.input_rate = _HEARD[self.options.input_format]
        self.output_rate = 16_000
        self._dropped: int | None = None

    def access(self, settings: SessionSettings) -> Recipe | None:
        """The request for a signed URL of the agent; None where the host's URL names it, which then opens the session itself."""
        if not self.options.agent:
            return None
        return Recipe(
            method="GET",
            url=f"/v1/convai/conversation/get-signed-url?agent_id={quote(self.options.agent, safe='')}",
            headers={"xi-api-key": "${KEY}"},
            url_pointers=("/signed_url",),
        )

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`base_url` with the path `/v1/convai/conversation`, and `?agent_id=`. The model is an override. Raises ValueError."""
        agent = self.options.agent
        return websocket_url(base_url, "/v1/convai/conversation", {"agent_id": agent} if agent else None)

    def headers(self, secret: str | None) -> dict[str, str]:
        """The API key. Raises ValueError where a header cannot carry it."""
        return {} if secret is None else {"xi-api-key": sayable(secret)}

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`conversation_initiation_client_data`. Turn detection is the agent's own, so the settings for it are not told."""
        prompt = without_none(prompt=settings.instructions, llm=settings.model)
        agent = without_none(prompt=prompt or None, first_message=self.options.first_message or None)
        override = without_none(agent=agent or None, tts=without_none(voice_id=settings.voice) or None)
        message: Json = {"type": "conversation_initiation_client_data"}
        if override:
            message["conversation_config_override"] = override
        return [orjson.dumps(message)]

    def append(self, audio: bytes) -> bytes:
        """`user_audio_chunk`, the one message without a type."""
        return b'{"user_audio_chunk":"' + b2a_base64(audio, newline=False) + b'"}'

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one message says. Raises MalformedMessage."""
        fields = read(message)
        kind = need("message", fields, "type", str)
        match kind:
            case "audio":
                return self._audio(need(kind, fields, "audio_event", dict))
            case "agent_chat_response_part":
                return _piece(need(kind, fields, "text_response_part", dict))
            case "agent_response":
                return TextDelta(None, None, need(kind, need(kind, fields, "agent_response_event", dict), "agent_response", str))
            case "agent_response_correction":
                return Truncated(None, None)
            case "user_transcript":
                return Transcribed(None, need(kind, need(kind, fields, "user_transcription_event", dict), "user_transcript", str))
            case "interruption":
                self._dropped = need(kind, need(kind, fields, "interruption_event", dict), "event_id", int)
                return Cleared()
            case "ping":
                return _pong(need(kind, fields, "ping_event", dict))
            case "client_tool_call":
                return _no_tool(need(kind, fields, "client_tool_call", dict))
            case "conversation_initiation_metadata":
                return self._ready(need(kind, fields, "conversation_initiation_metadata_event", dict))
            case "error" | "client_error":
                return _failed(need(kind, fields, "error_event", dict))
        return Ignored(kind) if kind in _UNMEASURED else unknown(kind)

    def _audio(self, event: Json) -> Event:
        encoded = need("audio", event, "audio_base_64", str)
        if self._dropped is not None and need("audio", event, "event_id", int) <= self._dropped:
            return Ignored("audio")
        return AudioDelta(None, None, 0, samples(encoded, self.output_encoding), encoded)

    def _ready(self, event: Json) -> Event | list[Event]:
        where = "conversation_initiation_metadata"
        conversation = need(where, event, "conversation_id", str)
        hears, speaks = need(where, event, "user_input_audio_format", str), need(where, event, "agent_output_audio_format", str)
        if hears != self.options.input_format:
            return AssistantError(None, f"the agent hears {hears!r:.30}: set the wire's input_format to it")
        if speaks not in _SPOKEN:
            return AssistantError(None, f"the agent speaks {speaks!r:.30}: set it to one of {', '.join(_SPOKEN)}")
        self.output_encoding, self.output_rate = _SPOKEN[speaks]
        return [SessionCreated(conversation, event), SessionUpdated(event)]


def _piece(part: Json) -> Event:
    """A piece of a response's words; its start and stop have none."""
    text = need("agent_chat_response_part", part, "text", str)
    return TextDelta(None, None, text) if text else Ignored("agent_chat_response_part")


def _pong(ping: Json) -> Reply:
    return Reply(orjson.dumps({"type": "pong", "event_id": need("ping", ping, "event_id", int)}))


def _no_tool(call: Json) -> Reply:
    """What a talker answers where the agent waits for a tool: it has none."""
    result = {"tool_call_id": need("client_tool_call", call, "tool_call_id", str), "result": "this client has no tools", "is_error": True}
    return Reply(orjson.dumps({"type": "client_tool_result", **result}))


def _failed(event: Json) -> list[Event]:
    """An error, after which the agent closes the session: what it was to say does not come."""
    code = str(event.get("error_type") or event.get("error_name") or event.get("code") or "error")[:100]
    why = event.get("message") or event.get("reason") or ""
    return [AssistantError(code, str(why)[:300]), ResponseDone(None, "failed", code, None)]
