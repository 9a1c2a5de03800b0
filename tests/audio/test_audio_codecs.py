"""Companded audio against the standard library's `audioop`, and against the rules of G.711 themselves."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio import decode, encode, loud
from audio.codecs import ENCODINGS
from audio.onset import THRESHOLD

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    audioop = pytest.importorskip("audioop", reason="left the standard library with Python 3.13")

LAWS = {"mulaw": (audioop.lin2ulaw, audioop.ulaw2lin), "alaw": (audioop.lin2alaw, audioop.alaw2lin)}
EVERY = np.arange(-32768, 32768).astype("<i2")
CODES = bytes(range(256))


def values(encoding: str, codes: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.frombuffer(decode(encoding, codes), "<i2").astype(np.int64)


@pytest.mark.parametrize("law", LAWS)
def test_codes_mean_what_the_standard_library_says(law: str) -> None:
    assert decode(law, CODES) == LAWS[law][1](CODES, 2)


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_has_the_nearest_code(law: str) -> None:
    """`audioop` cuts a sample to 14 or 13 bits first, so it misses the nearest code here and there, by one; ours never does."""
    ours = encode(law, EVERY.tobytes())
    theirs = LAWS[law][0](EVERY.tobytes(), 2)
    off, off_theirs = np.abs(values(law, ours) - EVERY), np.abs(values(law, theirs) - EVERY)
    nearest = np.abs(np.unique(values(law, CODES))[:, None] - EVERY[::7][None, :].astype(np.int64)).min(axis=0)
    assert (off[::7] == nearest).all()
    assert (off <= off_theirs).all()
    assert np.mean(np.frombuffer(ours, np.uint8) != np.frombuffer(theirs, np.uint8)) < 0.02


@pytest.mark.parametrize("law", LAWS)
def test_a_code_comes_back(law: str) -> None:
    """But for the second zero of mu-law."""
    back = encode(law, decode(law, CODES))
    assert [code for code in range(256) if back[code] != code] == ([0x7F] if law == "mulaw" else [])
    assert values(law, back).tolist() == values(law, CODES).tolist()


@pytest.mark.parametrize(("law", "zero"), [("mulaw", 0xFF), ("alaw", 0xD5)])
def test_silence(law: str, zero: int) -> None:
    assert encode(law, bytes(8)) == bytes([zero]) * 4
    assert not loud(law, bytes([zero]) * 4)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dbfs", [0, -10, -20, -30])
def test_signal_to_noise(law: str, dbfs: int) -> None:
    """Above the 33 dB that G.712 asks of a telephone channel at these levels (figure 4, sine method)."""
    tone = np.sin(np.arange(8000) * 2 * math.pi * 1020 / 8000) * 32767 * 10 ** (dbfs / 20)
    pcm = np.rint(tone).astype("<i2")
    noise = values(law, encode(law, pcm.tobytes())) - pcm
    assert 10 * math.log10(np.mean(np.square(pcm, dtype=float)) / np.mean(np.square(noise, dtype=float))) > 33


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(level=st.integers(-32768, 32767), length=st.integers(0, 20), at=st.integers(0, 19))
def test_loud_is_what_is_loud_once_decoded(encoding: str, level: int, length: int, at: int) -> None:
    pcm = np.zeros(length, "<i2")
    if at < length:
        pcm[at] = level
    audio = encode(encoding, pcm.tobytes())
    assert loud(encoding, audio) == bool((np.abs(values(encoding, audio)) > THRESHOLD).any())


def test_loud_at_the_threshold() -> None:
    def one(level: int) -> bool:
        return loud("pcm16", np.array([0, level, 0], "<i2").tobytes())

    assert [one(level) for level in (327, -327, 328, -328, 32767, -32768)] == [False, False, True, True, True, True]


@pytest.mark.parametrize("act", [encode, decode])
def test_refused(act: object) -> None:
    assert callable(act)
    with pytest.raises(ValueError, match="'opus': there are pcm16, mulaw, alaw"):
        act("opus", b"")
    with pytest.raises(ValueError, match="3 bytes are no whole PCM16 samples"):
        act("pcm16", b"abc")
    with pytest.raises(ValueError, match="opus"):
        loud("opus", b"")
    with pytest.raises(ValueError, match="buffer size"):
        loud("pcm16", b"a")
