"""What no run on a wire can measure: the metrics that need what its dialect leaves untold, each with the reason."""

from __future__ import annotations

from typing import Final

from protocol import Dialect
from protocol.dialect import Fact

NEEDS: Final[dict[Fact, tuple[str, frozenset[str]]]] = {
    Fact.SPEECH_STARTED: ("that it hears speech begin", frozenset({"server_detection"})),
    Fact.SPEECH_STOPPED: ("that it hears speech end", frozenset({"endpointing_delay", "asr_processing", "stage_residual"})),
    Fact.COMMITTED: ("that it takes what it heard as a turn", frozenset()),
    Fact.TRANSCRIPT: ("what it understood", frozenset({"asr_processing"})),
    Fact.CREATED: ("that it begins a response", frozenset({"llm_ttft", "stage_residual"})),
    Fact.TEXT: ("the words of a response", frozenset({"llm_ttft", "tts_processing", "stage_residual"})),
    Fact.DONE: ("that a response is complete", frozenset({"total_response"})),
    Fact.CANCELLED: ("that a response is broken off", frozenset({"stop_by_event"})),
    Fact.USAGE: ("tokens", frozenset()),
}
"""What each fact is in words, and the metrics that are None without it."""

BY_TALKER: Final = frozenset({"playback_stop", "buffer_flush", "barge_in_latency"})
"""Metrics of a talker who silences its speaker when it hears itself interrupt; None where the dialect does not `flushes`."""


def untold(dialect: Dialect) -> dict[str, str]:
    """The metrics that no run of this dialect can measure, by name, each with what the wire lacks."""
    found: dict[str, list[str]] = {}
    for fact in Fact:
        words, metrics = NEEDS[fact]
        for metric in sorted(metrics) if fact in dialect.untold else ():
            found.setdefault(metric, []).append(words)
    told = {metric: f"on the wire {dialect.name} the assistant does not tell {' and '.join(lacks)}" for metric, lacks in found.items()}
    if not dialect.flushes:
        why = f"on the wire {dialect.name} a speaker is silenced when the assistant says so, not by its talker (stop_by_ear tells when)"
        told |= dict.fromkeys(sorted(BY_TALKER), why)
    return told
