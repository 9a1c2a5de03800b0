"""The noise floor: speech in noise starts and stops as without; the noise alone is nobody's speech."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from audio import Clip, ClipKind, NoiseKind, SpeechDetector, SpeechStart, SpeechStop, Surroundings, background, load_corpus
from audio.noise_floor import FORGETTING_STEPS, LEARNING_STEPS, NoiseFloor

RATE = 24000
STEP = RATE // 100
CORPUS = load_corpus()
STEADY = [kind for kind in NoiseKind if kind is not NoiseKind.KEYBOARD]


def surroundings(kind: NoiseKind, snr_db: float) -> Surroundings:
    return Surroundings(background(kind, -20.4, snr_db), RATE, 2 * STEP)


def decisions(pcm: np.ndarray, **settings: float) -> list[SpeechStart | SpeechStop]:
    ear = SpeechDetector(RATE, in_noise=True, **settings)
    data = pcm.tobytes()
    return [event for at in range(0, len(data), 4 * STEP) for event in ear.feed(data[at : at + 4 * STEP])]


def spoken(around: Surroundings, clips: tuple[Clip, ...]) -> Iterator[tuple[Clip, list[float], list[float]]]:
    """Each clip after five seconds of noise and before one and a half, with the seconds from its onset to each start and from its offset to
    each stop that was decided."""
    for number, clip in enumerate(clips):
        frame = 250 + 29 * number
        mixed = around.mixed(clip.pcm, frame)
        after = frame + len(mixed) // (2 * STEP)
        found = decisions(np.concatenate([around.heard(frame - 250, 250), mixed, around.heard(after, 75)]), silence_ms=250)
        begin = 500 * STEP
        starts = [(e.decided - begin - clip.onset_sample) / RATE for e in found if isinstance(e, SpeechStart)]
        stops = [(e.decided - begin - clip.offset_sample) / RATE for e in found if isinstance(e, SpeechStop)]
        yield clip, starts, stops


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("snr_db", [20, 10, 5])
def test_noise_alone_is_no_speech(kind: NoiseKind, snr_db: float) -> None:
    around = surroundings(kind, snr_db)
    assert decisions(around.heard(0, 3 * around.frames)) == []


def test_without_a_noise_floor_it_would_be() -> None:
    """What the noise floor is there for."""
    ear = SpeechDetector(RATE)
    assert ear.feed(surroundings(NoiseKind.STREET, 20).heard(0, 100).tobytes())


@pytest.mark.parametrize("kind", STEADY)
def test_at_20_db_speech_is_heard_as_without_noise(kind: NoiseKind) -> None:
    clips = (*CORPUS.of(ClipKind.QUESTION)[::4], *CORPUS.of(ClipKind.INTERRUPTION)[::3], *CORPUS.of(ClipKind.BACKCHANNEL)[::5])
    whole = 0
    for clip, starts, stops in spoken(surroundings(kind, 20), clips):
        assert len(starts) >= 1, clip.name
        assert 0 < starts[0] < 0.200, clip.name
        whole += len(stops) == 1 and 0.05 < stops[0] < 0.45
    assert whole >= len(clips) - 1, "at most one is taken for two"


def test_a_stream_with_digital_silence_is_heard_as_ever() -> None:
    silence = np.zeros(RATE, np.int16)
    for clip in CORPUS.of(ClipKind.QUESTION)[:5]:
        data = np.concatenate([silence, clip.pcm, silence]).tobytes()
        assert SpeechDetector(RATE, in_noise=True).feed(data) == SpeechDetector(RATE).feed(data)


def test_it_is_learned_first_falls_at_once_and_rises_slowly() -> None:
    rng = np.random.default_rng(1)

    def noise(level: float, steps: int) -> bytes:
        return (rng.standard_normal(steps * STEP) * level).astype(np.int16).tobytes()

    floor = NoiseFloor(RATE)

    def starts(level: float, steps: int) -> list[bool]:
        return [start for start, _ in floor.above(noise(level, steps)) or []]

    learning = floor.above(noise(100, LEARNING_STEPS - 1))
    assert learning == [(False, False)] * (LEARNING_STEPS - 1)
    assert starts(100, 100) == [False] * 100
    assert starts(600, 100) == [True] * 100, "15.6 dB more is clearly above"
    assert starts(100, 100) == [False] * 100
    floor.above(noise(16, 100))
    assert starts(100, 100) == [True] * 100, "the floor has fallen by 16 dB"
    rising = starts(100, 1800)
    assert all(rising[:200])
    assert not any(rising[-300:]), "and within 19 s it has risen by as much"


def test_digital_silence_is_remembered_for_10_s() -> None:
    block = np.full(2 * STEP, 500, np.int16).tobytes()
    floor = NoiseFloor(RATE)
    floor.silent()
    assert [floor.above(block) for _ in range(FORGETTING_STEPS // 2)] == [None] * (FORGETTING_STEPS // 2)
    assert floor.above(block) == [(True, True)] * 2, "it begins to be learned, from below"
