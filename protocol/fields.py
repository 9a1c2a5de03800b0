"""Fields of a message in JSON, read with errors that say which is wrong: for dialects whose messages are such."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import orjson

from protocol.dialect import MalformedMessage
from protocol.events import Unknown

Json = dict[str, Any]
_T = TypeVar("_T", str, int, bool, list[Any], dict[str, Any])

LONGEST_UNKNOWN_TYPE: Final = 100
"""Characters kept of a type that a dialect does not know: it comes from outside, so it may be of any length."""
_NAMES: Final = {str: "a string", int: "a whole number", bool: "true or false", list: "an array", dict: "an object"}


def read(message: bytes) -> Json:
    """A message that is a JSON object. Raises MalformedMessage."""
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError as fault:
        raise MalformedMessage(f"message of {len(message)} bytes is not JSON: {fault}") from None
    if type(fields) is not dict:
        raise MalformedMessage(f"message of {len(message)} bytes is not a JSON object")
    return fields


def wrong(where: str, name: str, value: object, wanted: type) -> MalformedMessage:
    """The error for a field that is missing, or not of the wanted type."""
    if value is None:
        return MalformedMessage(f"{where}: {name} is missing; it must be {_NAMES[wanted]}")
    return MalformedMessage(f"{where}: {name} must be {_NAMES[wanted]}, not {type(value).__name__}")


def need(where: str, fields: Json, name: str, wanted: type[_T], inside: str = "") -> _T:
    """The field `name`, which must be there. `inside`: path of `fields` in the message, for the error's text. Raises MalformedMessage."""
    value = fields.get(name)
    if type(value) is not wanted:  # not isinstance: a JSON true is no number
        raise wrong(where, inside + name, value, wanted)
    found: _T = value
    return found


def may(where: str, fields: Json, name: str, wanted: type[_T], inside: str = "") -> _T | None:
    """The field `name`; None where it is absent or null. Raises MalformedMessage."""
    return None if fields.get(name) is None else need(where, fields, name, wanted, inside)


def unknown(kind: str) -> Unknown:
    """The event for a message of a type that the dialect has never heard of."""
    return Unknown(kind[:LONGEST_UNKNOWN_TYPE])


def without_none(**fields: Any) -> Json:
    """These fields of a message to be sent; None: not mentioned."""
    return {name: value for name, value in fields.items() if value is not None}
