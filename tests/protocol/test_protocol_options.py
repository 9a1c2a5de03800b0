"""Options of dialects of users: what their annotations take, in YAML and on the command line, and what is told of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Any, Literal, Optional

import pytest

from protocol import Dialect, make
from protocol.__main__ import given


@dataclass(frozen=True, slots=True)
class Options:
    voice: str | None = None
    speed: Optional[float] = None  # noqa: UP045  # users write it so
    size: Literal["small", "large", 3] = "small"
    level: int | Literal["auto"] = "auto"
    loud: bool = False
    count: int = 0
    gain: float = 1.0
    tags: list[str] = field(default_factory=list)
    extra: dict[str, str] | None = None
    whole: Any = None


class Mine(Dialect):
    name = "mine"
    Options = Options


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("voice", ["marin", "", "5", None]),
        ("speed", [1.5, 2, None]),
        ("size", ["small", "large", 3]),
        ("level", [5, "auto"]),
        ("loud", [True, False]),
        ("gain", [2, 0.5]),
    ],
)
def test_what_an_option_takes(option: str, values: list[Any]) -> None:
    for value in values:
        assert getattr(make(Mine, {option: value}).options, option) == value
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            read = given(Mine, [f"{option}={text}"])[option]
            assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("voice", 5, "option voice of mine must be text, not 5"),
        ("speed", "fast", "option speed of mine must be a number, not 'fast'"),
        ("size", "huge", "option size of mine must be 'small' or 'large' or 3, not 'huge'"),
        ("size", 3.0, "option size of mine must be 'small' or 'large' or 3, not 3.0"),
        ("level", "loud", "option level of mine must be a whole number or 'auto', not 'loud'"),
        ("level", True, "option level of mine must be a whole number or 'auto', not True"),
        ("count", None, "option count of mine must be a whole number, not None"),
        ("tags", ["a"], "option tags of mine: it is list[str], which cannot be given: write str, int, float, bool, a Literal, or X | None"),
        ("extra", "a", "option extra of mine: it is dict[str, str], which cannot be given"),
        ("whole", "a", "option whole of mine: it is "),
    ],
)
def test_what_it_does_not_take(option: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        make(Mine, {option: value})
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size=huge", "--option size=huge: it takes 'small' or 'large' or 3"),
        ("level=loud", "--option level=loud: it takes a whole number or 'auto'"),
        ("speed=fast", "--option speed=fast: it takes a number"),
        ("count=1.5", "--option count=1.5: it takes a whole number"),
        ("loud=1", "--option loud=1: it takes true or false"),
        ("tags=a,b", "--option tags=a,b: it is list[str], which cannot be given: write str, int, float, bool, a Literal, or X | None"),
    ],
)
def test_a_text_that_is_no_value(text: str, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        given(Mine, [text])
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)


def test_types_that_cannot_be_read_are_told() -> None:
    lost = type("Lost", (Dialect,), {"name": "lost", "Options": make_dataclass("Options", [("voice", "NoSuchType", None)])})
    for asked in (lambda: make(lost, {}), lambda: given(lost, ["voice=a"])):
        with pytest.raises(ValueError, match="the types of lost's Options cannot be read: NameError: name 'NoSuchType' is not defined"):
            asked()
