"""A call as a play: rows of (second, what happens), run through a tracker whose deadlines are kept to the nanosecond.

    turns = play([
        (0.0, says(1.0)),              # the talker speaks from 0.0 to 1.0
        (1.3, created("r1")),
        (1.4, audio("r1", 2.0)),       # two seconds of sound arrive at once
        (1.5, done("r1")),
    ])

`Stage` lets a test look in between. Unless told otherwise the playout delay is 60 ms and limits are 10 s and 6 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from metrics.assemble import SessionFacts
from metrics.by_ear import ByEar
from metrics.records import Outcome, SessionOutcome, SessionRecord, TokenRecord, TurnKind, TurnRecord
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from protocol.events import (
    AssistantError,
    AudioDelta,
    Committed,
    Event,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)

RATE = 24000
DELAY = 0.06
FACTS = SessionFacts(talker=3, session_id="sess", clock="kernel", rate=RATE, playout_delay_s=DELAY, speaker_output_s=0.01)

Happening = Event | Callable[["Stage", float], None]


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def sec(instant_ns: int | None) -> float | None:
    return None if instant_ns is None else round(instant_ns / 1e9, 6)


@dataclass
class Stage:
    limits: Limits = field(default_factory=Limits)
    facts: SessionFacts = FACTS
    turns: list[TurnRecord] = field(default_factory=list)
    notices: list[int] = field(default_factory=list)
    spoken: int = 0
    ear: ByEar | None = None

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.facts, self.limits, self.turns.append, 0, self.ear)

    def until(self, t: float) -> Stage:
        """Keep every deadline up to this second."""
        while (due := self.tracker.deadline_ns()) is not None and due <= ns(t):
            self.tracker.poll(due - 1)
            self.tracker.poll(due)
        return self

    def play(self, rows: Iterable[tuple[float, Happening]]) -> Stage:
        for t, what in rows:
            self.until(t)
            if callable(what):
                what(self, t)
            else:
                self.notices.append(self.tracker.event(ns(t), what))
        return self


def play(rows: Iterable[tuple[float, Happening]], until: float = 60.0, **stage: Any) -> list[TurnRecord]:
    """The records of a play, in the order in which they are made."""
    return Stage(**stage).play(rows).until(until).turns


def _speaks(kind: TurnKind, seconds: float) -> Happening:
    def act(stage: Stage, t: float) -> None:
        number = stage.spoken - (kind is TurnKind.FALSE_ALARM)
        said = Utterance(kind, 0, number, f"clip-{number}", "awb", "words", ns(t), ns(t + seconds))
        stage.spoken = number + 1
        stage.tracker.speak(said)

    return act


def says(seconds: float) -> Happening:
    return _speaks(TurnKind.UTTERANCE, seconds)


def barges_in(seconds: float) -> Happening:
    return _speaks(TurnKind.BARGE_IN, seconds)


def mumbles(seconds: float) -> Happening:
    return _speaks(TurnKind.FALSE_ALARM, seconds)


def hears_itself(silent_after: float = 0.002, flush: float = 0.001, cancel_after: float | None = None) -> Happening:
    """The talker's own VAD fires now; the speaker is silent a little later, and a cancel may follow."""

    def act(stage: Stage, t: float) -> None:
        stage.tracker.silence(ns(t), ns(t + silent_after))
        said = stage.tracker.turn.utterance
        said.flush_s = flush
        said.cancel_sent_ns = None if cancel_after is None else ns(t + cancel_after)

    return act


def closes(why: Outcome) -> Happening:
    return lambda stage, t: stage.tracker.close(ns(t), why)


def created(r: str | None) -> Event:
    return ResponseCreated(r)


def text(r: str | None) -> Event:
    return TextDelta(r, None, "word")


def pcm(seconds: float, level: int = 8000) -> bytes:
    return np.full(round(seconds * RATE), level, "<i2").tobytes()


def audio(r: str | None, seconds: float, silence: float = 0.0) -> Event:
    """Sound of this length, after this much silence."""
    data = pcm(silence, 0) + pcm(seconds)
    return AudioDelta(r, f"item-{r}", 0, len(data) // 2, data)


def done(r: str | None, status: str = "completed", reason: str | None = None, usage: dict[str, Any] | None = None) -> Event:
    return ResponseDone(r, status, reason, usage)


def cancelled(r: str | None, reason: str | None = "turn_detected") -> Event:
    return ResponseDone(r, "cancelled", reason, None)


def started(item: str | None = None) -> Event:
    return SpeechStarted(item, None)


def stopped(item: str | None = None) -> Event:
    return SpeechStopped(item, None)


def committed(item: str | None = None) -> Event:
    return Committed(item)


def heard(transcript: str | None, item: str | None = None, goes_on: bool = False) -> Event:
    return Transcribed(item, transcript, goes_on)


def error(code: str, benign: bool = False) -> Event:
    return AssistantError(code, "message", benign)


def paced(r: str, start: float, chunks: int, chunk: float = 0.1, every: float = 0.1) -> list[tuple[float, Happening]]:
    """Audio that arrives chunk by chunk."""
    return [(start + i * every, audio(r, chunk)) for i in range(chunks)]


def answer(r: str, t: float, seconds: float = 2.0) -> list[tuple[float, Happening]]:
    """A whole answer that opens at `t`, brings its audio at once 100 ms later, and is closed 100 ms after that."""
    return [(t, created(r)), (t + 0.1, audio(r, seconds)), (t + 0.2, done(r))]


_EMPTY = {"int": 0, "float": 0.0, "bool": False, "str": ""}


def record(record_type: type, **facts: Any) -> Any:
    """A record with these facts; all others are None, or zero where a field cannot be None."""
    made: dict[str, Any] = {f.name: _EMPTY.get(str(f.type)) for f in fields(record_type)}
    return record_type(**{**made, **facts})


def turn(kind: TurnKind = TurnKind.UTTERANCE, outcome: Outcome = Outcome.COMPLETED, **facts: Any) -> TurnRecord:
    """A TurnRecord. Instants may be given in seconds under their name without `_ns`."""
    given: dict[str, Any] = {"kind": kind, "outcome": outcome}
    for name, value in facts.items():
        if f"{name}_ns" in TurnRecord.__dataclass_fields__:
            given[f"{name}_ns"] = None if value is None else ns(value)
        else:
            given[name] = value
    return record(TurnRecord, **given)


def session(outcome: SessionOutcome = SessionOutcome.HUNG_UP, **facts: Any) -> SessionRecord:
    return record(SessionRecord, outcome=outcome, **facts)


def token(**facts: Any) -> TokenRecord:
    return record(TokenRecord, **facts)


def piece(seconds: float, level: int = 8000, silence: float = 0.0) -> AudioDelta:
    """A message of sound behind some silence, of no response and no item."""
    made = audio(None, seconds, silence) if level == 8000 else audio(None, 0.0, seconds)
    assert isinstance(made, AudioDelta)
    return made._replace(item_id=None)
