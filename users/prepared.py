"""What microphones hear, made ready to be sent: clips and the noise around them, cut into frames, heard by the talker's own VAD, encoded.
Once per process, shared by all talkers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from audio import Background, Clip, SpeechDetector, SpeechStart, Surroundings, cut, encode, frame_samples, silence
from protocol import Dialect, PreparedFrame
from users.clock import now_ns

_STEP_MS = 10
_WARM_UP_MS = 500
"""Silence that the VAD hears before a clip, as it would in a call."""
_NOISY_WARM_UP_MS = 2000
"""The same with noise around, which the VAD has to get to know."""


@dataclass(frozen=True, slots=True)
class PreparedClip:
    """A clip as frames. Its leading silence is cut off, up to the last whole 10 ms before the onset: a talker speaks when it means to.

    `onset_s`, `offset_s`: first and last speech sample, from the start of the first frame. `offset_frame`: the frame with the last speech
    sample. `detected_frame`: the frame on whose completion the talker's own VAD hears speech; None where it never does, or takes the
    noise for speech already. `processing_s`: VAD and encoding of a frame, measured here, mean over the clip. `loop_frame` of `loop_frames`:
    the frame of the noise's loop that is in the clip's first frame; 0 of 1 without noise.
    """

    clip: Clip
    frames: tuple[PreparedFrame, ...]
    pcm_bytes: int
    onset_s: float
    offset_s: float
    offset_frame: int
    detected_frame: int | None
    processing_s: float
    loop_frame: int = 0
    loop_frames: int = 1


class Prepared:
    """The prepared clips, silence and noise of one run: one dialect, one frame duration.

    Raises ValueError where `frame_ms` does not divide: see `audio.frame_samples`.
    """

    def __init__(self, dialect: Dialect, frame_ms: float) -> None:
        self.rate = dialect.input_rate
        self.samples = frame_samples(self.rate, frame_ms)
        self.frame_ns = self.samples * 1_000_000_000 // self.rate
        self.frame_bytes = self.samples * dialect.input_encoding.sample_bytes
        self._dialect = dialect
        self._clips: dict[tuple[str, Background | None], PreparedClip] = {}
        self._surroundings: dict[Background, Surroundings] = {}
        self._loops: dict[Background, tuple[PreparedFrame, ...]] = {}

    @cached_property
    def silence(self) -> PreparedFrame:
        """A frame of silence."""
        return self._frame(silence(self.samples))

    def idle(self, background: Background | None) -> tuple[PreparedFrame, ...]:
        """What a microphone hears while its talker is silent, which never stops: frames to be sent round and round."""
        if background is None:
            return (self.silence,)
        loop = self._loops.get(background)
        if loop is None:
            around = self._around(background)
            loop = tuple(self._frame(piece) for piece in cut(around.heard(0, around.frames), self.samples))
            self._loops[background] = loop
        return loop

    def clip(self, clip: Clip, background: Background | None = None) -> PreparedClip:
        """The clip, amid the noise, as frames: made at its first use. `clip` must have the dialect's input rate."""
        made = self._clips.get((clip.name, background))
        if made is None:
            made = self._clips[clip.name, background] = self._prepare(clip, background)
        return made

    def all(self, spoken: Iterable[tuple[Clip, Background | None]]) -> None:
        """Prepare them now, and the noise between them, so that no talker's first use of a clip holds the others up."""
        for clip, background in spoken:
            self.idle(background)
            self.clip(clip, background)

    def _around(self, background: Background) -> Surroundings:
        around = self._surroundings.get(background)
        if around is None:
            around = self._surroundings[background] = Surroundings(background, self.rate, self.samples)
        return around

    def _frame(self, pcm: bytes) -> PreparedFrame:
        dialect = self._dialect
        return PreparedFrame(dialect.audio_opcode, dialect.append(encode(dialect.input_encoding, pcm)))

    def _prepare(self, clip: Clip, background: Background | None) -> PreparedClip:
        step = self.rate * _STEP_MS // 1000
        lead = clip.onset_sample // step * step
        end = -(-(clip.offset_sample + 1) // step) * step
        speech = clip.pcm[lead:end]
        ear = SpeechDetector(self.rate, in_noise=background is not None)
        if background is None:
            loop_frame, loop_frames = 0, 1
            ear.feed(silence(self.rate * _WARM_UP_MS // 1000))
        else:
            around = self._around(background)
            loop_frame, loop_frames = crc32(clip.name.encode()) % around.frames, around.frames
            before = -(-self.rate * _NOISY_WARM_UP_MS // 1000 // self.samples)
            ear.feed(around.heard(loop_frame - before, before).tobytes())
            speech = around.mixed(speech, loop_frame)
        fooled = ear.speaking
        pieces = cut(speech, self.samples)
        detected: int | None = None
        frames = []
        began_ns = now_ns()
        for index, piece in enumerate(pieces):
            heard = any(isinstance(decision, SpeechStart) for decision in ear.feed(piece))
            if heard and detected is None and not fooled:
                detected = index
            frames.append(self._frame(piece))
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
            loop_frame=loop_frame,
            loop_frames=loop_frames,
        )
