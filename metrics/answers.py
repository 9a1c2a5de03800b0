"""From a turn to the metrics of its answer: when it came, and how it streamed. All return None where the facts are missing."""

from __future__ import annotations

from collections.abc import Callable

from metrics.records import SELF_MADE, SUCCESSES, UNDECIDED, Outcome, TurnKind, TurnRecord
from metrics.spans import Pair, between, span


def success(record: TurnRecord) -> Pair | None:
    """Whether a turn got its answer; turns cut by the end of the run are not asked."""
    if record.kind is TurnKind.FALSE_ALARM or record.outcome in UNDECIDED or record.error_kind in SELF_MADE:
        return None
    return float(record.outcome in SUCCESSES), 1.0


def network_delay(record: TurnRecord) -> float | None:
    """What the talker's network profile added to the way of the last speech frame and of the first audio message."""
    up, down = record.network_up_s, record.network_down_s
    return None if record.kind is TurnKind.FALSE_ALARM or up is None or down is None else up + down


def assistant_latency(record: TurnRecord) -> float | None:
    """End-to-end latency less what the talker's network profile added."""
    e2e, network = span("speech_offset_ns", "first_audible_ns")(record), network_delay(record)
    return None if e2e is None or network is None else e2e - network


def speaker_output(record: TurnRecord) -> float | None:
    """L9 of a turn whose answer was heard."""
    return record.speaker_output_s if record.first_audible_ns is not None else None


def ttft(record: TurnRecord) -> float | None:
    """Speech offset to the first content of any kind."""
    if record.kind is TurnKind.FALSE_ALARM:
        return None
    firsts = [t for t in (record.first_token_ns, record.first_audio_ns) if t is not None]
    return between(record.speech_offset_ns, min(firsts)) if firsts else None


def total_response(record: TurnRecord) -> float | None:
    """Speech offset to the event that closes the answer; None where the answer was not completed."""
    if record.kind is TurnKind.FALSE_ALARM or record.outcome is not Outcome.COMPLETED:
        return None
    return between(record.speech_offset_ns, record.response_done_ns)


def stage_residual(record: TurnRecord) -> float | None:
    """End-to-end latency less the stages on its path.

    The endpointing delay, seen from the talker, holds L1, L2, L3 and one L7; ASR is on the path where the transcript came before the
    response was opened; then L5, L6, L8 and L9. What is left is the playout delay, leading silence and waiting between stages.
    """
    e2e = span("speech_offset_ns", "first_audible_ns")(record)
    stages = (
        between(record.speech_offset_ns, record.speech_stopped_ns),
        between(record.response_created_ns, record.first_token_ns),
        between(record.first_token_ns, record.first_audio_ns),
        record.audio_rendering_s,
        record.speaker_output_s,
    )
    if e2e is None or None in stages:
        return None
    asr = between(record.speech_stopped_ns, record.transcribed_ns)
    on_path = asr is not None and (record.transcribed_ns or 0) <= (record.response_created_ns or 0)
    return e2e - sum(s for s in stages if s is not None) - (asr if asr is not None and on_path else 0.0)


def answered(measure: Callable[[TurnRecord], Pair]) -> Callable[[TurnRecord], Pair | None]:
    """`measure` of a turn whose answer brought audio."""

    def of(record: TurnRecord) -> Pair | None:
        return measure(record) if record.kind is not TurnKind.FALSE_ALARM and record.chunks else None

    return of


def gaps_under(ms: int) -> Callable[[TurnRecord], Pair]:
    """Whether a response's longest gap was under this many milliseconds."""

    def measure(record: TurnRecord) -> Pair:
        return float(record.longest_gap_s < ms / 1000), 1.0

    return measure


def underruns_per_minute(record: TurnRecord) -> Pair | None:
    """Underruns against minutes of session time."""
    return None if record.kind is TurnKind.FALSE_ALARM else (float(record.underruns), record.span_s / 60.0)


def delivery_rtf(record: TurnRecord) -> float | None:
    """Time to deliver a response over the duration of its audio, both from the first message's arrival on.

    Only of responses that were received whole: an interrupted one has no end.
    """
    delivered = between(record.first_audio_ns, record.last_audio_ns)
    whole = record.response_status == "completed" and record.chunks > 1 and record.audio_s > 0
    return delivered / record.audio_s if delivered is not None and whole else None


def network_quality_index(record: TurnRecord) -> float | None:
    """1 / (1 + 0.3 latency + 0.5 jitter + 2 loss), seconds and fractions (system design 3.2); TCP shows no loss, so it counts as 0."""
    up, down, jitter = record.uplink_network_s, record.downlink_network_s, record.jitter_s
    if up is None or down is None or jitter is None:
        return None
    return 1.0 / (1.0 + 0.3 * (up + down) + 0.5 * jitter)
