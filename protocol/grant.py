"""What the reply to a talker's request for a token or a session's URL gives: pure, and errors are values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from protocol.access import TOKEN, WS_SCHEMES, Recipe, fill, in_header

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_SECRET_LENGTH: Final = 16
"""Characters from which on a parameter may be a signature or a token: shorter ones are rates, formats and names."""
_LONGEST_LIFE_S: Final = 1e9
"""Some 31 years: an expiry below it is a lifetime, one above it an instant, counted from 1970."""
_MILLISECONDS: Final = 1e11
"""The year 5138 in seconds, and 1973 in milliseconds."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session gets in by; never shown.

    `token`: None where there is none. `url`: where the session is, ws, wss or a path below the host; None: where the dialect has it.
    `headers`: of the handshake, besides the dialect's own; None: the dialect's, with the token. `expires_at_s`: since 1970; None where
    that is not known.
    """

    token: str | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    expires_at_s: float | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must not be shown: the values of the URL's longer parameters, too."""
        told = parse_qsl(urlsplit(self.url or "").query)
        parameters = [value for _, value in told if len(value) >= _SECRET_LENGTH]
        return tuple(text for text in (self.token, self.url, *(self.headers or {}).values(), *parameters) if text)


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a reply lacks, in words that show nothing of it."""

    text: str


def found(recipe: Recipe, reply: bytes, now_s: float, values: Mapping[str, str]) -> Grant | Lacking:
    """What a reply of status 2xx gives. `now_s`: seconds since 1970; `values`: as for `filled`."""
    try:
        document = orjson.loads(reply)
    except orjson.JSONDecodeError:
        document = None
    token = _text(document, recipe.token_pointers)
    if token is None and recipe.needs_token:
        return _lacking(document, recipe.token_pointers, "token")
    if token is not None and not in_header(token):
        return Lacking("the token has characters that a header cannot carry")
    known = {**values, TOKEN: token or ""}
    url: str | None = None
    if recipe.url_pointers:
        url = _text(document, recipe.url_pointers)
        if url is None:
            return _lacking(document, recipe.url_pointers, "session URL")
    elif recipe.session_url is not None:
        url = fill(recipe.session_url, known, in_url=True)
    if url is not None and (recipe.url_pointers or not url.startswith("/")):
        url = _called(url)
        if url is None:
            return Lacking("the session's URL is none of ws, wss, http or https that can be called")
    headers = None if recipe.session_headers is None else {name: fill(text, known) for name, text in recipe.session_headers.items()}
    expires = (at(document, pointer) for pointer in recipe.expiry_pointers)
    return Grant(token, url, headers, next((_instant_s(one, now_s) for one in expires if one is not None), None))


def at(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to (RFC 6901); None where that is null, or nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and _INDEX.fullmatch(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _text(document: Any, pointers: tuple[str, ...]) -> str | None:
    """The first text at one of the pointers that is not empty."""
    there = (at(document, pointer) for pointer in pointers)
    return next((one for one in there if isinstance(one, str) and one), None)


def _lacking(document: Any, pointers: tuple[str, ...], what: str) -> Lacking:
    if len(pointers) != 1:
        return Lacking(f"the reply holds no {what}")
    held = "nothing" if at(document, pointers[0]) is None else "no text"
    return Lacking(f"the reply holds {held} at {pointers[0] or 'its top'}")


def _called(url: str) -> str | None:
    """A URL as a WebSocket's; None where it cannot be one."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in WS_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    if not fine or not in_header(url) or " " in url:
        return None
    return WS_SCHEMES[parts.scheme] + url.partition("#")[0][len(parts.scheme) :]


def _instant_s(told: Any, now_s: float) -> float | None:
    """An expiry in seconds since 1970; None where it cannot be read."""
    if isinstance(told, str):
        try:
            told = float(told)
        except ValueError:
            try:
                instant = datetime.fromisoformat(told)
            except ValueError:
                return None
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    if isinstance(told, bool) or not isinstance(told, int | float) or not abs(told) < float("inf"):
        return None
    if told < _LONGEST_LIFE_S:
        return now_s + told
    return float(told / 1000 if told > _MILLISECONDS else told)
