"""Secrets taken out of what others say, before it is kept or shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from protocol.events import AssistantError

HIDDEN: Final = "***"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without these; an empty one is none."""
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    return text


def hidden_in(error: AssistantError, secrets: tuple[str, ...]) -> AssistantError:
    """What the assistant says is wrong, without these."""
    return replace(error, code=error.code and hidden(error.code, secrets), message=hidden(error.message, secrets))
