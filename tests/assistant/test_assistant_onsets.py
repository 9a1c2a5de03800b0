"""Clips in noise: the assistant knows them by their onset."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.ears import DOUBT_S, Ears, Started, Stopped
from assistant.onsets import Onsets
from assistant.recognise import ClipIndex
from assistant.settings import RATE, Settings
from audio import Clip, ClipKind, Corpus, NoiseKind, Surroundings, background, load_corpus

FRAME = RATE // 50
CORPUS = load_corpus(rate=RATE)
SAID = tuple(clip for clip in CORPUS.clips if clip.kind is not ClipKind.ANSWER)


@pytest.fixture(scope="module")
def index() -> ClipIndex:
    return ClipIndex(CORPUS, RATE)


def noise(kind: NoiseKind, snr_db: float) -> Surroundings:
    return Surroundings(background(kind, -20.4, snr_db), RATE, FRAME)


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0])
def test_which_clip_and_where_to_the_sample(snr_db: float) -> None:
    """120 ms of a clip are enough, however loud a car around it."""
    onsets, around, right = Onsets(SAID, RATE), noise(NoiseKind.CAR, snr_db), 0
    for number, clip in enumerate(SAID):
        at = 20 + 7 * number
        pcm = np.concatenate([around.heard(at - 20, 20), around.mixed(clip.pcm, at)])
        end = 20 * FRAME + clip.onset_sample + RATE * 12 // 100
        found = onsets.find(pcm[end - onsets.samples : end], end - onsets.samples)
        right += found is not None and SAID[found.number] is clip and found.start_sample == 20 * FRAME
    assert right >= (0.93 if snr_db >= 5 else 0.8) * len(SAID), f"{right} of {len(SAID)}"


@pytest.mark.parametrize("kind", [kind for kind in NoiseKind if kind is not NoiseKind.KEYBOARD])
def test_noise_alone_is_no_clip(kind: NoiseKind) -> None:
    onsets, around = Onsets(SAID, RATE), noise(kind, 20)
    assert [onsets.find(around.heard(frame, 15), 0) for frame in range(0, 300, 3)] == [None] * 100


def test_too_little_sound_and_none() -> None:
    onsets = Onsets(SAID, RATE)
    assert onsets.find(np.zeros(onsets.samples, np.int16), 0) is None
    assert onsets.find(SAID[0].pcm[: onsets.samples - 60], 0) is None


def heard(index: ClipIndex, clip: Clip, around: Surroundings, frame: int) -> list[object]:
    """What ears make of the clip after three seconds of noise and before one and a half."""
    mixed = around.mixed(clip.pcm, frame)
    pcm = np.concatenate([around.heard(frame - 150, 150), mixed, around.heard(frame + len(mixed) // FRAME, 75)])
    ears = Ears(index, Settings("m").turn_detection)
    events: list[object] = []
    for number, at in enumerate(range(0, len(pcm), FRAME)):
        events += ears.hear(pcm[at : at + FRAME].tobytes(), (number + 1) * 20_000_000)
    return events


@pytest.mark.parametrize("kind", [NoiseKind.STREET, NoiseKind.CAFE, NoiseKind.CAR, NoiseKind.HISS])
def test_at_20_db_ears_work_as_without_noise(index: ClipIndex, kind: NoiseKind) -> None:
    around, clips = noise(kind, 20), SAID[::2]
    known = 0
    for number, clip in enumerate(clips):
        events = heard(index, clip, around, 150 + 31 * number)
        started = [event for event in events if isinstance(event, Started)]
        assert started, clip.name
        first = started[0].heard
        if first is not None and first.clip is clip:
            known += 1
            assert first.start_sample == 150 * FRAME, clip.name
            assert first.onset_ns == pytest.approx(3e9 + clip.onset_sample * 1e9 / RATE, abs=1e3)
            assert first.offset_ns == pytest.approx(3e9 + clip.offset_sample * 1e9 / RATE, abs=1e3)
    assert known >= 0.93 * len(clips), f"{known} of {len(clips)}"


def test_speech_like_no_clip_is_told_of_a_little_later(index: ClipIndex) -> None:
    around, strange = noise(NoiseKind.CAR, 20), CORPUS.of(ClipKind.ANSWER)[0]
    other = ClipIndex(Corpus(tuple(c for c in CORPUS.clips if c.voice == "awb" or c.kind is ClipKind.ANSWER)), RATE)
    events = heard(other, strange, around, 150)
    started = next(event for event in events if isinstance(event, Started))
    assert started.heard is None
    assert 0 <= started.sample - 150 * FRAME - strange.onset_sample < RATE // 5
    assert any(isinstance(event, Stopped) for event in events)
    assert DOUBT_S <= 0.1, "an interruption is not held up longer"
