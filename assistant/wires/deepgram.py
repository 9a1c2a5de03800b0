"""Deepgram's Voice Agent, v1: binary audio, JSON for all else, and the request by which a key becomes a token.

The wire has one message, UserStartedSpeaking, for two things: that speech was heard, and that what was sent is not to be played. While an
answer is under way or heard, it therefore is sent when that is stopped, not when speech is heard that may be ignored. What is heard is told
by the client's microphone, which never stops: its samples are the clock.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from assistant.minting import Unminted, mint
from assistant.wires.base import RATES, Answer, Asked, Bye, Format, Message, Received, Sound, Told, Tuned, Wire, fields_of
from audio.codecs import ALAW, MULAW, PCM16

GRANT = "/v1/auth/grant"
GRANT_TTL_S = 30
ENCODINGS = {"linear16": PCM16, "mulaw": MULAW, "alaw": ALAW}
REFUSED, UNPARSABLE = 1008, "UNPARSABLE_CLIENT_MESSAGE"
UPDATES = {"UpdatePrompt": "PromptUpdated", "UpdateSpeak": "SpeakUpdated", "UpdateThink": "ThinkUpdated", "UpdateListen": "ListenUpdated"}
FAILURES = {"asr_error": "FAILED_TO_LISTEN", "server_error": "FAILED_TO_THINK", "tts_error": "FAILED_TO_SPEAK"}


class Deepgram(Wire):
    """All instants are on the clock of the client's microphone: what was heard, until when what was sent is played, when speech stopped,
    when the words of an answer began. `_started`: the client was told already that its talker has begun to speak."""

    name = "deepgram"
    paths = ("/v1/agent/converse",)
    tuned_at_once = False

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._tuned = False
        self._experimental = False
        self._responding = False
        self._started = False
        self._heard_s = self._playing_until_s = 0.0
        self._stopped_s = self._words_s = 0.0
        self._silent = False

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The Authorization header of scheme Token or Bearer, else what follows that word among the browsers' sub-protocols."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() in ("token", "bearer"):
            return secret.strip() or None
        return protocols[1] if len(protocols) > 1 and protocols[0] in ("token", "bearer") else None

    @classmethod
    def accepted(cls, protocols: list[str]) -> str | None:
        """The word before the secret."""
        return protocols[0] if protocols and protocols[0] in ("token", "bearer") else None

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """POST /v1/auth/grant: a token for a key."""

        async def grant(request: Request) -> Response:
            if not hub.tokens.may_mint(cls.secret(request.headers, {}, [])):
                return _refusal(401, "INVALID_AUTH", "Invalid credentials.")
            token = await mint(hub, request, GRANT, GRANT_TTL_S)
            if isinstance(token, Unminted):
                return _refusal(token.status, token.code.upper(), token.text, token.headers)
            return JSONResponse({"access_token": token, "expires_in": GRANT_TTL_S}, headers={"Cache-Control": "no-store"})

        return [("POST", GRANT, grant)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What the Voice Agent has a message for."""
        match kind:
            case "session.created":
                return _message("Welcome", request_id=fields["session"]["id"])
            case "session.updated":
                return _message("SettingsApplied")
            case "conversation.item.input_audio_transcription.completed":
                return _message("ConversationText", role="user", content=fields["transcript"])
            case "input_audio_buffer.speech_started":
                self._started = not self._responding and self._heard_s >= self._playing_until_s
                return _message("UserStartedSpeaking") if self._started else None
            case "input_audio_buffer.speech_stopped":
                self._stopped_s = self._heard_s
            case "output_audio_buffer.cleared":
                self._playing_until_s = self._heard_s
                return None if self._started else _message("UserStartedSpeaking")
            case "response.created":
                self._responding = self._silent = True
                return _message("AgentThinking", content="")
            case "response.done":
                self._responding = False
                return self._done(fields["response"])
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """The bytes; before the first of a response, who asked for it is told how long they took."""
        samples = len(chunk) // len(self.output.silence)
        self._playing_until_s = max(self._playing_until_s, self._heard_s) + samples / self.output.rate
        if not (self._silent and self._experimental):
            return chunk
        self._silent = False
        latencies = {
            "total_latency": self._heard_s - self._stopped_s,
            "ttt_latency": self._words_s - self._stopped_s,
            "tts_latency": self._heard_s - self._words_s,
        }
        return [_message("AgentStartedSpeaking", **{name: round(value, 3) for name, value in latencies.items()}), chunk]

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """ConversationText of the agent, as its words come."""
        if self._silent:
            self._words_s = self._heard_s
        return _message("ConversationText", role="assistant", content=text)

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """A warning: an error would be the session's end."""
        return _message("Warning", description=message, code=(code or kind).upper())

    def received(self, message: Message) -> list[Received]:
        """Audio, Settings, and what else a client may say."""
        if isinstance(message, bytes):
            if not self._tuned:
                return []
            self._heard_s += len(message) // len(self.input.silence) / self.input.rate
            return [Sound(message)]
        told = fields_of(message)
        kind = told.get("type")
        if kind == "Settings" and not self._tuned:
            return self._settings(told)
        if kind in ("KeepAlive", "FunctionCallResponse"):
            return []
        if isinstance(kind, str) and kind in UPDATES:
            return [Answer(_message(UPDATES[kind]))]
        if kind in ("InjectAgentMessage", "InjectUserMessage"):
            return [Answer(_message("InjectionRefused", message="This agent says what it will."))]
        return _over("The message is none that this agent knows here.")

    def _settings(self, told: dict[str, Any]) -> list[Received]:
        audio = told.get("audio")
        sides = [_format(audio.get(side)) for side in ("input", "output")] if isinstance(audio, dict) else [None, None]
        if sides[0] is None or sides[1] is None or not isinstance(told.get("agent"), (dict, str)):
            heard = f"audio of {', '.join(ENCODINGS)} at {', '.join(map(str, RATES))} Hz without a container, and an agent"
            return _over(f"Settings must have {heard}.")
        self.input, self.output = sides[0], sides[1]
        self._tuned, self._experimental = True, told.get("experimental") is True
        return [Tuned(), Asked("session.update", {"session": {"type": "realtime"}})]

    def _done(self, response: dict[str, Any]) -> Told:
        """An error does not end the session here, as it mostly does at the vendor's."""
        details = response["status_details"] or {}
        if response["status"] == "failed":
            failed = details["error"]
            return _message("Error", description=failed["message"], code=FAILURES.get(failed["code"], "FAILED_TO_THINK"))
        return _message("AgentAudioDone") if response["status"] == "completed" else None


def _format(asked: Any) -> Format | None:
    """One side's audio; None where this agent has no such."""
    if asked is None:
        return Format(base64=False)
    if not isinstance(asked, dict):
        return None
    encoding, rate = asked.get("encoding", "linear16"), asked.get("sample_rate", 24_000)
    known = isinstance(encoding, str) and encoding in ENCODINGS and type(rate) is int and rate in RATES
    return Format(rate, ENCODINGS[encoding], base64=False) if known and asked.get("container") in (None, "none") else None


def _message(kind: str, **fields: Any) -> str:
    return orjson.dumps({"type": kind, **fields}).decode()


def _over(why: str) -> list[Received]:
    """An error, and the end of the session."""
    return [Answer(_message("Error", description=why, code=UNPARSABLE)), Bye(REFUSED, UNPARSABLE)]


def _refusal(status: int, code: str, why: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    content = {"err_code": code, "err_msg": why, "request_id": f"{time.monotonic_ns():032x}"}
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})})
