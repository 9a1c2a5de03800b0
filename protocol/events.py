"""What an assistant can tell a talker, whatever its wire: the vocabulary that every dialect decodes into.

An event carries no time: whoever reads the socket passes the arrival instant beside it. An identifier that a wire does
not have is None.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple


def whole(value: object) -> int | None:
    """A whole number as a wire states it, of at most 64 bits; None for anything else, true and false among it."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The assistant accepted the session. `settings` is its configuration as the wire states it."""

    session_id: str | None
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The assistant took the talker's settings over; `settings` is the full configuration now in force."""

    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The assistant's VAD heard speech begin.

    `audio_ms`: position on its input-audio clock in milliseconds, padding included; None if untold.
    """

    item_id: str | None
    audio_ms: int | None


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The assistant's VAD heard speech end.

    `audio_ms`: position on its input-audio clock in milliseconds, silence included; None if untold.
    """

    item_id: str | None
    audio_ms: int | None


@dataclass(frozen=True, slots=True)
class Committed:
    """The assistant took what it heard as a user's turn."""

    item_id: str | None


@dataclass(frozen=True, slots=True)
class Transcribed:
    """Final transcript of a user's turn. May come before, during or after the response. None: transcription failed.

    `goes_on`: a further piece of the transcript that was told last, to be joined to it as it is; "": nothing is to come any more.
    """

    item_id: str | None
    transcript: str | None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """The assistant opened a response."""

    response_id: str | None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the response's text or transcript."""

    response_id: str | None
    item_id: str | None
    text: str


class AudioDelta(NamedTuple):
    """A piece of the response's audio, still as the wire has it: most receivers need only its length.

    The one event of the hot path, hence a named tuple: made in half the time. `encoded` is base64 text of audio in the dialect's
    `output_encoding`, or those bytes themselves; `samples` is its length.
    """

    response_id: str | None
    item_id: str | None
    content_index: int
    samples: int
    encoded: str | bytes

    def audio(self) -> bytes:
        """The bytes, in the dialect's `output_encoding`. Raises ValueError where the base64 is broken."""
        return self.encoded if isinstance(self.encoded, bytes) else base64.b64decode(self.encoded, validate=True)


@dataclass(frozen=True, slots=True)
class AudioDone:
    """The response's audio is complete (or was cut off: the status comes with ResponseDone)."""

    response_id: str | None
    item_id: str | None


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The response is closed.

    `status`: completed, cancelled, incomplete or failed. `reason` says why where it was not completed: turn_detected,
    client_cancelled, max_output_tokens, content_filter or an error code; else None. `usage`: tokens as the wire states
    them, None if untold.
    """

    response_id: str | None
    status: str
    reason: str | None
    usage: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Truncated:
    """The assistant cut what it remembers having said to `audio_end_ms` of audio."""

    item_id: str | None
    audio_end_ms: int | None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the account has left: one dict per limit, as the wire states it."""

    limits: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class AssistantError:
    """The assistant reports an error; the session goes on.

    `code`: the wire's code or kind of error, None if untold. `benign`: a race that every client meets and none need
    act on.
    """

    code: str | None
    message: str
    benign: bool = False


@dataclass(frozen=True, slots=True)
class Cleared:
    """Whatever was sent and has not been played yet is to be dropped."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The assistant wants to be told when all audio that came before is played, by the dialect's `played`."""

    name: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The wire wants this message in answer, now."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of a known type that says nothing a talker measures."""

    type: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type the dialect has never heard of: tolerated and counted."""

    type: str


Event = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Transcribed
    | ResponseCreated
    | TextDelta
    | AudioDelta
    | AudioDone
    | ResponseDone
    | Truncated
    | RateLimits
    | AssistantError
    | Cleared
    | Mark
    | Reply
    | Ignored
    | Unknown
)
