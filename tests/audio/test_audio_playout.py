from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio import Gap, Playout

MS = 1_000_000
SECOND = 1_000_000_000


@dataclass
class SteppedSpeaker:
    """Plays a queue sample by sample: a second account of the rules, on the time line instead of in formulas."""

    rate: int
    delay_ns: int
    not_before_ns: int
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def play(self, chunks: list[tuple[int, int]]) -> None:
        waiting = [(arrival, samples) for arrival, samples in chunks if samples]
        if not waiting:
            return
        now = origin = max(waiting[0][0] + self.delay_ns, self.not_before_ns)
        played = queued = 0
        first = True
        while waiting or queued:
            # The sample due now is taken from what has arrived by now; the first chunk is what set the clock.
            while waiting and (waiting[0][0] <= now or first):
                queued += waiting.pop(0)[1]
                first = False
            if not queued:
                self.gaps.append((now, waiting[0][0]))
                now = origin = waiting[0][0]
                played = 0
                continue
            queued -= 1
            played += 1
            self.begins.append(now)
            now = origin + played * SECOND // self.rate
            self.ends.append(now)


chunks_of = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=12)


@settings(max_examples=400, deadline=None)
@given(
    rate=st.sampled_from([1, 3, 7, 8000, 24000]),
    steps=chunks_of,
    delay=st.integers(0, 5),
    busy=st.integers(0, 30),
    skew=st.integers(-2, 2),
)
def test_agrees_with_a_stepped_speaker_sample_for_sample(rate: int, steps: list[tuple[int, int]], delay: int, busy: int, skew: int) -> None:
    period = SECOND // rate
    arrival = 1000 * period
    chunks = []
    for wait, samples in steps:
        arrival += max(0, wait * period + (skew if wait else 0))
        chunks.append((arrival, samples))
    delay_s = delay / rate
    not_before = 1000 * period + busy * period + skew
    stepped = SteppedSpeaker(rate, round(delay_s * SECOND), not_before)
    stepped.play(chunks)
    playout = Playout(rate, delay_s, not_before)
    for at, samples in chunks:
        playout.push(at, samples)

    count = len(stepped.begins)
    assert playout.samples == count
    assert playout.audio_s == count / rate
    assert [playout.instant_of(sample) for sample in range(count)] == stepped.begins
    assert playout.gaps == tuple(Gap(*gap) for gap in stepped.gaps)
    assert playout.underruns == len(stepped.gaps)
    assert playout.underrun_s == sum(end - start for start, end in stepped.gaps) / SECOND
    assert playout.start_ns == (stepped.begins[0] if count else None)
    assert playout.end_ns == (stepped.ends[-1] if count else None)
    edges = {instant + by for instant in (*stepped.begins, *stepped.ends) for by in (-1, 0, 1)} | {0, arrival}
    for t in edges:
        assert playout.played_samples(t) == sum(end <= t for end in stepped.ends)
        sounding = [(b, e) for b, e in zip(stepped.begins, stepped.ends, strict=True) if b <= t < e]
        assert playout.audible_at(t) == bool(sounding)
        assert playout.audio_after_s(t) == sum(begin >= t for begin in stepped.begins) / rate
        silent = t
        for begin, end in zip(stepped.begins, stepped.ends, strict=True):
            if begin <= silent < end:
                silent = end
        assert playout.silent_from_ns(t) == silent


def test_nothing_pushed() -> None:
    playout = Playout(24000)
    playout.push(5, 0)
    assert (playout.start_ns, playout.end_ns, playout.samples, playout.audio_s) == (None, None, 0, 0.0)
    assert (playout.gaps, playout.underruns, playout.underrun_s) == ((), 0, 0.0)
    assert playout.played_samples(10**18) == 0
    assert not playout.audible_at(10**18)
    assert playout.audio_after_s(0) == 0.0
    assert playout.silent_from_ns(7) == 7
    with pytest.raises(IndexError):
        playout.instant_of(0)


def test_a_late_chunk_shifts_what_follows_and_gets_no_new_delay() -> None:
    playout = Playout(24000, delay_s=0.06)
    playout.push(0, 960)  # 40 ms, heard from 60 to 100 ms
    playout.push(130 * MS, 960)  # due at 100 ms: heard from 130 to 170 ms
    playout.push(131 * MS, 480)  # early: heard from 170 to 190 ms
    assert playout.gaps == (Gap(100 * MS, 130 * MS),)
    assert playout.underrun_s == 0.03
    assert (playout.start_ns, playout.end_ns) == (60 * MS, 190 * MS)
    assert playout.instant_of(959) == 60 * MS + 959 * SECOND // 24000
    assert playout.instant_of(960) == 130 * MS
    assert playout.instant_of(1920) == 170 * MS
    assert playout.audio_s == 0.1


