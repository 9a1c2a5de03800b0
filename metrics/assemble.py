"""From a finished turn to its record: which facts go where, and what a barge-in or a false alarm came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from metrics.derive import FALSE_STOP_S, FALSE_STOP_WINDOW_S, RESUME_WINDOW_S
from metrics.records import BargeInClass, ErrorKind, Outcome, TurnKind, TurnRecord
from metrics.response import COMPLETE, SECOND_NS, Response
from metrics.utterance import Utterance

_ERRORS = {
    Outcome.NO_RESPONSE: (ErrorKind.TIMEOUT, "no audible answer"),
    Outcome.TIMEOUT: (ErrorKind.TIMEOUT, "answer begun, never closed"),
    Outcome.CUT_SHORT: (ErrorKind.ASSISTANT_ERROR, "answer broken off by the assistant"),
    Outcome.ASSISTANT_ERROR: (ErrorKind.ASSISTANT_ERROR, "response failed"),
    Outcome.CONNECTION_LOST: (ErrorKind.REMOTE_CLOSE, "session lost"),
}
_RATE_LIMIT_CODES = frozenset({"rate_limit_exceeded", "rate_limited", "insufficient_quota"})


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What all turns of a session share. `rate`: of the assistant's audio, Hz; `clock`: where arrival times come from."""

    talker: int
    session_id: str | None
    clock: str
    rate: int
    playout_delay_s: float
    speaker_output_s: float


@dataclass(slots=True)
class Turn:
    """A turn under way. `host`: the response that it interrupts. `extras`: responses nobody asked for, heard within the turn."""

    utterance: Utterance
    host: Response | None = None
    responses: list[Response] = field(default_factory=list)
    extras: list[Response] = field(default_factory=list)
    false_alarms: list[Utterance] = field(default_factory=list)
    broken_off_ns: int | None = None
    outcome: Outcome = Outcome.CUT_BY_RUN_END
    ended_ns: int = 0
    span_s: float = 0.0
    error: str | None = None

    @property
    def response(self) -> Response | None:
        """The answer that counts: the last one opened for this turn."""
        return self.responses[-1] if self.responses else None

    def all_responses(self) -> list[Response]:
        """The answer and what was heard after it."""
        return [*self.responses[-1:], *self.extras]

    def latest_said(self, t_ns: int) -> Utterance:
        """The last utterance or false alarm that had begun at this instant."""
        begun = [said for said in self.false_alarms if said.onset_ns <= t_ns]
        return begun[-1] if begun else self.utterance

    def said_as(self, item_id: str | None) -> Utterance | None:
        """The utterance or false alarm that the assistant knows by this item; None if none."""
        return next((said for said in [self.utterance, *self.false_alarms] if item_id in said.item_ids), None)


def turn_record(facts: SessionFacts, turn: Turn) -> TurnRecord:
    """The record of an utterance or a barge-in that has ended."""
    answer = turn.response
    kind, text = _ERRORS.get(turn.outcome, (None, None))
    if kind is ErrorKind.ASSISTANT_ERROR and (turn.error or "") in _RATE_LIMIT_CODES:
        kind = ErrorKind.RATE_LIMITED
    return TurnRecord(
        **_common(facts, turn, turn.utterance),
        **_answer(answer),
        **_barge_in(turn),
        outcome=turn.outcome,
        error_kind=kind,
        error=(turn.error or text) if kind else None,
        responses_replaced=max(0, len(turn.responses) - 1),
        span_s=turn.span_s,
        false_stop_ns=None,
        resumed_ns=None,
        windows_met=False,
    )


def false_alarm_record(facts: SessionFacts, turn: Turn, said: Utterance) -> TurnRecord:
    """The record of a false alarm, once the turn that it fell into has ended."""
    host = turn.response
    outcome, stop, back, met = judge_false_alarm(turn, said)
    return TurnRecord(
        **_common(facts, turn, said),
        **_answer(None),
        **_no_barge_in(host.identity if host else None),
        outcome=outcome,
        error_kind=None,
        error=None,
        responses_replaced=0,
        span_s=0.0,
        false_stop_ns=stop,
        resumed_ns=back,
        windows_met=met,
    )


def judge_false_alarm(turn: Turn, said: Utterance) -> tuple[Outcome, int | None, int | None, bool]:
    """What a false alarm came to: outcome, when the assistant stopped, when it came back, and whether the outcome counts.

    Rules, from `metrics/derive.py`: it stopped if inaudible for longer than FALSE_STOP_S from an instant between the onset and
    FALSE_STOP_WINDOW_S after the offset, its response unfinished; it resumed if the same response was audible again within
    RESUME_WINDOW_S of the offset. Another response is no resumption but an answer.
    """
    host = turn.response
    if any(extra.last_event_ns >= said.onset_ns for extra in turn.extras):
        stop, _ = _false_stop(host, said, turn.ended_ns)
        return Outcome.ANSWERED, stop, None, True
    stop, back = _false_stop(host, said, turn.ended_ns)
    window_ends = said.offset_ns + round(RESUME_WINDOW_S * SECOND_NS)
    if stop is not None and (back is None or back > window_ends):
        over = (back or turn.ended_ns) >= window_ends
        return (Outcome.NOT_RESUMED if over else turn.outcome), stop, back, over
    finished = turn.outcome is Outcome.COMPLETED
    if finished:
        return (Outcome.CONTINUED if stop is None else Outcome.RESUMED), stop, back, True
    return turn.outcome, stop, back, False


