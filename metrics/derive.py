"""From a record's facts to a metric's value: the functions that the catalogue names. All return None where the facts are missing."""

from __future__ import annotations

from collections.abc import Callable

from metrics.records import (
    SELF_MADE,
    SUCCESSES,
    UNDECIDED,
    BargeInClass,
    Outcome,
    SampleRecord,
    SessionOutcome,
    SessionRecord,
    TokenRecord,
    TurnKind,
    TurnRecord,
)
from metrics.windows import RESUME_WINDOW_S, YIELD_WINDOW_S

Pair = tuple[float, float]


def span(begin: str, end: str) -> Callable[[TurnRecord], float | None]:
    """Seconds from instant `begin` to instant `end` (names of TurnRecord fields) of a turn that is owed an answer."""

    def measure(record: TurnRecord) -> float | None:
        return None if record.kind is TurnKind.FALSE_ALARM else _between(getattr(record, begin), getattr(record, end))

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
        return _between(record.speech_onset_ns, getattr(record, end)) if record.kind is TurnKind.BARGE_IN else None

    return measure


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
    return _between(record.speech_offset_ns, min(firsts)) if firsts else None


def total_response(record: TurnRecord) -> float | None:
    """Speech offset to the event that closes the answer; None where the answer was not completed."""
    if record.kind is TurnKind.FALSE_ALARM or record.outcome is not Outcome.COMPLETED:
        return None
    return _between(record.speech_offset_ns, record.response_done_ns)


def stage_residual(record: TurnRecord) -> float | None:
    """End-to-end latency less the stages on its path.

    The endpointing delay, seen from the talker, holds L1, L2, L3 and one L7; ASR is on the path where the transcript came before the
    response was opened; then L5, L6, L8 and L9. What is left is the playout delay, leading silence and waiting between stages.
    """
    e2e = span("speech_offset_ns", "first_audible_ns")(record)
    stages = (
        _between(record.speech_offset_ns, record.speech_stopped_ns),
        _between(record.response_created_ns, record.first_token_ns),
        _between(record.first_token_ns, record.first_audio_ns),
        record.audio_rendering_s,
        record.speaker_output_s,
    )
    if e2e is None or None in stages:
        return None
    asr = _between(record.speech_stopped_ns, record.transcribed_ns)
    on_path = asr is not None and (record.transcribed_ns or 0) <= (record.response_created_ns or 0)
    return e2e - sum(s for s in stages if s is not None) - (asr if asr is not None and on_path else 0.0)


def playback_stop(record: TurnRecord) -> float | None:
    """B2: the talker's own speech start to silence at the virtual speaker, its output buffer included."""
    gap = _between(record.detected_ns, record.silenced_ns) if record.kind is TurnKind.BARGE_IN else None
    return None if gap is None else gap + record.speaker_output_s


def server_cancel(record: TurnRecord) -> float | None:
    """B3: cancel sent, or own detection where the server cancels by itself, to the last audio byte; negative where it was quicker.

    None where no audio came after the onset: there was nothing to stop.
    """
    match record.barge_in_class:
        case BargeInClass.SERVER:
            return _between(record.detected_ns, record.stop_byte_ns)
        case BargeInClass.CLIENT:
            begin_ns = record.detected_ns if record.cancel_sent_ns is None else record.cancel_sent_ns
            return _between(begin_ns, record.stop_byte_ns)
    return None


def barge_in_latency(record: TurnRecord) -> float | None:
    """B1 + B2 + B3 + B4; None where the assistant did not react.

    Without B3 where the response had already been generated or no audio came after the onset. A negative B3 adds nothing: that the
    assistant stopped sending before the talker had noticed itself does not make the talker's own part any shorter.
    """
    if record.barge_in_class in (None, BargeInClass.NO_REACTION):
        return None
    detection = _between(record.speech_onset_ns, record.detected_ns)
    stop = playback_stop(record)
    if detection is None or stop is None or record.flush_s is None:
        return None
    return detection + stop + max(0.0, server_cancel(record) or 0.0) + record.flush_s


def yielded(record: TurnRecord) -> Pair | None:
    """Whether the assistant's audio stopped within the window of a barge-in; not asked where it had all been sent before.

    A response that was cancelled and brought no audio after the onset stopped at once.
    """
    if record.barge_in_class in (None, BargeInClass.GENERATED):
        return None
    stop = _between(record.speech_onset_ns, record.stop_byte_ns)
    if stop is None:
        return float(record.barge_in_class is not BargeInClass.NO_REACTION), 1.0
    return float(stop <= YIELD_WINDOW_S), 1.0


def interruption_success(record: TurnRecord) -> Pair | None:
    """Whether the assistant yielded (or had nothing left to stop) and the interrupting utterance got its own answer."""
    if record.barge_in_class is None or record.outcome in UNDECIDED or record.error_kind in SELF_MADE:
        return None
    gave_way = yielded(record)
    answered = record.outcome in SUCCESSES and record.first_audible_ns is not None
    return float((gave_way is None or gave_way[0] == 1.0) and answered), 1.0


def in_class(which: BargeInClass) -> Callable[[TurnRecord], Pair | None]:
    """Whether a barge-in was of class `which`."""

    def measure(record: TurnRecord) -> Pair | None:
        return None if record.barge_in_class is None else (float(record.barge_in_class is which), 1.0)

    return measure


