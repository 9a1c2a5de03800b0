"""Records in Locust's own statistics: one request per turn, session set-up and token. Times that were not measured are None, never 0."""

from __future__ import annotations

from typing import Any

from locust import stats

from metrics import sessions, spans
from metrics.records import SUCCESSES, UNDECIDED, SessionRecord, TokenRecord, TurnKind, TurnRecord

_KEYS_MS = ((10_000, 1), (100_000, 10))
"""Up to so many milliseconds times are counted to so many; all above to 100 ms."""


def count_milliseconds() -> None:
    """Have Locust's page count times to the millisecond: it rounds to two digits, 1,234 ms to 1,200. To be called in every process."""
    stats.bucket_response_time = _bucket


def _bucket(response_time: float) -> int:
    step = next((step for below, step in _KEYS_MS if response_time < below), 100)
    return round(response_time / step) * step


class Failed(Exception):
    """A turn, session or token that failed; the text is an outcome or an error kind, so that Locust can count equal ones together."""

    def __repr__(self) -> str:
        return str(self)


def on_turn(environment: Any, record: TurnRecord, **_: Any) -> None:
    """A turn: its end-to-end latency. False alarms are owed no answer, and turns cut by the end of the run are not counted."""
    if record.kind is TurnKind.FALSE_ALARM or record.outcome in UNDECIDED:
        return
    e2e_s = spans.span("speech_offset_ns", "first_audible_ns")(record)
    failed = None if record.outcome in SUCCESSES else Failed(record.outcome.value)
    _fire(environment, "TURN", record.kind.value, e2e_s, record.chunks, failed)


def on_session(environment: Any, record: SessionRecord, **_: Any) -> None:
    """A session: its set-up. One that was refused, or lost later, has failed."""
    if record.ready_ns is None and record.error_kind is None:
        return
    failed = Failed(record.error_kind.value) if record.error_kind else None
    _fire(environment, "WS", "session", sessions.session_setup(record), 0, failed)


def on_token(environment: Any, record: TokenRecord, **_: Any) -> None:
    """A token: from the intended start of its request."""
    failed = Failed(record.error_kind.value) if record.error_kind else None
    _fire(environment, "HTTP", "token", (record.done_ns - record.intended_ns) / 1e9, 0, failed)


def _fire(environment: Any, kind: str, name: str, seconds: float | None, length: int, failed: Exception | None) -> None:
    environment.events.request.fire(
        request_type=kind,
        name=name,
        response_time=None if seconds is None else seconds * 1000.0,
        response_length=length,
        exception=failed,
        context={},
    )
