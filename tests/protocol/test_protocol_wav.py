"""WAV files as messages: ours are read by the standard library's, and theirs by ours; what is none is told."""

from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import MalformedMessage
from protocol.wav import samples_of, wav

PCM = bytes(range(200))


def theirs(pcm: bytes, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm)
    return made.getvalue()


@given(st.binary(max_size=400).map(lambda raw: raw[: len(raw) // 2 * 2]), st.sampled_from([8000, 16_000, 24_000, 48_000]))
def test_there_and_back(pcm: bytes, rate: int) -> None:
    assert wav(pcm, rate) == theirs(pcm, rate)
    assert samples_of(theirs(pcm, rate), rate) == pcm
    with wave.open(io.BytesIO(wav(pcm, rate))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.readframes(9999)) == (rate, 1, 2, pcm)


def test_data_whose_length_nobody_knew() -> None:
    for size in (0, 0xFFFFFFFF):
        assert samples_of(wav(b"", 16_000)[:-4] + struct.pack("<I", size) + PCM, 16_000) == PCM


def test_other_chunks_and_the_extensible_form() -> None:
    form = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4, 1, bytes(14))
    chunks = (
        b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 4) + b"1234"
    )
    assert samples_of(b"RIFF\0\0\0\0WAVE" + chunks + b"LIST", 16_000) == b"1234"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"", "0 bytes is no WAV file"),
        (PCM, "200 bytes is no WAV file"),
        (theirs(PCM, rate=24_000), "24000 Hz, where 16000 Hz are due"),
        (theirs(PCM, width=1), "1 channels and 8 bits"),
        (theirs(PCM, channels=2), "2 channels and 16 bits"),
        (theirs(PCM)[:-10], "200 bytes of audio that holds 190"),
        (theirs(PCM)[:44].replace(struct.pack("<I", 200), struct.pack("<I", 3)) + b"123", "3 bytes of audio, which are no whole"),
        (theirs(PCM)[:36], "without data"),
        (theirs(PCM)[:20], "without data"),
        (theirs(PCM)[:12] + theirs(PCM)[36:], "data come before its format"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\x01\0\x01\0", "broken format"),
    ],
)
def test_what_is_no_wav_file_of_ours(message: bytes, told: str) -> None:
    with pytest.raises(MalformedMessage, match=told):
        samples_of(message, 16_000)


@given(st.binary(max_size=80).map(lambda raw: b"RIFF\0\0\0\0WAVE" + raw) | st.integers(0, 244).map(lambda cut: theirs(PCM)[:cut]))
def test_rubbish_is_malformed_or_samples(message: bytes) -> None:
    try:
        assert len(samples_of(message, 16_000)) % 2 == 0
    except MalformedMessage:
        pass
