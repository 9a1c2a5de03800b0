"""What was said and when: exact, with noise, at another loudness, and not at all."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.ears import Ears, Event, Heard, Joined, Started, Stopped, Unnoticed
from assistant.recognise import ClipIndex, loudness_db
from assistant.settings import RATE, Settings
from audio import Clip, ClipKind, Corpus, cut, load_corpus

MS = 1_000_000
FRAME = RATE // 50


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(rate=RATE)


@pytest.fixture(scope="module")
def index(corpus: Corpus) -> ClipIndex:
    return ClipIndex(corpus, RATE)


def ears_of(index: ClipIndex) -> Ears:
    return Ears(index, Settings("m").turn_detection)


def stream(
    ears: Ears, pcm: np.ndarray, *, frame: int = FRAME, at_ns: int = 0, tail_s: float = 1.0, until: int | None = None
) -> list[Event]:
    """Feeds a stream in frames that arrive 5 ms after their end was captured; returns all events. `until`: stops
    where speech has stopped after that sample."""
    events: list[Event] = []
    tail = np.zeros(int(tail_s * RATE), np.int16)
    for number, piece in enumerate(cut(np.concatenate((pcm, tail)), frame), start=1):
        events += ears.hear(piece, at_ns + number * frame * 1_000_000_000 // RATE + 5 * MS)
        if until is not None and number * frame >= until and any(isinstance(event, Stopped) for event in events):
            break
    return events


def noisy(clip: Clip, db_below: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    sound = clip.pcm.astype(float)
    level = np.sqrt(np.mean(np.square(sound[clip.onset_sample : clip.offset_sample])))
    noise = rng.normal(0, level * 10 ** (-db_below / 20), len(sound) + RATE)
    return np.clip(np.concatenate((np.zeros(RATE // 2), sound, np.zeros(RATE // 2))) + noise, -32768, 32767).astype(np.int16)


def test_every_clip_is_known_when_its_speech_starts(index: ClipIndex) -> None:
    for clip in index.clips:
        events = stream(ears_of(index), clip.pcm)
        started = [event for event in events if isinstance(event, Started)]
        if clip.kind is ClipKind.NOISE and not started:
            assert [event.heard.clip for event in events if isinstance(event, Unnoticed)] == [clip]
            continue
        assert started[0].heard is not None, clip.name
        assert started[0].heard.clip is clip
        assert abs(started[0].sample - clip.onset_sample) < 0.1 * RATE, clip.name
        assert started[0].heard.is_false_alarm is (clip.kind in (ClipKind.BACKCHANNEL, ClipKind.NOISE))


def test_questions_are_not_split(index: ClipIndex, corpus: Corpus) -> None:
    for clip in corpus.of(ClipKind.QUESTION):
        kinds = [type(event) for event in stream(ears_of(index), clip.pcm)]
        assert kinds == [Started, Stopped], clip.name


def test_capture_instants_of_the_labels(index: ClipIndex, corpus: Corpus) -> None:
    clip = corpus.of(ClipKind.QUESTION)[0]
    events = stream(ears_of(index), clip.pcm, at_ns=1000 * MS)
    heard = next(event.heard for event in events if isinstance(event, Started))
    assert heard is not None and heard.onset_ns is not None and heard.offset_ns is not None
    late = 5 * MS  # the stream's messages arrive that much after their last sample
    assert heard.onset_ns == pytest.approx(1000 * MS + clip.onset_sample * 1e9 / RATE + late, abs=2)
    assert heard.offset_ns == pytest.approx(1000 * MS + clip.offset_sample * 1e9 / RATE + late, abs=2)


@pytest.mark.parametrize("frame", [RATE // 100, FRAME, RATE // 25, RATE // 10, 1000, 333])
def test_any_frame_size_will_do(index: ClipIndex, corpus: Corpus, frame: int) -> None:
    clip = corpus.of(ClipKind.INTERRUPTION)[1]
    before = np.zeros(RATE // 2, np.int16)  # the clip starts on the 10 ms grid whatever the frames
    events = stream(ears_of(index), np.concatenate((before, clip.pcm)), frame=frame)
    started = next(event for event in events if isinstance(event, Started))
    assert started.heard is not None and started.heard.clip is clip
    assert started.heard.start_sample == RATE // 2


@pytest.mark.parametrize("kind", [ClipKind.QUESTION, ClipKind.INTERRUPTION])
@pytest.mark.parametrize(
    ("change", "share"),
    [("quieter", 0.95), ("off the grid", 0.95), ("20 dB noise", 0.95), ("15 dB noise", 0.9)],
)
def test_changed_clips_are_recognised_by_their_onset_or_afterwards(
    index: ClipIndex, corpus: Corpus, kind: ClipKind, change: str, share: float
) -> None:
    right = 0
    clips = corpus.of(kind)[::3]
    for clip in clips:
        if change == "quieter":
            pcm = (clip.pcm * 0.5).astype(np.int16)
        elif change == "off the grid":
            pcm = np.concatenate((np.zeros(77, np.int16), clip.pcm))
        else:
            pcm = noisy(clip, float(change.split()[0]))
        ears = ears_of(index)
        events = stream(ears, pcm, until=len(pcm))
        started = [event for event in events if isinstance(event, Started)]
        stopped = [event for event in events if isinstance(event, Stopped)]
        assert len(started) == 1, clip.name
        assert stopped, clip.name
        found = started[0].heard or ears.identify(stopped[-1].start, stopped[-1].sample)
        if found is not None:
            assert found.clip.kind is not ClipKind.NOISE
            right += found.clip is clip
    assert right >= share * len(clips), f"{right} of {len(clips)}"


def test_strange_speech_is_no_clip(index: ClipIndex, corpus: Corpus) -> None:
    ears = ears_of(index)
    strange = corpus.of(ClipKind.ANSWER)[0].pcm[: 3 * RATE][::-1]
    stopped = [event for event in stream(ears, strange, until=len(strange)) if isinstance(event, Stopped)]
    assert ears.last_heard is None
    assert ears.identify(stopped[0].start, stopped[0].sample) is None


def test_a_second_clip_in_the_same_breath(index: ClipIndex, corpus: Corpus) -> None:
    mhm, question = corpus.of(ClipKind.BACKCHANNEL)[0], corpus.of(ClipKind.QUESTION)[0]
    gap = np.zeros(-len(mhm.pcm) % (RATE // 100), np.int16)
    events = stream(ears_of(index), np.concatenate((mhm.pcm, gap, question.pcm)))
    joined = [event.heard.clip for event in events if isinstance(event, Joined)]
    assert joined == [question]
    assert sum(isinstance(event, Started) for event in events) == 1


def test_clear_forgets_speech_under_way(index: ClipIndex, corpus: Corpus) -> None:
    ears = ears_of(index)
    clip = corpus.of(ClipKind.QUESTION)[0]
    stream(ears, clip.pcm[:RATE], tail_s=0.0)
    assert ears.speaking and ears.buffered_s == pytest.approx(1.0)
    assert ears.clear()
    assert not ears.speaking and ears.buffered_s == 0.0
    assert not ears.clear()


def test_new_turn_detection_starts_afresh_only_where_it_differs(index: ClipIndex, corpus: Corpus) -> None:
    ears = ears_of(index)
    stream(ears, corpus.of(ClipKind.QUESTION)[0].pcm[:RATE], tail_s=0.0)
    assert not ears.configure(Settings("m").turn_detection)
    assert ears.speaking
    assert ears.configure(None)
    assert not ears.speaking


def test_without_turn_detection_clips_are_known_all_the_same(index: ClipIndex, corpus: Corpus) -> None:
    ears = Ears(index, None)
    clip = corpus.of(ClipKind.QUESTION)[0]
    assert stream(ears, clip.pcm) == []
    assert ears.last_heard is not None and ears.last_heard.clip is clip


def test_memory_of_a_silent_stream_is_bounded(index: ClipIndex) -> None:
    ears = ears_of(index)
    for number in range(500):
        ears.hear(bytes(2 * FRAME), number)
    assert ears.instant_of(400 * FRAME) is None
    assert ears.instant_of(499 * FRAME) is not None


def test_memory_of_an_utterance_is_bounded_and_let_go(index: ClipIndex) -> None:
    ears, noise = ears_of(index), np.random.default_rng(1).integers(-9000, 9000, 10 * RATE, dtype=np.int16).tobytes()
    for number in range(6):
        ears.hear(noise, number)
    assert sum(len(message[3] or b"") for message in ears._history.messages) <= 40 * 2 * RATE
    for number in range(5000):
        ears.hear(b"\1\1", number)
    assert len(ears._history.messages) <= 3000
    ears.commit()
    for number in range(100):
        ears.hear(bytes(2 * FRAME), number)
    assert not any(message[3] for message in ears._history.messages)


def test_loudness_of_known_signals() -> None:
    pcm = np.concatenate((np.zeros(240), np.full(240, 1000), np.full(100, 5))).astype(np.int16)
    assert loudness_db(pcm, 240) == pytest.approx([0.0, 60.0], abs=1e-3)


def test_heard_samples(corpus: Corpus) -> None:
    clip = corpus.of(ClipKind.QUESTION)[0]
    heard = Heard(clip, 1000)
    assert (heard.onset_sample, heard.offset_sample) == (1000 + clip.onset_sample, 1000 + clip.offset_sample)
    assert heard.end_sample == 1000 + len(clip.pcm)
