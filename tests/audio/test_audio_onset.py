import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio import FirstSound, last_sound
from audio.onset import loud_windows

RATES = (8000, 16000, 24000, 48000)


def dbfs(level: float) -> int:
    return round(32768 * 10 ** (level / 20))


def square(samples: int, level: float) -> np.ndarray:
    """A square wave: each sample has the magnitude of the RMS, which makes what is expected exact."""
    return np.where(np.arange(samples) // 20 % 2, -dbfs(level), dbfs(level)).astype(np.int16)


def quiet(samples: int) -> np.ndarray:
    return np.zeros(samples, np.int16)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lead_ms", [0, 1, 9, 10, 37, 400])
def test_the_first_sound_is_found_to_the_sample(rate: int, lead_ms: int) -> None:
    lead = lead_ms * rate // 1000 + (3 if lead_ms else 0)
    pcm = np.concatenate([quiet(lead), square(rate // 5, -20)])
    assert FirstSound(rate).feed(pcm.tobytes()) == lead


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
def test_rates_whose_millisecond_is_no_whole_number_of_samples(rate: int) -> None:
    pcm = np.concatenate([quiet(rate // 3), square(rate // 5, -20), quiet(rate // 3)])
    assert FirstSound(rate).feed(pcm.tobytes()) == rate // 3
    assert last_sound(pcm, rate) == rate // 3 + rate // 5 - 1


@pytest.mark.parametrize(("level", "found"), [(-60, False), (-41, False), (-40.2, False), (-39.8, True), (-20, True), (-1, True)])
def test_sound_is_what_is_above_minus_40_dbfs(level: float, found: bool) -> None:
    pcm = np.concatenate([quiet(240), square(4800, level)])
    assert FirstSound(24000).feed(pcm.tobytes()) == (240 if found else None)
    assert last_sound(pcm, 24000) == (5039 if found else None)


@pytest.mark.parametrize(("lasts_ms", "found"), [(5, False), (30, False), (45, True), (60, True)])
def test_sound_must_hold(lasts_ms: int, found: bool) -> None:
    """A click is passed over. A loud sound of 45 ms fills windows of 10 ms over more than 50 ms."""
    click = np.concatenate([quiet(480), square(24 * lasts_ms, -20), quiet(4800)])
    later = np.concatenate([click, square(4800, -20)])
    assert FirstSound(24000).feed(later.tobytes()) == (480 if found else len(click))


def test_a_sound_is_found_only_once_50_ms_are_there() -> None:
    pcm = np.concatenate([quiet(2400), square(4800, -30)])
    sound = FirstSound(24000)
    decided = [sound.feed(pcm[at : at + 24].tobytes()) for at in range(0, len(pcm), 24)]
    first = next(i for i, found in enumerate(decided) if found is not None)
    # -30 dBFS is 10 times the threshold's energy, so the first loud window has 1 ms of it, and 40 more windows follow.
    assert 40 <= first + 1 - 100 <= 50
    assert set(decided[first:]) == {2400}


def test_the_index_stays_once_found() -> None:
    sound = FirstSound(24000)
    assert sound.feed(square(4800, -20).tobytes()) == 0
    assert sound.feed(quiet(4800).tobytes()) == 0
    assert sound.feed(b"") == 0


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([-90, -45, -38, -12])), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_pieces_do_not_matter(parts: list[tuple[int, float]], cuts: list[int]) -> None:
    pcm = np.concatenate([square(samples, level) for samples, level in parts])
    whole = FirstSound(8000).feed(pcm.tobytes())
    sound = FirstSound(8000)
    found, at, turn = None, 0, 0
    while at < len(pcm):
        step = cuts[turn % len(cuts)]
        found = sound.feed(pcm[at : at + step].tobytes())
        at, turn = at + step, turn + 1
    assert found == whole


@pytest.mark.parametrize("tail", [0, 1, 25, 2400])
def test_the_last_sound_is_found_to_the_sample(tail: int) -> None:
    pcm = np.concatenate([quiet(100), square(4811, -20), quiet(tail)])
    assert last_sound(pcm, 24000) == 100 + 4811 - 1


@pytest.mark.parametrize("pcm", [quiet(0), quiet(100), quiet(5000), square(216, -3)])
def test_no_sound(pcm: np.ndarray) -> None:
    assert FirstSound(24000).feed(pcm.tobytes()) is None
    assert last_sound(pcm, 24000) is None


def test_full_scale_does_not_overflow() -> None:
    pcm = np.full(4800, -32768, np.int16)
    assert loud_windows(pcm, 24000).all()
    assert FirstSound(24000).feed(pcm.tobytes()) == 0


def test_refuses_what_it_cannot_use() -> None:
    for rate in (0, 500, 7999):
        with pytest.raises(ValueError, match="8000 Hz or more"):
            FirstSound(rate)
    with pytest.raises(ValueError, match="3 bytes"):
        FirstSound(24000).feed(b"abc")
