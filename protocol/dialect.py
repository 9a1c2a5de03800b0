"""The seam between a talker and an assistant's wire: what every dialect can do, free of I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from protocol.access import WS_SCHEMES, Recipe, in_header
from protocol.alike import Alike
from protocol.events import Event
from protocol.rfc6455 import Opcode


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


RATES: Final = (8_000, 16_000, 24_000, 48_000)
"""Sample rates in Hz at which a talker can speak, and at which a session may begin."""


class Encoding(StrEnum):
    """How audio is written on a wire, mono."""

    PCM16 = "pcm16"
    """Little-endian, two bytes a sample."""
    MULAW = "mulaw"
    """ITU-T G.711 mu-law, one byte a sample."""
    ALAW = "alaw"
    """ITU-T G.711 A-law, one byte a sample."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample."""
        return 2 if self is Encoding.PCM16 else 1

    def silent(self, audio: bytes) -> bool:
        """Whether these are nothing but zeros, which G.711 writes in two ways each."""
        return not audio.strip(_ZEROS[self])

    def samples(self, size: int) -> int:
        """Samples in `size` bytes. Raises MalformedMessage where they are no whole number."""
        if size % self.sample_bytes:
            raise MalformedMessage(f"{size} bytes of audio are no whole {self} samples")
        return size // self.sample_bytes


_ZEROS: Final = {Encoding.PCM16: b"\0", Encoding.MULAW: b"\xff\x7f", Encoding.ALAW: b"\xd5\x55"}


class Fact(StrEnum):
    """What a wire may or may not tell; the metrics that need it are `metrics.untold`'s."""

    SPEECH_STARTED = "speech_started"
    SPEECH_STOPPED = "speech_stopped"
    COMMITTED = "committed"
    TRANSCRIPT = "transcript"
    """What it understood of the talker."""
    CREATED = "created"
    """That a response was begun, before anything of it is there."""
    TEXT = "text"
    """The words of a response, as they come."""
    DONE = "done"
    """That a response is complete."""
    CANCELLED = "cancelled"
    """That a response was broken off."""
    USAGE = "usage"
    """Tokens."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Of a dialect that has none."""


