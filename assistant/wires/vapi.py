"""Vapi: a call that is created by POST and joined at its WebSocket's URL; binary audio both ways, and client messages as JSON text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from assistant.bodies import BodyError, read_json
from assistant.minting import Unminted, mint, session_url
from assistant.wires.base import RATES, Bye, Format, Message, Received, Sound, Told, Wire, fields_of
from audio.codecs import MULAW, PCM16

ENCODINGS = {"pcm_s16le": PCM16, "mulaw": MULAW}
TTL_S = 300  # in which a call is to be joined
DEFAULTS = {"pcm_s16le": 16_000, "mulaw": 8000}  # Hz, where a client states none


class Vapi(Wire):
    """A call. The id in its path is its token; the audio format that its creator asked for are parameters."""

    name = "vapi"
    paths = ("/{call_id}/transport",)
    input = output = Format(16_000, base64=False)

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._speaking = False

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The bearer token, else the call's id."""
        return super().secret(headers, query, protocols) or query.get("call_id")

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> Vapi:
        """In the format that is asked for."""
        wire = cls(tag)
        asked, rate = query.get("format", ""), query.get("sampleRate", "")
        if asked in ENCODINGS and rate in map(str, RATES):
            wire.input = wire.output = Format(int(rate), ENCODINGS[asked], base64=False)
        return wire

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """POST /call."""

        async def create(request: Request) -> Response:
            if not hub.tokens.may_mint(Wire.secret(request.headers, {}, [])):
                return JSONResponse({"message": "Incorrect API key provided.", "statusCode": 401}, 401)
            try:
                body = await read_json(request, 400)
                audio = _format(body)
            except BodyError as wrong:
                what = HTTPStatus(wrong.status).phrase
                return JSONResponse({"message": [str(wrong)], "error": what, "statusCode": wrong.status}, wrong.status)
            token = await mint(hub, request, "/call", TTL_S)
            if isinstance(token, Unminted):
                return JSONResponse({"message": token.text, "statusCode": token.status}, token.status, token.headers)
            where = session_url(request, f"/{token}/transport?format={audio['format']}&sampleRate={audio['sampleRate']}")
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            call = {
                "id": token,
                "type": "vapi.websocketCall",
                "status": "queued",
                "createdAt": now,
                "updatedAt": now,
                "orgId": "doubletalk",
            }
            transport = {"provider": "vapi.websocket", "audioFormat": audio, "websocketCallUrl": where}
            return JSONResponse({**call, "assistantId": body.get("assistantId"), "transport": transport}, 201)

        return [("POST", "/call", create)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What there is a client message for."""
        match kind:
            case "session.created":
                return _json(type="status-update", status="in-progress")
            case "input_audio_buffer.speech_started":
                return _json(type="speech-update", role="user", status="started")
            case "input_audio_buffer.speech_stopped":
                return _json(type="speech-update", role="user", status="stopped")
            case "conversation.item.input_audio_transcription.completed":
                return _json(type="transcript", role="user", transcriptType="final", transcript=fields["transcript"])
            case "output_audio_buffer.cleared":
                return _json(type="user-interrupted", turnId=fields["response_id"])
            case "response.done" if self._speaking:
                self._speaking = False
                return _json(type="speech-update", role="assistant", status="stopped")
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """The bytes; that the assistant speaks before the first of a response."""
        if self._speaking:
            return chunk
        self._speaking = True
        return [_json(type="speech-update", role="assistant", status="started"), chunk]

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """A token of the model."""
        return _json(type="model-output", output=text, turnId=frame[0])

    def received(self, message: Message) -> list[Received]:
        """Audio, or `hangup`."""
        if isinstance(message, bytes):
            return [Sound(message)]
        fields = fields_of(message)
        return [Bye()] if fields.get("type") == "hangup" else []


def _format(body: Any) -> dict[str, Any]:
    """The `audioFormat` that the body of a request asks for, in full. Raises BodyError."""
    match body:
        case {"transport": {"provider": "vapi.websocket", **transport}}:
            asked = transport.get("audioFormat", {})
            kind, rate = (asked.get("format", "pcm_s16le"), asked.get("sampleRate")) if isinstance(asked, dict) else (None, None)
            if isinstance(kind, str) and kind in ENCODINGS and (rate is None or rate in RATES):
                return {"format": kind, "container": "raw", "sampleRate": rate or DEFAULTS[kind]}
    raise BodyError(400, f"transport.provider must be vapi.websocket, with an audioFormat of {tuple(ENCODINGS)} at one of {RATES}")


def _json(**fields: Any) -> str:
    return orjson.dumps(fields).decode()
