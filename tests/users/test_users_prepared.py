"""Clips as frames: what is kept, where the speech is in it, and when a talker hears itself begin."""

from __future__ import annotations

import base64
from statistics import median

import numpy as np
import orjson
import pytest

from audio import Background, Clip, ClipKind, NoiseKind, Surroundings, load_corpus
from protocol import FrameDecoder, OpenAIRealtime, PreparedFrame
from users.prepared import Prepared

CORPUS = load_corpus()
SPOKEN = [c for c in CORPUS.clips if c.kind is not ClipKind.ANSWER]


def pcm_of(frames: tuple[PreparedFrame, ...] | list[PreparedFrame]) -> np.ndarray:
    """The samples in frames, read back from the wire."""
    decoder = FrameDecoder(expect_masked=True)
    messages = [m for f in frames for m in decoder.feed(f.masked(np.uint32(0x01020304)))]
    decoded = [orjson.loads(m.payload) for m in messages]
    assert all(d["type"] == "input_audio_buffer.append" for d in decoded)
    return np.frombuffer(b"".join(base64.b64decode(d["audio"]) for d in decoded), "<i2")


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 200])
def test_frames_hold_the_clip_and_the_labels_still_fit(frame_ms: int) -> None:
    prepared = Prepared(OpenAIRealtime(), frame_ms)
    size = prepared.samples
    assert (size, prepared.frame_ns) == (24 * frame_ms, frame_ms * 1_000_000)
    for clip in SPOKEN:
        made = prepared.clip(clip)
        pcm = pcm_of(made.frames)
        assert made.pcm_bytes * len(made.frames) == 2 * len(pcm)
        onset, offset = round(made.onset_s * 24000), round(made.offset_s * 24000)
        assert 0 <= onset < 240, "leading silence is cut off up to the last whole 10 ms"
        assert offset - onset == clip.offset_sample - clip.onset_sample
        length = min(len(pcm), len(clip.pcm) - clip.onset_sample + onset)
        kept = clip.pcm[clip.onset_sample - onset :][:length]
        end = offset // 240 * 240 + 240
        assert (pcm[:end] == kept[:end]).all() if len(kept) >= end else (pcm[: len(kept)] == kept).all()
        assert not pcm[end:].any(), "trailing silence is the microphone's"
        assert made.offset_frame == offset // size == len(made.frames) - 1


def test_prepared_once_and_shared() -> None:
    prepared = Prepared(OpenAIRealtime(), 20)
    clip = SPOKEN[0]
    assert prepared.clip(clip) is prepared.clip(clip)
    assert prepared.clip(clip).frames is prepared.clip(clip).frames
    assert prepared.silence is prepared.silence
    assert not pcm_of([prepared.silence]).any()
    assert len(pcm_of([prepared.silence])) == 480


def test_b1_a_talker_hears_every_interruption_begin_within_100_ms() -> None:
    prepared = Prepared(OpenAIRealtime(), 20)
    detections_s = []
    for clip in CORPUS.of(ClipKind.INTERRUPTION):
        made = prepared.clip(clip)
        assert made.detected_frame is not None, clip.name
        detected_s = (made.detected_frame + 1) * 0.020 - made.onset_s
        assert 0 < detected_s < 0.100, clip.name
        detections_s.append(detected_s)
    assert len(detections_s) >= 10
    assert median(detections_s) < 0.080


def test_questions_are_heard_too() -> None:
    prepared = Prepared(OpenAIRealtime(), 20)
    for clip in CORPUS.of(ClipKind.QUESTION):
        made = prepared.clip(clip)
        assert made.detected_frame is not None, clip.name
        assert made.detected_frame <= made.offset_frame


def test_what_is_not_speech_is_not_heard() -> None:
    quiet = (np.random.default_rng(1).standard_normal(24000) * 3).astype(np.int16)
    clip = Clip("hiss", ClipKind.NOISE, "", "", "test", 24000, quiet, 1000, 20000)
    assert Prepared(OpenAIRealtime(), 20).clip(clip).detected_frame is None


STREET = Background(NoiseKind.STREET, -40.0)


@pytest.mark.parametrize("frame_ms", [10, 20, 70])
def test_a_clip_in_noise_is_the_clip_and_the_noise(frame_ms: int) -> None:
    prepared = Prepared(OpenAIRealtime(), frame_ms)
    around = Surroundings(STREET, 24000, prepared.samples)
    loop = prepared.idle(STREET)
    assert loop is prepared.idle(STREET)
    assert (pcm_of(loop) == around.heard(0, around.frames)).all()
    for clip in SPOKEN[::9]:
        plain, noisy = prepared.clip(clip), prepared.clip(clip, STREET)
        assert noisy is prepared.clip(clip, STREET)
        labels = [(made.onset_s, made.offset_s, made.offset_frame, len(made.frames)) for made in (plain, noisy)]
        assert labels[0] == labels[1]
        assert (plain.loop_frame, plain.loop_frames) == (0, 1)
        assert noisy.loop_frames == len(loop)
        noise = around.heard(noisy.loop_frame, len(noisy.frames))
        assert np.abs(pcm_of(noisy.frames).astype(int) - pcm_of(plain.frames) - noise).max() <= 1, "to the last sample of the last frame"
    assert len({prepared.clip(clip, STREET).loop_frame for clip in SPOKEN}) > 20, "each clip in another moment of the street"


def test_b1_a_talker_hears_itself_in_the_street_as_at_home() -> None:
    """At 20 dB; the street is in its ear already."""
    prepared = Prepared(OpenAIRealtime(), 20)
    detections_s = []
    for clip in CORPUS.of(ClipKind.INTERRUPTION):
        made = prepared.clip(clip, STREET)
        assert made.detected_frame is not None, clip.name
        detections_s.append((made.detected_frame + 1) * 0.020 - made.onset_s)
    assert min(detections_s) > 0
    assert max(detections_s) < 0.160
    assert median(detections_s) < 0.080


def test_all_prepares_the_noise_too() -> None:
    prepared = Prepared(OpenAIRealtime(), 200)
    prepared.all([(SPOKEN[0], None), (SPOKEN[0], STREET)])
    assert set(prepared._loops) == {STREET}
    assert set(prepared._clips) == {(SPOKEN[0].name, None), (SPOKEN[0].name, STREET)}


def test_memory_of_a_noise_is_bounded() -> None:
    """What docs/personas.md says: 12 MB for each noise with the whole built-in corpus in it."""
    prepared = Prepared(OpenAIRealtime(), 20)
    prepared.all((clip, STREET) for clip in SPOKEN)
    size = sum(frame.size for made in prepared._clips.values() for frame in made.frames) + sum(
        frame.size for frame in prepared.idle(STREET)
    )
    assert 8e6 < size < 14e6


def test_processing_is_measured_per_frame() -> None:
    """L2: its target is 10 ms; here only that it is something, and no whole clip's."""
    made = Prepared(OpenAIRealtime(), 20).clip(SPOKEN[0])
    assert 0 < made.processing_s < 0.020


@pytest.mark.parametrize("frame_ms", [0, 5, 15, 210])
def test_frames_that_do_not_divide_are_refused(frame_ms: float) -> None:
    with pytest.raises(ValueError, match="not possible"):
        Prepared(OpenAIRealtime(), frame_ms)
