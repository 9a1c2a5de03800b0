"""A home-grown server's wire: microphone audio goes in, the assistant's comes out, and names and formats are options.

Audio goes as binary messages, or as base64 in JSON. Text that comes says only what the options know a type for. Responses are told apart by
ear, unless the server says both where one begins and where it ends.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

import orjson

from protocol.alike import BINARY, Alike, alike
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, websocket_url
from protocol.encoded import samples
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
from protocol.fields import unknown
from protocol.raw_options import Options, facts, merged, value_at, within
from protocol.rfc6455 import Opcode
from protocol.wav import samples_of, wav

Told = Event | list[Event]


class RawPcm(Dialect):
    """Audio, and what the options say besides. Its state: the response under way, where the server tells of it. Where it does, a server may
    send silence between its responses, which is of none."""

    name = "raw-pcm"
    Options = Options
    audio_opcode = Opcode.BINARY
    ready_at_once = True
    by_ear = True
    untold = frozenset(Fact) - {Fact.CANCELLED}

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        chosen: Options = self.options
        self.audio_opcode = Opcode.TEXT if chosen.json else Opcode.BINARY
        self.ready_at_once = not chosen.ready_type
        self.by_ear = not chosen.begins_type
        self.untold = frozenset(Fact) - facts(chosen)
        self.input_rate, self.input_encoding = chosen.input_rate, Encoding(chosen.input_encoding)
        self.output_rate, self.output_encoding = chosen.output_rate, Encoding(chosen.output_encoding)
        self._responses = 0
        self._open = False
        self._types: dict[str, Callable[[dict[str, Any]], Told]] = {
            chosen.audio_type: self._audio,
            chosen.clear_type: self._cleared,
            chosen.ready_type: SessionUpdated,
            chosen.speech_started_type: lambda _: SpeechStarted(None, None),
            chosen.speech_stopped_type: lambda _: SpeechStopped(None, None),
            chosen.transcript_type: lambda fields: Transcribed(None, self._text(fields, chosen.transcript_field)),
            chosen.text_type: lambda fields: TextDelta(self._response(), None, self._text(fields, chosen.text_field)),
            chosen.begins_type: self._begins,
            chosen.ends_type: self._ends,
            chosen.error_type: lambda fields: AssistantError(None, self._text(fields, chosen.error_field)),
        }
        self._types.pop("", None)

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`path` below the host. The model is not told."""
        return websocket_url(base_url, self.options.path)

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`hello`, where there is one."""
        return [self.options.hello.encode()] if self.options.hello else []

    def append(self, audio: bytes) -> bytes:
        """The audio, as WAV file where so asked, as binary or in JSON. Raises ValueError for half a sample."""
        chosen: Options = self.options
        self.input_encoding.samples(len(audio))
        whole = wav(audio, chosen.input_rate) if chosen.input_wav else audio
        if not chosen.json:
            return whole
        told = within(chosen.input_field, b2a_base64(whole, newline=False).decode())
        return orjson.dumps(merged(within(chosen.type_field, chosen.input_type), told) if chosen.input_type else told)

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """Binary messages are audio; those in JSON differ in theirs. Behind the end of a response they may be silence of none."""
        chosen: Options = self.options
        if chosen.output_wav or not (self.by_ear or self._open):
            return None
        return BINARY if opcode is Opcode.BINARY else alike(message, chosen.audio_field.rpartition(".")[2])

    def farewell(self) -> bytes | None:
        """`goodbye`, where there is one."""
        return self.options.goodbye.encode() or None

    def decode(self, message: bytes) -> Told:
        """What the options know this type for; text that is no JSON, and types that they do not know, are Unknown."""
        try:
            fields = orjson.loads(message)
        except orjson.JSONDecodeError:
            return Unknown("text")
        if not isinstance(fields, dict):
            return Unknown("text")
        kind = value_at(fields, self.options.type_field)
        told = self._types.get(kind) if isinstance(kind, str) else None
        if told is not None:
            return told(fields)
        if not self.options.audio_type and value_at(fields, self.options.audio_field) is not None:
            return self._audio(fields)
        return unknown(kind if isinstance(kind, str) else "text")

    def decode_binary(self, message: bytes) -> Told:
        """Audio."""
        return self._heard(samples_of(message, self.output_rate) if self.options.output_wav else message)

    def _audio(self, fields: dict[str, Any]) -> Told:
        encoded = self._text(fields, self.options.audio_field)
        if not self.options.output_wav and (self.by_ear or self._open):
            return AudioDelta(self._response(), None, 0, samples(encoded, self.output_encoding), encoded)
        try:
            whole = b64decode(encoded, validate=True)
        except ValueError:
            raise MalformedMessage(f"audio of {len(encoded)} characters is not base64") from None
        return self.decode_binary(whole)

    def _heard(self, audio: bytes) -> Told:
        size = self.output_encoding.samples(len(audio))
        if not (self.by_ear or self._open) and self.output_encoding.silent(audio):
            return Ignored("silence")
        return AudioDelta(self._response(), None, 0, size, audio)

    def _response(self) -> str | None:
        """The response that comes, or came last; None where none is told."""
        return f"r{self._responses}" if self._responses else None

    def _begins(self, fields: dict[str, Any]) -> Told:
        before = self._over("cancelled", "replaced")
        self._responses += 1
        self._open = True
        return [*before, ResponseCreated(self._response())]

    def _ends(self, fields: dict[str, Any]) -> Told:
        return self._over("completed", None) or Ignored(self.options.ends_type)

    def _cleared(self, fields: dict[str, Any]) -> Told:
        return [Cleared(), *self._over("cancelled", "cleared")]

    def _over(self, status: str, reason: str | None) -> list[Event]:
        if not self._open:
            return []
        self._open = False
        return [ResponseDone(self._response(), status, reason, None)]

    def _text(self, fields: dict[str, Any], field: str) -> str:
        value = value_at(fields, field)
        if not isinstance(value, str):
            raise MalformedMessage(f"{str(value_at(fields, self.options.type_field))[:60]} without text in {field}")
        return value
