"""What a microphone hears besides its talker: noise without an end, as loops whose last sample runs into their first.

Each is float64, mono, of exactly as many samples as asked for, with an RMS of 1. All are generated, from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np

from audio.noises import Sound, keyboard


class NoiseKind(StrEnum):
    """Where a talker is."""

    STREET = "street"  # traffic: a rumble up to 2.5 kHz that swells as cars go by
    CAR = "car"  # inside of a moving car: nearly all of it below 300 Hz
    CAFE = "cafe"  # many people at once: noise with the spectrum and the unrest of speech
    KEYBOARD = "keyboard"  # typing, over a quiet hum
    HISS = "hiss"  # a bad line: white


_SEEDS = {kind: number for number, kind in enumerate(NoiseKind, start=51)}


def loop(kind: NoiseKind, rate: int, samples: int) -> Sound:
    """`samples` samples of the noise at `rate` Hz, which may be repeated without a seam. Raises ValueError below a second of them: what
    comes back sooner than that is no noise but a tone."""
    if samples < rate:
        raise ValueError(f"a loop of noise lasts at least a second: {rate} samples, not {samples}")
    sound = _MAKERS[kind](np.random.default_rng(_SEEDS[kind]), rate, samples)
    made: Sound = sound / np.sqrt(np.square(sound).mean())
    return made


def _coloured(rng: np.random.Generator, rate: int, samples: int, corner_hz: float, slope: float, low_hz: float, high_hz: float) -> Sound:
    """Noise that is flat up to `corner_hz` and falls with frequency to the power of `-slope` above it, between two limits. It is periodic,
    as its spectrum consists of whole periods of the loop."""
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    amplitude = np.maximum(frequency / corner_hz, 1.0) ** -slope
    amplitude[(frequency < low_hz) | (frequency > high_hz)] = 0.0
    phase = rng.uniform(0, 2 * np.pi, len(frequency))
    sound: Sound = np.fft.irfft(amplitude * np.exp(1j * phase), samples)
    return sound


def _swell(samples: int, peaks: tuple[float, ...], width: float, floor: float) -> Sound:
    """Loudness from `floor` to 1 with peaks at shares of the loop, each `width` of it wide; circular."""
    at = np.arange(samples) / samples
    away = np.array([np.abs((at - peak + 0.5) % 1.0 - 0.5) for peak in peaks]).min(axis=0)
    swell: Sound = floor + (1 - floor) * np.exp(-((away / width) ** 2))
    return swell


def _street(rng: np.random.Generator, rate: int, samples: int) -> Sound:
    return _coloured(rng, rate, samples, 150, 1.2, 40, 2500) * _swell(samples, (0.2, 0.65), 0.15, 0.6)


def _car(rng: np.random.Generator, rate: int, samples: int) -> Sound:
    return _coloured(rng, rate, samples, 60, 2.0, 20, 3000)


def _cafe(rng: np.random.Generator, rate: int, samples: int) -> Sound:
    """Noise with the long-term spectrum of speech (flat to 500 Hz, then 9 dB an octave less), in which sixteen voices rise and fall at
    the rate of syllables, three to six a second."""
    sound = np.zeros(samples)
    cycles = max(1, round(samples / rate))
    at = np.arange(samples) / samples
    for _ in range(16):
        voice = _coloured(rng, rate, samples, 500, 1.5, 100, 4000)
        syllables = int(rng.integers(3 * cycles, 6 * cycles + 1))
        sound += voice * (1 + 0.9 * np.sin(2 * np.pi * (syllables * at + rng.random())))
    return sound


def _keyboard(rng: np.random.Generator, rate: int, samples: int) -> Sound:
    strokes = keyboard(rng, rate, samples / rate)
    hum = _coloured(rng, rate, samples, 120, 1.5, 40, 4000)
    both: Sound = strokes / np.sqrt(np.square(strokes).mean()) + 0.6 * hum / np.sqrt(np.square(hum).mean())
    return both


def _hiss(rng: np.random.Generator, rate: int, samples: int) -> Sound:
    return _coloured(rng, rate, samples, rate, 0.0, 40, rate / 2)


_MAKERS: dict[NoiseKind, Callable[[np.random.Generator, int, int], Sound]] = {
    NoiseKind.STREET: _street,
    NoiseKind.CAR: _car,
    NoiseKind.CAFE: _cafe,
    NoiseKind.KEYBOARD: _keyboard,
    NoiseKind.HISS: _hiss,
}
