"""Audio as wires write it, mono: PCM16 little-endian, and the companded laws of telephony (ITU-T G.711)."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from audio.onset import THRESHOLD

_Codes = npt.NDArray[np.uint8]

PCM16, MULAW, ALAW = "pcm16", "mulaw", "alaw"
ENCODINGS: Final = (PCM16, MULAW, ALAW)
_MULAW_BIAS: Final = 33


def encode(encoding: str, pcm: bytes) -> bytes:
    """PCM16 little-endian as `encoding`, one of ENCODINGS. Raises ValueError for an odd number of bytes and an unknown encoding."""
    if encoding == PCM16:
        if len(pcm) & 1:
            raise ValueError(f"{len(pcm)} bytes are no whole PCM16 samples")
        return pcm
    codes: bytes = _code_of(encoding)[np.frombuffer(pcm, "<u2")].tobytes()
    return codes


def decode(encoding: str, audio: bytes) -> bytes:
    """Audio in `encoding`, one of ENCODINGS, as PCM16 little-endian. Raises ValueError for half a sample and an unknown encoding."""
    if encoding == PCM16:
        if len(audio) & 1:
            raise ValueError(f"{len(audio)} bytes are no whole PCM16 samples")
        return audio
    samples: bytes = _value_of(encoding)[np.frombuffer(audio, np.uint8)].tobytes()
    return samples


def loud(encoding: str, audio: bytes) -> bool:
    """Whether any sample is above -40 dBFS, as sound is (`audio.onset`). Raises as `decode`."""
    if encoding == PCM16:
        samples = np.frombuffer(audio, "<i2")
        return bool(len(samples)) and bool(samples.max() > THRESHOLD or samples.min() < -THRESHOLD)
    return len(audio.translate(None, _loud_codes(encoding))) < len(audio)


@cache
def surely_loud(encoding: str) -> bytes:
    """256 flags for each byte of a sample: 1 where a sample with this byte there is above -40 dBFS, whatever its other bytes. Of PCM16 that
    leaves some open that are: from 328 to 511, and from -512 to -328. Raises ValueError for an unknown encoding."""
    if encoding == PCM16:
        return bytes(256) + bytes(2 <= high < 0xFE for high in range(256))
    values = np.abs(_value_of(encoding).astype(np.int32))
    return (values > THRESHOLD).astype(np.uint8).tobytes()


@cache
def _value_of(encoding: str) -> npt.NDArray[np.int16]:
    """The sample of each of the 256 codes. Raises ValueError for an unknown encoding."""
    codes = np.arange(256)
    if encoding == MULAW:  # G.711, table 2: inverted sign, 3 bits of segment, 4 of step; the bias of 33 taken off; 14 bits, scaled to 16
        code = ~codes & 0xFF
        magnitude = ((2 * (code & 15) + _MULAW_BIAS) << (code >> 4 & 7)) - _MULAW_BIAS
        values = np.where(code & 0x80, -magnitude, magnitude) * 4
    elif encoding == ALAW:  # G.711, table 1: every other bit inverted; 13 bits, scaled to 16
        code = codes ^ 0x55
        segment, step = code >> 4 & 7, 2 * (code & 15) + 1
        magnitude = np.where(segment == 0, step, (step + 32) << np.maximum(segment - 1, 0))
        values = np.where(code & 0x80, magnitude, -magnitude) * 8
    else:
        raise ValueError(f"unknown audio encoding {encoding!r}: there are {', '.join(ENCODINGS)}")
    return values.astype("<i2")


@cache
def _code_of(encoding: str) -> _Codes:
    """The code of each sample, by its unsigned 16 bits: that whose value is nearest, the smaller in magnitude of two."""
    values = _value_of(encoding).astype(np.int64)
    order = np.lexsort((np.arange(256), values))
    ordered = values[order]
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    above = np.clip(np.searchsorted(ordered, samples), 1, 255)
    low, high = ordered[above - 1], ordered[above]
    up, down = high - samples, samples - low
    nearer = np.where((up < down) | ((up == down) & (np.abs(high) < np.abs(low))), above, above - 1)
    codes = order[nearer].astype(np.uint8)
    codes[samples == 0] = _zero(encoding)
    return codes


def _zero(encoding: str) -> int:
    """The code of silence: G.711 has two of nearly the same value, and writes zero as a positive one."""
    return 0xFF if encoding == MULAW else 0xD5


@cache
def _loud_codes(encoding: str) -> bytes:
    return bytes(np.flatnonzero(np.abs(_value_of(encoding).astype(np.int32)) > THRESHOLD).astype(np.uint8))
