"""Server events as JSON text, in the current (GA) names of the Realtime API or, where the client asks, in the beta's.

Audio deltas are concatenated from prepared base64; everything else goes through orjson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

BETA_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "",  # the beta has one event for both: not sent
}
BETA_CONTENT = {"output_audio": "audio", "output_text": "text"}
# Tokens: OpenAI counts one audio token per 100 ms heard and one per 50 ms spoken; a word is about 1.3 text tokens.
HEARD_TOKENS_PER_S = 10
SPOKEN_TOKENS_PER_S = 20
TOKENS_PER_WORD = 1.3
LIMITS = (("requests", 5000), ("tokens", 400_000))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response."""

    text_in: int
    audio_in: int
    cached: int
    text_out: int
    audio_out: int

    @classmethod
    def of(cls, *, history_words: int, heard_s: float, words: int, spoken_s: float) -> Usage:
        """Plausible counts: instructions and history as text (cached), the utterance as audio, the answer as both."""
        history = 32 + round(history_words * TOKENS_PER_WORD)
        return cls(
            text_in=history,
            audio_in=round(heard_s * HEARD_TOKENS_PER_S),
            cached=history // 64 * 64,
            text_out=round(words * TOKENS_PER_WORD),
            audio_out=round(spoken_s * SPOKEN_TOKENS_PER_S),
        )

    def as_dict(self) -> dict[str, Any]:
        tokens_in, tokens_out = self.text_in + self.audio_in, self.text_out + self.audio_out
        return {
            "total_tokens": tokens_in + tokens_out,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "input_token_details": {
                "text_tokens": self.text_in,
                "audio_tokens": self.audio_in,
                "image_tokens": 0,
                "cached_tokens": self.cached,
                "cached_tokens_details": {"text_tokens": self.cached, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": self.text_out, "audio_tokens": self.audio_out},
        }


class Wire:
    """Builds one session's events. `number` counts them; it makes the event ids."""

    def __init__(self, tag: str, *, beta: bool) -> None:
        self.beta = beta
        self.tag = tag
        self.number = 0

    def event(self, kind: str, **fields: Any) -> str | None:
        """The event's text, or None where the dialect has no such event."""
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

    def audio_delta(self, frame: tuple[str, str], chunk: str) -> str:
        """A delta around base64 text that is ready."""
        self.number += 1
        return f'{frame[0]}{self.number}{frame[1]}{chunk}"}}'

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
        return self.event("error", error=fields) or ""

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
        return self.event("rate_limits.updated", rate_limits=limits)
