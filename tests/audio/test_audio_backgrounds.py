"""Backgrounds: loops without a seam, each with the spectrum that its name promises."""

from __future__ import annotations

import numpy as np
import pytest

from audio import NoiseKind
from audio.backgrounds import loop

RATE, SECONDS = 24000, 6
KINDS = list(NoiseKind)


def made(kind: NoiseKind, rate: int = RATE) -> np.ndarray:
    return loop(kind, rate, SECONDS * rate)


def share_below(sound: np.ndarray, hz: float) -> float:
    """Part of the power below a frequency."""
    power = np.square(np.abs(np.fft.rfft(sound)))
    return float(power[: int(hz * SECONDS)].sum() / power.sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_as_long_as_asked_for_at_a_level_of_one(kind: NoiseKind, rate: int) -> None:
    sound = made(kind, rate)
    assert sound.shape == (SECONDS * rate,)
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(1.0)
    assert abs(sound.mean()) < 0.05
    assert (made(kind, rate) == sound).all(), "the same each time"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not NoiseKind.KEYBOARD])
def test_no_seam(kind: NoiseKind) -> None:
    """The step from the last sample to the first is like the steps within."""
    sound = made(kind)
    steps = np.abs(np.diff(sound))
    assert abs(sound[0] - sound[-1]) <= np.quantile(steps, 0.999)
    joined = np.concatenate([sound[-2400:], sound[:2400]])
    assert np.abs(np.diff(joined, 2)).max() <= np.abs(np.diff(sound, 2)).max() * 1.05


def test_typing_ends_between_strokes() -> None:
    sound = made(NoiseKind.KEYBOARD)
    assert np.abs(sound[-240:]).max() < 2 < 10 < np.abs(sound).max()


@pytest.mark.parametrize(
    ("kind", "hz", "least", "most"),
    [
        (NoiseKind.CAR, 300, 0.95, 1.0),
        (NoiseKind.STREET, 600, 0.7, 0.99),
        (NoiseKind.STREET, 2500, 0.999, 1.0),
        (NoiseKind.CAFE, 500, 0.3, 0.8),
        (NoiseKind.CAFE, 4000, 0.97, 1.0),
        (NoiseKind.HISS, 6000, 0.45, 0.55),
    ],
)
def test_spectra(kind: NoiseKind, hz: float, least: float, most: float) -> None:
    assert least <= share_below(made(kind), hz) <= most


def test_a_street_swells_and_a_bad_line_does_not() -> None:
    def unrest_db(kind: NoiseKind) -> float:
        level = 10 * np.log10(np.square(made(kind)).reshape(12, -1).mean(axis=1))
        return float(level.max() - level.min())

    assert unrest_db(NoiseKind.STREET) > 3
    assert unrest_db(NoiseKind.HISS) < 0.5


def test_a_loop_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least a second: 24000 samples, not 23999"):
        loop(NoiseKind.HISS, 24000, 23999)
