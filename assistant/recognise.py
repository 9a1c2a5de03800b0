"""Which clip of the corpus was said. The reference assistant needs no speech recogniser: it knows the corpus.

Exact: blocks of 10 ms, hashed, looked up in all clips. A stream that is cut on the 10 ms grid and carries clips unchanged is
recognised within one block of the first sound.
By its onset, for clips in noise: `assistant/onsets.py`, when the VAD hears speech begin.
Fallback, for clips with noise added, other loudness or another grid: the course of loudness (log energy per 10 ms) of the
whole utterance is correlated with that of each clip that is not longer; the score is Pearson's r, times the root of the share of
the loudness that lies within the clip (else a short clip would do for part of a long utterance).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.onsets import Onsets
from audio import Clip, ClipKind, Corpus

BLOCK_MS = 10
AMBIGUOUS = -1
AUDIBLE = 64  # peak of a block that tells anything; quieter ones look alike in many clips
FLOOR_DB = 40.0  # below the loudest block nothing counts
NOISE_QUANTILE = 0.1  # this share of an utterance's blocks is quieter than its pauses
MIN_SCORE = 0.7
MIN_BLOCKS = 10


@dataclass(frozen=True, slots=True)
class Match:
    """A clip and the sample of the stream at which it began (may lie a little before what was searched)."""

    clip: Clip
    start_sample: int


@dataclass(frozen=True, slots=True)
class _Profile:
    clip: Clip
    loudness: npt.NDArray[np.float64]  # dB per block, between onset and offset
    first_block: int


def loudness_db(pcm: npt.NDArray[np.int16], block: int) -> npt.NDArray[np.float64]:
    """Mean energy in dB of each whole block; digital silence is 0 dB (one least significant bit)."""
    whole = pcm[: len(pcm) // block * block].astype(np.float64).reshape(-1, block)
    loudness: npt.NDArray[np.float64] = 10.0 * np.log10(np.square(whole).mean(axis=1) + 1.0)
    return loudness


class ClipIndex:
    """Everything a user may say, ready to be recognised. `rate` in Hz; clips of kind `answer` are left out."""

    def __init__(self, corpus: Corpus, rate: int) -> None:
        self.rate = rate
        self.block_samples = rate * BLOCK_MS // 1000
        self.block_bytes = 2 * self.block_samples
        self.clips: tuple[Clip, ...] = tuple(clip for clip in corpus.clips if clip.kind is not ClipKind.ANSWER)
        self._where: dict[int, int] = {}  # hash of a block -> clip << 20 | block, or AMBIGUOUS
        for number, clip in enumerate(self.clips):
            self._add(number, clip)
        self._profiles = [self._profile(clip) for clip in self.clips]
        self.onsets = Onsets(self.clips, rate)

    def _add(self, number: int, clip: Clip) -> None:
        data = clip.pcm.astype("<i2").tobytes()
        data += bytes(-len(data) % self.block_bytes)
        for block, start in enumerate(range(0, len(data), self.block_bytes)):
            piece = data[start : start + self.block_bytes]
            if np.abs(np.frombuffer(piece, "<i2")).max() >= AUDIBLE:
                key = hash(piece)
                self._where[key] = AMBIGUOUS if key in self._where else number << 20 | block

    def _profile(self, clip: Clip) -> _Profile:
        first = clip.onset_sample // self.block_samples
        last = clip.offset_sample // self.block_samples + 1
        return _Profile(clip, loudness_db(clip.pcm, self.block_samples)[first:last], first)

    def find(self, block: bytes) -> tuple[int, int] | None:
        """(clip number, block index) of a block of exactly 10 ms; None: in no clip, or in more than one."""
        place = self._where.get(hash(block), AMBIGUOUS)
        return None if place == AMBIGUOUS else (place >> 20, place & 0xFFFFF)

    def match(self, pcm: npt.NDArray[np.int16], first_sample: int, speech: tuple[int, int]) -> Match | None:
        """The clip whose loudness runs like that of `pcm` (int16, starting at `first_sample` of the stream), where speech
        was detected between the two samples of `speech`. None: nothing is like it."""
        heard = loudness_db(pcm, self.block_samples)
        wanted = (speech[1] - speech[0]) / self.block_samples
        if len(heard) < MIN_BLOCKS:
            return None
        heard = np.maximum(heard, heard.max() - FLOOR_DB)
        floor = float(np.quantile(heard, NOISE_QUANTILE)) - float(heard.max())
        sums = np.concatenate(([0.0], np.cumsum(heard - heard.min())))
        best, found = MIN_SCORE, None
        for profile in self._profiles:
            length = len(profile.loudness)
            if not MIN_BLOCKS <= length <= min(len(heard), 1.2 * wanted + 20):
                continue
            shape = np.maximum(profile.loudness - profile.loudness.max(), floor)
            shift, correlation = _best_shift(heard, shape)
            covered = (sums[shift + length] - sums[shift]) / sums[-1] if sums[-1] else 0.0
            score = correlation * covered**0.5
            if score > best:
                start = first_sample + (shift - profile.first_block) * self.block_samples
                best, found = score, Match(profile.clip, start)
        return found


def _best_shift(heard: npt.NDArray[np.float64], shape: npt.NDArray[np.float64]) -> tuple[int, float]:
    """The shift (blocks into `heard`) at which `shape` correlates best, and Pearson's r there (0: it has no shape)."""
    spread = float(shape.std())
    if spread == 0.0:
        return 0, 0.0
    windows = np.lib.stride_tricks.sliding_window_view(heard, len(shape))
    products = windows @ (shape - shape.mean()) / len(shape)
    deviation = windows.std(axis=1)
    scores = products / np.where(deviation > 0, deviation, np.inf) / spread
    at = int(scores.argmax())
    return at, float(scores[at])
