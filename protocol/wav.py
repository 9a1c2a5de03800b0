"""A WAV file as one message: PCM16, mono.

The format: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), "Waveform Audio File Format"; its
extensible form: https://learn.microsoft.com/windows/win32/api/mmreg/ns-mmreg-waveformatextensible
"""

from __future__ import annotations

import struct
from typing import Final

from protocol.dialect import MalformedMessage

_PCM, _EXTENSIBLE = 1, 0xFFFE
_FORMAT: Final = struct.Struct("<HHIIHH")
_CHUNK: Final = struct.Struct("<4sI")
_EXTENSIBLE_AT: Final = 24
"""Where the extensible form names the format proper, from the beginning of its chunk."""
_ENDLESS: Final = 0xFFFFFFFF
"""What stands for the length of data of which nobody knew yet how much it would be; 0 does, too."""


def wav(pcm: bytes, rate: int) -> bytes:
    """The samples as a WAV file."""
    return b"".join((
        _CHUNK.pack(b"RIFF", 36 + len(pcm)), b"WAVE", _CHUNK.pack(b"fmt ", 16), _FORMAT.pack(_PCM, 1, rate, 2 * rate, 2, 16),
        _CHUNK.pack(b"data", len(pcm)), pcm,
    ))  # fmt: skip


def samples_of(message: bytes, rate: int) -> bytes:
    """The samples of a WAV file; data whose length the file does not know goes to its end. Raises MalformedMessage for what is no WAV file,
    is cut off, or is not PCM16 mono at `rate`."""
    if message[:4] != b"RIFF" or message[8:12] != b"WAVE":
        raise MalformedMessage(f"a message of {len(message)} bytes is no WAV file")
    at, known = 12, False
    while at + _CHUNK.size <= len(message):
        name, size = _CHUNK.unpack_from(message, at)
        at += _CHUNK.size
        if name == b"data":
            if not known:
                raise MalformedMessage("a WAV file whose data come before its format")
            return _data(message, at, size)
        if at + size > len(message):
            break
        if name == b"fmt ":
            _check(message[at : at + size], rate)
            known = True
        at += size + size % 2
    raise MalformedMessage("a WAV file without data")


def _data(message: bytes, at: int, size: int) -> bytes:
    left = len(message) - at
    if size in (0, _ENDLESS):
        size = left
    if size > left:
        raise MalformedMessage(f"a WAV file of {size} bytes of audio that holds {left}")
    if size % 2:
        raise MalformedMessage(f"a WAV file of {size} bytes of audio, which are no whole PCM16 samples")
    return message[at : at + size]


def _check(form: bytes, rate: int) -> None:
    if len(form) < _FORMAT.size:
        raise MalformedMessage("a WAV file with a broken format")
    kind, channels, its_rate, _, _, bits = _FORMAT.unpack_from(form)
    if kind == _EXTENSIBLE and len(form) >= _EXTENSIBLE_AT + 2:
        kind = int.from_bytes(form[_EXTENSIBLE_AT : _EXTENSIBLE_AT + 2], "little")
    if (kind, channels, bits) != (_PCM, 1, 16):
        raise MalformedMessage(f"a WAV file of format {kind}, {channels} channels and {bits} bits, where PCM (1), 1 and 16 are due")
    if its_rate != rate:
        raise MalformedMessage(f"a WAV file of {its_rate} Hz, where {rate} Hz are due")
