"""Audio as it stands in JSON: how much of it there is, told by its length alone."""

from __future__ import annotations

from protocol.dialect import Encoding, MalformedMessage


def samples(base64: str, encoding: Encoding) -> int:
    """Samples in base64 text. Raises MalformedMessage where its length is none of base64's, or holds half a sample."""
    if len(base64) % 4:
        raise MalformedMessage(f"audio of {len(base64)} characters is not base64")
    return encoding.samples(len(base64) // 4 * 3 - base64[-2:].count("="))
