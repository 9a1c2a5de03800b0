"""What the scripted peer did, as its truth file tells, and what of a clip it could hear: the injected value of each metric, in ns.

The peer heard a clip's last frame that is not silent at `heard_end_ns`. That frame is complete a known time after the clip's last sample of
speech (`Spoken.offset_ns`), so what the peer sent at T was sent T - heard_end_ns + offset_ns after it. Likewise from the onset, by the
clip's first frame that is not silent. Between two events it is the difference of the instants of sending.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from audio import Clip, cut, frame_samples

SECOND_NS = 1_000_000_000
_STEP_MS = 10


class Fate(StrEnum):
    """What became of a response at the peer."""

    OPEN = "open"
    """It was under way when the talker left or the peer was stopped."""
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    EARLY_STOP = "early_stop"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Sent:
    """A response as the peer sent it: a line of its truth file. Instants are monotonic ns, None where an instant did not happen."""

    response_id: str
    connection: int
    onset_ns: int | None
    heard_onset_ns: int | None
    heard_end_ns: int | None
    speech_started_ns: int | None
    speech_stopped_ns: int | None
    transcribed_ns: int | None
    created_ns: int | None
    token_ns: int | None
    first_audio_ns: int | None
    last_audio_ns: int | None
    done_ns: int | None
    chunks: int
    underruns: int
    fate: Fate


@dataclass(frozen=True, slots=True)
class Spoken:
    """A clip as its hearer gets it. `onset_ns`: first sample of speech captured to the first frame that is not silent complete;
    `offset_ns`: last sample of speech captured to the last such frame complete."""

    onset_ns: int
    offset_ns: int


def read_truth(path: Path) -> dict[str, Sent]:
    """The peer's truth file, by response. Raises ValueError where it is not one."""
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            try:
                numbers = {f.name: int(row[f.name]) if row[f.name] else None for f in fields(Sent) if f.name not in ("response_id", "fate")}
                sent = Sent(response_id=row["response_id"], fate=Fate(row["fate"]), **numbers)  # type: ignore[arg-type]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: not the truth of this peer: {error}") from None
            found[sent.response_id] = sent
    return found


def spoken(clip: Clip, frame_ms: float) -> Spoken:
    """The clip as a talker speaks it: from the last whole 10 ms before the onset to the first after the offset, in frames of `frame_ms`.

    Raises ValueError for an impossible frame, and for a clip of nothing but zeros.
    """
    samples = frame_samples(clip.rate, frame_ms)
    step = clip.rate * _STEP_MS // 1000
    lead = clip.onset_sample // step * step
    end = -(-(clip.offset_sample + 1) // step) * step
    heard = [index for index, piece in enumerate(cut(clip.pcm[lead:end], samples)) if any(piece)]
    if not heard:
        raise ValueError(f"clip {clip.name}: nothing in it can be heard")

    def after(frame: int, sample: int) -> int:
        return ((frame + 1) * samples - (sample - lead)) * SECOND_NS // clip.rate

    return Spoken(after(heard[0], clip.onset_sample), after(heard[-1], clip.offset_sample))


def _since_offset(event: str) -> Callable[[Sent, Spoken], int | None]:
    def injected(sent: Sent, clip: Spoken) -> int | None:
        return _plus(_span(sent, "heard_end_ns", event), clip.offset_ns)

    return injected


def _since_onset(onset: str, event: str) -> Callable[[Sent, Spoken], int | None]:
    def injected(sent: Sent, clip: Spoken) -> int | None:
        return _plus(_span(sent, onset, event), clip.onset_ns)

    return injected


def _between(begin: str, end: str) -> Callable[[Sent, Spoken], int | None]:
    return lambda sent, _: _span(sent, begin, end)


ANSWER: dict[str, Callable[[Sent, Spoken], int | None]] = {
    "time_to_first_audio": _since_offset("first_audio_ns"),
    "e2e_latency": _since_offset("first_audio_ns"),  # and the playout delay
    "ttft": _since_offset("token_ns"),
    "endpointing_delay": _since_offset("speech_stopped_ns"),
    "asr_processing": _between("speech_stopped_ns", "transcribed_ns"),
    "llm_ttft": _between("created_ns", "token_ns"),
    "tts_processing": _between("token_ns", "first_audio_ns"),
}
"""Injected ns by metric, from a turn's own response."""
DETECTION: dict[str, Callable[[Sent, Spoken], int | None]] = {"server_detection": _since_onset("heard_onset_ns", "speech_started_ns")}
"""Injected ns by metric, from a barge-in's own response."""
STOP: dict[str, Callable[[Sent, Spoken], int | None]] = {
    "stop_by_byte": _since_onset("onset_ns", "last_audio_ns"),
    "stop_by_event": _since_onset("onset_ns", "done_ns"),
}
"""Injected ns by metric, from the response that a barge-in fell into."""


def _span(sent: Sent, begin: str, end: str) -> int | None:
    begin_ns, end_ns = getattr(sent, begin), getattr(sent, end)
    return None if begin_ns is None or end_ns is None else end_ns - begin_ns


def _plus(value: int | None, more: int) -> int | None:
    return None if value is None else value + more
