"""Sounds without words, generated: coughs, typing, and the street. Each is float64 in -1 to 1, mono."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]


def band(sound: Sound, rate: int, low_hz: float, high_hz: float) -> Sound:
    """``sound`` with only the frequencies from ``low_hz`` to ``high_hz``."""
    spectrum = np.fft.rfft(sound)
    frequency = np.fft.rfftfreq(len(sound), 1 / rate)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0
    return np.fft.irfft(spectrum, len(sound))


def cough(rng: np.random.Generator, rate: int, bursts: int) -> Sound:
    """A cough of ``bursts`` bursts: a sharp release of broad noise, then a voiced tail near 300 Hz."""
    parts: list[Sound] = []
    for _ in range(bursts):
        seconds = rng.uniform(0.22, 0.32)
        t = np.arange(int(seconds * rate)) / rate
        release = band(rng.standard_normal(len(t)), rate, 400, 5000) * np.minimum(1, t / 0.004) * np.exp(-t / 0.06)
        pitch = rng.uniform(230, 330) * (1 - 0.3 * t / seconds)
        tail = sum((np.sin(2 * np.pi * n * np.cumsum(pitch) / rate) / n for n in range(1, 7)), np.zeros(len(t)))
        burst = release + 0.35 * tail * np.minimum(1, t / 0.03) * np.exp(-t / 0.12)
        parts += [burst * np.minimum(1, (seconds - t) / 0.01), np.zeros(int(0.09 * rate))]
    return np.concatenate(parts[:-1])


def keyboard(rng: np.random.Generator, rate: int, seconds: float) -> Sound:
    """Typing: about seven keys a second, each a short click going down and a softer one coming up."""
    sound = np.zeros(int(seconds * rate))
    click = int(0.03 * rate)
    at = 0.0
    while at + 0.16 < seconds:
        for shift, loudness in ((0.0, 1.0), (rng.uniform(0.07, 0.1), 0.5)):
            t = np.arange(click) / rate
            first = int((at + shift) * rate)
            strike = band(rng.standard_normal(click), rate, 1200, 8000) * np.exp(-t / 0.004)
            thud = np.sin(2 * np.pi * rng.uniform(150, 220) * t) * np.exp(-t / 0.008)
            sound[first : first + click] += loudness * rng.uniform(0.6, 1.0) * (strike + 0.6 * thud)
        at += rng.uniform(0.1, 0.19)
    return sound


def street(rng: np.random.Generator, rate: int, seconds: float, horn: bool) -> Sound:
    """Traffic: a rumble that swells and fades as a car goes by, with a horn in the middle where ``horn`` is set."""
    t = np.arange(int(seconds * rate)) / rate
    passing = 0.35 + 0.65 * np.exp(-(((t - seconds / 2) / (seconds / 4)) ** 2))
    rumble = band(rng.standard_normal(len(t)), rate, 40, 400) + 0.4 * band(rng.standard_normal(len(t)), rate, 400, 2500)
    edges = np.minimum(1, np.minimum(t, seconds - t) / 0.005)
    sound: Sound = rumble * passing * edges
    if horn:
        tone = np.sign(np.sin(2 * np.pi * 420 * t)) + np.sign(np.sin(2 * np.pi * 505 * t))
        sound += 0.5 * band(tone, rate, 300, 4000) * (np.abs(t - seconds / 2) < 0.25)
    return sound
