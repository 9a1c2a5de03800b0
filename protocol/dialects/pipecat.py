"""Pipecat over a WebSocket: protobuf frames of audio, and RTVI messages as JSON within them.

Frames: `pipecat/frames/frames.proto` of pipecat-ai. Messages: https://docs.pipecat.ai/client/rtvi-standard (RTVI 2.2).
The way in: https://docs.pipecat.ai/api-reference/client/js/transports/websocket

A bot's turn has no id; it is told by its events. It begins with the language model's answer, when the bot begins to speak, or with audio of
a bot that has not told before that it speaks. It is over when the bot has stopped speaking and the model has stopped, too: between two
sentences that come slowly the bot stops speaking for a moment. A bot with an `audio_out_mixer` sends audio all the time: of what comes
while it does not speak, silence is of no turn, and sound of none but one that the model has begun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from protocol.access import Recipe
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, websocket_url
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)
from protocol.fields import Json, need, read, unknown
from protocol.numbered import Numbered
from protocol.rfc6455 import Opcode
from protocol.wav import samples_of

RTVI_VERSION: Final = "2.2.0"
_LABEL: Final = "rtvi-ai"
_TYPES: Final = {
    "uint": FieldDescriptorProto.TYPE_UINT64,
    "text": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}
_FIELDS: Final = {
    "TextFrame": (("id", "uint"), ("name", "text"), ("text", "text")),
    "AudioRawFrame": (("id", "uint"), ("name", "text"), ("audio", "bytes"), ("sample_rate", "uint"), ("num_channels", "uint")),
    "TranscriptionFrame": (("id", "uint"), ("name", "text"), ("text", "text"), ("user_id", "text"), ("timestamp", "text")),
    "MessageFrame": (("data", "text"),),
    "InterruptionFrame": (("id", "uint"), ("name", "text")),
}
"""Fields of each message, numbered from 1. Varints of 32 bits are read as those of 64."""
_KINDS: Final = {
    "text": "TextFrame",
    "audio": "AudioRawFrame",
    "transcription": "TranscriptionFrame",
    "message": "MessageFrame",
    "interruption": "InterruptionFrame",
}
"""What a Frame may be, numbered from 1."""


def _frame() -> Any:
    """The class of a Frame."""
    file = FileDescriptorProto(name="frames.proto", package="pipecat", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=_TYPES[kind], label=FieldDescriptorProto.LABEL_OPTIONAL)
    frame = file.message_type.add(name="Frame")
    frame.oneof_decl.add(name="frame")
    for number, (field, name) in enumerate(_KINDS.items(), 1):
        made = frame.field.add(name=field, number=number, type_name=f".pipecat.{name}", label=FieldDescriptorProto.LABEL_OPTIONAL)
        made.type, made.oneof_index = FieldDescriptorProto.TYPE_MESSAGE, 0
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("pipecat.Frame"))


_Frame: Final = _frame()


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a Pipecat bot. `path`: of the WebSocket below the host, where the host does not name it. `input_rate`, `output_rate`: what
    the bot's pipeline hears and speaks at, in Hz (`audio_in_sample_rate`, `audio_out_sample_rate`). `rtvi`: the bot answers RTVI messages;
    without them only its sound tells its turns."""

    path: str = "/ws"
    input_rate: int = 16_000
    output_rate: int = 24_000
    rtvi: bool = True


