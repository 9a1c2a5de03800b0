"""Twilio Media Streams: the assistant is the bot that the telephone network dials.

JSON text both ways, mu-law at 8 kHz. https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import binascii
from typing import Any

import orjson

from assistant.wires.base import Bye, Format, Message, Received, Sound, Told, Wire, fields_of


class Twilio(Wire):
    """A call. It is heard from `start` on, which names the stream; before, nothing is said."""

    name = "twilio"
    paths = ("/media-stream",)
    input = output = Format(8_000, "mulaw")

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.stream: str | None = None

    @classmethod
    def admits_anyone(cls) -> bool:
        """The telephone network signs its URL, and shows no secret. The signature is not checked."""
        return True

    def event(self, kind: str, **fields: Any) -> Told:
        """A mark behind each response that is complete, to be told when it was heard; `clear` where the caller interrupts."""
        if self.stream is None:
            return None
        if kind == "output_audio_buffer.cleared":
            return orjson.dumps({"event": "clear", "streamSid": self.stream}).decode()
        if kind == "response.done" and fields["response"]["status"] == "completed":
            return orjson.dumps({"event": "mark", "streamSid": self.stream, "mark": {"name": fields["response"]["id"]}}).decode()
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """A `media` message around base64 text that is ready."""
        return f'{{"event":"media","streamSid":"{self.stream}","media":{{"payload":"{chunk}"}}}}'  # type: ignore[str-bytes-safe]  # text, on this wire

    def received(self, message: Message) -> list[Received]:
        """Sound of the caller, or the end of the call. What is no message of Twilio's is passed over: the wire has no word for an error."""
        fields = fields_of(message)
        event = fields.get("event")
        if event == "media" and self.stream is not None:
            return _sound(fields.get("media"))
        if event == "start":
            stream = fields.get("streamSid")
            self.stream = stream if isinstance(stream, str) and stream.isalnum() else self.stream
        elif event == "stop":
            return [Bye()]
        return []


def _sound(media: Any) -> list[Received]:
    payload = media.get("payload") if isinstance(media, dict) else None
    try:
        return [Sound(binascii.a2b_base64(payload, strict_mode=True))] if isinstance(payload, str) else []
    except ValueError:
        return []
