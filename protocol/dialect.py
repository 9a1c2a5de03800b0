"""The seam between a talker and an assistant's wire: what every dialect can do, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.alike import Alike
from protocol.events import Event


class MalformedMessage(ValueError):
    """The assistant sent something that its own wire does not allow. The text says what, never the whole message."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a talker asks of a session. None leaves the assistant's own default in force."""

    model: str | None = None
    instructions: str | None = None
    voice: str | None = None
    transcription_model: str | None = "whisper-1"
    vad_threshold: float | None = 0.5
    prefix_padding_ms: int | None = 300
    silence_duration_ms: int | None = 500
    create_response: bool = True
    interrupt_response: bool = True


class Dialect(Protocol):
    """One vendor's message format. An instance belongs to one session.

    `append` must give the same bytes for the same audio, so that talkers can share messages encoded once.
    """

    name: str
    input_rate: int
    """Sample rate in Hz of the audio that the assistant hears."""
    output_rate: int
    """Sample rate in Hz of the audio that the assistant sends."""

    def endpoint(self, base_url: str, model: str | None) -> str:
        """The WebSocket URL below `base_url` (http, https, ws or wss). Raises ValueError for any other scheme."""
        ...

    def headers(self, secret: str | None) -> dict[str, str]:
        """Headers of the opening handshake; `secret` is an API key or an ephemeral token, None where none is needed."""
        ...

    def subprotocols(self) -> list[str]:
        """Sub-protocols to offer in the opening handshake."""
        ...

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """The messages that open a session, in order."""
        ...

    def append(self, pcm: bytes) -> bytes:
        """The message that carries this microphone audio (PCM16 little-endian mono at `input_rate`)."""
        ...

    def cancel(self, response_id: str | None) -> bytes | None:
        """The message that stops a response; None where the wire has none."""
        ...

    def truncate(self, item_id: str, content_index: int, played_ms: int) -> bytes | None:
        """The message that says how much of an item was heard; None where the wire has none."""
        ...

    def alike(self, message: bytes) -> Alike | None:
        """What the messages that go on with the audio of this one have in common with it; None where that cannot be told."""
        ...

    def decode(self, message: bytes) -> Event:
        """The event in one message. Raises MalformedMessage."""
        ...
