"""Which clip has just begun, in noise: a matched filter over the first moments of each.

Where a microphone carries noise, no block of a clip arrives as it was recorded: what arrives is the clip plus something else. So the
beginning of each clip is laid over the latest sound at every shift, and the one that explains most of that sound's energy, at the gain that
suits it best, is the one that was said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio import Clip

HEARD_S = 0.5
"""The sound that is looked at: the latest. It must hold the clip's onset."""
LEAST_S = 0.04
MIN_EXPLAINED = 0.15
"""Share of the sound's energy that a clip must explain. Of noise alone the built-in corpus explains less than 0.1, of typing 0.2."""
MIN_LIKENESS = 0.4
"""The same of the sound since the clip began: the square of its correlation with the clip."""

_NARROW_HZ = 4000
_PRE_EMPHASIS = np.float32(0.9)
_FFT = 4096

_Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Onset:
    """Number of the clip, and the sample of the stream at which it began: true to a step of the narrow rate."""

    number: int
    start_sample: int


class Onsets:
    """The beginnings of `clips`, at `rate` Hz (a multiple of 4 kHz)."""

    def __init__(self, clips: tuple[Clip, ...], rate: int) -> None:
        self._step = rate // _NARROW_HZ
        self.samples = round(HEARD_S * _NARROW_HZ) * self._step
        length = round(HEARD_S * _NARROW_HZ)
        templates = np.zeros((len(clips), length), np.float32)
        self._firsts = []
        for row, clip in zip(templates, clips, strict=True):
            first = clip.onset_sample // self._step * self._step
            narrow = self._narrow(clip.pcm[first : first + length * self._step])
            row[: len(narrow)] = narrow
            self._firsts.append(first)
        self._spectra = np.conj(np.fft.rfft(templates, _FFT)).astype(np.complex64)
        energies = np.cumsum(np.square(templates), axis=1)
        overlaps = np.arange(length, round(LEAST_S * _NARROW_HZ) - 1, -1)
        self._energies = np.maximum(energies[:, overlaps - 1], np.float32(1.0))

    def _narrow(self, pcm: npt.NDArray[np.int16]) -> _Samples:
        """Averaged down to 4 kHz, with the bass lowered."""
        whole = pcm[: len(pcm) // self._step * self._step].astype(np.float32)
        narrow = whole.reshape(-1, self._step).mean(axis=1)
        sharp: _Samples = narrow.copy()
        sharp[1:] -= _PRE_EMPHASIS * narrow[:-1]
        return sharp

    def find(self, pcm: npt.NDArray[np.int16], first_sample: int) -> Onset | None:
        """The clip that began in `pcm`, the latest `samples` samples of the stream, of which `first_sample` is the first. None: nothing
        that is known, or too early to say."""
        heard = self._narrow(pcm)
        total = float(np.square(heard).sum())
        if len(heard) != self.samples // self._step or total <= 0.0:
            return None
        likeness = np.fft.irfft(np.fft.rfft(heard, _FFT) * self._spectra, _FFT)[:, : self._energies.shape[1]]
        explained = np.square(np.maximum(likeness, 0.0)) / self._energies
        number, shift = divmod(int(explained.argmax()), explained.shape[1])
        since = float(np.square(heard[shift:]).sum())
        if explained[number, shift] < max(MIN_EXPLAINED * total, MIN_LIKENESS * since):
            return None
        return Onset(number, first_sample + shift * self._step - self._firsts[number])
