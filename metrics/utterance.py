"""What the talker said, and what it learnt of it: the talker's half of a turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from metrics.records import TurnKind


@dataclass(slots=True)
class Utterance:
    """One utterance under way. `onset_ns`, `offset_ns`: capture instants of the first and last sample of real speech.

    The rest is filled in as it happens: by the talker (what was sent, its own detection) and by the tracker (what the assistant told).
    """

    kind: TurnKind
    call: int
    turn: int
    clip: str
    voice: str
    spoken: str
    onset_ns: int
    offset_ns: int
    planned_after_s: float | None = None

    offset_sent_ns: int | None = None
    send_lateness_max_s: float | None = None
    mic_capture_s: float | None = None
    audio_processing_s: float | None = None
    uplink_s: float | None = None
    network_up_s: float | None = None
    detected_ns: int | None = None
    silenced_ns: int | None = None
    flush_s: float | None = None
    cancel_sent_ns: int | None = None

    speech_started_ns: int | None = None
    speech_stopped_ns: int | None = None
    committed_ns: int | None = None
    transcribed_ns: int | None = None
    transcripts: list[str] = field(default_factory=list)
    item_ids: set[str] = field(default_factory=set)
