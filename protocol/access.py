"""How a talker gets in, told as data: the request for a token or a session's URL, and where in the reply these are.

A text of a recipe, and one among a dialect's options, may hold `${NAME}`: the environment variable NAME, or, as `${KEY}`, the run's own
API key; `$${` stands for `${` itself. Values are put in by `filled`, once for a run, and by `filled_options`; recipe and options hold their
names only, so that they may be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

KEY: Final = "KEY"
"""The name that stands for the run's own API key."""
TOKEN: Final = "TOKEN"
"""The name that stands for the token, in `session_url` and `session_headers`."""

_NAME: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_]\w*)\}", re.ASCII)
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*")
IN_URL: Final = frozenset({"path", "parameters"})
"""Options of dialects that are written as they stand in a URL."""
WS_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
"""What the scheme of a session's URL becomes."""


class Reuse(StrEnum):
    """How long a talker uses what it was given."""

    CALL = "call"
    """For one session: each asks anew, the one after a lost session, too."""
    TALKER = "talker"
    """For all its sessions, until it expires or is refused."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The request that a talker makes before a session, and what is read from the JSON of its reply. Pointers are JSON pointers (RFC 6901);
    of several, the first that holds something counts. Raises ValueError, with one line that shows no value, for what is no recipe."""

    url: str
    """A path below the host, or an absolute URL of http or https."""
    method: str = "POST"
    """GET or POST."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """One that holds `${KEY}` is left out where the run has no key."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """JSON; sent with POST only."""
    token_pointers: tuple[str, ...] = ()
    """The token, which is sent with the session's handshake. It must be there, unless a URL is."""
    url_pointers: tuple[str, ...] = ()
    """The session's URL, ws, wss, http or https. It must be there. Empty: the dialect knows it."""
    expiry_pointers: tuple[str, ...] = ()
    """When both expire: seconds from now, seconds or milliseconds since 1970, or a text as in RFC 3339."""
    session_url: str | None = None
    """Instead of a URL in the reply: one made with `${TOKEN}`, a path below the host or ws, wss, http or https."""
    session_headers: Mapping[str, str] | None = None
    """Headers of the handshake, with `${TOKEN}`, besides those that the dialect sends without a secret. None: those that it sends with
    the token as its secret."""
    reuse: Reuse = Reuse.CALL

    def __post_init__(self) -> None:
        if self.method not in ("GET", "POST"):
            raise ValueError("method: it is GET or POST")
        if not (self.url.startswith("/") or _has_host(self.url, ("http", "https"))):
            raise ValueError("url: write a path such as /rt-token, or a URL that begins with http:// or https://")
        if self.session_url is not None and not (self.session_url.startswith("/") or _has_host(self.session_url, tuple(WS_SCHEMES))):
            raise ValueError("session_url: write a path, or a URL that begins with ws://, wss://, http:// or https://")
        if not self.token_pointers and not self.url_pointers:
            raise ValueError("token_pointers, url_pointers: one of them must say where in the reply something is")
        for name in ("token_pointers", "url_pointers", "expiry_pointers"):
            for pointer in getattr(self, name):
                if not _POINTER.fullmatch(pointer):
                    raise ValueError(f"{name}: {pointer!r} is no JSON pointer: write /value, or /client_secret/value")
        for where, text in self.texts():
            _check_names(where, text)

    @property
    def needs_token(self) -> bool:
        """Whether there is no session without a token."""
        return not self.url_pointers or any(TOKEN in names(text) for where, text in self.texts() if where.startswith("session_"))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every text that may hold names, and where it is."""
        yield "url", self.url
        for name, text in self.headers.items():
            yield f"headers.{name}", text
        yield from _texts(self.body, "body")
        if self.session_url is not None:
            yield "session_url", self.session_url
        for name, text in (self.session_headers or {}).items():
            yield f"session_headers.{name}", text


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ready to be sent, with secrets in it: never shown. `body`: None for GET."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


def variables(recipe: Recipe) -> dict[str, str]:
    """The names without which the recipe cannot be filled, each with the first place that holds it. `${KEY}` in a header can be missed."""
    found: dict[str, str] = {}
    for where, text in recipe.texts():
        elsewhere = {TOKEN} if where.startswith("session_") else {KEY} if where.startswith("headers.") else set()
        for name in sorted(names(text) - elsewhere):
            found.setdefault(name, where)
    return found


def filled(recipe: Recipe, values: Mapping[str, str]) -> Request:
    """The request with values in place of names: percent-encoded in the URL (RFC 3986). `values` has all `variables`, and KEY where the run
    has one. Raises ValueError, with one line that shows no value, where a header cannot carry one, or JSON cannot hold the body."""
    headers: dict[str, str] = {}
    for name, text in recipe.headers.items():
        if KEY in names(text) and KEY not in values:
            continue
        headers[name] = fill(text, values)
        if not in_header(headers[name]):
            raise ValueError(f"headers.{name}: it is empty or has characters that a header cannot carry, such as a line end")
    for name, text in (recipe.session_headers or {}).items():
        if not in_header(fill(text, {TOKEN: "a token", **values})):
            raise ValueError(f"session_headers.{name}: it is empty or has characters that a header cannot carry, such as a line end")
    try:
        body = orjson.dumps(_fill_all(recipe.body, values)) if recipe.method == "POST" else None
    except orjson.JSONEncodeError as error:
        raise ValueError(f"body: it cannot be sent as JSON: {error}") from None
    return Request(recipe.method, fill(recipe.url, values, in_url=True), headers, body)


def named(options: Mapping[str, Any]) -> dict[str, str]:
    """The names that the texts among a dialect's options hold, each with the first option that holds it. Raises ValueError, with one line
    that begins with the option, for what is no name."""
    found: dict[str, str] = {}
    for option, text in options.items():
        if isinstance(text, str):
            _check_names(option, text)
            for name in sorted(names(text)):
                found.setdefault(name, option)
    return found


def read_named(options: Mapping[str, Any], environment: Mapping[str, str], key_variable: str) -> dict[str, str]:
    """What the environment holds for the names in a dialect's options. `key_variable`: which holds the run's own API key, "" for none.
    Raises ValueError, as `named`, for one that is not set, and for one that cannot be sent."""
    values: dict[str, str] = {}
    for name, option in named(options).items():
        variable = key_variable if name == KEY else name
        value = environment.get(variable, "") if variable else ""
        if not value:
            missing = f"set the environment variable {variable}" if variable else "name the API key's environment variable: --api-key-env"
            raise ValueError(f"{option} needs ${{{name}}}: {missing}")
        if not value.isprintable():
            raise ValueError(f"{option}: {variable} has characters that cannot be sent, such as a line end")
        values[name] = value
    return values


def filled_options(options: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A dialect's options with values in place of names: percent-encoded (RFC 3986) in those that are written as in a URL. `values` has all
    that are `named`."""
    return {name: fill(told, values, in_url=name in IN_URL) if isinstance(told, str) else told for name, told in options.items()}


def fill(text: str, values: Mapping[str, str], in_url: bool = False) -> str:
    """The text with values in place of names. `in_url`: percent-encoded (RFC 3986)."""

    def value(found: re.Match[str]) -> str:
        held = values[found[1]] if found[1] else "${"
        return quote(held, safe=":") if in_url else held

    return _NAME.sub(value, text)


def literal(text: str) -> str:
    """What a recipe writes for a text that holds no names, whatever is in it."""
    return text.replace("${", "$${")


def names(text: str) -> set[str]:
    """The names that a text holds."""
    return set(_NAME.findall(text)) - {""}


def in_header(text: str) -> bool:
    """Whether the value of a header can be this text."""
    return bool(text) and text.isascii() and text.isprintable()


def _check_names(where: str, text: str) -> None:
    if "${" in _NAME.sub("-", text):
        raise ValueError(f"{where}: write ${{NAME}}, with the name of an environment variable")


def _has_host(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        return False


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """The texts of a JSON value."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _texts(below, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _texts(below, f"{where}.{index}")


def _fill_all(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, Mapping):
        return {name: _fill_all(below, values) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_fill_all(below, values) for below in value]
    return value
