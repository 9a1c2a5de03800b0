"""Server events as JSON text, in the current (GA) names of the Realtime API or, where the client asks, in the beta's.

Audio deltas are concatenated from prepared base64; everything else goes through orjson.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from assistant.auth import bearer
from assistant.shapes import RefusedError, missing
from assistant.usage import Usage
from assistant.wires.base import Asked, Message, Received, Refused, Sound, Told, Wire

BETA_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "",  # the beta has one event for both: not sent
}
BETA_PROTOCOL = "openai-beta.realtime-v1"
APPEND_HEAD = '{"type":"input_audio_buffer.append","audio":"'
APPEND_QUOTES = 8  # with no field behind the audio
MAX_APPEND = 15 * 1024 * 1024  # bytes of base64 in one event (Realtime API reference)
BETA_CONTENT = {"output_audio": "audio", "output_text": "text"}
LIMITS = (("requests", 5000), ("tokens", 400_000))


class OpenAIRealtime(Wire):
    """The Realtime API, GA or beta. `number` counts the events; it makes their ids."""

    name = "openai-realtime"
    paths: ClassVar[tuple[str, ...]] = ("/v1/realtime",)

    def __init__(self, tag: str, *, beta: bool = False) -> None:
        super().__init__(tag)
        self.beta = beta
        self._silence = ("", b"")

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The Authorization header, else the browsers' sub-protocol."""
        return bearer(dict(headers), protocols)

    @classmethod
    def accepted(cls, protocols: list[str]) -> str | None:
        """`realtime` where it is offered."""
        return "realtime" if "realtime" in protocols else None

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> OpenAIRealtime:
        """The beta where header or sub-protocol ask for it."""
        return cls(tag, beta="realtime=v1" in headers.get("openai-beta", "") or BETA_PROTOCOL in protocols)

    def received(self, message: Message) -> list[Received]:
        """One client event. Appends are told by their bytes, as most messages are such."""
        if isinstance(message, bytes):
            return [Refused("Binary messages are not part of this protocol: send JSON text.", "invalid_message")]
        if message.startswith(APPEND_HEAD) and message.endswith('"}') and message.count('"') == APPEND_QUOTES and "\\" not in message:
            return [self._append(message[len(APPEND_HEAD) : -2], None)]
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            return [Refused(f"The message is not JSON: {error}", "invalid_json")]
        if not isinstance(event, dict):
            return [Refused("The message must be a JSON object.", "invalid_json")]
        if event.get("type") == "input_audio_buffer.append":
            return [self._append(event.get("audio"), event.get("event_id"))]
        return [Asked(event.get("type"), event)]

    def _append(self, encoded: Any, event_id: Any) -> Received:
        if encoded != self._silence[0]:
            try:
                pcm = _decoded(encoded)
            except RefusedError as error:
                return Refused(str(error), error.code, error.param, event_id)
            if pcm.strip(b"\0"):
                return Sound(pcm)
            self._silence = (encoded, pcm)
        return Sound(self._silence[1])

    def event(self, kind: str, **fields: Any) -> Told:
        """The event's text, or None where the dialect has no such event."""
        return self._event(kind, **fields)

    def _event(self, kind: str, **fields: Any) -> str | None:
        if kind == "output_audio_buffer.cleared":  # of WebRTC and SIP alone: here the client has the buffer
            return None
        if self.beta:
            kind = BETA_NAMES.get(kind, kind)
            if not kind:
                return None
        self.number += 1
        return orjson.dumps({"type": kind, "event_id": f"event_{self.tag}_{self.number}", **fields}).decode()

    def delta_frame(self, kind: str, response_id: str, item_id: str) -> tuple[str, str]:
        """What stands before and after the event's number in a delta of this response; the content and '"}' follow."""
        name = BETA_NAMES[kind] if self.beta else kind
        return (
            f'{{"type":"{name}","event_id":"event_{self.tag}_',
            f'","response_id":"{response_id}","item_id":"{item_id}","output_index":0,"content_index":0,"delta":"',
        )

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> str:
        """A delta around base64 text that is ready."""
        self.number += 1
        return f'{frame[0]}{self.number}{frame[1]}{chunk}"}}'  # type: ignore[str-bytes-safe]  # text, on this wire

    def text_delta(self, frame: tuple[str, str], text: str) -> str:
        self.number += 1
        return f"{frame[0]}{self.number}{frame[1][:-1]}{orjson.dumps(text).decode()}}}"

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> str:
        fields = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        return self._event("error", error=fields) or ""

    def item(self, item: dict[str, Any]) -> dict[str, Any]:
        """A conversation item in the dialect's content types."""
        if not self.beta or "content" not in item:
            return item
        content = [{**part, "type": BETA_CONTENT.get(part["type"], part["type"])} for part in item["content"]]
        return {**item, "content": content}

    def response(
        self,
        response_id: str,
        conversation_id: str,
        status: str,
        *,
        details: dict[str, Any] | None = None,
        output: list[dict[str, Any]] | None = None,
        usage: Usage | None = None,
        voice: str = "marin",
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The `response` object of response.created and response.done."""
        shape: dict[str, Any] = {
            "object": "realtime.response",
            "id": response_id,
            "status": status,
            "status_details": details,
            "output": [self.item(item) for item in output or []],
            "conversation_id": conversation_id,
            "max_output_tokens": "inf",
            "metadata": metadata,
            "usage": usage.as_dict() if usage else None,
        }
        if self.beta:
            return {**shape, "modalities": ["text", "audio"], "voice": voice, "output_audio_format": "pcm16"}
        sound = {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": voice}}
        return {**shape, "output_modalities": ["audio"], "audio": sound}

    def rate_limits(self, requests: int, tokens: int) -> str | None:
        used = (requests, tokens)
        limits = [
            {"name": name, "limit": limit, "remaining": max(0, limit - taken), "reset_seconds": 60.0 * taken / limit}
            for (name, limit), taken in zip(LIMITS, used, strict=True)
        ]
        return self._event("rate_limits.updated", rate_limits=limits)


def _decoded(encoded: Any) -> bytes:
    """The samples of an append. Raises RefusedError."""
    if not isinstance(encoded, str):
        raise missing("audio")
    if len(encoded) > MAX_APPEND:
        raise RefusedError("Invalid 'audio': audio exceeds 15 MiB.", "audio", "string_above_max_length")
    try:
        pcm = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise RefusedError("Invalid 'audio': audio is not base64.", "audio") from None
    if len(pcm) % 2:
        raise RefusedError("Invalid 'audio': audio has an odd number of bytes: expected 16-bit samples.", "audio")
    return pcm
