"""Whether what a server says is what its dialect promises: rules over the events of one session. Pure.

Held against each session:

- No audio before the session is ready.
- Where the wire tells responses apart: none begins twice, none is over that never began, none has audio behind its end, and each that
  begins is over in the end.
- Speech is not told to end that was not told to begin, where the wire tells both.
- What the dialect does not leave untold comes at least once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol.dialect import Dialect, Fact
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Committed,
    Event,
    Mark,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)

_SHOWN: Final = 160
"""Characters of a message that are shown."""
_SECRET: Final = re.compile(r'("[^"]*(?:secret|token|password|authorization|api[_-]?key|signature)[^"]*"\s*:\s*")[^"]*"', re.IGNORECASE)
_LONG: Final = re.compile(r"[A-Za-z0-9+/_=-]{48,}")
"""Audio in base64, and tokens of many kinds."""
_TELLS: Final[dict[type, Fact]] = {
    SpeechStarted: Fact.SPEECH_STARTED,
    SpeechStopped: Fact.SPEECH_STOPPED,
    Committed: Fact.COMMITTED,
    Transcribed: Fact.TRANSCRIPT,
    ResponseCreated: Fact.CREATED,
    TextDelta: Fact.TEXT,
    ResponseDone: Fact.DONE,
    Cleared: Fact.CANCELLED,
}


@dataclass(slots=True)
class Watch:
    """What came in one session. `secrets`: never shown. `excused`: facts for which the conversation gave no occasion."""

    dialect: Dialect
    secrets: Sequence[str] = ()
    messages: int = 0
    audio_samples: int = 0
    ready: bool = False
    understood: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, str] = field(default_factory=dict)
    unknown_messages: int = 0
    malformed: list[str] = field(default_factory=list)
    violations: Counter[str] = field(default_factory=Counter)
    seen: set[Fact] = field(default_factory=set)
    excused: set[Fact] = field(default_factory=set)
    steps: list[str] = field(default_factory=list)
    _speaking: bool = False
    _open: set[str | None] = field(default_factory=set)
    _over: set[str | None] = field(default_factory=set)

    def began(self) -> None:
        """The session is ready without the server's saying so."""
        self.ready = True

    def broken(self, message: bytes, why: str) -> None:
        """A message could not be decoded."""
        self.messages += 1
        self.malformed.append(f"{why}: {excerpt(message, self.secrets)}")

    def told(self, message: bytes, events: Iterable[Event]) -> None:
        """A message came to these events."""
        self.messages += 1
        for event in events:
            self._event(message, event)

    def violated(self, what: str) -> None:
        """A rule was broken."""
        self.violations[what] += 1

    @property
    def responding(self) -> bool:
        """Whether a response is open, as far as the wire tells."""
        return bool(self._open)

    @property
    def missing(self) -> list[Fact]:
        """What the dialect promises and never came."""
        return [fact for fact in Fact if fact not in self.dialect.untold | self.seen | self.excused]

    def finish(self) -> None:
        """The session is over, in order: what should have ended has."""
        for response in sorted(map(_named, self._open)):
            self.violated(f"{response} began, and never ended")
        if type(self.dialect).played is not Dialect.played and not self.understood[Mark.__name__]:
            self.steps.append("note: no mark was asked for, so when its audio is heard the server cannot know")

    def _event(self, message: bytes, event: Event) -> None:
        self.understood[type(event).__name__] += 1
        if isinstance(event, SessionUpdated):
            self.ready = True
        elif isinstance(event, Unknown):
            self.unknown_messages += 1
            self.unknown.setdefault(event.type, excerpt(message, self.secrets))
        elif isinstance(event, AssistantError) and not event.benign:
            self.violated(f"the server told an error: {redacted(f'{event.code}: {event.message}', self.secrets)}")
        elif isinstance(event, AudioDelta):
            self._audio(event)
        if type(event) in _TELLS:
            self._fact(event)

    def _audio(self, event: AudioDelta) -> None:
        self.audio_samples += event.samples
        if not self.ready:
            self.violated("audio came before the session was ready")
        response = event.response_id
        if self.dialect.by_ear or response is None:
            return
        if response in self._over:
            self.violated(f"audio of {_named(response)} came behind its end")
        elif Fact.CREATED in self.dialect.untold:
            self._open.add(response)

    def _fact(self, event: Event) -> None:
        self.seen.add(_TELLS[type(event)])
        if isinstance(event, SpeechStarted):
            self._speaking = True
        elif isinstance(event, SpeechStopped):
            if not self._speaking and Fact.SPEECH_STARTED not in self.dialect.untold:
                self.violated("speech was told to end that was not told to begin")
            self._speaking = False
        elif isinstance(event, ResponseCreated):
            self._begins(event.response_id)
        elif isinstance(event, ResponseDone):
            self._ends(event)

    def _begins(self, response: str | None) -> None:
        if response in self._open | self._over:
            self.violated(f"{_named(response)} began twice")
        self._open.add(response)

    def _ends(self, event: ResponseDone) -> None:
        if event.usage is not None:
            self.seen.add(Fact.USAGE)
        if event.status == "cancelled":
            self.seen.add(Fact.CANCELLED)
        if event.response_id not in self._open and Fact.CREATED not in self.dialect.untold:
            self.violated(f"{_named(event.response_id)} ended, and never began")
        self._open.discard(event.response_id)
        self._over.add(event.response_id)


def excerpt(message: bytes, secrets: Sequence[str] = ()) -> str:
    """The beginning of a message, to be shown: as text, or as hexadecimal where it is none; without secrets and audio."""
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return f"{len(message)} bytes: {message[:24].hex(' ')}"
    shown = redacted(text, secrets)
    return shown[:_SHOWN] + ("..." if len(shown) > _SHOWN else "")


def redacted(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without these secrets, the values of fields that are named as such, and long runs of letters and digits."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    text = _SECRET.sub(r'\1[secret]"', text)
    return _LONG.sub(lambda found: f"[{len(found[0])} characters]", text)


def _named(response: str | None) -> str:
    return "a response" if response is None else f"response {response}"
