"""Messages of audio that are like one that was decoded, but for an id of their own and their audio: told so without being decoded.

Nine messages of ten in a call are audio of a response that is being heard; of those only the length matters.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

_QUOTE: Final = b'"'
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
_LONGEST_ID: Final = 128


class Alike(tuple[bytes, ...]):
    """What is asked of the audio, and the literals that messages in JSON share: what they begin with, what stands between the gaps, what
    they end with. The last gap is audio in base64; the others hold an id each, which may be any string of up to 128 bytes without a quote.
    Where there are no literals, they are binary messages, audio and nothing else.

    Asked of the audio: 256 flags for each byte of a sample, one of which it must have set (audio.codecs.surely_loud); b"": it is PCM16, and
    nothing is asked.
    """

    __slots__ = ()

    @property
    def binary(self) -> bool:
        """Whether they are binary messages."""
        return len(self) == 1

    def asking(self, flags: bytes) -> Alike:
        """Those of them whose audio has one of these flags."""
        return Alike((flags, *self[1:]))

    def samples(self, message: bytes) -> int | None:
        """Samples of audio in `message`; None where it is not alike, or not so clearly that it need not be decoded."""
        flags, *literals = self
        if not literals:
            return self._whole(len(message)) if not flags or _any(flags, message) else None
        first, *middle, last = literals
        if not (message.startswith(first) and message.endswith(last)):
            return None
        at = len(first)
        for literal in middle:
            at = message.find(_QUOTE, at, at + _LONGEST_ID + 1)
            if at < 0 or not message.startswith(literal, at):
                return None
            at += len(literal)
        end = len(message) - len(last)
        odd = (end - at) & 3 or message.find(_QUOTE, at, end) >= 0 or message.find(b"\\", at, end) >= 0
        if end <= at or odd:
            return None
        padding = message.count(b"=", end - 2, end) if message[end - 1 : end] == b"=" else 0
        if flags and not _any(flags, _readable(message[at:end], padding)):
            return None
        return self._whole((end - at) // 4 * 3 - padding)

    def _whole(self, size: int) -> int | None:
        samples, odd = divmod(size, len(self[0]) // 256 or 2)
        return None if odd or not samples else samples


def _any(flags: bytes, audio: bytes) -> bool:
    width = len(flags) // 256
    return any(1 in audio[at::width].translate(flags[256 * at : 256 * (at + 1)]) for at in range(width))


def _readable(text: bytes, padding: int) -> bytes:
    """The audio of base64 up to where it is broken."""
    broken = _NOT_BASE64.search(text, 0, len(text) - padding)
    return b64decode(text if broken is None else text[: broken.start() // 4 * 4])


BINARY: Final = Alike((b"",))
"""Binary messages, audio and nothing else."""


def alike(message: bytes, audio: str, identity: str | None = None) -> Alike | None:
    """What messages share with this one but for the value of the field `identity`, if it has one, and that of `audio` behind it.

    None where that cannot be told: a field is there twice, is no plain string, or stands in the other order.
    """
    audios = _values(message, audio)
    identities = _values(message, identity) if identity is not None else []
    if len(audios) != 1 or len(identities) > 1:
        return None
    gaps = identities + audios
    if gaps != sorted(gaps):
        return None
    bounds = [0, *(bound for gap in gaps for bound in gap), len(message)]
    return Alike((b"", *(message[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True))))


def _values(message: bytes, name: str) -> list[tuple[int, int]]:
    """Where the string values of the fields with this name begin and end."""
    return [match.span(1) for match in re.finditer(rb'"%s"\s*:\s*"([^"\\]*)"' % re.escape(name.encode()), message)]