def _false_stop(host: Response | None, said: Utterance, ended_ns: int) -> tuple[int | None, int | None]:
    if host is None or host.playout.end_ns is None:
        return None, None
    latest = said.offset_ns + round(FALSE_STOP_WINDOW_S * SECOND_NS)
    longest = round(FALSE_STOP_S * SECOND_NS)
    for gap in host.playout.gaps:
        if said.onset_ns <= gap.start_ns <= latest and gap.end_ns - gap.start_ns > longest:
            return gap.start_ns, gap.end_ns
    end = host.playout.end_ns
    if host.status not in COMPLETE and said.onset_ns <= end <= latest and ended_ns - end > longest:
        return end, None
    return None, None


def classify_barge_in(said: Utterance, host: Response) -> BargeInClass:
    """How the assistant met the barge-in. A response that ended by itself before the assistant told, or could tell, that it heard
    the talker had already been generated; one that did not end, or ended by itself later, shows no reaction."""
    if host.last_audio_ns is not None and host.done_ns is not None and host.status in COMPLETE:
        known_ns = said.speech_started_ns or said.detected_ns or said.onset_ns
        sent_before = host.last_audio_ns <= said.onset_ns or host.done_ns <= known_ns
        return BargeInClass.GENERATED if sent_before else BargeInClass.NO_REACTION
    if host.done_ns is None:
        return BargeInClass.NO_REACTION
    return BargeInClass.CLIENT if host.reason == "client_cancelled" else BargeInClass.SERVER


def _barge_in(turn: Turn) -> dict[str, Any]:
    said, host = turn.utterance, turn.host
    if said.kind is not TurnKind.BARGE_IN or host is None:
        return _no_barge_in(None)
    how = classify_barge_in(said, host)
    stopped = host.done_ns is not None
    cancelled = how in (BargeInClass.SERVER, BargeInClass.CLIENT)
    end = host.playout.end_ns
    return {
        "host_response_id": host.identity,
        "barge_in_class": how,
        "stop_event_ns": host.done_ns if cancelled else None,
        "stop_byte_ns": host.last_audio_ns if stopped and how is not BargeInClass.GENERATED else None,
        "stop_ear_ns": max(end, said.onset_ns) if stopped and end is not None else None,
        "talked_over_s": host.playout.audio_after_s(said.onset_ns),
    }


def _no_barge_in(host: str | None) -> dict[str, Any]:
    absent = ("barge_in_class", "stop_event_ns", "stop_byte_ns", "stop_ear_ns", "talked_over_s")
    return {"host_response_id": host, **dict.fromkeys(absent)}


def _common(facts: SessionFacts, turn: Turn, said: Utterance) -> dict[str, Any]:
    return {
        "talker": facts.talker,
        "call": said.call,
        "turn": said.turn,
        "kind": said.kind,
        "session_id": facts.session_id,
        "clock": facts.clock,
        "clip": said.clip,
        "voice": said.voice,
        "spoken": said.spoken,
        "transcript": " ".join(said.transcripts) if said.transcripts else None,
        "speech_onset_ns": said.onset_ns,
        "speech_offset_ns": said.offset_ns,
        "offset_sent_ns": said.offset_sent_ns,
        "speech_started_ns": said.speech_started_ns,
        "speech_stopped_ns": said.speech_stopped_ns,
        "committed_ns": said.committed_ns,
        "transcribed_ns": said.transcribed_ns,
        "mic_capture_s": said.mic_capture_s,
        "audio_processing_s": said.audio_processing_s,
        "uplink_network_s": said.uplink_s,
        "speaker_output_s": facts.speaker_output_s,
        "planned_after_s": said.planned_after_s,
        "detected_ns": said.detected_ns,
        "silenced_ns": said.silenced_ns,
        "flush_s": said.flush_s,
        "cancel_sent_ns": said.cancel_sent_ns,
    }


def _answer(answer: Response | None) -> dict[str, Any]:
    if answer is None:
        fields = (
            "response_created_ns first_token_ns first_audio_ns first_audible_ns last_audio_ns response_done_ns playout_end_ns "
            "downlink_network_s audio_rendering_s response_id response_status response_reason jitter_s rfc3550_jitter_s input_tokens output_tokens"
        )
        zeros = {"audio_s": 0.0, "chunks": 0, "underruns": 0, "underrun_s": 0.0, "longest_gap_s": 0.0}
        return {**dict.fromkeys(fields.split()), **zeros}
    gaps = answer.gaps_s
    return {
        "response_created_ns": answer.created_ns,
        "first_token_ns": answer.first_token_ns,
        "first_audio_ns": answer.first_audio_ns,
        "first_audible_ns": answer.first_audible_ns,
        "last_audio_ns": answer.last_audio_ns,
        "response_done_ns": answer.done_ns,
        "playout_end_ns": answer.heard_until_ns,
        "downlink_network_s": answer.downlink_s,
        "audio_rendering_s": answer.rendering_s,
        "response_id": answer.identity,
        "response_status": answer.status,
        "response_reason": answer.reason,
        "audio_s": answer.playout.audio_s,
        "chunks": answer.chunks,
        "jitter_s": answer.jitter_s,
        "rfc3550_jitter_s": answer.rfc3550_s if answer.chunks > 1 else None,
        "underruns": len(gaps),
        "underrun_s": sum(gaps),
        "longest_gap_s": max(gaps, default=0.0),
        "input_tokens": _tokens(answer, "input_tokens"),
        "output_tokens": _tokens(answer, "output_tokens"),
    }


def _tokens(answer: Response, name: str) -> int | None:
    value = answer.usage.get(name)
    return value if isinstance(value, int) else None
