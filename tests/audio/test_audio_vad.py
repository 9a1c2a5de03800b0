import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio import ClipKind, SpeechDetector, SpeechStart, SpeechStop, Vad, load_corpus

RATES = (8000, 16000, 24000, 48000)


def clip_of(kind: ClipKind, number: int = 0, rate: int = 24000):
    return load_corpus(rate=rate).of(kind)[number]


def detect(pcm: bytes, rate: int = 24000, **settings: float) -> list[SpeechStart | SpeechStop]:
    detector = SpeechDetector(rate, **settings)
    return detector.feed(pcm)


class CountingDetector:
    """Stands in for webrtcvad: says what it is told to and keeps what it was asked."""

    def __init__(self, verdicts: list[bool]) -> None:
        self.verdicts = verdicts
        self.asked: list[tuple[int, int]] = []

    def is_speech(self, step: bytes, rate: int) -> bool:
        self.asked.append((len(step), rate))
        return self.verdicts[len(self.asked) - 1]


def scripted(pattern: str, pieces: int = 1, **settings: float) -> list[SpeechStart | SpeechStop]:
    """What a detector at 8 kHz makes of steps voiced (x), unvoiced (-) or digitally silent (0), fed in pieces."""
    detector = SpeechDetector(8000, **settings)
    detector._vad._detector = CountingDetector([step == "x" for step in pattern if step != "0"])
    pcm = b"".join(bytes(160) if step == "0" else b"\1\0" * 80 for step in pattern)
    size = -(-len(pcm) // pieces // 2) * 2
    return [event for at in range(0, len(pcm), size) for event in detector.feed(pcm[at : at + size])]


@pytest.mark.parametrize(
    ("pattern", "settings", "events"),
    [
        ("-" * 9, {}, []),
        ("xx-", {}, []),
        ("xxx", {}, [SpeechStart(0, 240)]),
        ("00xxx", {}, [SpeechStart(160, 400)]),
        # 3 voiced steps among the latest 6, whatever lies between them, and not among 7.
        ("x--0xx", {}, [SpeechStart(0, 480)]),
        ("xx----x", {}, []),
        ("x-----xxx", {}, [SpeechStart(480, 720)]),
        # The stop names the last voiced step; one voiced step during the silence starts it anew.
        ("xxx" + "0" * 5, {"silence_ms": 50}, [SpeechStart(0, 240), SpeechStop(239, 640)]),
        ("xxx" + "-" * 5, {"silence_ms": 50}, [SpeechStart(0, 240), SpeechStop(239, 640)]),
        ("xxx--0-x00-0-", {"silence_ms": 50}, [SpeechStart(0, 240), SpeechStop(639, 1040)]),
        ("xxx" + "0" * 4, {"silence_ms": 50}, [SpeechStart(0, 240)]),
        # Twice in one piece.
        (
            "xxx--xxx--",
            {"silence_ms": 20},
            [SpeechStart(0, 240), SpeechStop(239, 400), SpeechStart(400, 640), SpeechStop(639, 800)],
        ),
        # The threshold sets the share: 2 of 6 at 0, 5 of 6 at 1.
        ("-x----x", {"threshold": 0.0}, [SpeechStart(80, 560)]),
        ("xxxx-", {"threshold": 1.0}, []),
        ("xxxx-x", {"threshold": 1.0}, [SpeechStart(0, 480)]),
        ("x", {"min_speech_ms": 10}, [SpeechStart(0, 80)]),
        # Times that are no multiple of 10 ms are rounded up.
        ("xxx" + "0" * 5, {"silence_ms": 41}, [SpeechStart(0, 240), SpeechStop(239, 640)]),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50])
def test_start_and_stop_by_the_rules(pattern: str, settings: dict[str, float], events: list[SpeechStart | SpeechStop], pieces: int) -> None:
    assert scripted(pattern, pieces, **settings) == events


@pytest.mark.parametrize(("rate", "asked"), [(8000, 160), (16000, 320), (24000, 160), (48000, 960)])
def test_the_detector_is_asked_at_a_rate_it_knows(rate: int, asked: int) -> None:
    vad = Vad(rate)
    counting = CountingDetector([True, False])
    vad._detector = counting
    step = b"\1\0" * (rate // 100)
    assert vad.decide(step + step) == [True, False]
    assert counting.asked == [(asked, 8000 if rate == 24000 else rate)] * 2


def test_24_khz_is_averaged_by_threes() -> None:
    kept = []

    class Keeping:
        def is_speech(self, step: bytes, rate: int) -> bool:
            kept.append(step)
            return False

    vad = Vad(24000)
    vad._detector = Keeping()
    samples = np.tile(np.array([300, 600, 900, -32768, -32768, -32768], np.int16), 40)
    vad.is_speech(samples.tobytes())
    assert np.frombuffer(kept[0], "<i2").tolist() == [600, -32768] * 40


def test_digital_silence_never_reaches_the_detector() -> None:
    vad = Vad(24000)
    counting = CountingDetector([True])
    vad._detector = counting
    assert vad.decide(bytes(480) + b"\1\0" * 240 + bytes(480)) == [False, True, False]
    assert not vad.is_speech(bytes(480))
    assert len(counting.asked) == 1


@pytest.mark.parametrize("rate", RATES)
def test_speech_is_found_at_every_rate(rate: int) -> None:
    clip = clip_of(ClipKind.QUESTION, rate=rate)
    lead = rate * 337 // 1000
    start, stop = detect(bytes(2 * lead) + clip.pcm.tobytes() + bytes(2 * rate), rate)
    assert isinstance(start, SpeechStart) and isinstance(stop, SpeechStop)
    onset, offset = lead + clip.onset_sample, lead + clip.offset_sample
    assert abs(start.sample - onset) <= rate // 50
    assert 0 < start.decided - onset <= 60 * rate // 1000
    assert abs(stop.sample - offset) <= rate // 50
    assert stop.decided - stop.sample == rate // 2 + 1


@pytest.mark.parametrize("silence_ms", [200, 500])
def test_each_question_and_interruption_is_one_utterance_found_within_60_ms(silence_ms: int) -> None:
    """One after the other in one stream, as a talker says them, at offsets that fall between the detector's steps."""
    corpus = load_corpus()
    detector = SpeechDetector(24000, silence_ms=silence_ms)
    for number, clip in enumerate((*corpus.of(ClipKind.QUESTION), *corpus.of(ClipKind.INTERRUPTION))):
        assert detector.feed(bytes(2 * (12000 + 37 * number))) == []
        origin = detector.position
        events = detector.feed(clip.pcm.tobytes()) + detector.feed(bytes(24000))
        assert [type(event) for event in events] == [SpeechStart, SpeechStop], clip.name
        assert events[0].decided - origin - clip.onset_sample <= 60 * 24, clip.name
        assert abs(events[0].sample - origin - clip.onset_sample) <= 20 * 24, clip.name
        assert abs(events[1].sample - origin - clip.offset_sample) <= 20 * 24, clip.name


@pytest.mark.parametrize("kind", [ClipKind.BACKCHANNEL, ClipKind.NOISE])
def test_backchannels_and_noises_are_heard(kind: ClipKind) -> None:
    for clip in load_corpus().of(kind):
        assert isinstance(detect(clip.pcm.tobytes())[0], SpeechStart), clip.name


@pytest.mark.parametrize("level", [0, 3])
def test_silence_and_faint_hiss_are_no_speech(level: int) -> None:
    hiss = np.random.default_rng(1).normal(0, level, 24000 * 3).astype(np.int16)
    assert detect(hiss.tobytes()) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=6))
