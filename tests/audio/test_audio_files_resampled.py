"""Clips at the rates of all wires: resampled once, whole, without clicks, drift or images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio import load_corpus
from audio.files import read_sound

OWN = 24_000
RATES = (8000, 16_000, 48_000)


def tone(hertz: float, rate: int, samples: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.sin(np.arange(samples) * 2 * math.pi * hertz / rate) / 2


def at_rate(hertz: float, rate: int, folder: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A second of a tone at half of full scale, written at 24 kHz and read at `rate`, without its edges."""
    path = folder / "tone.wav"
    soundfile.write(path, tone(hertz, OWN, OWN), OWN, subtype="PCM_16")
    read = read_sound(path, rate) / 32768
    assert len(read) == rate, "no sample is lost or made up"
    return read[rate // 10 : -rate // 10]


def decibels(power: float) -> float:
    return 10 * math.log10(max(power, 1e-30))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [100, 1000, 3400])
def test_a_tone_keeps_its_level_and_gains_nothing(rate: int, hertz: int, tmp_path: Path) -> None:
    """A click or a drift within it would be noise: there is no more than 16 bits have."""
    read = at_rate(hertz, rate, tmp_path)
    angle = np.arange(rate // 10, rate // 10 + len(read)) * 2 * math.pi * hertz / rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    level = np.linalg.lstsq(basis, read, rcond=None)[0]
    noise = read - basis @ level
    assert abs(20 * math.log10(2 * float(np.hypot(*level)))) < 0.01
    assert decibels(np.mean((basis @ level) ** 2) / np.mean(noise**2)) > 85
    assert abs(math.atan2(level[1], level[0])) < 2 * math.pi * hertz * 2e-6, "it is where it was, to 2 us"


@pytest.mark.parametrize(("rate", "hertz"), [(8000, 4500), (8000, 6000), (8000, 11_000), (16_000, 9000), (16_000, 11_000)])
def test_what_a_rate_cannot_carry_is_gone(rate: int, hertz: int, tmp_path: Path) -> None:
    assert decibels(np.mean(at_rate(hertz, rate, tmp_path) ** 2) / 0.125) < -80


@pytest.mark.parametrize("rate", RATES)
def test_the_corpus_at_another_rate(rate: int) -> None:
    """As long, to the sample; its labels where they were."""
    for own, other in zip(load_corpus().clips, load_corpus(rate=rate).clips, strict=True):
        assert abs(len(other.pcm) - len(own.pcm) * rate / OWN) < 1
        for label in ("onset_sample", "offset_sample"):
            assert abs(getattr(other, label) / rate - getattr(own, label) / OWN) < 1 / rate
