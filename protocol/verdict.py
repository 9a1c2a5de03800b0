"""What a check has found, for people: lines, and whether the server conforms. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.conformance import Watch
from protocol.dialect import Dialect, Fact

_EXAMPLES: Final = 5


def conforms(watch: Watch) -> bool:
    """Whether nothing is malformed, missing or violated. What is unknown, talkers pass over."""
    return not (watch.malformed or watch.missing or watch.violations)


def shown(watch: Watch) -> str:
    """All of it, with the verdict last."""
    return "\n".join(_lines(watch)) + "\n"


def shown_notes(notes: list[str]) -> str:
    """What may be right or wrong with a dialect."""
    return "".join(f"note          {line}\n" for line in notes)


def shown_alone(dialect: Dialect, violations: list[str]) -> str:
    """What is wrong with a dialect that was checked without a server."""
    lines = [f"violation     {line}" for line in violations]
    wrong = "the dialect conforms" if not violations else f"the dialect does not conform: {_many(len(violations), 'violation')}"
    lines.append(f"{dialect.name}: {wrong} (no server was called: name a URL to have one checked)")
    return "\n".join(lines) + "\n"


def _lines(watch: Watch) -> Iterator[str]:
    dialect = watch.dialect
    yield from (f"conversation  {step}" for step in watch.steps)
    heard = ", ".join(f"{name} {count}" for name, count in watch.understood.most_common())
    yield f"understood    {_many(watch.messages, 'message')}: {heard or 'nothing'}"
    spoken_s = watch.audio_samples / dialect.output_rate
    yield f"audio         {spoken_s:.1f} s, taken for {dialect.output_encoding} at {dialect.output_rate} Hz"
    for name, message in list(watch.unknown.items())[:_EXAMPLES]:
        yield f"unknown       {name}: {message}"
    for message in watch.malformed[:_EXAMPLES]:
        yield f"malformed     {message}"
    yield f"told          {_facts([fact for fact in Fact if fact in watch.seen])}"
    if watch.excused - watch.seen:
        yield f"no occasion   {_facts(sorted(watch.excused - watch.seen))}"
    if watch.missing:
        yield f"missing       {_facts(watch.missing)}: the dialect promises it, and it never came"
    for what, times in watch.violations.items():
        yield f"violation     {what}{f' ({times} times)' if times > 1 else ''}"
    counts = [
        _many(watch.unknown_messages, "unknown message"),
        _many(len(watch.malformed), "malformed message"),
        _many(len(watch.missing), "missing fact"),
        _many(sum(watch.violations.values()), "violation"),
    ]
    yield f"{dialect.name}: the server {'conforms' if conforms(watch) else 'does not conform'}: {', '.join(counts)}"


def _facts(facts: list[Fact]) -> str:
    return ", ".join(facts) or "nothing"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
