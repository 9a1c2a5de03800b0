"""Messages of audio that are like one that was decoded, but for an id of their own and their audio: told so without being decoded.

Nine messages of ten in a call are audio of a response that is being heard; of those only the length matters.
"""

from __future__ import annotations

import re
from typing import Final

_QUOTE: Final = b'"'
_LONGEST_ID: Final = 128


class Alike(tuple[bytes, ...]):
    """The literals that messages in JSON share: what they begin with, what stands between the gaps, what they end with. The last gap is
    base64 of PCM16; the others hold an id each, which may be any string of up to 128 bytes without a quote."""

    __slots__ = ()

    def samples(self, message: bytes) -> int | None:
        """Samples of audio in `message`; None where it is not alike, or not so clearly that it need not be decoded."""
        first, *middle, last = self
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
        size = (end - at) // 4 * 3 - padding
        return None if size & 1 else size >> 1


def alike(message: bytes, identity: str, audio: str) -> Alike | None:
    """What messages share with this one but for the value of the field `identity`, if it has one, and that of `audio` behind it.

    None where that cannot be told: a field is there twice, is no plain string, or stands in the other order.
    """
    audios = _values(message, audio)
    identities = _values(message, identity)
    if len(audios) != 1 or len(identities) > 1:
        return None
    gaps = identities + audios
    if gaps != sorted(gaps):
        return None
    bounds = [0, *(bound for gap in gaps for bound in gap), len(message)]
    return Alike(message[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True))


def _values(message: bytes, name: str) -> list[tuple[int, int]]:
    """Where the string values of the fields with this name begin and end."""
    return [match.span(1) for match in re.finditer(rb'"%s"\s*:\s*"([^"\\]*)"' % re.escape(name.encode()), message)]
