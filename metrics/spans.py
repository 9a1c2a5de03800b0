"""From a record's facts to a metric's value: what all tables of the catalogue share. All return None where the facts are missing."""

from __future__ import annotations

from collections.abc import Callable

from metrics.records import TurnKind, TurnRecord

Pair = tuple[float, float]


def between(begin_ns: int | None, end_ns: int | None) -> float | None:
    """Seconds from one instant to another; None where one of them is."""
    return None if begin_ns is None or end_ns is None else (end_ns - begin_ns) / 1e9


def span(begin: str, end: str) -> Callable[[TurnRecord], float | None]:
    """Seconds from instant `begin` to instant `end` (names of TurnRecord fields) of a turn that is owed an answer."""

    def measure(record: TurnRecord) -> float | None:
        return None if record.kind is TurnKind.FALSE_ALARM else between(getattr(record, begin), getattr(record, end))

    return measure


def fact(name: str) -> Callable[[TurnRecord], float | None]:
    """The field `name` of a turn that is owed an answer."""

    def measure(record: TurnRecord) -> float | None:
        value: float | None = getattr(record, name)
        return None if record.kind is TurnKind.FALSE_ALARM else value

    return measure


def from_onset(end: str) -> Callable[[TurnRecord], float | None]:
    """Seconds from a barge-in's onset to instant `end`."""

    def measure(record: TurnRecord) -> float | None:
        return between(record.speech_onset_ns, getattr(record, end)) if record.kind is TurnKind.BARGE_IN else None

    return measure