class Pipecat(Dialect):
    """A bot with a WebSocket transport and the ProtobufFrameSerializer. Makes the ids of its responses up: r1, r2, ..."""

    name = "pipecat"
    Options = Options
    audio_opcode = Opcode.BINARY
    control_opcode = Opcode.BINARY
    recipe = Recipe(
        url="/start",
        headers={"Authorization": "Bearer ${KEY}"},
        body={"transport": "websocket"},
        url_pointers=("/wsUrl", "/ws_url"),
        token_pointers=("/token",),
    )
    untold = frozenset({Fact.COMMITTED})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        chosen: Options = self.options
        self.input_rate, self.output_rate = chosen.input_rate, chosen.output_rate
        self.ready_at_once = self.by_ear = not chosen.rtvi
        if not chosen.rtvi:
            self.untold = frozenset(Fact) - {Fact.CANCELLED}
        self._responses = Numbered()
        self._thinking = False  # the model's answer is not over
        self._speaking = False
        self._spoke = False  # the open response has audio
        self._tells = False  # when it begins to speak: the bot has told so before
        self._ahead: AudioDelta | None = None  # what came last while it did not speak, and is of no response
        self._transcript: str | None = None  # the type of message that tells what was understood
        self._usage: Json | None = None

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`path` below the host. The model is not told."""
        return websocket_url(base_url, self.options.path)

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`client-ready`, to which the bot answers `bot-ready`; nothing without RTVI. What the bot is to be is its own business."""
        about = {"library": "doubletalk"}
        return [_rtvi("client-ready", {"version": RTVI_VERSION, "about": about})] if self.options.rtvi else []

    def append(self, audio: bytes) -> bytes:
        """An audio frame. Raises ValueError for an odd number of bytes."""
        if len(audio) & 1:
            raise ValueError(f"{len(audio)} bytes are no whole PCM16 samples")
        return _written(audio={"audio": audio, "sample_rate": self.input_rate, "num_channels": 1})

    def farewell(self) -> bytes | None:
        """`disconnect-bot`."""
        return _rtvi("disconnect-bot") if self.options.rtvi else None

    def decode_binary(self, message: bytes) -> Event | list[Event]:
        """What one frame says."""
        try:
            frame = _Frame.FromString(message)
        except DecodeError:
            raise MalformedMessage(f"message of {len(message)} bytes is no Pipecat frame") from None
        kind = frame.WhichOneof("frame")
        if kind == "audio":
            return self._audio(frame.audio)
        if kind == "message":
            return self._message(frame.message.data)
        if kind == "interruption":
            return self._interrupted()
        return Unknown("frame") if kind is None else Ignored(f"frame.{kind}")

    def _audio(self, frame: Any) -> Event:
        audio: bytes = frame.audio
        if frame.sample_rate != self.output_rate:
            raise MalformedMessage(f"audio of {frame.sample_rate} Hz, where the option output_rate is {self.output_rate}")
        if frame.num_channels != 1:
            raise MalformedMessage(f"audio of {frame.num_channels} channels, where the wire has one")
        if audio.startswith(b"RIFF"):
            audio = samples_of(audio, self.output_rate)
        samples = Encoding.PCM16.samples(len(audio))
        piece = AudioDelta(None, None, 0, samples, audio)
        if self.by_ear:
            return piece
        if not self._speaking and (self.output_encoding.silent(audio) or (self._tells and self._responses.open is None)):
            self._ahead = piece
            return Ignored("audio")
        if not self._tells:
            self._speaking = self._spoke = True
        return self._said(piece)

    def _said(self, piece: AudioDelta) -> AudioDelta:
        self._ahead = None
        return piece._replace(response_id=self._responses.begun())

    def _message(self, data: str) -> Event | list[Event]:
        fields = read(data.encode())
        if fields.get("label") != _LABEL:
            return Ignored("message")
        kind = need("message", fields, "type", str)
        told = _TOLD.get(kind)
        if told is not None:
            given = fields.get("data")
            return told(self, kind, given if isinstance(given, dict) else {})
        return Ignored(kind) if kind in _IGNORED else unknown(kind)

    def _over(self, status: str, reason: str | None = None) -> list[Event]:
        over, usage, self._usage = self._responses.over(), self._usage, None
        self._thinking = self._speaking = self._spoke = False
        self._ahead = None
        return [] if over is None else [ResponseDone(over, status, reason, usage)]

    def _interrupted(self) -> list[Event]:
        return [Cleared(), *self._over("cancelled", "interrupted")]

    def _told_ready(self, kind: str, data: Json) -> Event:
        return SessionUpdated(data)

    def _told_user_speaking(self, kind: str, data: Json) -> Event:
        return SpeechStarted(None, None) if kind == "user-started-speaking" else SpeechStopped(None, None)

    def _told_transcript(self, kind: str, data: Json) -> Event:
        """A bot may tell the same in two types of message: that which comes first counts."""
        if data.get("final") is not True or data.get("input_type", "transcription") != "transcription":
            return Ignored(kind)
        self._transcript = self._transcript or kind
        return Transcribed(None, need(kind, data, "text", str, "data.")) if kind == self._transcript else Ignored(kind)

    def _told_model_started(self, kind: str, data: Json) -> Event | list[Event]:
        """What was heard of a bot that has not told yet that it speaks was none of its answer."""
        before = self._over("completed") if self._spoke and not (self._tells or self._thinking) else []
        self._thinking, self._ahead = True, None
        begun = self._responses.open is None and not self.by_ear
        return [*before, ResponseCreated(self._responses.begun())] if begun else Ignored(kind)

    def _told_model_text(self, kind: str, data: Json) -> Event:
        return TextDelta(None if self.by_ear else self._responses.begun(), None, need(kind, data, "text", str, "data."))

    def _told_model_stopped(self, kind: str, data: Json) -> Event | list[Event]:
        self._thinking = False
        return self._over("completed") if self._spoke and not self._speaking else Ignored(kind)

    def _told_bot_started(self, kind: str, data: Json) -> Event:
        """It is sent beside the first of the audio, mostly behind it."""
        if self.by_ear:
            return Ignored(kind)
        self._tells = self._speaking = self._spoke = True
        return Ignored(kind) if self._ahead is None else self._said(self._ahead)

    def _told_bot_stopped(self, kind: str, data: Json) -> Event | list[Event]:
        self._speaking = False
        return Ignored(kind) if self._thinking or not self._spoke else self._over("completed")

    def _told_metrics(self, kind: str, data: Json) -> Event:
        """Tokens of the model, as the Realtime API counts them, kept for the end of the response."""
        tokens = data.get("tokens")
        for one in tokens if isinstance(tokens, list) else ():
            if isinstance(one, dict):
                self._usage = {"input_tokens": one.get("prompt_tokens"), "output_tokens": one.get("completion_tokens")}
        return Ignored(kind)

    def _told_error(self, kind: str, data: Json) -> list[Event]:
        """It is the end of a response of which nothing has been said; one that is being said may go on."""
        text = data.get("error")
        told = AssistantError(None, text if isinstance(text, str) else "an error without a text")
        return [told] if self._spoke else [told, *self._over("failed", "error")]


