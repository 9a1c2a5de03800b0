"""What every wire of the assistant can do: put into its own messages what the pipeline tells, and read what its clients send.

The pipeline speaks in the events of OpenAI's Realtime API, whose vocabulary is the richest; a wire says in its own words what it has words
for. A wire has no socket, and no clock unless its stream has one: one object per session, called by `assistant/session.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from assistant.usage import Usage
from audio.codecs import PCM16

RATES = (8000, 16_000, 24_000, 48_000)
"""Hz: at which clips and answers are there."""
Message = str | bytes
"""What goes over the WebSocket: text or binary."""
Told = Message | list[Message] | None
"""What an event of the pipeline comes to; None: the wire has no word for it."""


@dataclass(frozen=True, slots=True)
class Format:
    """Mono audio. `rate` in Hz; `encoding`: one of audio.codecs.ENCODINGS; `base64`: written so within text."""

    rate: int = 24_000
    encoding: str = PCM16
    base64: bool = True

    @property
    def silence(self) -> bytes:
        """A sample of silence."""
        return {PCM16: b"\0\0", "mulaw": b"\xff", "alaw": b"\xd5"}[self.encoding]


REALTIME = Format()
"""As the Realtime API has it."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The client's microphone: bytes in the wire's input encoding."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """The client asks for something, in the words of the Realtime API's client events, such as `response.cancel`. What is no
    kind of theirs, even no text, is refused."""

    kind: Any
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The client asks for something that cannot be done; `error` answers it. As that method's arguments."""

    message: str
    code: str | None = None
    param: str | None = None
    event_id: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A message to be sent back."""

    message: Message


@dataclass(frozen=True, slots=True)
class Tuned:
    """The wire knows now how both sides write audio: `input` and `output` are settled. Sound before it is dropped."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The session is to be closed, with this code and reason."""

    code: int = 1000
    reason: str = ""


Received = Sound | Asked | Refused | Answer | Tuned | Bye


class Wire:
    """One session on a wire. `tag` makes its ids, `number` counts its messages."""

    name: ClassVar[str]
    paths: ClassVar[tuple[str, ...]]
    """Where its WebSockets are opened, as Starlette writes routes."""
    tuned_at_once: ClassVar[bool] = True
    """Whether `input` and `output` are settled when the session opens; else `received` gives Tuned."""
    paced: ClassVar[bool] = False
    """Whether audio goes at the pace at which it is heard, whatever the profile says."""
    beta = False

    input: Format = REALTIME
    output: Format = REALTIME

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.number = 0

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The secret of a request to open a session; None: it has none. `headers` by lower-case name."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        return secret.strip() or None if scheme.lower() == "bearer" else None

    @classmethod
    def admits_anyone(cls) -> bool:
        """Whether sessions need no secret on this wire, as where a telephone network calls."""
        return False

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """HTTP requests by which clients get in on this wire: method, path, what answers it (FastAPI's route function). `hub`: the
        assistant's (assistant.hub.Hub), of whose `tokens` they take their secrets."""
        return []

    @classmethod
    def accepted(cls, protocols: list[str]) -> str | None:
        """The sub-protocol to accept of those offered; None: none."""
        return None

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> Wire:
        """The wire of a session that is opened so. `headers` by lower-case name."""
        return cls(tag)

    def event(self, kind: str, **fields: Any) -> Told:
        """A server event of the Realtime API, and `output_audio_buffer.cleared` where what was sent is not to be played any more."""
        return None

    def beside(self, tell: Callable[[Told], Awaitable[None]]) -> Coroutine[Any, Any, None] | None:
        """What the wire itself does for as long as the session lasts, and tells by `tell`; None: nothing."""
        return None

    def delta_frame(self, kind: str, response_id: str, item_id: str) -> tuple[str, str]:
        """What `audio_delta` and `text_delta` need to know of a response. `kind`: the Realtime API's name of the delta."""
        return response_id, item_id

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """A piece of a response's audio: base64 text or bytes, as `output` says."""
        raise NotImplementedError

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """A piece of a response's words."""
        return None

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """Something that the client asked for cannot be done; the session goes on."""
        return None

    def item(self, item: dict[str, Any]) -> dict[str, Any]:
        """A conversation item as the wire shows it."""
        return item

    def response(
        self,
        response_id: str,
        conversation_id: str,
        status: str,
        *,
        details: dict[str, Any] | None = None,
        output: list[dict[str, Any]] | None = None,
        usage: Usage | None = None,
        voice: str = "marin",
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The `response` of `response.created` and `response.done`."""
        return {"id": response_id, "status": status, "status_details": details, "usage": usage, "output": output or []}

    def rate_limits(self, requests: int, tokens: int) -> Told:
        """What a response took of the account's limits."""
        return None

    def received(self, message: Message) -> list[Received]:
        """What one message of the client comes to. Never raises: what cannot be read is answered as the wire does, or nothing."""
        raise NotImplementedError


def fields_of(message: Message) -> dict[str, Any]:
    """The JSON object that a message holds; an empty one where it holds none."""
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}
