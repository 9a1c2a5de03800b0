"""A home-grown server's wire. How it writes audio and what it tells besides is in the URL's query, by the names of the talkers' options."""

from __future__ import annotations

import binascii
import io
import wave
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from assistant.wires.base import RATES, Bye, Format, Message, Received, Sound, Told, Wire, fields_of
from audio.codecs import ENCODINGS, PCM16

TYPES = {
    "ready_type": "session.created",
    "clear_type": "output_audio_buffer.cleared",
    "speech_started_type": "input_audio_buffer.speech_started",
    "speech_stopped_type": "input_audio_buffer.speech_stopped",
    "transcript_type": "conversation.item.input_audio_transcription.completed",
    "begins_type": "response.created",
    "ends_type": "response.done",
}
"""Options that name a message, and the event that it tells."""
DEFAULTS = {"type_field": "type", "clear_type": "clear", "transcript_field": "text", "text_field": "text", "error_field": "message"}
AUDIO = {"input_type": "audio", "input_field": "audio", "audio_type": "audio", "audio_field": "audio"}
FIELDS = {"audio_type": "audio_field", "transcript_type": "transcript_field", "text_type": "text_field", "error_type": "error_field"}
"""Options that name a message which holds something, and the options that say where."""


class RawPcm(Wire):
    """What a home-grown server speaks: without a query, binary PCM16 at 16 kHz both ways, and one word of text that empties the speaker."""

    name = "raw-pcm"
    paths = ("/raw",)
    input = output = Format(16_000, base64=False)

    def __init__(self, tag: str, query: Mapping[str, str] | None = None) -> None:
        super().__init__(tag)
        self._wrong = _wrong(query or {})
        self._asked = {**DEFAULTS, **AUDIO, **((query or {}) if self._wrong is None else {})}
        self._json = _true(self._asked, "json")
        self._wav_in, self._wav_out = _true(self._asked, "input_wav"), _true(self._asked, "output_wav")
        self.input, self.output = self._format("input", False), self._format("output", self._json and not self._wav_out)
        self._words = {event: self._asked[name] for name, event in TYPES.items() if self._asked.get(name)}

    @classmethod
    def admits_anyone(cls) -> bool:
        """Such a server asks for nothing."""
        return True

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> RawPcm:
        """As the query says."""
        return cls(tag, query)

    def event(self, kind: str, **fields: Any) -> Told:
        """What the query has a type for. A response that is not complete has no end: `clear` says so."""
        word = self._words.get(kind)
        if word is None or (kind == "response.done" and fields["response"]["status"] != "completed"):
            return None
        if kind == TYPES["transcript_type"]:
            return self._told(word, self._asked["transcript_field"], fields["transcript"])
        return self._told(word)

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """The piece: as it is, as a WAV file, in JSON."""
        if isinstance(chunk, bytes) and self._wav_out:
            chunk = _wav(chunk, self.output.rate)
        if not self._json:
            return chunk
        text = b64encode(chunk).decode() if isinstance(chunk, bytes) else chunk
        return self._told(self._asked["audio_type"], self._asked["audio_field"], text)

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """The words, where the query has a type for them."""
        word = self._asked.get("text_type")
        return self._told(word, self._asked["text_field"], text) if word else None

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """The error, where the query has a type for it."""
        word = self._asked.get("error_type")
        return self._told(word, self._asked["error_field"], message) if word else None

    def received(self, message: Message) -> list[Received]:
        """Audio; other text says nothing here. A query that cannot be used ends the session."""
        if self._wrong is not None:
            return [Bye(1008, f"the query cannot be used: {self._wrong}")]
        if isinstance(message, str):
            return self._said(message)
        return self._heard(message)

    def _said(self, message: str) -> list[Received]:
        fields = fields_of(message)
        if self._asked["input_type"] and _at(fields, self._asked["type_field"]) != self._asked["input_type"]:
            return []
        encoded = _at(fields, self._asked["input_field"])
        try:
            return self._heard(binascii.a2b_base64(encoded, strict_mode=True)) if isinstance(encoded, str) else []
        except ValueError:
            return []

    def _heard(self, audio: bytes) -> list[Received]:
        if not self._wav_in:
            return [Sound(audio)]
        try:
            with wave.open(io.BytesIO(audio)) as file:
                right = (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, self.input.rate)
                return [Sound(file.readframes(file.getnframes()))] if right else []
        except (wave.Error, EOFError):
            return []

    def _told(self, word: str, field: str = "", value: str = "") -> str:
        """A message of this type, with this in a field."""
        made: dict[str, Any] = {}
        for name, text in ((self._asked["type_field"], word), (field, value)):
            if name and (text or name == field):
                *above, last = name.split(".")
                inner = made
                for step in above:
                    inner = inner.setdefault(step, {})
                inner[last] = text
        return orjson.dumps(made).decode()

    def _format(self, side: str, base64: bool) -> Format:
        return Format(int(self._asked.get(f"{side}_rate", 16_000)), self._asked.get(f"{side}_encoding", PCM16), base64)


def _wrong(query: Mapping[str, str]) -> str | None:
    """What of a query cannot be used; None where all can."""
    for name, value in query.items():
        if not _fits(name, value):
            return f"{name}={value}"
    asked = {**DEFAULTS, **AUDIO, **query}
    kind = asked["type_field"]
    for word, name in {**FIELDS, **({"input_type": "input_field"} if _true(query, "json") else {})}.items():
        field = asked[name]
        if asked.get(word) and (f"{field}.".startswith(f"{kind}.") or f"{kind}.".startswith(f"{field}.")):
            return f"{name}={field} lies where type_field={kind} does"
    return None


def _fits(name: str, value: str) -> bool:
    if name.endswith("_rate"):
        return value in map(str, RATES)
    if name.endswith("_field"):
        return all(value.split("."))
    return value in ENCODINGS if name.endswith("_encoding") else True


def _true(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false").lower() == "true"


def _at(fields: Any, name: str) -> Any:
    for step in name.split("."):
        fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


def _wav(pcm: bytes, rate: int) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return made.getvalue()