@pytest.mark.parametrize(("not_before_ms", "start_ms"), [(0, 20), (30, 30)])
def test_a_speaker_that_plays_already_comes_to_the_first_chunk(not_before_ms: int, start_ms: int) -> None:
    playout = Playout(24000, delay_s=0.06, not_before_ns=not_before_ms * MS)
    playout.begin_at(20 * MS)
    playout.push(10 * MS, 960)
    playout.begin_at(0)
    playout.push(11 * MS, 960)
    assert (playout.start_ns, playout.end_ns, playout.underruns) == (start_ms * MS, (start_ms + 80) * MS, 0)


@pytest.mark.parametrize(("late_ns", "underruns"), [(-1, 0), (0, 0), (1, 1)])
def test_a_chunk_at_its_due_instant_is_in_time(late_ns: int, underruns: int) -> None:
    playout = Playout(24000, delay_s=0.0)
    playout.push(0, 960)
    playout.push(40 * MS + late_ns, 960)
    assert playout.underruns == underruns


@pytest.mark.parametrize(("not_before_ms", "start_ms"), [(0, 60), (60, 60), (61, 61), (500, 500)])
def test_the_speaker_may_still_be_busy(not_before_ms: int, start_ms: int) -> None:
    playout = Playout(24000, not_before_ns=not_before_ms * MS)
    playout.push(0, 24000)
    playout.push(70 * MS, 24000)
    assert (playout.start_ns, playout.underruns) == (start_ms * MS, 0)


def test_an_hour_does_not_drift() -> None:
    playout = Playout(44100, delay_s=0.0)
    for _ in range(3600):
        playout.push(0, 44100)
    assert playout.end_ns == 3600 * SECOND
    assert playout.instant_of(3599 * 44100) == 3599 * SECOND


def test_what_is_spared_by_muting() -> None:
    playout = Playout(1000, delay_s=0.0)
    playout.push(0, 100)
    assert playout.audio_after_s(-1) == 0.1
    assert playout.audio_after_s(0) == 0.1
    assert playout.audio_after_s(1) == 0.099
    assert playout.audio_after_s(40 * MS) == 0.06
    assert playout.audio_after_s(SECOND) == 0.0


def test_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        Playout(0)
    with pytest.raises(ValueError, match="delay"):
        Playout(24000, delay_s=-0.1)
    playout = Playout(24000)
    with pytest.raises(ValueError, match="-1 samples"):
        playout.push(0, -1)
    playout.push(0, 10)
    for sample in (-1, 10):
        with pytest.raises(IndexError, match="there are 10"):
            playout.instant_of(sample)


@settings(max_examples=300, deadline=None)
@given(
    rate=st.sampled_from([1, 7, 8000, 24000]),
    before=chunks_of,
    after=chunks_of,
    delay=st.integers(0, 5),
    wait=st.integers(0, 40),
    skew=st.integers(-2, 2),
)
def test_what_was_cleared_is_as_if_it_had_never_come(
    rate: int, before: list[tuple[int, int]], after: list[tuple[int, int]], delay: int, wait: int, skew: int
) -> None:
    """A chunk that was played in part is one that was shorter."""
    period, arrival = SECOND // rate, 1000 * (SECOND // rate)
    chunks = []
    for gap, samples in before:
        arrival += gap * period
        chunks.append((arrival, samples))
    cleared_ns = arrival = max(arrival, arrival + wait * period + skew)
    later = []
    for gap, samples in after:
        arrival += gap * period
        later.append((arrival, samples))

    def stepped(of: list[tuple[int, int]]) -> SteppedSpeaker:
        speaker = SteppedSpeaker(rate, round(delay / rate * SECOND), 0)
        speaker.play(of)
        return speaker

    left = sum(begin < cleared_ns for begin in stepped(chunks).begins)
    shorter = []
    for at, samples in chunks:
        shorter.append((at, min(samples, left)))
        left -= min(samples, left)
    expected = stepped(shorter + later)

    playout = Playout(rate, delay / rate)
    for at, samples in chunks:
        playout.push(at, samples)
    pushed = playout.samples
    playout.clear(cleared_ns)
    dropped = pushed - playout.samples
    playout.clear(cleared_ns)
    assert pushed - playout.samples == dropped, "a second clear finds nothing"
    for at, samples in later:
        playout.push(at, samples)
    count = len(expected.begins)
    assert playout.samples == count
    assert [playout.instant_of(sample) for sample in range(count)] == expected.begins
    assert playout.gaps == tuple(Gap(*gap) for gap in expected.gaps)
    assert playout.end_ns == (expected.ends[-1] if count else None)
    assert playout.audio_s == (count + dropped) / rate


def test_a_clear_amid_a_sample_lets_it_out() -> None:
    playout = Playout(1000, delay_s=0.0)
    playout.push(0, 100)
    playout.clear(40 * MS + 1)
    assert (playout.samples, playout.end_ns, playout.audio_s) == (41, 41 * MS, 0.1)
    playout.push(50 * MS, 10)
    assert playout.gaps == (Gap(41 * MS, 50 * MS),)
