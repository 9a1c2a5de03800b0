"""Clips made ready to be spoken: cut into frames, heard by the talker's own VAD, encoded. Once per process, shared by all talkers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from audio import Clip, SpeechDetector, SpeechStart, cut, frame_samples, silence
from protocol import Dialect, Opcode, PreparedFrame
from users.clock import now_ns

_STEP_MS = 10
_WARM_UP_MS = 500
"""Silence that the VAD hears before a clip, as it would in a call."""


@dataclass(frozen=True, slots=True)
class PreparedClip:
    """A clip as frames. Its leading silence is cut off, up to the last whole 10 ms before the onset: a talker speaks when it means to.

    `onset_s`, `offset_s`: first and last speech sample, from the start of the first frame. `offset_frame`: the frame with the last speech
    sample. `detected_frame`: the frame on whose completion the talker's own VAD hears speech; None where it never does.
    `processing_s`: VAD and encoding of a frame, measured here, mean over the clip.
    """

    clip: Clip
    frames: tuple[PreparedFrame, ...]
    pcm_bytes: int
    onset_s: float
    offset_s: float
    offset_frame: int
    detected_frame: int | None
    processing_s: float


class Prepared:
    """The prepared clips and silence of one run: one dialect, one frame duration.

    Raises ValueError where `frame_ms` does not divide: see `audio.frame_samples`.
    """

    def __init__(self, dialect: Dialect, frame_ms: float) -> None:
        self.rate = dialect.input_rate
        self.samples = frame_samples(self.rate, frame_ms)
        self.frame_ns = self.samples * 1_000_000_000 // self.rate
        self._dialect = dialect
        self._clips: dict[str, PreparedClip] = {}

    @cached_property
    def silence(self) -> PreparedFrame:
        """A frame of silence: a microphone never stops."""
        return PreparedFrame(Opcode.TEXT, self._dialect.append(silence(self.samples)))

    def clip(self, clip: Clip) -> PreparedClip:
        """The clip as frames, made at its first use. `clip` must have the dialect's input rate."""
        made = self._clips.get(clip.name)
        if made is None:
            made = self._clips[clip.name] = self._prepare(clip)
        return made

    def all(self, clips: Iterable[Clip]) -> None:
        """Prepare them now, so that no talker's first use of a clip holds the others up."""
        for clip in clips:
            self.clip(clip)

    def _prepare(self, clip: Clip) -> PreparedClip:
        step = self.rate * _STEP_MS // 1000
        lead = clip.onset_sample // step * step
        end = -(-(clip.offset_sample + 1) // step) * step
        pieces = cut(clip.pcm[lead:end], self.samples)
        ear = SpeechDetector(self.rate)
        ear.feed(silence(self.rate * _WARM_UP_MS // 1000))
        detected: int | None = None
        frames = []
        began_ns = now_ns()
        for index, piece in enumerate(pieces):
            heard = any(isinstance(decision, SpeechStart) for decision in ear.feed(piece))
            if heard and detected is None:
                detected = index
            frames.append(PreparedFrame(Opcode.TEXT, self._dialect.append(piece)))
        spent_s = (now_ns() - began_ns) / 1e9
        onset, offset = clip.onset_sample - lead, clip.offset_sample - lead
        return PreparedClip(
            clip=clip,
            frames=tuple(frames),
            pcm_bytes=2 * self.samples,
            onset_s=onset / self.rate,
            offset_s=offset / self.rate,
            offset_frame=offset // self.samples,
            detected_frame=detected,
            processing_s=spent_s / len(frames),
        )
