"""ElevenLabs Agents: JSON text with audio in base64, and the request that gives a signed URL.

How an agent hears and speaks is its own setting at the vendor's; here its id says it: an agent called `ulaw_8000` does so, any other in PCM
at 16 kHz. What it says is told by its pieces as it is said, and as a whole at its end.
"""

from __future__ import annotations

import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from assistant.minting import Unminted, mint, session_url
from assistant.wires.base import Answer, Format, Message, Received, Refused, Sound, Told, Tuned, Wire
from audio.codecs import MULAW

PATH = "/v1/convai/conversation"
SIGNED = PATH + "/get-signed-url"
SIGNED_TTL_S = 900
SIGNATURE = "conversation_signature"
PCM16 = {f"pcm_{rate}": Format(rate) for rate in (8000, 16_000, 24_000, 48_000)}
FORMATS = {**PCM16, "ulaw_8000": Format(8000, MULAW)}
DEFAULT = "pcm_16000"
CHUNK_HEAD, CHUNK_QUOTES = '{"user_audio_chunk":"', 4  # as our talkers write it, with no field beside
SILENT_KINDS = frozenset({"pong", "user_activity", "contextual_update", "feedback", "client_tool_result", "user_message"})
FAILURES = {"asr_error": "asr_transcription_error", "tts_error": "tts_cascade_error"}
INTERNAL = 1011


class ElevenLabs(Wire):
    """`number` counts the messages that have an `event_id`. `_words`: of the answer that is being given."""

    name = "elevenlabs"
    paths = (PATH,)
    tuned_at_once = False

    def __init__(self, tag: str, agent: str = "") -> None:
        super().__init__(tag)
        self._format = agent if agent in FORMATS else DEFAULT
        self.input = self.output = FORMATS[self._format]
        self._conversation = ""
        self._tuned = False
        self._words = ""

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The key, or the signature of a signed URL."""
        return headers.get("xi-api-key") or query.get(SIGNATURE) or None

    @classmethod
    def accepted(cls, protocols: list[str]) -> str | None:
        """`convai` where it is offered, as browsers do."""
        return "convai" if "convai" in protocols else None

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> ElevenLabs:
        """With the agent that the URL names."""
        return cls(tag, query.get("agent_id", ""))

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """GET /v1/convai/conversation/get-signed-url: a session's URL for a key."""

        async def signed(request: Request) -> Response:
            if not hub.tokens.may_mint(request.headers.get("xi-api-key")):
                return _refusal(401, "invalid_api_key", "Invalid API key")
            token = await mint(hub, request, SIGNED, SIGNED_TTL_S)
            if isinstance(token, Unminted):
                return _refusal(token.status, token.code, token.text, token.headers)
            query = urlencode({"agent_id": request.query_params.get("agent_id", ""), SIGNATURE: token})
            return JSONResponse({"signed_url": session_url(request, f"{PATH}?{query}")}, headers={"Cache-Control": "no-store"})

        return [("GET", SIGNED, signed)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What an agent has a message for."""
        match kind:
            case "session.created":
                self._conversation = fields["session"]["id"]
            case "input_audio_buffer.speech_started":
                return _message("vad_score", vad_score_event={"vad_score": 1.0})
            case "input_audio_buffer.speech_stopped":
                return _message("vad_score", vad_score_event={"vad_score": 0.0})
            case "conversation.item.input_audio_transcription.completed":
                return _message("user_transcript", user_transcription_event=self._numbered(user_transcript=fields["transcript"]))
            case "output_audio_buffer.cleared":
                return _message("interruption", interruption_event={"event_id": self.number})
            case "response.created":
                self._words = ""
                return _message("ping", ping_event=self._numbered(ping_ms=None))
            case "response.done":
                return self._done(fields["response"])
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """An `audio` message around base64 text that is ready."""
        self.number += 1
        return f'{{"type":"audio","audio_event":{{"audio_base_64":"{chunk}","event_id":{self.number}}}}}'  # type: ignore[str-bytes-safe]  # text, on this wire

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """A piece of the answer, behind its start where it is the first."""
        start = [] if self._words else [self._piece("start", "")]
        self._words += text
        return [*start, self._piece("delta", text)]

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """An error; here the session goes on."""
        return _error("invalid_message", message, 1008)

    def received(self, message: Message) -> list[Received]:
        """Audio, the client's data, and what else it may say. The agent begins with the first of them."""
        if isinstance(message, bytes):
            return [Refused("Binary messages are not part of this protocol: send JSON text.")]
        if message.startswith(CHUNK_HEAD) and message.endswith('"}') and message.count('"') == CHUNK_QUOTES and "\\" not in message:
            return self._begun() + [_sound(message[len(CHUNK_HEAD) : -2])]
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            return [Refused(f"The message is not JSON: {error}")]
        if not isinstance(told, dict):
            return [Refused("The message must be a JSON object.")]
        if "user_audio_chunk" in told:
            return self._begun() + [_sound(told["user_audio_chunk"])]
        kind = told.get("type")
        if kind == "conversation_initiation_client_data":
            return self._begun()
        return [] if isinstance(kind, str) and kind in SILENT_KINDS else [Refused(f"Invalid message: {kind!r:.80}.")]

    def _begun(self) -> list[Received]:
        if self._tuned:
            return []
        self._tuned = True
        formats = {"agent_output_audio_format": self._format, "user_input_audio_format": self._format}
        event = {"conversation_id": self._conversation, **formats}
        return [Tuned(), Answer(_message("conversation_initiation_metadata", conversation_initiation_metadata_event=event))]

    def _numbered(self, **fields: Any) -> dict[str, Any]:
        self.number += 1
        return {**fields, "event_id": self.number}

    def _piece(self, kind: str, text: str) -> str:
        return _message("agent_chat_response_part", text_response_part=self._numbered(type=kind, text=text))

    def _done(self, response: dict[str, Any]) -> Told:
        words, self._words = self._words, ""
        if response["status"] == "failed":
            failed = response["status_details"]["error"]
            return _error(FAILURES.get(failed["code"], "llm_error"), failed["message"], INTERNAL)
        if not words:
            return None
        if response["status"] == "cancelled":
            said = {"original_agent_response": words, "corrected_agent_response": words + "..."}
            return _message("agent_response_correction", agent_response_correction_event=self._numbered(**said))
        whole = _message("agent_response", agent_response_event=self._numbered(agent_response=words))
        return [self._piece("stop", ""), whole]


def _sound(encoded: Any) -> Received:
    try:
        if not isinstance(encoded, str):
            raise ValueError("it is no text")
        return Sound(binascii.a2b_base64(encoded, strict_mode=True))
    except ValueError as error:
        return Refused(f"Invalid user_audio_chunk: {error}")


def _message(kind: str, **fields: Any) -> str:
    return orjson.dumps({"type": kind, **fields}).decode()


def _error(kind: str, why: str, code: int) -> str:
    return _message("error", error_event={"code": code, "error_type": kind, "message": why})


def _refusal(status: int, code: str, why: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    content = {"detail": {"status": code, "message": why}}
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})})
