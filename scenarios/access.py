"""The scenario's part about getting in: what differs from the dialect's recipe for a token or a session's URL. Names only, no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from scenarios.parts import Part

_NAME = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
SECRET = re.compile(r"(.*[-_.])?(authorization|cookie|apikey|key|secret|password|signature)|.*token", re.IGNORECASE)
"""Names of headers and parameters that carry a secret."""
SECRET_IN_BODY = re.compile(r"authorization|cookie|(x-)?(xi-)?api[-_]?key|.*secret|password|access[-_]?token", re.IGNORECASE)
"""Names in a body that do: a key or a token may be something else there."""
_WORDS = re.compile(r"(\w{1,20}[ =]|; ?)*")
"""What may stand beside a name: `Bearer `, or `session=`."""
_ADVICE = "run files show it: put it into an environment variable, and write ${NAME} here"


def _named(value: str) -> bool:
    """Whether a text has its secrets by name."""
    return bool(_NAME.search(value)) and bool(_WORDS.fullmatch(_NAME.sub("", value)))


def _url(value: str) -> str:
    parts = urlsplit(value)
    if not (value.startswith("/") or (parts.scheme in ("http", "https", "ws", "wss") and parts.hostname)):
        raise ValueError("write a path such as /rt-token, or a whole URL such as https://voice.example.com/rt-token")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a URL has no spaces, and no characters beyond ASCII: write them as %20")
    if "@" in parts.netloc:
        raise ValueError("a URL without user name and password: run files show it")
    literal = next((name for name, text in parse_qsl(parts.query) if SECRET.fullmatch(name) and not _named(text)), None)
    if literal is not None:
        raise ValueError(f"the parameter {literal} holds a secret, and {_ADVICE}")
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if value and SECRET.fullmatch(name) and not _named(value):
            raise ValueError(f"the header {name} holds a secret, and {_ADVICE}")
    return headers


def _body(body: dict[str, Any]) -> dict[str, Any]:
    _check_json(body)
    return body


def _check_json(value: Any, name: str = "") -> None:
    if isinstance(value, str) and value and SECRET_IN_BODY.fullmatch(name) and not _named(value):
        raise ValueError(f"{name} holds a secret, and {_ADVICE}")
    if isinstance(value, Mapping):
        for below, inner in value.items():
            if not isinstance(below, str):
                raise ValueError("JSON has names in quotes only")
            _check_json(inner, below)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner)
    elif not (value is None or isinstance(value, str | int | float)):
        raise ValueError(f"JSON has no {type(value).__name__}: write it as text, in quotes")


def _pointer(value: str) -> str:
    if not re.fullmatch(r"(/([^~/]|~[01])*)*", value):
        raise ValueError("write a JSON pointer (RFC 6901) such as /value, or /client_secret/value")
    return value


def _header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("a header's name has letters, digits and dashes")
    return name


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Url = Annotated[str, AfterValidator(_url)]
HeaderName = Annotated[str, AfterValidator(_header)]
Headers = Annotated[dict[HeaderName, str], AfterValidator(_headers)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Pointers = Annotated[tuple[Pointer, ...], BeforeValidator(_listed)]


class Access(Part):
    """How talkers are given a token or a session's URL, as far as it differs from the dialect's recipe. null: as there."""

    url: Url | None = Field(None, description="whom to ask before a session: a path below the host, or a URL; [getting in](getting-in.md)")
    method: Literal["GET", "POST"] | None = Field(None, description="how")
    headers: Headers | None = Field(None, description="headers of the request, besides the recipe's; an empty one takes the recipe's out")
    body: Annotated[dict[str, Any], AfterValidator(_body)] | None = Field(
        None, description="JSON that a POST sends, over the recipe's: mappings key by key"
    )
    token_pointers: Pointers | None = Field(None, description="JSON pointers to the token in the reply, the first that holds text counts")
    url_pointers: Pointers | None = Field(None, description="the same for the session's URL; `[]`: the dialect knows it")
    expiry_pointers: Pointers | None = Field(None, description="the same for when they expire")
    session_url: Url | None = Field(None, description="the session's URL or path, made with `${TOKEN}`, where the reply has none")
    session_headers: Headers | None = Field(None, description="headers of the session's handshake, made with `${TOKEN}`")
    reuse: Literal["call", "talker"] | None = Field(
        None, description="`call`: each session asks anew; `talker`: a talker keeps what it was given until it expires"
    )

    @model_validator(mode="after")
    def _sent(self) -> Access:
        if self.method == "GET" and self.body:
            raise ValueError("body: a GET sends none; leave it out, or write method: POST")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The keys that differ from the recipe's."""
        return {name: value for name, value in self if value is not None}
