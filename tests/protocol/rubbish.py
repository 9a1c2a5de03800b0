"""Messages that no server should send: true ones with a field of another kind, or cut off, or none at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
    st.sampled_from(["AAA", "AAAA", "AA==", "A", "audio/pcm;rate=8000", "nan", "inf", "9" * 30]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inside:
        yield from places(below, (*path, name))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


@st.composite
def rubbish(draw: st.DrawFn, messages: list[Any]) -> bytes:
    """A message of these (JSON values) with something wrong in it."""
    message = draw(st.sampled_from(messages))
    spoilt = put(message, draw(st.sampled_from(list(places(message)))), draw(ODD))
    text = json.dumps(spoilt).encode()
    return draw(st.one_of(st.just(text), st.integers(0, len(text)).map(lambda end: text[:end]), st.binary(max_size=40)))