def test_how_the_stream_is_cut_does_not_matter(sizes: list[int]) -> None:
    clip = clip_of(ClipKind.BACKCHANNEL, 3)
    pcm = clip.pcm.tobytes() + bytes(30000)
    detector = SpeechDetector(24000)
    events, at, turn = [], 0, 0
    while at < len(pcm):
        size = 2 * sizes[turn % len(sizes)]
        events += detector.feed(pcm[at : at + size])
        at, turn = at + size, turn + 1
        assert detector.position == min(at, len(pcm)) // 2
    assert events == detect(pcm)
    assert not detector.speaking


def test_speaking_and_reset() -> None:
    pcm = clip_of(ClipKind.QUESTION).pcm.tobytes()
    detector = SpeechDetector(24000)
    assert (detector.speaking, detector.position) == (False, 0)
    first = detector.feed(pcm[: len(pcm) // 4 * 2])
    assert (detector.speaking, detector.position) == (True, len(pcm) // 4)
    detector.reset()
    assert (detector.speaking, detector.position) == (False, 0)
    assert detector.feed(pcm[: len(pcm) // 4 * 2]) == first


def test_nothing_fed_is_nothing_decided() -> None:
    detector = SpeechDetector(24000)
    assert detector.feed(b"") == []
    assert detector.feed(b"\1\0") == []
    assert detector.position == 1


def test_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="choose one of 8000, 16000, 24000, 48000"):
        SpeechDetector(44100)
    with pytest.raises(ValueError, match="aggressiveness is 0, 1, 2 or 3"):
        Vad(24000, 4)
    with pytest.raises(ValueError, match="480 bytes, not 482"):
        Vad(24000).is_speech(bytes(482))
    with pytest.raises(ValueError, match="multiple of 480 bytes"):
        Vad(24000).decide(bytes(962))
    for threshold in (-0.1, 1.1):
        with pytest.raises(ValueError, match="from 0 to 1"):
            SpeechDetector(24000, threshold=threshold)
    for times in ({"min_speech_ms": 9}, {"silence_ms": 0}):
        with pytest.raises(ValueError, match="at least 10 ms"):
            SpeechDetector(24000, **times)
    with pytest.raises(ValueError, match="3 bytes"):
        SpeechDetector(24000).feed(b"abc")
