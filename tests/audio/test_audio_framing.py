import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio import cut, frame_samples, silence


@pytest.mark.parametrize(
    ("rate", "frame_ms", "samples"),
    [(24000, 20, 480), (24000, 20.0, 480), (24000, 40, 960), (8000, 10, 80), (16000, 100, 1600), (48000, 200, 9600)],
)
def test_frame_samples(rate: int, frame_ms: float, samples: int) -> None:
    assert frame_samples(rate, frame_ms) == samples


@pytest.mark.parametrize("frame_ms", [0, -10, 5, 15, 20.5, 210, 1000, float("nan"), float("inf")])
def test_a_frame_length_that_is_not_allowed_is_refused_with_those_that_are(frame_ms: float) -> None:
    with pytest.raises(ValueError, match=r"multiple of 10 ms from 10 to 200 ms"):
        frame_samples(24000, frame_ms)


@pytest.mark.parametrize(("rate", "frame_ms"), [(11025, 10), (22050, 30), (0, 20), (-8000, 20), (44150, 10)])
def test_a_frame_of_part_samples_is_refused(rate: int, frame_ms: float) -> None:
    with pytest.raises(ValueError, match="multiple of 100 Hz"):
        frame_samples(rate, frame_ms)


@settings(deadline=None)
@given(st.lists(st.integers(-32768, 32767), max_size=200), st.integers(1, 60))
def test_frames_cover_the_clip_exactly_and_pad_with_silence(values: list[int], samples: int) -> None:
    frames = cut(np.array(values, np.int16), samples)
    assert len(frames) == -(-len(values) // samples)
    assert all(len(frame) == 2 * samples for frame in frames)
    data = b"".join(frames)
    assert data[: 2 * len(values)] == b"".join(value.to_bytes(2, "little", signed=True) for value in values)
    assert not any(data[2 * len(values) :])


def test_frames_are_little_endian_whatever_the_order_of_the_array() -> None:
    assert cut(np.array([1, -2], ">i2"), 2) == [b"\x01\x00\xfe\xff"]


def test_frames_need_samples() -> None:
    with pytest.raises(ValueError, match="at least 1 sample"):
        cut(np.zeros(4, np.int16), 0)


def test_silence_is_zero_bytes() -> None:
    assert silence(3) == b"\0\0\0\0\0\0"
