"""Secrets taken out of what others say, before it is kept or shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from protocol.events import AssistantError, Event, ResponseDone

HIDDEN: Final = "***"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without these; an empty one is none."""
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    return text


def spelled(secrets: Iterable[str]) -> tuple[str, ...]:
    """These, and what each is in a URL (RFC 3986) and in JSON."""
    ways = ((one, quote(one, safe=":"), json.dumps(one, ensure_ascii=False)[1:-1]) for one in secrets)
    return tuple(dict.fromkeys(text for three in ways for text in three))


def hidden_in(event: Event, secrets: tuple[str, ...]) -> Event:
    """What the assistant says is wrong, without these; any other event as it is."""
    if type(event) is AssistantError:
        return replace(event, code=event.code and hidden(event.code, secrets), message=hidden(event.message, secrets))
    if type(event) is ResponseDone and event.reason:
        return replace(event, reason=hidden(event.reason, secrets))
    return event
