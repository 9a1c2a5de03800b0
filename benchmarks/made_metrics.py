"""The metrics of turns that are columns of arrays: what the catalogue reads off one record, for a hundred thousand at a time. A test holds
both against one another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.outcomes import SUCCESSES, BargeInClass, Outcome, TurnKind
from metrics.windows import RESUME_WINDOW_S, YIELD_WINDOW_S

Array = NDArray[Any]
Columns = dict[str, Array]
"""Fields of TurnRecord by name, of shape (n,): NaN where there is none; kinds, outcomes and classes as text, "" where there is none."""
Measured = dict[str, Array | tuple[Array, Array]]
"""Values of a distribution, or numerators and denominators of a ratio, by metric; NaN where the metric is not asked."""


def of_turns(c: Columns) -> Measured:
    """All metrics of turns but `chunk_drop_rate`, which no dialect tells."""
    return _latency(c) | _barge_in(c) | _false_alarm(c) | _streaming(c)


def _between(c: Columns, begin: str, end: str) -> Array:
    return (c[end] - c[begin]) / 1e9


def _where(asked: Array, values: Array | float) -> Array:
    return np.where(asked, values, np.nan)


def _share(asked: Array, counts: Array) -> tuple[Array, Array]:
    return _where(asked, counts.astype(float)), _where(asked, 1.0)


def _latency(c: Columns) -> Measured:
    due = c["kind"] != TurnKind.FALSE_ALARM

    def span(begin: str, end: str) -> Array:
        return _where(due, _between(c, begin, end))

    e2e = span("speech_offset_ns", "first_audible_ns")
    asr = span("speech_stopped_ns", "transcribed_ns")
    on_path = np.where((c["transcribed_ns"] <= c["response_created_ns"]), asr, 0.0)
    endpointing, llm, tts = (
        span("speech_offset_ns", "speech_stopped_ns"),
        span("response_created_ns", "first_token_ns"),
        span("first_token_ns", "first_audio_ns"),
    )
    network = _where(due, c["network_up_s"] + c["network_down_s"])
    first = np.fmin(c["first_token_ns"], c["first_audio_ns"])
    return {
        "e2e_latency": e2e,
        "turn_gap": e2e,
        "time_to_first_audio": span("speech_offset_ns", "first_audio_ns"),
        "ttft": _where(due, (first - c["speech_offset_ns"]) / 1e9),
        "total_response": _where(c["outcome"] == Outcome.COMPLETED, span("speech_offset_ns", "response_done_ns")),
        "endpointing_delay": endpointing,
        "asr_processing": asr,
        "llm_ttft": llm,
        "tts_processing": tts,
        "speaker_output": _where(~np.isnan(c["first_audible_ns"]), c["speaker_output_s"]),
        "stage_residual": e2e - (endpointing + llm + tts + c["audio_rendering_s"] + c["speaker_output_s"]) - on_path,
        "network_delay": network,
        "assistant_latency": e2e - network,
        "success": _share(due, np.isin(c["outcome"], sorted(SUCCESSES))),
        **{
            name: _where(due, c[f"{name}_s"])
            for name in ("mic_capture", "audio_processing", "uplink_network", "downlink_network", "audio_rendering")
        },
    }


def _barge_in(c: Columns) -> Measured:
    which = c["barge_in_class"]
    made, told = c["kind"] == TurnKind.BARGE_IN, which != ""

    def onset(end: str) -> Array:
        return _where(made, _between(c, "speech_onset_ns", end))

    detection, stop = onset("detected_ns"), _where(made, _between(c, "detected_ns", "silenced_ns") + c["speaker_output_s"])
    cancel = _where(which == BargeInClass.SERVER, _between(c, "detected_ns", "stop_byte_ns"))
    by_byte = onset("stop_byte_ns")
    asked = told & (which != BargeInClass.GENERATED)
    yielded = np.where(np.isnan(by_byte), which != BargeInClass.NO_REACTION, by_byte <= YIELD_WINDOW_S)
    answered = np.isin(c["outcome"], sorted(SUCCESSES)) & ~np.isnan(c["first_audible_ns"])
    reacted = detection + stop + np.fmax(0.0, np.nan_to_num(cancel)) + c["flush_s"]
    return {
        "bargein_detection": detection,
        "server_detection": onset("speech_started_ns"),
        "playback_stop": stop,
        "server_cancel": cancel,
        "buffer_flush": _where(made, c["flush_s"]),
        "barge_in_latency": _where(told & (which != BargeInClass.NO_REACTION), reacted),
        "stop_by_event": onset("stop_event_ns"),
        "stop_by_byte": by_byte,
        "stop_by_ear": onset("stop_ear_ns"),
        "yield_rate": _share(asked, yielded),
        "interruption_success": _share(told, (yielded | ~asked) & answered),
        "talked_over": _where(made, c["talked_over_s"]),
        **{f"barge_in_{each.value}": _share(told, which == each) for each in BargeInClass},
    }


def _false_alarm(c: Columns) -> Measured:
    made = c["kind"] == TurnKind.FALSE_ALARM
    asked, stopped = made & (c["windows_met"] == 1), ~np.isnan(c["false_stop_ns"])
    back = _where(made, _between(c, "speech_offset_ns", "resumed_ns"))
    return {
        "false_stop_rate": _share(asked, stopped),
        "resume_rate": _share(asked & stopped, back <= RESUME_WINDOW_S),
        "resume_time": back,
        "false_alarm_resume": _share(asked, np.isin(c["outcome"], [Outcome.CONTINUED, Outcome.RESUMED])),
        "spurious_response": _share(asked, c["outcome"] == Outcome.ANSWERED),
    }


def _streaming(c: Columns) -> Measured:
    due, chunks, audio = c["kind"] != TurnKind.FALSE_ALARM, c["chunks"], c["audio_s"]
    heard = due & (chunks > 0)
    whole = (c["response_status"] == "completed") & (chunks > 1) & (audio > 0)
    delivered = _between(c, "first_audio_ns", "last_audio_ns") / np.where(audio > 0, audio, 1.0)
    network = 0.3 * (c["uplink_network_s"] + c["downlink_network_s"]) + 0.5 * c["jitter_s"]
    return {
        "jitter": _where(due, c["jitter_s"]),
        "rfc3550_jitter": _where(due, c["rfc3550_jitter_s"]),
        "underruns": (_where(due, c["underruns"]), _where(due, c["span_s"] / 60.0)),
        "underrun": _where(c["underruns"] > 0, c["underrun_s"]),
        "continuity": (_where(heard, audio), _where(heard, audio + c["underrun_s"])),
        **{f"c{ms}": _share(heard, c["longest_gap_s"] < ms / 1000) for ms in (50, 100, 200)},
        "delivery_rtf": _where(whole, delivered),
        "network_quality_index": 1.0 / (1.0 + network),
    }
