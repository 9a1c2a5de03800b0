"""Ultravox: a call that is created by POST and joined by its URL; binary PCM16 both ways, and data messages as JSON text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from assistant.bodies import BodyError, read_json
from assistant.minting import Unminted, mint, session_url
from assistant.wires.base import RATES, Answer, Bye, Format, Message, Received, Sound, Told, Wire, fields_of

IN_RATE, OUT_RATE = "inputSampleRate", "outputSampleRate"
TTL_S = 300  # in which a call is to be joined
DEFAULT_RATE = 48_000  # of the documentation's examples


class Ultravox(Wire):
    """A call. The id in its path is its token; the rates that its creator asked for are parameters."""

    name = "ultravox"
    paths = ("/calls/{call_id}/server_web_socket",)
    input = output = Format(DEFAULT_RATE, base64=False)

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._ordinal = 0
        self._agents = 0  # ordinal of what the agent says
        self._state = ""

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The bearer token, else the call's id."""
        return super().secret(headers, query, protocols) or query.get("call_id")

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> Ultravox:
        """At the rates that are asked for."""
        wire = cls(tag)
        heard = query.get(IN_RATE, "")
        spoken = query.get(OUT_RATE) or heard
        if heard in map(str, RATES) and spoken in map(str, RATES):
            wire.input, wire.output = Format(int(heard), base64=False), Format(int(spoken), base64=False)
        return wire

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """POST /api/calls, and that of an agent."""

        async def create(request: Request) -> Response:
            if not hub.tokens.may_mint(request.headers.get("x-api-key")):
                return JSONResponse({"detail": "Incorrect API key provided."}, 401)
            try:
                rates = _rates(await read_json(request, 400))
            except BodyError as wrong:
                return JSONResponse({wrong.param or "detail": [str(wrong)]}, wrong.status)
            token = await mint(hub, request, "/api/calls", TTL_S)
            if isinstance(token, Unminted):
                return JSONResponse({"detail": token.text}, token.status, token.headers)
            where = f"/calls/{token}/server_web_socket?{IN_RATE}={rates[0]}&{OUT_RATE}={rates[1]}"
            medium = {"serverWebSocket": {IN_RATE: rates[0], OUT_RATE: rates[1]}}
            call = {"callId": token, "created": datetime.now(UTC).isoformat(), "joined": None, "ended": None, "medium": medium}
            return JSONResponse({**call, "joinUrl": session_url(request, where)}, 201)

        return [("POST", "/api/calls", create), ("POST", "/api/agents/{agent_id}/calls", create)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What there is a data message for."""
        match kind:
            case "session.created":
                return [_json(type="call_started", callId=fields["session"]["id"]), *self._now("listening")]
            case "conversation.item.input_audio_transcription.completed":
                return self._transcript("user", fields["transcript"], final=True)
            case "response.created":
                return self._now("thinking")
            case "output_audio_buffer.cleared":
                return _json(type="playback_clear_buffer")
            case "response.done":
                last = [self._transcript("agent", "", final=True)] if self._agents else []
                self._agents = 0
                return [*last, *self._now("listening")]
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """The bytes; the state before the first of a response."""
        return [*self._now("speaking"), chunk]

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """A transcript's delta."""
        return self._transcript("agent", text, final=False)

    def received(self, message: Message) -> list[Received]:
        """Audio, or a data message."""
        if isinstance(message, bytes):
            return [Sound(message)]
        fields = fields_of(message)
        match fields:
            case {"type": "ping", "timestamp": int() | float() as instant}:
                return [Answer(_json(type="pong", timestamp=instant))]
            case {"type": "hang_up"}:
                return [Bye()]
        return []

    def _now(self, state: str) -> list[Message]:
        if state == self._state:
            return []
        self._state = state
        return [_json(type="state", state=state)]

    def _transcript(self, role: str, text: str, *, final: bool) -> str:
        """An agent's words come piece by piece under one ordinal, a user's at once."""
        if role == "user" or not self._agents:
            self._ordinal += 1
        if role == "agent":
            self._agents = self._agents or self._ordinal
        said = {"text": text, "delta": None} if role == "user" else {"text": None, "delta": text}
        ordinal = self._agents if role == "agent" else self._ordinal
        return _json(type="transcript", role=role, medium="voice", final=final, ordinal=ordinal, **said)


def _rates(body: Any) -> tuple[int, int]:
    """Those that the body of a request asks for: heard and spoken. Raises BodyError."""
    match body:
        case {"medium": {"serverWebSocket": {"inputSampleRate": int() as heard, **others}}}:
            spoken = others.get(OUT_RATE, heard)
            if heard in RATES and spoken in RATES:
                return heard, spoken
    raise BodyError(400, f"serverWebSocket with {IN_RATE} and perhaps {OUT_RATE}, of {RATES}, is the only medium here", "medium")


def _json(**fields: Any) -> str:
    return orjson.dumps(fields).decode()
