"""What is compared: which aggregates of which metrics, and which metric moves as another one has moved."""

from __future__ import annotations

from metrics.catalog import METRICS
from metrics.metric import Metric, Shape
from metrics.records import SampleRecord

OWN = frozenset({
    "mic_capture", "audio_processing", "audio_rendering", "speaker_output", "bargein_detection", "playback_stop", "buffer_flush",
})  # fmt: skip
"""Metrics of the talker itself: where they differ, the testers do."""

_ANSWER = ("endpointing_delay", "asr_processing", "llm_ttft")
FOLLOWS: dict[str, tuple[str, ...]] = {
    "endpointing_delay": ("uplink_network", "downlink_network"),
    "ttft": _ANSWER,
    "time_to_first_audio": ("ttft", "tts_processing"),
    "e2e_latency": ("time_to_first_audio",),
    "assistant_latency": ("e2e_latency",),
    "total_response": ("e2e_latency", "delivery_rtf"),
    "server_cancel": ("server_detection",),
    "stop_by_byte": ("server_detection", "server_cancel"),
    "stop_by_event": ("server_detection", "server_cancel", "stop_by_byte"),
    "stop_by_ear": ("stop_by_byte", "delivery_rtf"),
    "talked_over": ("stop_by_ear",),
    "barge_in_latency": ("server_cancel",),
    "yield_rate": ("stop_by_byte",),
    "interruption_success": ("yield_rate", "success"),
    "resume_rate": ("resume_time",),
    "false_alarm_resume": ("resume_rate", "false_stop_rate", "spurious_response"),
    "success": ("e2e_latency", "session_success", "false_alarm_resume"),
    "session_setup": ("token_mint_latency",),
    "abandonment": ("success", "e2e_latency"),
    "availability": ("session_success",),
    "automatic_recovery_rate": ("session_success",),
    "time_to_recover": ("session_success",),
    "reconnects_per_hour": ("session_success",),
    "rfc3550_jitter": ("delivery_rtf", "jitter"),
    "underruns": ("delivery_rtf", "jitter"),
    "underrun": ("underruns",),
    "continuity": ("underruns", "underrun"),
    "c50": ("underruns",),
    "c100": ("underruns", "c50"),
    "c200": ("underruns", "c100"),
    "network_quality_index": ("uplink_network", "downlink_network", "jitter"),
}
"""By metric, those that it is made of, or that move it: if one of them has moved the same way, it follows from that one. A stage is part of
each latency that spans it (docs/metrics.md has from where to where each goes); an answer that is too late, a lost session or an assistant
that has been silenced for good fails turns."""


def asked() -> list[tuple[Metric, tuple[str, ...]]]:
    """Each metric with the aggregates of it that are compared, in the catalogue's order: the value of a share or a rate; of a distribution
    p50, p95 and the mean where it has a target. Left out is what is measured of seconds of the run, as seconds are no sample of callers."""
    return [(metric, _aggregates(metric)) for metric in METRICS.values() if metric.record is not SampleRecord]


def _aggregates(metric: Metric) -> tuple[str, ...]:
    if metric.shape is Shape.RATIO:
        return ("value",)
    mean = any(target.aggregate == "mean" for target in metric.targets)
    return ("mean", "p50", "p95") if mean else ("p50", "p95")


def judged(metric: Metric) -> bool:
    """Whether more or less of it is the assistant's being worse or better."""
    return metric.better in ("lower", "higher") and metric.name not in OWN


def above(name: str) -> set[str]:
    """All metrics that this one follows from, however many are between."""
    found: set[str] = set()
    left = list(FOLLOWS.get(name, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += FOLLOWS.get(one, ())
    return found
