"""What a client may send, as small checks that combine: each tells what was expected, or None where the value is right.

Everything that is echoed to the client is checked, so that no event of ours breaks a client that validates what it gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

OTHERS_TAKE_FEWER = 80  # levels

Check = Callable[[Any], str | None]


class RefusedError(ValueError):
    """What a client sent cannot be used; becomes an error event or an HTTP 400 with this text, `param` and `code`."""

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def missing(name: str, at: str | None = None) -> RefusedError:
    """The refusal of a message that lacks a parameter; `at`: where it belongs, where that is not its name."""
    return RefusedError(f"Missing required parameter: '{at or name}'.", at or name, "missing_required_parameter")


def text(value: Any) -> str | None:
    return None if isinstance(value, str) else "expected text"


def flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "expected true or false"


def texts(value: Any) -> str | None:
    right = isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())
    return None if right else "expected an object whose values are text"


def number(low: float, high: float, *, whole: bool = False) -> Check:
    def check(value: Any) -> str | None:
        right = isinstance(value, int) if whole else isinstance(value, (int, float))
        if right and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"expected {'an integer' if whole else 'a number'} from {low:g} to {high:g}"

    return check


def choice(*names: str) -> Check:
    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in names else f"expected one of {', '.join(names)}"

    return check


def optional(check: Check) -> Check:
    """Null, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def listed(check: Check) -> Check:
    """A list, each entry of which `check` takes."""

    def every(value: Any) -> str | None:
        if not isinstance(value, list):
            return "expected a list"
        return next((f"[{index}]: {wrong}" for index, entry in enumerate(value) if (wrong := check(entry))), None)

    return every


def either(*checks: Check) -> Check:
    def check(value: Any) -> str | None:
        wrong = [text for one in checks if (text := one(value))]
        return " or ".join(wrong) if len(wrong) == len(checks) else None

    return check


def fields(needed: Mapping[str, Check], **others: Check) -> Check:
    """An object with all of `needed` and any of `others`; keys that neither names may hold anything."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "expected an object"
        for name, one in {**needed, **others}.items():
            if name not in value:
                if name in needed:
                    return f"{name} is missing"
            elif wrong := one(value[name]):
                return f"{name}: {wrong}"
        return None

    return check


def ensure_writable(value: Any) -> None:
    """Raises RefusedError where a message is nested so deeply that the event which echoes it could not be written or read:
    orjson writes 254 levels, the JSON reader of pydantic, on which the official client is built, takes fewer than 200."""
    for _ in range(OTHERS_TAKE_FEWER):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise RefusedError("The message is nested too deeply.", code="invalid_json") from None