def false_alarm(test: Callable[[TurnRecord], bool]) -> Callable[[TurnRecord], Pair | None]:
    """Whether `test` holds of a false alarm whose windows passed."""

    def measure(record: TurnRecord) -> Pair | None:
        counts = record.kind is TurnKind.FALSE_ALARM and record.windows_met
        return (float(test(record)), 1.0) if counts else None

    return measure


def resume_rate(record: TurnRecord) -> Pair | None:
    """Of false stops, those after which the assistant was audible again within the window."""
    if record.false_stop_ns is None or not record.windows_met:
        return None
    back = resume_time(record)
    return float(back is not None and back <= RESUME_WINDOW_S), 1.0


def resume_time(record: TurnRecord) -> float | None:
    """End of the false alarm to the assistant audible again."""
    return _between(record.speech_offset_ns, record.resumed_ns) if record.kind is TurnKind.FALSE_ALARM else None


def success(record: TurnRecord) -> Pair | None:
    """Whether a turn got its answer; turns cut by the end of the run, or broken by the tester, are not asked."""
    if record.kind is TurnKind.FALSE_ALARM or record.outcome in UNDECIDED or record.error_kind in SELF_MADE:
        return None
    return float(record.outcome in SUCCESSES), 1.0


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
    delivered = _between(record.first_audio_ns, record.last_audio_ns)
    whole = record.response_status == "completed" and record.chunks > 1 and record.audio_s > 0
    return delivered / record.audio_s if delivered is not None and whole else None


def network_quality_index(record: TurnRecord) -> float | None:
    """1 / (1 + 0.3 latency + 0.5 jitter + 2 loss), seconds and fractions (system design 3.2); TCP shows no loss, so it counts as 0."""
    up, down, jitter = record.uplink_network_s, record.downlink_network_s, record.jitter_s
    if up is None or down is None or jitter is None:
        return None
    return 1.0 / (1.0 + 0.3 * (up + down) + 0.5 * jitter)


def session_setup(record: SessionRecord) -> float | None:
    """TCP connect to session ready."""
    return _between(record.started_ns, record.ready_ns)


def session_success(record: SessionRecord) -> Pair | None:
    """Whether a session became ready and was not lost; one cut off while connecting at the end of the run, or broken by the tester, is not
    asked."""
    if record.outcome is SessionOutcome.CUT_BY_RUN_END and record.ready_ns is None:
        return None
    if record.error_kind in SELF_MADE:
        return None
    return float(record.outcome not in (SessionOutcome.REFUSED, SessionOutcome.LOST)), 1.0


def abandonment(record: SessionRecord) -> Pair | None:
    """Whether a call was given up by its talker, of the calls that their talkers ended: none has more than one such session."""
    if record.outcome not in (SessionOutcome.HUNG_UP, SessionOutcome.ABANDONED):
        return None
    return float(record.outcome is SessionOutcome.ABANDONED), 1.0


def reconnects_per_hour(record: SessionRecord) -> Pair:
    """Reconnections against hours connected."""
    return float(record.reconnect and record.ready_ns is not None), (_between(record.ready_ns, record.closed_ns) or 0.0) / 3600.0


def recovery(record: SessionRecord) -> Pair | None:
    """Whether a session that was lost was re-established; each loss is told by one record: by that of the session that was ready in its
    place, or by the one cut off at the end of the run while the talker was still trying. A talker that was to leave anyway is not asked."""
    if record.lost_ns is None:
        return None
    back = record.ready_ns is not None
    return (float(back), 1.0) if back or record.outcome is SessionOutcome.CUT_BY_RUN_END else None


def availability(record: SessionRecord) -> Pair | None:
    """Seconds connected against them and those in which the talker wanted a session and had none."""
    connected = _between(record.ready_ns, record.closed_ns) or 0.0
    whole = connected + record.down_s
    return (connected, whole) if whole > 0 else None


def time_to_recover(record: SessionRecord) -> float | None:
    """Session lost to its successor ready."""
    return _between(record.lost_ns, record.ready_ns)


def token_mint_latency(record: TokenRecord) -> float | None:
    """Intended start of the request to its response complete, for requests that were answered with a token."""
    return _between(record.intended_ns, record.done_ns) if record.error_kind is None else None


def token_success(record: TokenRecord) -> Pair:
    """Whether a token was minted."""
    return float(record.error_kind is None), 1.0


def target_availability(record: SampleRecord) -> Pair | None:
    """Whether the target answered, of the seconds in which it was asked."""
    return None if record.target_up is None else (float(record.target_up), 1.0)


def target_memory_per_session(record: SampleRecord) -> float | None:
    """Resident memory over open sessions (system design 3.3); None without a session."""
    memory, sessions = record.target_memory_bytes, record.target_sessions
    return memory / sessions if memory is not None and sessions else None


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


def not_stopped(record: TurnRecord) -> bool:
    """The response played to its end in spite of the false alarm."""
    return record.outcome in (Outcome.CONTINUED, Outcome.RESUMED)


def _between(begin_ns: int | None, end_ns: int | None) -> float | None:
    return None if begin_ns is None or end_ns is None else (end_ns - begin_ns) / 1e9
