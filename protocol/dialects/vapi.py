"""Vapi over its WebSocket transport: binary audio both ways, and client messages as JSON text.

The transport: https://docs.vapi.ai/calls/websocket-transport. The messages: ClientMessage of https://api.vapi.ai/api

`speech-update` says when the assistant begins and stops to speak, where the assistant's `clientMessages` has it, as by default; with the
option `turns: ear` the sound says so. The ids of responses are made up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from protocol.access import Recipe, literal
from protocol.alike import BINARY, Alike
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, call_url
from protocol.events import (
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)
from protocol.fields import Json, need, read, unknown
from protocol.numbered import Numbered
from protocol.rfc6455 import Opcode

_FORMATS: Final = {"pcm_s16le": Encoding.PCM16, "mulaw": Encoding.MULAW}
_TURNS: Final = ("events", "ear")
_IGNORED: Final = frozenset(
    (
        "assistant-speech",
        "assistant.speechStarted",
        "assistant.started",
        "conversation-update",
        "function-call",
        "function-call-result",
        "hang",
        "language-change-detected",
        "language-changed",
        "metadata",
        "status-update",
        "tool-calls",
        "tool-calls-result",
        "tool.completed",
        "transfer-update",
        "voice-input",
        "workflow.node.started",
    )
)


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a Vapi call. `assistant_id`: the assistant that is called; "": none is named. `format`: pcm_s16le or mulaw; `rate` in Hz,
    the same both ways. `turns`: what tells responses apart: `events` (speech-update), or `ear`. Raises ValueError for what Vapi does not
    have."""

    assistant_id: str = ""
    format: str = "pcm_s16le"
    rate: int = 16_000
    turns: str = "events"

    def __post_init__(self) -> None:
        for name, value, known in (("format", self.format, _FORMATS), ("turns", self.turns, _TURNS)):
            if value not in known:
                raise ValueError(f"option {name} of vapi is one of {', '.join(known)}, not {value!r:.60}")


class Vapi(Dialect):
    """A Vapi call. Makes the ids of its responses up: r1, r2, ..."""

    name = "vapi"
    Options = Options
    audio_opcode = Opcode.BINARY
    ready_at_once = True
    recipe = Recipe(url="/call", headers={"Authorization": "Bearer ${KEY}"}, url_pointers=("/transport/websocketCallUrl",))
    key_variable = "VAPI_API_KEY"
    untold = frozenset({Fact.COMMITTED, Fact.CREATED, Fact.USAGE})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.input_rate = self.output_rate = self.options.rate
        self.input_encoding = self.output_encoding = _FORMATS[self.options.format]
        self.by_ear = self.options.turns == "ear"
        if self.by_ear:
            self.untold = self.untold | {Fact.DONE}
        self._responses = Numbered()
        self._speaking = False
        self._cut: str | None = None  # the response that was broken off, until another begins
        self._cut_turn: str | None = None  # its `turnId`

    def access(self, settings: SessionSettings) -> Recipe:
        """A call of the assistant. What it says and how is set where the assistant is."""
        chosen: Options = self.options
        audio = {"format": chosen.format, "container": "raw", "sampleRate": chosen.rate}
        named = {"assistantId": literal(chosen.assistant_id)} if chosen.assistant_id else {}
        return replace(self.recipe, body={**named, "transport": {"provider": "vapi.websocket", "audioFormat": audio}})

    def endpoint(self, base_url: str, model: str | None) -> str:
        """A call's. The model is not told."""
        return call_url(base_url, "/direct/transport", {"format": self.options.format, "sampleRate": str(self.options.rate)})

    def append(self, audio: bytes) -> bytes:
        """The audio itself. Raises ValueError for a part of a sample."""
        if len(audio) % self.input_encoding.sample_bytes:
            raise ValueError(f"{len(audio)} bytes are no whole {self.input_encoding} samples")
        return audio

    def farewell(self) -> bytes | None:
        """`hangup`."""
        return b'{"type":"hangup"}'

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """By ear: binary messages are audio. Else they may be silence of no response."""
        return BINARY if self.by_ear and opcode is Opcode.BINARY else None

    def decode_binary(self, message: bytes) -> Event | list[Event]:
        """The assistant's audio. Silence while it does not speak is of no response."""
        samples = self.output_encoding.samples(len(message))
        if self.by_ear:
            return AudioDelta(None, None, 0, samples, message)
        if not self._speaking and self.output_encoding.silent(message):
            return Ignored("silence")
        return AudioDelta(self._cut or self._responses.begun(), None, 0, samples, message)

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one client message says."""
        fields = read(message)
        if "type" not in fields and isinstance(inner := fields.get("message"), dict):  # as the schema ClientMessage has it
            fields = inner
        kind = need("message", fields, "type", str).partition("[")[0]  # as in transcript[transcriptType="final"]
        match kind:
            case "speech-update":
                return self._speech(need(kind, fields, "role", str), need(kind, fields, "status", str))
            case "user-interrupted":
                self._cut_turn = turn if isinstance(turn := fields.get("turnId"), str) else None
                return [Cleared(), *self._over("cancelled", "interrupted")]
            case "transcript":
                return self._transcript(kind, fields)
            case "model-output":
                return self._output(kind, fields)
            case _:
                return Ignored(kind) if kind in _IGNORED else unknown(kind)

    def _speech(self, role: str, status: str) -> Event | list[Event]:
        if status not in ("started", "stopped"):
            raise MalformedMessage("speech-update: status must be started or stopped")
        started = status == "started"
        if role == "user":
            return SpeechStarted(None, None) if started else SpeechStopped(None, None)
        if role != "assistant" or self.by_ear:
            return Ignored("speech-update")
        if not started:
            return self._over("completed") or Ignored("speech-update")
        self._speaking, self._cut = True, None
        self._responses.begun()
        return Ignored("speech-update")

    def _transcript(self, kind: str, fields: Json) -> Event:
        if need(kind, fields, "role", str) != "user" or fields.get("transcriptType") != "final":
            return Ignored(kind)
        return Transcribed(None, need(kind, fields, "transcript", str))

    def _output(self, kind: str, fields: Json) -> Event:
        """A token of the model. Those of a turn that was interrupted are nobody's."""
        turn, output = fields.get("turnId"), fields.get("output")
        if not isinstance(output, str) or (turn is not None and turn == self._cut_turn):
            return Ignored(kind)
        if self.by_ear:
            return TextDelta(None, None, output)
        self._cut = None
        return TextDelta(self._responses.begun(), None, output)

    def _over(self, status: str, reason: str | None = None) -> list[Event]:
        over, self._speaking = self._responses.over(), False
        if status == "cancelled":
            self._cut = over
        return [] if over is None else [ResponseDone(over, status, reason, None)]
