"""Speech in noise: how loud speech is, and a talker's clip with its surroundings at a given level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio.backgrounds import NoiseKind, loop
from audio.clips import Clip

MARGIN_DB = 15.9
HANGOVER_MS = 200
"""ITU-T P.56, method B: speech is active where its envelope was within this margin of the active level in the last 200 ms."""
STEP_DB = 1.0
LOOP_S = 6.0

Pcm = npt.NDArray[np.int16]

_WINDOW_MS = 10
_FULL_SCALE = 32768.0
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Background:
    """A noise at a level: RMS in dB of full scale."""

    kind: NoiseKind
    dbfs: float


def background(kind: NoiseKind, speech_dbfs: float, snr_db: float) -> Background:
    """The noise that lies `snr_db` below speech of an active level of `speech_dbfs`. Its level is rounded to a whole dB, so that
    voices that are equally loud share what is prepared of it."""
    return Background(kind, round((speech_dbfs - snr_db) / STEP_DB) * STEP_DB)


def active_level_dbfs(clips: tuple[Clip, ...]) -> float:
    """Active speech level of all clips together in dB of full scale, after the principle of ITU-T P.56, method B.

    Of what lies between a clip's labels, windows of 10 ms count that are active: less than 15.9 dB below the level that comes of them, or
    no more than 200 ms after such a one. (The Recommendation takes an envelope with a time constant of 30 ms for the windows.)
    Raises ValueError where there is no clip, or nothing but digital silence in them.
    """
    powers = [_powers(clip) for clip in clips]
    if not any(power.any() for power in powers):
        raise ValueError("the level of no speech was asked for")
    level = float(np.concatenate(powers).mean())
    for _ in range(_ROUNDS):
        threshold = level * 10 ** (-MARGIN_DB / 10)
        active = np.concatenate([power[_held(power >= threshold)] for power in powers])
        found = float(active.mean())
        if found == level:
            break
        level = found
    return float(10 * np.log10(level))


def _powers(clip: Clip) -> npt.NDArray[np.float64]:
    """Mean power of each window of 10 ms between the labels, full scale being 1."""
    size = clip.rate * _WINDOW_MS // 1000
    speech = clip.pcm[clip.onset_sample : clip.offset_sample + 1]
    whole = speech[: max(len(speech) // size, 1) * size].astype(np.float64) / _FULL_SCALE
    powers: npt.NDArray[np.float64] = np.square(whole).reshape(-1, min(size, len(whole))).mean(axis=1)
    return powers


def _held(active: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Also the windows that follow an active one within the hangover."""
    held = np.convolve(active, np.ones(HANGOVER_MS // _WINDOW_MS + 1))[: len(active)] > 0
    return np.asarray(held, dtype=np.bool_)


class Surroundings:
    """A background's loop, as whole frames of `samples` samples at `rate` Hz: as many as make up LOOP_S or a little more."""

    def __init__(self, noise: Background, rate: int, samples: int) -> None:
        self.frames = -(-round(LOOP_S * rate) // samples)
        level = 10 ** (noise.dbfs / 20) * _FULL_SCALE
        self._sound = loop(noise.kind, rate, self.frames * samples) * level
        self._samples = samples

    def heard(self, frame: int, frames: int) -> Pcm:
        """The noise alone: so many frames from a frame of the loop on, which comes round as often as needed. Negative: before its start."""
        return _pcm(self._taken(frame, frames * self._samples))

    def mixed(self, speech: Pcm, frame: int) -> Pcm:
        """Speech (int16, at the loop's rate) with the noise from a frame of the loop on, filled up with noise to whole frames. What
        exceeds full scale is clipped, as a microphone does."""
        length = -(-len(speech) // self._samples) * self._samples
        sound = self._taken(frame, length)
        sound[: len(speech)] += speech
        return _pcm(sound)

    def _taken(self, frame: int, length: int) -> npt.NDArray[np.float64]:
        start = frame * self._samples
        return np.take(self._sound, np.arange(start, start + length), mode="wrap")


def _pcm(sound: npt.NDArray[np.float64]) -> Pcm:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
