"""The options of a dialect as people write them: which values an annotation takes, and which value a text stands for."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from protocol.dialect import Dialect

_PLAIN: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
"""Types that can be given, in the order in which a text is tried for them."""
_WORDS: Final = {"true": True, "false": False}


def kinds(dialect: type[Dialect]) -> Mapping[str, Any]:
    """The annotation of each option. Raises ValueError with one line where they cannot be read."""
    try:
        return get_type_hints(dialect.Options)
    except Exception as error:
        raise ValueError(f"the types of {dialect.name}'s Options cannot be read: {type(error).__name__}: {error}") from None


def fits(kind: Any, value: Any) -> bool:
    """Whether an option of this annotation may be this value; a whole number is a number. Raises ValueError, as `told`."""
    return any(_is(choice, value) for choice in _choices(kind))


def told(kind: Any) -> str:
    """What can be given for this annotation, in words. Raises ValueError with one line for what is neither a plain type, one of several,
    a Literal nor None."""
    choices = [choice for choice in _choices(kind) if choice is not NoneType]
    return " or ".join(_PLAIN[choice] if choice in _PLAIN else repr(choice) for choice in choices) or "nothing"


def read(kind: Any, text: str) -> Any:
    """The value that this text stands for. Raises ValueError with one line where it is none, and as `told`."""
    choices = _choices(kind)
    for value in _readings(text):
        if any(_is(choice, value) for choice in choices):
            return value
    raise ValueError(f"it takes {told(kind)}")


def _readings(text: str) -> list[Any]:
    """The values that a text may stand for, by type in the order of _PLAIN."""
    found: list[Any] = [_WORDS[text]] if text in _WORDS else []
    for number in (int, float):
        try:
            found.append(number(text))
        except ValueError:
            continue
    return [*found, text]


def _choices(kind: Any) -> list[Any]:
    """The types and the literal values of which an option may be one."""
    if get_origin(kind) in (Union, UnionType):
        return [choice for one in get_args(kind) for choice in _choices(one)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if kind in _PLAIN or kind is NoneType:
        return [kind]
    shown = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    raise ValueError(f"it is {shown:.60}, which cannot be given: write str, int, float, bool, a Literal, or X | None with one of these")


def _is(choice: Any, value: Any) -> bool:
    if isinstance(choice, type):
        return type(value) is choice or (choice is float and type(value) is int)
    return type(value) is type(choice) and bool(value == choice)
