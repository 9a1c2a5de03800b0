"""From a barge-in or a false alarm to its metrics. All return None where the facts are missing."""

from __future__ import annotations

from collections.abc import Callable

from metrics.records import SELF_MADE, SUCCESSES, UNDECIDED, BargeInClass, Outcome, TurnKind, TurnRecord
from metrics.spans import Pair, between
from metrics.windows import RESUME_WINDOW_S, YIELD_WINDOW_S


def playback_stop(record: TurnRecord) -> float | None:
    """B2: the talker's own speech start to silence at the virtual speaker, its output buffer included."""
    gap = between(record.detected_ns, record.silenced_ns) if record.kind is TurnKind.BARGE_IN else None
    return None if gap is None else gap + record.speaker_output_s


def server_cancel(record: TurnRecord) -> float | None:
    """B3: cancel sent, or own detection where the server cancels by itself, to the last audio byte; negative where it was quicker.

    None where no audio came after the onset: there was nothing to stop.
    """
    match record.barge_in_class:
        case BargeInClass.SERVER:
            return between(record.detected_ns, record.stop_byte_ns)
        case BargeInClass.CLIENT:
            begin_ns = record.detected_ns if record.cancel_sent_ns is None else record.cancel_sent_ns
            return between(begin_ns, record.stop_byte_ns)
    return None


def barge_in_latency(record: TurnRecord) -> float | None:
    """B1 + B2 + B3 + B4; None where the assistant did not react.

    Without B3 where the response had already been generated or no audio came after the onset. A negative B3 adds nothing: that the
    assistant stopped sending before the talker had noticed itself does not make the talker's own part any shorter.
    """
    if record.barge_in_class in (None, BargeInClass.NO_REACTION):
        return None
    detection = between(record.speech_onset_ns, record.detected_ns)
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
    stop = between(record.speech_onset_ns, record.stop_byte_ns)
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


def not_stopped(record: TurnRecord) -> bool:
    """The response played to its end in spite of the false alarm."""
    return record.outcome in (Outcome.CONTINUED, Outcome.RESUMED)


def resume_rate(record: TurnRecord) -> Pair | None:
    """Of false stops, those after which the assistant was audible again within the window."""
    if record.false_stop_ns is None or not record.windows_met:
        return None
    back = resume_time(record)
    return float(back is not None and back <= RESUME_WINDOW_S), 1.0


def resume_time(record: TurnRecord) -> float | None:
    """End of the false alarm to the assistant audible again."""
    return between(record.speech_offset_ns, record.resumed_ns) if record.kind is TurnKind.FALSE_ALARM else None