class Dialect:
    """One vendor's message format; derive from it, and say what differs. An instance belongs to one session.

    A dialect says at least `name`, `endpoint`, `append` and `decode` or `decode_binary`. `append` must give the same bytes for the same
    audio, so that talkers can share messages encoded once; what differs from session to session or from message to message is put in by
    `stamp`. `options`: an instance of `Options`; None: its defaults.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Any]] = NoOptions
    """A frozen dataclass of plain values with defaults. It raises ValueError for values that do not fit one another."""
    audio_opcode: Opcode = Opcode.TEXT
    """Kind of the messages that carry microphone audio: TEXT or BINARY."""
    control_opcode: ClassVar[Opcode] = Opcode.TEXT
    """Kind of all other messages to the assistant."""
    stamps: ClassVar[bool] = False
    """Whether each message with audio passes `stamp`."""
    ready_at_once: bool = False
    """Whether the session is ready once the messages of `configure` are sent; else it is with SessionUpdated."""
    flushes: ClassVar[bool] = False
    """Whether a client empties its speaker itself when it hears its talker interrupt; else it does when it is told to (Cleared)."""
    by_ear: bool = False
    """Whether the wire leaves untold where a response begins or ends, so that it is told by the sound."""
    untold: frozenset[Fact] = frozenset()
    """What the wire cannot tell."""
    recipe: ClassVar[Recipe | None] = None
    """How talkers are given a token or a session's URL before each session; None: they are not, and get in by the API key or by nothing."""
    key_variable: ClassVar[str | None] = None
    """The environment variable in which the vendor's users keep the API key; None: there is no such custom."""

    input_rate: int = 24_000
    """Sample rate in Hz of the audio that the assistant hears, one of RATES."""
    input_encoding: Encoding = Encoding.PCM16
    """How it is written."""
    output_rate: int = 24_000
    """Sample rate in Hz of the audio that the assistant sends, one of RATES. The dialect may set another, of 8000 at
    least, until the session is ready."""
    output_encoding: Encoding = Encoding.PCM16
    """How it is written. As `output_rate`."""

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    def access(self, settings: SessionSettings) -> Recipe | None:
        """The recipe of a session with these settings: `recipe`, unless the request itself says what the session is to be."""
        return self.recipe

    def endpoint(self, base_url: str, model: str | None) -> str:
        """The WebSocket URL below `base_url` (http, https, ws or wss). Raises ValueError for any other scheme, and without a host."""
        raise NotImplementedError("a dialect must define endpoint")

    def headers(self, secret: str | None) -> dict[str, str]:
        """Headers of the opening handshake: the secret, an API key or a token, as bearer; none where it is None. Asked behind `endpoint`.

        Raises ValueError, which does not show the secret, where a header cannot carry it.
        """
        return {} if secret is None else {"Authorization": f"Bearer {sayable(secret)}"}

    def subprotocols(self) -> list[str]:
        """Sub-protocols to offer in the opening handshake."""
        return []

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """The messages that open a session, in order. What must wait for the assistant's word is asked for by a Reply to it."""
        return []

    def append(self, audio: bytes) -> bytes:
        """The message that carries this microphone audio: mono, in `input_encoding` at `input_rate`."""
        raise NotImplementedError("a dialect must define append")

    def stamp(self, message: bytes) -> bytes:
        """A message of `append` as the next one of this session. Called only where `stamps`."""
        return message

    def cancel(self, response_id: str | None) -> bytes | None:
        """The message that stops a response; None where the wire has none."""
        return None

    def truncate(self, item_id: str, content_index: int, played_ms: int) -> bytes | None:
        """The message that says how much of an item was heard; None where the wire has none."""
        return None

    def played(self, mark: str) -> bytes | None:
        """The message that says that all audio before a Mark was played, or dropped; None where the wire has no marks."""
        return None

    def farewell(self) -> bytes | None:
        """The last message of a talker who hangs up, before the WebSocket is closed; None where the wire has none."""
        return None

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """What the messages that go on with the audio of this one have in common with it; None where that cannot be told, and each is
        decoded.

        Messages like it are taken for audio of the same response, and not decoded, until another one tells a ResponseCreated, a
        ResponseDone or a Cleared: what changes whose audio comes next has to tell one of them. By ear, only those that are loud.
        """
        return None

    def decode(self, message: bytes) -> Event | list[Event]:
        """What one text message says: an event, or several in their order. Raises MalformedMessage."""
        raise MalformedMessage("a text message, where the wire has binary ones only")

    def decode_binary(self, message: bytes) -> Event | list[Event]:
        """What one binary message says, as `decode`. Raises MalformedMessage."""
        raise MalformedMessage("a binary message, where the wire has text only")


def wrong_rates(dialect: Dialect) -> list[str]:
    """What is wrong with a dialect's rates, a line each: RATES has all that there are."""
    asked = {"input_rate": dialect.input_rate, "output_rate": dialect.output_rate}
    return [f"{name} is {rate!r}: there are {', '.join(map(str, RATES))}" for name, rate in asked.items() if rate not in RATES]


def sayable(secret: str) -> str:
    """The secret. Raises ValueError, which does not show it, where a header cannot carry it."""
    if not in_header(secret):
        raise ValueError("secret is empty or has characters that a header cannot carry, such as a line end")
    return secret


def websocket_url(base_url: str, path: str, query: Mapping[str, str] | None = None) -> str:
    """`base_url` as a WebSocket URL, with `path` behind its own unless that ends so already. Its parameters are kept, those of `query` put
    in their place.

    Raises ValueError for a scheme other than http, https, ws, wss, and for a URL without a host.
    """
    parts = urlsplit(base_url)
    scheme = WS_SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ValueError(f"URL must begin with http://, https://, ws:// or wss://; its scheme is {parts.scheme!r}")
    if not parts.hostname:
        raise ValueError("URL has no host")
    own = parts.path.rstrip("/")
    full = own if path and own.endswith(path) else own + path
    parameters = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **(query or {})}
    return urlunsplit((scheme, parts.netloc, full or "/", urlencode(parameters), ""))


def call_url(base_url: str, path: str, query: Mapping[str, str]) -> str:
    """A call's URL as it was given; for a host alone, that of a call which nobody has created, as the bundled assistant allows. Raises
    ValueError, as `websocket_url`."""
    given = websocket_url(base_url, "")
    return given if given.partition("://")[2].partition("/")[2] else websocket_url(base_url, path, query)
