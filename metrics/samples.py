"""From a sample of the target and the tester to its metrics. All return None where the facts are missing."""

from __future__ import annotations

from collections.abc import Callable

from metrics.records import SampleRecord
from metrics.spans import Pair


def target_availability(record: SampleRecord) -> Pair | None:
    """Whether the target answered, of the seconds in which it was asked."""
    return None if record.target_up is None else (float(record.target_up), 1.0)


def target_memory_per_session(record: SampleRecord) -> float | None:
    """Resident memory over open sessions (system design 3.3); None without a session."""
    memory, sessions = record.target_memory_bytes, record.target_sessions
    return memory / sessions if memory is not None and sessions else None


def calls_begun(record: SampleRecord) -> Pair | None:
    """Calls that began against those that were due; None where arrivals are not open, and in a second without either."""
    if record.calls_due is None or record.calls_begun is None or not (record.calls_due or record.calls_begun):
        return None
    return float(record.calls_begun), float(record.calls_due)


def sampled(name: str) -> Callable[[SampleRecord], float | None]:
    """The field `name` of a sample."""

    def measure(record: SampleRecord) -> float | None:
        value: float | None = getattr(record, name)
        return value

    return measure


def grown(name: str) -> Callable[[SampleRecord], Pair | None]:
    """A value that may grow, at its instant, once the load has settled."""

    def measure(record: SampleRecord) -> Pair | None:
        value = getattr(record, name)
        return (record.t_s, float(value)) if record.settled and value is not None else None

    return measure
