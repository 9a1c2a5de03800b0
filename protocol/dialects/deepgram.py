"""Deepgram's Voice Agent, v1: binary messages carry audio, JSON text all else, both ways.

The wire marks the end of a response (`AgentAudioDone`) and gives no ids, so the dialect numbers responses. `UserStartedSpeaking` tells a
client to drop what it has not played: it breaks off whatever is open. What still comes of a response after that is late audio of the same.
The API's reference: https://developers.deepgram.com/reference/voice-agent/voice-agent
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from protocol.access import Recipe
from protocol.alike import BINARY, Alike
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, sayable, websocket_url
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
    SpeechStarted,
    TextDelta,
    Transcribed,
)
from protocol.fields import Json, may, need, read, unknown
from protocol.numbered import Numbered
from protocol.rfc6455 import Opcode

_ENCODINGS: Final = {"linear16": Encoding.PCM16, "mulaw": Encoding.MULAW, "alaw": Encoding.ALAW}
_UNMEASURED: Final = frozenset(
    {
        "AgentStartedSpeaking",
        "AgentThinking",
        "CustomFromThinkProvider",
        "EndOfThought",
        "FrustrationDetected",
        "FunctionCallCancelled",
        "FunctionCallResponse",
        "History",
        "InjectionRefused",
        "LatencyReport",
        "ListenUpdated",
        "PromptUpdated",
        "SpeakUpdated",
        "ThinkLiveUpdated",
        "ThinkUpdated",
    }
)
"""Types of the API that say nothing a talker measures. The latencies in two of them are the server's own word, not what is heard."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the Voice Agent. Encodings: linear16, mulaw or alaw. `agent`: id of a saved agent, which then says how to listen, think
    and speak; "": the three models do, of which the scenario's session may name two: `model` to think, `voice` to speak. `greeting`: what
    the agent says first; "": nothing. `experimental`: have it send AgentStartedSpeaking, too."""

    input_encoding: str = "linear16"
    input_rate: int = 24_000
    output_encoding: str = "linear16"
    output_rate: int = 24_000
    agent: str = ""
    listen_model: str = "nova-3"
    think_provider: str = "open_ai"
    think_model: str = "gpt-4o-mini"
    speak_model: str = "aura-2-thalia-en"
    greeting: str = ""
    experimental: bool = False

    def __post_init__(self) -> None:
        for name in ("input_encoding", "output_encoding"):
            if getattr(self, name) not in _ENCODINGS:
                raise ValueError(f"option {name} of deepgram must be one of {', '.join(_ENCODINGS)}, not {getattr(self, name)!r:.60}")


class Deepgram(Dialect):
    """The wire of one session: `_settings` is what answers Welcome, `_late` the response that was broken off and may have audio on its way
    yet, `_asked` whether the talker has been heard since the last response ended."""

    name = "deepgram"
    Options = Options
    audio_opcode = Opcode.BINARY
    untold = frozenset({Fact.SPEECH_STOPPED, Fact.COMMITTED, Fact.CREATED, Fact.USAGE})
    recipe = Recipe(
        url="/v1/auth/grant",
        headers={"Authorization": "Token ${KEY}"},
        token_pointers=("/access_token",),
        expiry_pointers=("/expires_in",),
        session_headers={"Authorization": "Bearer ${TOKEN}"},
    )
    key_variable = "DEEPGRAM_API_KEY"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        chosen: Options = self.options
        self.input_encoding, self.input_rate = _ENCODINGS[chosen.input_encoding], chosen.input_rate
        self.output_encoding, self.output_rate = _ENCODINGS[chosen.output_encoding], chosen.output_rate
        self._settings: bytes | None = None
        self._responses = Numbered()
        self._late: str | None = None
        self._asked = False

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`base_url` with the path `/v1/agent/converse`. The model is told in the settings. Raises ValueError."""
        return websocket_url(base_url, "/v1/agent/converse")

    def headers(self, secret: str | None) -> dict[str, str]:
        """The API key. Raises ValueError where a header cannot carry it."""
        return {} if secret is None else {"Authorization": f"Token {sayable(secret)}"}

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """Nothing: the agent speaks first. `Settings` go in answer to its `Welcome`. Turn detection is the listening model's own, so the
        settings for it are not told."""
        chosen: Options = self.options
        message: Json = {
            "type": "Settings",
            "audio": {
                "input": {"encoding": chosen.input_encoding, "sample_rate": chosen.input_rate},
                "output": {"encoding": chosen.output_encoding, "sample_rate": chosen.output_rate, "container": "none"},
            },
            "agent": chosen.agent or self._agent(settings),
        }
        if chosen.experimental:
            message["experimental"] = True
        self._settings = orjson.dumps(message)
        return []

    def append(self, audio: bytes) -> bytes:
        """The audio."""
        return audio

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one text message says. Raises MalformedMessage."""
        fields = read(message)
        kind = need("message", fields, "type", str)
        match kind:
            case "ConversationText":
                return self._said(need(kind, fields, "role", str), need(kind, fields, "content", str))
            case "UserStartedSpeaking":
                return self._interrupted()
            case "AgentAudioDone":
                return self._ended("completed", None) or Ignored(kind)
            case "Welcome":
                return self._welcomed(need(kind, fields, "request_id", str))
            case "SettingsApplied":
                return SessionUpdated({})
            case "FunctionCallRequest":
                return [reply for one in need(kind, fields, "functions", list) for reply in _no_function(one)] or Ignored(kind)
            case "Error":
                return self._failed(need(kind, fields, "code", str), need(kind, fields, "description", str))
            case "Warning":
                return AssistantError(need(kind, fields, "code", str), need(kind, fields, "description", str), benign=True)
        return Ignored(kind) if kind in _UNMEASURED else unknown(kind)

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """Binary messages are audio: of the same response, but for one that was broken off, which ends without a word."""
        return BINARY if opcode is Opcode.BINARY and self._late is None else None

    def decode_binary(self, message: bytes) -> Event:
        """Audio of the response that is under way, else of the one broken off, else of the next. Raises MalformedMessage."""
        samples = self.output_encoding.samples(len(message))
        return AudioDelta(self._late or self._responses.begun(), None, 0, samples, message)

    def _welcomed(self, session: str) -> list[Event]:
        settings, self._settings = self._settings, None
        return [SessionCreated(session, {}), *([] if settings is None else [Reply(settings)])]

    def _said(self, role: str, content: str) -> Event | list[Event]:
        self._late = None
        if role == "user":
            self._asked = True
            return Transcribed(None, content)
        if role != "assistant":
            raise MalformedMessage("ConversationText: its role is neither user nor assistant")
        if self._responses.open is None and not self._asked:  # behind the audio: of a response that is over
            return Ignored("ConversationText")
        return TextDelta(self._responses.begun(), None, content)

    def _interrupted(self) -> list[Event]:
        late = self._responses.open or self._late
        over = self._ended("cancelled", "turn_detected")
        self._late, self._asked = late, True
        return [SpeechStarted(None, None), Cleared(), *over]

    def _failed(self, code: str, description: str) -> list[Event]:
        if self._asked:
            self._responses.begun()
        return [AssistantError(code, description), *self._ended("failed", code)]

    def _ended(self, status: str, reason: str | None) -> list[Event]:
        ended, self._late, self._asked = self._responses.over(), None, False
        return [] if ended is None else [ResponseDone(ended, status, reason, None)]

    def _agent(self, settings: SessionSettings) -> Json:
        chosen: Options = self.options
        think: Json = {"provider": {"type": chosen.think_provider, "model": settings.model or chosen.think_model}}
        if settings.instructions is not None:
            think["prompt"] = settings.instructions
        agent: Json = {
            "listen": {"provider": _provider(chosen.listen_model)},
            "think": think,
            "speak": {"provider": _provider(settings.voice or chosen.speak_model)},
        }
        if chosen.greeting:
            agent["greeting"] = chosen.greeting
        return agent


def _provider(model: str) -> dict[str, str]:
    """A Deepgram model, of whose two families one must be told by its version."""
    provider = {"type": "deepgram", "model": model}
    return {**provider, "version": "v2"} if model.startswith("flux") else provider


def _no_function(function: object) -> list[Event]:
    """What a talker answers where the agent waits for one of its functions: it has none. Functions of the server's are none of its."""
    if type(function) is not dict:
        raise MalformedMessage("FunctionCallRequest: a function is no object")
    if not may("FunctionCallRequest", function, "client_side", bool, "functions."):
        return []
    called = {name: need("FunctionCallRequest", function, name, str, "functions.") for name in ("id", "name")}
    return [Reply(orjson.dumps({"type": "FunctionCallResponse", **called, "content": "error: this client has no functions"}))]
