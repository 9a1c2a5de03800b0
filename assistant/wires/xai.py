"""The Realtime API as xAI serves it: a session of its own shape, PCM16 at the rate that the client asks for, and events of its own.

It shares xAI's path with OpenAI's, so it is served below `/xai` here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from assistant.bodies import BodyError, read_json
from assistant.minting import Unminted, mint
from assistant.wires.base import RATES, Asked, Format, Message, Received, Sound, Told, Tuned, Wire
from assistant.wires.openai_realtime import OpenAIRealtime

PROTOCOL = "xai-client-secret."
LIFE_S, LONGEST_LIFE_S = 600, 3600
UPDATED = "conversation.item.input_audio_transcription.updated"


class XAI(OpenAIRealtime):
    """Realtime with xAI's session."""

    name = "xai"
    paths = ("/xai/v1/realtime",)
    tuned_at_once = False

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._heard = ""  # of the transcript under way
        self._tuned = False

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """A bearer token, else the browsers' sub-protocol."""
        named = (name.removeprefix(PROTOCOL) for name in protocols if name.startswith(PROTOCOL))
        return super().secret(headers, query, protocols) or next(named, None)

    @classmethod
    def accepted(cls, protocols: list[str]) -> str | None:
        """The first that is offered: a browser wants one back."""
        return protocols[0] if protocols else None

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """Ephemeral tokens."""

        async def client_secrets(request: Request) -> JSONResponse:
            if not hub.tokens.may_mint(Wire.secret(request.headers, {}, [])):
                return _refused(401, "Incorrect API key provided.")
            try:
                life_s = _life_s(await read_json(request, 400))
            except BodyError as wrong:
                return _refused(wrong.status, str(wrong))
            token = await mint(hub, request, f"{cls.paths[0]}/client_secrets", life_s)
            if isinstance(token, Unminted):
                return _refused(token.status, token.text, token.headers)
            return JSONResponse({"value": token, "expires_at": int(time.time()) + life_s}, headers={"Cache-Control": "no-store"})

        return [("POST", f"{cls.paths[0]}/client_secrets", client_secrets)]

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> XAI:
        """There is one shape."""
        return cls(tag)

    def event(self, kind: str, **fields: Any) -> Told:
        """With the session in xAI's shape, a conversation of its own event, transcripts that are cumulative, and a ping."""
        match kind:
            case "session.created":
                conversation = {"id": f"conv_{self.tag}", "object": "realtime.conversation"}
                return [
                    self._text("conversation.created", conversation=conversation),
                    self._text(kind, session=self._shown(fields["session"])),
                ]
            case "session.updated":
                return [self._text(kind, session=self._shown(fields["session"])), self._text("ping", timestamp=self.number)]
            case "input_audio_buffer.speech_started" | "input_audio_buffer.speech_stopped":
                return self._text(kind, item_id=fields["item_id"])
            case "conversation.item.input_audio_transcription.delta":
                self._heard += fields["delta"]
                return self._text(UPDATED, item_id=fields["item_id"], content_index=0, transcript=self._heard)
            case "conversation.item.input_audio_transcription.completed":
                self._heard = ""
        return super().event(kind, **fields)

    def received(self, message: Message) -> list[Received]:
        """As on the Realtime API, but for `session.update`: the formats are the wire's, the rest is put into the API's shape."""
        told = super().received(message)
        match told:
            case [Asked("session.update", {"session": dict(session)} as fields)]:
                tuned = self._tune(session.get("audio"))
                return [*tuned, Asked("session.update", {**fields, "session": _as_realtime(session)})]
            case [Sound()]:
                return [*self._tune(None), *told]
        return told

    def _tune(self, audio: Any) -> list[Received]:
        """Settles the rates that are asked for; what is no PCM at a rate of the API stays as it is."""
        input_rate, output_rate = _rate(audio, "input") or self.input.rate, _rate(audio, "output") or self.output.rate
        if self._tuned and (input_rate, output_rate) == (self.input.rate, self.output.rate):
            return []
        self.input, self.output, self._tuned = Format(input_rate), Format(output_rate), True
        return [Tuned()]

    def _shown(self, session: Mapping[str, Any]) -> dict[str, Any]:
        heard, spoken = session["audio"]["input"], session["audio"]["output"]
        rates = {"input": self.input.rate, "output": self.output.rate}
        audio = {side: {"format": {"type": "audio/pcm", "rate": rate}} for side, rate in rates.items()}
        told = {name: session[name] for name in ("object", "id", "model", "instructions", "tools")}
        return {**told, "voice": spoken["voice"], "turn_detection": heard["turn_detection"], "audio": audio}

    def _text(self, kind: str, **fields: Any) -> Message:
        """An event of the API's form."""
        return self._event(kind, **fields) or ""


def _life_s(asked: Any) -> int:
    """How long a token of this request lives. Raises BodyError."""
    match asked:
        case {"expires_after": {"seconds": int(seconds)}} if 0 < seconds <= LONGEST_LIFE_S:
            return seconds
        case {"expires_after": _}:
            raise BodyError(400, f"expires_after.seconds must be a whole number from 1 to {LONGEST_LIFE_S}.")
        case dict():
            return LIFE_S
    raise BodyError(400, "The body must be an object.")


def _refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": str(status), "error": text}, status, headers)


def _rate(audio: Any, side: str) -> int | None:
    """The rate of PCM asked for on this side; None where none of ours is."""
    match audio:
        case {"input": {"format": {"type": "audio/pcm", "rate": int(rate)}}} if side == "input" and rate in RATES:
            return rate
        case {"output": {"format": {"type": "audio/pcm", "rate": int(rate)}}} if side == "output" and rate in RATES:
            return rate
    return None


def _as_realtime(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session of xAI's in the API's own shape, transcripts asked for."""
    heard: dict[str, Any] = {"transcription": {"model": "grok-transcribe"}}
    if "turn_detection" in session:
        detection = session["turn_detection"]
        heard["turn_detection"] = None if detection == {"type": None} else detection
    spoken = {"voice": session["voice"]} if "voice" in session else {}
    told = {name: session[name] for name in ("instructions", "tools") if name in session}
    return {"type": "realtime", **told, "audio": {"input": heard, "output": spoken}}
