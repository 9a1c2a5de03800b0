"""Audio, and little else: binary PCM16 at 16 kHz both ways, and one word of text that empties the speaker."""

from __future__ import annotations

from typing import Any

import orjson

from assistant.wires.base import Format, Message, Received, Sound, Told, Wire


class RawPcm(Wire):
    """What a home-grown server speaks."""

    name = "raw-pcm"
    paths = ("/raw",)
    input = output = Format(16_000, base64=False)

    @classmethod
    def admits_anyone(cls) -> bool:
        """Such a server asks for nothing."""
        return True

    def event(self, kind: str, **fields: Any) -> Told:
        """`clear`."""
        return orjson.dumps({"type": "clear"}).decode() if kind == "output_audio_buffer.cleared" else None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """The bytes."""
        return chunk

    def received(self, message: Message) -> list[Received]:
        """Audio; text says nothing here."""
        return [Sound(message)] if isinstance(message, bytes) else []
