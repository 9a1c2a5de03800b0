"""From a session or a token to its metrics. All return None where the facts are missing."""

from __future__ import annotations

from metrics.records import SELF_MADE, SessionOutcome, SessionRecord, TokenRecord
from metrics.spans import Pair, between


def session_setup(record: SessionRecord) -> float | None:
    """TCP connect to session ready."""
    return between(record.started_ns, record.ready_ns)


def session_success(record: SessionRecord) -> Pair | None:
    """Whether a session became ready and was not lost; one cut off while connecting at the end of the run, or broken by the tester, is not
    asked."""
    if record.error_kind in SELF_MADE:
        return None
    if record.outcome is SessionOutcome.CUT_BY_RUN_END and record.ready_ns is None:
        return None
    return float(record.outcome not in (SessionOutcome.REFUSED, SessionOutcome.LOST)), 1.0


def abandonment(record: SessionRecord) -> Pair | None:
    """Whether a call was given up by its talker, of the calls that their talkers ended: none has more than one such session."""
    if record.outcome not in (SessionOutcome.HUNG_UP, SessionOutcome.ABANDONED):
        return None
    return float(record.outcome is SessionOutcome.ABANDONED), 1.0


def reconnects_per_hour(record: SessionRecord) -> Pair:
    """Reconnections against hours connected."""
    return float(record.reconnect and record.ready_ns is not None), (between(record.ready_ns, record.closed_ns) or 0.0) / 3600.0


def recovery(record: SessionRecord) -> Pair | None:
    """Whether a session that was lost was re-established; each loss is told by one record: by that of the session that was ready in its
    place, or by the one cut off at the end of the run while the talker was still trying. A talker that was to leave anyway is not asked."""
    if record.lost_ns is None:
        return None
    back = record.ready_ns is not None
    return (float(back), 1.0) if back or record.outcome is SessionOutcome.CUT_BY_RUN_END else None


def availability(record: SessionRecord) -> Pair | None:
    """Seconds connected against them and those in which the talker wanted a session and had none."""
    connected = between(record.ready_ns, record.closed_ns) or 0.0
    whole = connected + record.down_s
    return (connected, whole) if whole > 0 else None


def time_to_recover(record: SessionRecord) -> float | None:
    """Session lost to its successor ready."""
    return between(record.lost_ns, record.ready_ns)


def token_mint_latency(record: TokenRecord) -> float | None:
    """Intended start of the request to its response complete, for requests that were answered with a token."""
    return between(record.intended_ns, record.done_ns) if record.error_kind is None else None


def token_success(record: TokenRecord) -> Pair:
    """Whether a token was minted."""
    return float(record.error_kind is None), 1.0
