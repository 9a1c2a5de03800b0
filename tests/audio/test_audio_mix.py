"""Speech in noise: levels worked out by hand, and the SNR of what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from audio import Background, Clip, ClipKind, NoiseKind, Surroundings, active_level_dbfs, background, load_corpus
from audio.mix import LOOP_S

RATE = 24000
CORPUS = load_corpus()


def tone(*parts: tuple[float, float]) -> Clip:
    """A clip of tones: seconds and peak, one after the other; the labels take in all of it."""
    pieces = [peak * np.sin(2 * np.pi * 400 * np.arange(round(seconds * RATE)) / RATE) for seconds, peak in parts]
    pcm = np.concatenate(pieces).round().astype(np.int16)
    return Clip("tone", ClipKind.QUESTION, "v", "words", "test", RATE, pcm, 0, len(pcm) - 1)


def dbfs(pcm: np.ndarray) -> float:
    return float(10 * np.log10(np.square(pcm.astype(float) / 32768).mean()))


def test_the_level_of_a_steady_tone_is_its_rms() -> None:
    assert active_level_dbfs((tone((1.0, 3276.8)),)) == pytest.approx(-23.01, abs=0.01)


def test_pauses_count_for_200_ms() -> None:
    """Half a second of speech, two seconds of pause, half a second of speech: 1.2 s are active, 1 s of them speech."""
    level = active_level_dbfs((tone((0.5, 3276.8), (2.0, 0.0), (0.5, 3276.8)),))
    assert level == pytest.approx(-23.01 + 10 * np.log10(1.0 / 1.2), abs=0.05)


@pytest.mark.parametrize(("below_db", "counts"), [(12, True), (20, False)])
def test_what_is_more_than_the_margin_below_does_not_count(below_db: float, counts: bool) -> None:
    soft = 3276.8 * 10 ** (-below_db / 20)
    level = active_level_dbfs((tone((4.0, 3276.8), (4.0, soft)),))
    active_s = 8.0 if counts else 4.2
    power = (4.0 + (active_s - 4.0) * 10 ** (-below_db / 10)) / active_s
    assert level == pytest.approx(-23.01 + 10 * np.log10(power), abs=0.02)


def test_the_built_in_voices_are_equally_loud() -> None:
    levels = [active_level_dbfs(CORPUS.of(ClipKind.QUESTION, voice)) for voice in CORPUS.voices]
    assert levels == pytest.approx([-20.4] * 3, abs=0.25)
    assert {background(NoiseKind.CAR, level, 10) for level in levels} == {Background(NoiseKind.CAR, -30.0)}


def test_a_level_of_nothing() -> None:
    with pytest.raises(ValueError, match="of no speech"):
        active_level_dbfs(())
    with pytest.raises(ValueError, match="of no speech"):
        active_level_dbfs((tone((1.0, 0.0)),))


@pytest.mark.parametrize("frame_ms", [10, 20, 70, 200])
def test_a_loop_is_whole_frames(frame_ms: int) -> None:
    samples = RATE * frame_ms // 1000
    around = Surroundings(Background(NoiseKind.STREET, -30.0), RATE, samples)
    assert LOOP_S <= around.frames * frame_ms / 1000 < LOOP_S + frame_ms / 1000
    whole = around.heard(0, around.frames)
    assert dbfs(whole) == pytest.approx(-30.0, abs=0.02)
    assert (around.heard(around.frames + 3, 2) == whole[3 * samples : 5 * samples]).all()
    assert (around.heard(-2, 4) == np.concatenate([whole[-2 * samples :], whole[: 2 * samples]])).all()


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("snr_db", [20, 10, 5])
def test_the_snr_of_a_mix(kind: NoiseKind, snr_db: float) -> None:
    """Over many clips, the noise is as far below the speech as asked for, to half a dB and what the loop's unrest makes of it."""
    clips = CORPUS.of(ClipKind.QUESTION, "slt")
    level = active_level_dbfs(clips)
    around = Surroundings(background(kind, level, snr_db), RATE, 480)
    noise = []
    for number, clip in enumerate(clips):
        mixed = around.mixed(clip.pcm, number * 37)
        assert len(mixed) % 480 == 0
        assert 0 <= len(mixed) - len(clip.pcm) < 480
        rest = mixed.astype(float)
        rest[: len(clip.pcm)] -= clip.pcm
        noise.append(rest)
    assert level - dbfs(np.concatenate(noise)) == pytest.approx(snr_db, abs=1.0)


def test_what_exceeds_full_scale_is_clipped() -> None:
    loud = np.full(4800, 32000, np.int16)
    mixed = Surroundings(Background(NoiseKind.HISS, -15.0), RATE, 480).mixed(loud, 0)
    assert mixed.max() == 32767
    assert mixed.min() > 0
