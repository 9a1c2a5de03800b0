"""Ultravox over a server WebSocket: binary PCM16 both ways, and data messages as JSON text.

The WebSocket: https://docs.ultravox.ai/apps/websockets. Its messages: https://docs.ultravox.ai/apps/datamessages

A response has no id of its own; it is told by the agent's state, and by its audio. It begins when the agent thinks, or speaks; it is over
when the agent is in another state. `playback_clear_buffer` breaks it off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import orjson

from protocol.access import Recipe, literal
from protocol.alike import BINARY, Alike
from protocol.dialect import Dialect, Encoding, Fact, SessionSettings, call_url
from protocol.events import (
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    Reply,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    TextDelta,
    Transcribed,
    whole,
)
from protocol.fields import Json, need, read, unknown, without_none
from protocol.numbered import Numbered
from protocol.rfc6455 import Opcode

_IGNORED: Final = frozenset(("data_connection_tool_invocation", "debug", "pong"))


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an Ultravox call. `input_rate`, `output_rate`: of the audio both ways, in Hz. `client_buffer_ms`: how much audio Ultravox
    may send ahead of its playing; it has the talker drop the rest when interrupted. `agent_id`: the agent that is called; "": none, the
    session's model, instructions and voice are sent instead."""

    input_rate: int = 16_000
    output_rate: int = 24_000
    client_buffer_ms: int = 30_000
    agent_id: str = ""


class Ultravox(Dialect):
    """An Ultravox call. Makes the ids of its responses up: r1, r2, ..."""

    name = "ultravox"
    Options = Options
    audio_opcode = Opcode.BINARY
    recipe = Recipe(url="/api/calls", headers={"X-API-Key": "${KEY}"}, url_pointers=("/joinUrl",))
    key_variable = "ULTRAVOX_API_KEY"
    untold = frozenset({Fact.SPEECH_STARTED, Fact.SPEECH_STOPPED, Fact.COMMITTED, Fact.USAGE})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.input_rate, self.output_rate = self.options.input_rate, self.options.output_rate
        self._ready = False
        self._responses = Numbered()
        self._said = False  # the open response has audio or words
        self._ordinal = -1  # of the latest of the agent's utterances
        self._over_ordinal = -1  # up to which they are over

    def access(self, settings: SessionSettings) -> Recipe:
        """A call of the agent, or one by itself."""
        chosen: Options = self.options
        rates = {
            "inputSampleRate": chosen.input_rate,
            "outputSampleRate": chosen.output_rate,
            "clientBufferSizeMs": chosen.client_buffer_ms,
        }
        medium = {"medium": {"serverWebSocket": rates}}
        if chosen.agent_id:
            return replace(self.recipe, url=f"/api/agents/{quote(chosen.agent_id, safe='')}/calls", body=medium)
        asked = without_none(model=settings.model, systemPrompt=settings.instructions, voice=settings.voice)
        return replace(self.recipe, body={**{name: literal(text) for name, text in asked.items()}, **medium})

    def endpoint(self, base_url: str, model: str | None) -> str:
        """A call's. The model is told when it is created."""
        rates = {"inputSampleRate": str(self.input_rate), "outputSampleRate": str(self.output_rate)}
        return call_url(base_url, "/calls/direct/server_web_socket", rates)

    def append(self, audio: bytes) -> bytes:
        """The audio itself. Raises ValueError for an odd number of bytes."""
        if len(audio) & 1:
            raise ValueError(f"{len(audio)} bytes are no whole PCM16 samples")
        return audio

    def farewell(self) -> bytes | None:
        """`hang_up`."""
        return b'{"type":"hang_up"}'

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """Binary messages are audio."""
        return BINARY if opcode is Opcode.BINARY else None

    def decode_binary(self, message: bytes) -> Event | list[Event]:
        """The agent's audio."""
        samples = Encoding.PCM16.samples(len(message))
        self._said = True
        audio = AudioDelta(self._responses.begun(), None, 0, samples, message)
        return audio if self._ready else self._first([audio])

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one data message says."""
        fields = read(message)
        told = self._told(need("message", fields, "type", str), fields)
        return told if self._ready else self._first(told)

    def _first(self, told: list[Event]) -> list[Event]:
        """Whatever comes first says that the call has begun. The id must be known before it is ready."""
        self._ready = True
        created = [one for one in told if isinstance(one, SessionCreated)]
        return [*created, SessionUpdated({}), *(one for one in told if one not in created)]

    def _told(self, kind: str, fields: Json) -> list[Event]:
        match kind:
            case "state":
                return self._state(need(kind, fields, "state", str))
            case "transcript":
                return [self._transcript(kind, fields)]
            case "playback_clear_buffer":
                return [Cleared(), *self._over("cancelled", "cleared")]
            case "call_started":
                return [SessionCreated(need(kind, fields, "callId", str), fields)]
            case "client_tool_invocation":
                return [Reply(_no_such_tool(need(kind, fields, "invocationId", str)))]
            case _:
                return [Ignored(kind) if kind in _IGNORED else unknown(kind)]

    def _state(self, state: str) -> list[Event]:
        if state == "thinking" and self._responses.open is None:
            return [ResponseCreated(self._responses.begun())]
        if state in ("thinking", "speaking"):
            return [Ignored("state")]
        return self._over("completed" if self._said else "cancelled") or [Ignored("state")]

    def _transcript(self, kind: str, fields: Json) -> Event:
        role, final = need(kind, fields, "role", str), need(kind, fields, "final", bool)
        text, delta = fields.get("text"), fields.get("delta")
        said = text if isinstance(text, str) else delta
        if role == "user":
            if not final:
                return Ignored(kind)
            return Transcribed(None, need(kind, fields, "text", str))
        ordinal = whole(fields.get("ordinal"))
        if final or not isinstance(said, str) or (ordinal is not None and ordinal <= self._over_ordinal):
            return Ignored(kind)
        self._ordinal, self._said = self._ordinal if ordinal is None else ordinal, True
        return TextDelta(self._responses.begun(), None, said)

    def _over(self, status: str, reason: str | None = None) -> list[Event]:
        over, self._said = self._responses.over(), False
        self._over_ordinal = self._ordinal
        return [] if over is None else [ResponseDone(over, status, reason, None)]


def _no_such_tool(invocation: str) -> bytes:
    """A call stands still until its tool has answered."""
    answer = {"type": "client_tool_result", "invocationId": invocation, "errorType": "undefined", "errorMessage": "a talker has no tools"}
    return orjson.dumps(answer)
