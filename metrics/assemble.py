"""From a finished turn to its record: which facts go where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audio.codecs import PCM16
from metrics.judge import classify_barge_in, judge_false_alarm
from metrics.records import BargeInClass, ErrorKind, Outcome, TurnKind, TurnRecord
from metrics.response import Response
from metrics.turn import Turn
from metrics.utterance import Utterance
from protocol.events import whole

_ERRORS = {
    Outcome.NO_RESPONSE: (ErrorKind.TIMEOUT, "no audible answer"),
    Outcome.TIMEOUT: (ErrorKind.TIMEOUT, "answer begun, never closed"),
    Outcome.CUT_SHORT: (ErrorKind.ASSISTANT_ERROR, "answer broken off by the assistant"),
    Outcome.ASSISTANT_ERROR: (ErrorKind.ASSISTANT_ERROR, "response failed"),
    Outcome.CONNECTION_LOST: (ErrorKind.REMOTE_CLOSE, "session lost"),
}
"""Kind and text of the outcomes that are failures. Where the assistant reported an error within the turn, that is why nothing came."""
_RATE_LIMIT_CODES = frozenset({"rate_limit_exceeded", "rate_limited", "insufficient_quota"})


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What all turns of a session share. `rate`: of the assistant's audio, Hz; `clock`: where arrival times come from; `persona`: "" where
    the talker has none; `network`: name of the talker's network profile, None without one; `encoding`: of the
    assistant's audio (audio.codecs)."""

    talker: int
    session_id: str | None
    clock: str
    rate: int
    playout_delay_s: float
    speaker_output_s: float
    persona: str = ""
    network: str | None = None
    encoding: str = PCM16


def turn_record(facts: SessionFacts, turn: Turn) -> TurnRecord:
    """The record of an utterance or a barge-in that has ended."""
    answer = turn.response
    kind, text = _ERRORS.get(turn.outcome, (None, None))
    if kind is ErrorKind.TIMEOUT and turn.error:
        kind = ErrorKind.ASSISTANT_ERROR
    if kind is ErrorKind.ASSISTANT_ERROR and turn.error in _RATE_LIMIT_CODES:
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


def _barge_in(turn: Turn) -> dict[str, Any]:
    said, host = turn.utterance, turn.host
    if said.kind is not TurnKind.BARGE_IN or host is None:
        return _no_barge_in(None)
    how = classify_barge_in(turn, host)
    stopped = host.done_ns is not None
    cancelled = how in (BargeInClass.SERVER, BargeInClass.CLIENT)
    came_after = host.last_audio_ns is not None and host.last_audio_ns > said.onset_ns
    end = host.playout.end_ns
    return {
        "host_response_id": host.identity,
        "barge_in_class": how,
        "stop_event_ns": host.done_ns if cancelled and not host.done_by_ear else None,
        "stop_byte_ns": host.last_audio_ns if stopped and came_after and how is not BargeInClass.GENERATED else None,
        "stop_ear_ns": max(end, said.onset_ns) if stopped and end is not None else None,
        "talked_over_s": host.playout.audio_after_s(said.onset_ns),
    }


def _no_barge_in(host: str | None) -> dict[str, Any]:
    absent = ("barge_in_class", "stop_event_ns", "stop_byte_ns", "stop_ear_ns", "talked_over_s")
    return {"host_response_id": host, **dict.fromkeys(absent)}


def _common(facts: SessionFacts, turn: Turn, said: Utterance) -> dict[str, Any]:
    return {
        "talker": facts.talker,
        "persona": facts.persona,
        "call": said.call,
        "turn": said.turn,
        "kind": said.kind,
        "session_id": facts.session_id,
        "clock": facts.clock,
        "clip": said.clip,
        "voice": said.voice,
        "spoken": said.spoken,
        "transcript": " ".join(said.transcripts).strip() if said.transcripts else None,
        "send_lateness_max_s": said.send_lateness_max_s,
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
        "network": facts.network,
        "network_up_s": said.network_up_s,
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
            "downlink_network_s network_down_s audio_rendering_s response_id response_status response_reason jitter_s rfc3550_jitter_s "
            "input_tokens output_tokens input_audio_tokens cached_tokens cached_audio_tokens output_audio_tokens"
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
        "response_done_ns": None if answer.done_by_ear else answer.done_ns,
        "playout_end_ns": answer.heard_until_ns,
        "downlink_network_s": answer.downlink_s,
        "network_down_s": answer.network_down_s,
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
        "input_audio_tokens": _tokens(answer, "input_token_details", "audio_tokens"),
        "cached_tokens": _tokens(answer, "input_token_details", "cached_tokens"),
        "cached_audio_tokens": _tokens(answer, "input_token_details", "cached_tokens_details", "audio_tokens"),
        "output_audio_tokens": _tokens(answer, "output_token_details", "audio_tokens"),
    }


def _tokens(answer: Response, *path: str) -> int | None:
    """What the usage says at this place, however much of the way there is missing or malformed."""
    found: object = answer.usage
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return whole(found)
