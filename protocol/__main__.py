"""Dialects at the command line.

    python -m protocol list                   every dialect, and its options
    python -m protocol check DIALECT          whether a dialect is what every dialect must be
    python -m protocol check DIALECT URL      whether a server says what its dialect promises: a conversation of about a minute
    python -m protocol table [PAGE]           what each wire can and cannot tell, printed or written into the page

Exit code 1: something does not conform. 2: it could not be checked; a line says why.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from websocket import WebSocketBadStatusException, WebSocketException

from protocol import table
from protocol.access import filled_options, read_named
from protocol.alone import notes, violations
from protocol.conformance import redacted
from protocol.dialect import Dialect
from protocol.dialects import DIALECTS
from protocol.options import kinds, read
from protocol.registry import find, make
from protocol.rehearsal import rehearse
from protocol.verdict import conforms, shown, shown_alone, shown_notes


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m protocol", description="Lists and checks dialects, and the servers that speak them.")
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every dialect, and its options")
    check = commands.add_parser("check", help="whether a dialect, or a server of it, is what it should be")
    check.add_argument("dialect", metavar="DIALECT", help="a name, or a file such as ./my_dialect.py")
    check.add_argument("url", metavar="URL", nargs="?", help="where the server is, as for --host; without it the dialect alone is checked")
    check.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the dialect, as in session.wire")
    check.add_argument("--model", help="the model, where the wire has one")
    check.add_argument("--api-key-env", default="", metavar="NAME", help="the environment variable that holds the API key, or a token")
    page = commands.add_parser("table", help="what each wire can and cannot tell, as Markdown")
    page.add_argument("page", nargs="?", type=Path, help="file to write it into; without it, it is printed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """What the command is told to do; returns the exit code."""
    chosen = parser().parse_args(arguments)
    match chosen.command:
        case "list":
            for name, dialect in DIALECTS.items():
                options = ", ".join(field.name for field in fields(dialect.Options))
                print(f"{name:<24}{options or 'no options'}")
            return 0
        case "table":
            return _table(chosen.page)
    try:
        return _check(chosen)
    except ValueError as error:
        return _cannot(str(error))


def _check(chosen: argparse.Namespace) -> int:
    """Raises ValueError with one line for what cannot be used."""
    dialect = find(chosen.dialect)
    options = given(dialect, chosen.option)
    one = make(dialect, options)
    wrong = violations(lambda: make(dialect, options))
    if not wrong:
        print(shown_notes(notes(lambda: make(dialect, options))), end="")
    if chosen.url is None or wrong:
        print(shown_alone(one, wrong), end="")
        return 1 if wrong else 0
    secret = _secret(chosen.api_key_env)
    named = read_named(options, os.environ, chosen.api_key_env)
    held = [*([] if secret is None else [secret]), *named.values()]
    secrets = list(dict.fromkeys(text for value in held for text in (value, quote(value, safe=":"))))
    if named:
        try:
            one = make(dialect, filled_options(options, named))
        except ValueError:  # whose text may show what they hold
            raise ValueError(f"what {', '.join(sorted(named))} holds is nothing that {one.name} takes") from None
    url = one.endpoint(chosen.url, chosen.model)
    place = url.partition("?")[0]
    for text in secrets:
        place = place.replace(text, "[secret]")
    print(f"{one.name} at {place}: a turn, a barge-in, a turn, a false alarm; about a minute", flush=True)
    try:
        watch = rehearse(one, url, one.headers(secret), secrets)
    except WebSocketBadStatusException as error:
        return _cannot(f"{place}: the server refused the WebSocket with HTTP status {error.status_code}")
    except (WebSocketException, OSError) as error:
        return _cannot(f"{place} cannot be called: {redacted(str(error), secrets)}")
    print(shown(watch), end="")
    return 0 if conforms(watch) else 1


def given(dialect: type[Dialect], texts: Sequence[str]) -> dict[str, Any]:
    """Options written as NAME=VALUE, in the types that the dialect's have. Raises ValueError; whether they fit, `make` tells."""
    asked = kinds(dialect)
    made: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ValueError(f"--option {text}: write NAME=VALUE")
        try:
            made[name] = read(asked.get(name, str), value)
        except ValueError as error:
            raise ValueError(f"--option {text}: {error}") from None
    return made


def _secret(variable: str) -> str | None:
    if not variable:
        return None
    secret = os.environ.get(variable)
    if not secret:
        raise ValueError(f"--api-key-env: the environment variable {variable} is not set")
    return secret


def _table(page: Path | None) -> int:
    if page is None:
        print(table.table(), end="")
        return 0
    try:
        page.write_text(table.page(page.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        return _cannot(f"{page}: {error}")
    return 0


def _cannot(why: str) -> int:
    print(f"doubletalk: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
