"""A wire with nothing but audio: what a home-grown server has that takes microphone audio and sends its own.

Audio goes as binary messages, or as base64 in JSON; names and formats are options. Text that comes is about nothing that is measured, but
for the types that say so in the options.
"""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any

import orjson

from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, websocket_url
from protocol.events import AudioDelta, Cleared, Event, Ignored, Unknown
from protocol.rfc6455 import Opcode


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a home-grown wire. `path`: of the WebSocket below the host, where the host does not name it. `json`: audio goes as base64
    in JSON text, else binary. `type_field`, `audio_type`, `audio_field`: how such a message is written, both ways. `clear_type`: type of
    the message that empties the talker's speaker; "" where there is none. `hello`: a text message that opens the session; "" where there
    is none."""

    path: str = ""
    json: bool = False
    input_rate: int = 16_000
    input_encoding: str = "pcm16"
    output_rate: int = 16_000
    output_encoding: str = "pcm16"
    type_field: str = "type"
    audio_type: str = "audio"
    audio_field: str = "audio"
    clear_type: str = "clear"
    hello: str = ""


class RawPcm(Dialect):
    """Audio, and little else."""

    name = "raw-pcm"
    Options = Options
    audio_opcode = Opcode.BINARY
    ready_at_once = True
    by_ear = True
    untold = frozenset(Fact) - {Fact.CANCELLED}

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        chosen: Options = self.options
        self.input_rate, self.input_encoding = chosen.input_rate, Encoding(chosen.input_encoding)
        self.output_rate, self.output_encoding = chosen.output_rate, Encoding(chosen.output_encoding)

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`path` below the host. The model is not told."""
        return websocket_url(base_url, self.options.path)

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`hello`, where there is one."""
        return [self.options.hello.encode()] if self.options.hello else []

    def append(self, audio: bytes) -> bytes:
        """The audio, as binary or in JSON."""
        if not self.options.json:
            return audio
        fields = {self.options.type_field: self.options.audio_type, self.options.audio_field: b2a_base64(audio, newline=False).decode()}
        return orjson.dumps(fields)

    def decode(self, message: bytes) -> Event:
        """Audio in JSON, a clear, or what is none of ours."""
        try:
            fields = orjson.loads(message)
        except orjson.JSONDecodeError:
            return Unknown("text")
        kind = fields.get(self.options.type_field) if isinstance(fields, dict) else None
        if kind == self.options.clear_type and kind:
            return Cleared()
        audio = fields.get(self.options.audio_field) if kind == self.options.audio_type else None
        if not isinstance(audio, str):
            return Ignored(str(kind)[:100])
        size = len(audio) // 4 * 3 - audio[-2:].count("=")
        if len(audio) % 4:
            raise MalformedMessage(f"audio of {len(audio)} characters is not base64")
        return AudioDelta(None, None, 0, self.output_encoding.samples(size), audio)

    def decode_binary(self, message: bytes) -> Event:
        """Audio."""
        return AudioDelta(None, None, 0, self.output_encoding.samples(len(message)), message)
