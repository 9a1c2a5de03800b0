"""The built-in corpus, measured with a yardstick of the test's own."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from audio import Clip, ClipKind, FirstSound, load_corpus
from audio.clips import BUILT_IN

CLIPS = load_corpus().clips
SPOKEN = [clip for clip in CLIPS if clip.kind is not ClipKind.NOISE]
TALKERS = ("slt", "rms", "awb")
FLOOR = 0.01  # -40 dBFS


def loud_5_ms(clip: Clip) -> list[bool]:
    """For each window of 5 ms: is its RMS above -40 dBFS?"""
    size = clip.rate // 200
    windows = [clip.pcm[at : at + size] / 32768 for at in range(0, len(clip.pcm), size)]
    return [bool(np.mean(window**2) > FLOOR**2) for window in windows]


def test_count_and_kinds() -> None:
    count = Counter(clip.kind for clip in CLIPS)
    least = {"question": 36, "interruption": 12, "backchannel": 9, "noise": 6, "answer": 16}
    assert all(count[ClipKind(kind)] >= number for kind, number in least.items()), count
    assert len(CLIPS) >= 70
    assert len({clip.name for clip in CLIPS}) == len(CLIPS)


def test_voices() -> None:
    assert load_corpus().voices == TALKERS
    for kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL):
        count = Counter(clip.voice for clip in load_corpus().of(kind))
        assert set(count) == set(TALKERS)
        assert max(count.values()) == min(count.values())
    assert {clip.voice for clip in load_corpus().of(ClipKind.ANSWER)} == {"kal16"}


def test_files() -> None:
    assert sum(file.stat().st_size for file in BUILT_IN.iterdir()) < 8_000_000
    assert {file.stem for file in BUILT_IN.glob("*.flac")} == {clip.name for clip in CLIPS}
    assert "Carnegie Mellon University" in (BUILT_IN / "LICENCE.txt").read_text()


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_a_clip_is_what_its_line_says(clip: Clip) -> None:
    seconds = {
        ClipKind.QUESTION: (1.0, 8.0),
        ClipKind.INTERRUPTION: (0.8, 4.0),
        ClipKind.BACKCHANNEL: (0.2, 1.2),
        ClipKind.NOISE: (0.2, 2.7),
        ClipKind.ANSWER: (3.0, 10.0),
    }[clip.kind]
    assert seconds[0] <= clip.duration_s <= seconds[1]
    assert clip.pcm.dtype == np.int16 and clip.pcm.ndim == 1 and clip.rate == 24000
    assert clip.licence.startswith("CMU Flite" if clip.voice else "same as Doubletalk")
    assert bool(clip.transcript) == bool(clip.voice) == (clip.kind is not ClipKind.NOISE)
    around = (clip.onset_sample, len(clip.pcm) - 1 - clip.offset_sample)
    assert around == (2400, 2400)
    assert not clip.pcm[: clip.onset_sample].any() and not clip.pcm[clip.offset_sample + 1 :].any()
    assert np.abs(clip.pcm.astype(int)).max() < 32767


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_labels_agree_with_energy_within_10_ms(clip: Clip) -> None:
    loud = [i for i, flag in enumerate(loud_5_ms(clip)) if flag]
    first, last = loud[0] * clip.rate // 200, (loud[-1] + 1) * clip.rate // 200 - 1
    assert abs(first - clip.onset_sample) <= clip.rate // 100
    assert abs(last - clip.offset_sample) <= clip.rate // 100


@pytest.mark.parametrize("clip", SPOKEN, ids=lambda clip: clip.name)
def test_speech_is_heard_from_its_label_on_and_is_equally_loud(clip: Clip) -> None:
    assert FirstSound(clip.rate).feed(clip.pcm.tobytes()) == clip.onset_sample
    inner = clip.pcm[clip.onset_sample : clip.offset_sample + 1] / 32768
    assert -22 < 10 * np.log10(np.mean(inner**2)) < -19


@pytest.mark.parametrize(
    "clip",
    [clip for clip in CLIPS if clip.kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION)],
    ids=lambda clip: clip.name,
)
def test_no_pause_is_longer_than_180_ms(clip: Clip) -> None:
    loud = [i for i, flag in enumerate(loud_5_ms(clip)) if flag]
    assert 5 * max(after - before - 1 for before, after in pairwise(loud)) <= 180


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_other_rates_keep_duration_and_labels(rate: int) -> None:
    for clip, other in zip(CLIPS, load_corpus(rate=rate).clips, strict=True):
        assert other.rate == rate
        assert other.name == clip.name
        assert abs(other.duration_s - clip.duration_s) <= 1 / rate
        assert abs(other.onset_s - clip.onset_s) <= 1 / rate
        assert abs(other.offset_s - clip.offset_s) <= 1 / rate