def _rtvi(kind: str, data: Json | None = None) -> bytes:
    fields = {"label": _LABEL, "type": kind, "id": kind, **({} if data is None else {"data": data})}
    return _written(message={"data": orjson.dumps(fields).decode()})


def _written(**frame: Json) -> bytes:
    written: bytes = _Frame(**frame).SerializeToString()
    return written


_TOLD: Final[dict[str, Callable[[Pipecat, str, Json], Event | list[Event]]]] = {
    "bot-ready": Pipecat._told_ready,
    "user-started-speaking": Pipecat._told_user_speaking,
    "user-stopped-speaking": Pipecat._told_user_speaking,
    "user-input": Pipecat._told_transcript,
    "user-transcription": Pipecat._told_transcript,
    "bot-llm-started": Pipecat._told_model_started,
    "bot-llm-text": Pipecat._told_model_text,
    "llm-raw-text": Pipecat._told_model_text,
    "bot-llm-stopped": Pipecat._told_model_stopped,
    "bot-started-speaking": Pipecat._told_bot_started,
    "bot-stopped-speaking": Pipecat._told_bot_stopped,
    "metrics": Pipecat._told_metrics,
    "error": Pipecat._told_error,
}
_IGNORED: Final = frozenset(
    (
        "bot-audio-level",
        "bot-interrupted",
        "bot-llm-marker",
        "bot-output",
        "bot-transcription",
        "bot-tts-audio",
        "bot-tts-started",
        "bot-tts-stopped",
        "bot-tts-text",
        "error-response",
        "llm-function-call",
        "llm-function-call-in-progress",
        "llm-function-call-started",
        "llm-function-call-stopped",
        "server-message",
        "server-response",
        "stt-raw-text",
        "system-log",
        "tts-raw-text",
        "ui-command",
        "ui-job-group",
        "user-audio-level",
        "user-llm-text",
        "user-mute-started",
        "user-mute-stopped",
        "vad-user-started-speaking",
        "vad-user-stopped-speaking",
    )
)
"""The frame `interruption` says what `bot-interrupted` does, in its place among the audio. `error-response` answers a `client-ready` of
another version, with which the bot goes on."""
