"""What clients may send, whatever it is: refused, or echoed in a form that the official types accept."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from assistant_harness import BETA, GA
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.items import OTHER_ITEMS, checked_item
from assistant.settings import AUDIO, ECHOED, TURN_FIELDS, Settings
from assistant.shapes import RefusedError, choice, either, ensure_writable, fields, listed, number, optional, text, texts

SCALARS = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
WORDS = st.sampled_from(["auto", "function", "mcp", "none", "inf", "server_vad", "semantic_vad", "low", "near_field", "disabled"])
KEYS = st.sampled_from(["type", "name", "model", "id", "server_label", "text", "role", "content", "effort"])
ANY = st.recursive(SCALARS | WORDS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)


@pytest.mark.parametrize("name", sorted(ECHOED))
@settings(max_examples=40)
@given(value=ANY)
def test_an_echoed_field(name: str, value: Any) -> None:
    _echoes({"type": "realtime", name: value})


@pytest.mark.parametrize("name", sorted(AUDIO))
@settings(max_examples=40)
@given(value=ANY | st.dictionaries(st.sampled_from(["type", "model", "language", "prompt", "id"]), ANY, max_size=2))
def test_an_audio_field(name: str, value: Any) -> None:
    side = "output" if name in ("voice", "speed") else "input"
    _echoes({"type": "realtime", "audio": {side: {name: value}}})


@settings(max_examples=40)
@given(value=st.dictionaries(st.sampled_from(["type", *TURN_FIELDS]), ANY, max_size=3))
def test_turn_detection(value: dict[str, Any]) -> None:
    _echoes({"type": "realtime", "audio": {"input": {"turn_detection": value}}})


def _echoes(session: Any) -> None:
    session_settings = Settings("gpt-realtime")
    with contextlib.suppress(RefusedError):
        session_settings.update(session, beta=False)
    shown = {"type": "session.updated", "event_id": "e", "session": session_settings.echo("s", beta=False, expires_at=1)}
    GA.validate_python(shown)


PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "input_audio", "input_image", "output_text", "text"]) | ANY},
    optional=dict.fromkeys(("text", "transcript", "audio", "image_url", "detail"), ANY),
)
MESSAGE = st.fixed_dictionaries(
    {
        "type": st.just("message"),
        "role": st.sampled_from(["user", "assistant", "system"]) | ANY,
        "content": st.lists(PART, max_size=2) | ANY,
    },
    optional={"id": ANY, "status": ANY, "object": ANY},
)
OTHERS = st.one_of(
    *[
        st.fixed_dictionaries(
            {"type": st.just(kind), **{name: st.text(max_size=3) | ANY for name in needed}},
            optional=dict.fromkeys(("id", "object", *others), ANY),
        )
        for kind, (needed, others) in OTHER_ITEMS.items()
    ]
)


@settings(max_examples=40)
@given(given_item=MESSAGE | OTHERS | ANY)
def test_a_created_item(given_item: Any) -> None:
    with contextlib.suppress(RefusedError):
        item = checked_item(given_item, "item_1")
        GA.validate_python({"type": "conversation.item.added", "event_id": "e", "item": item})


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"),
    [
        (text, "x", 5, "expected text"),
        (texts, {"a": "b"}, {"a": 1}, "expected an object whose values are text"),
        (number(0, 1), 0.5, True, "expected a number from 0 to 1"),
        (number(1, 3, whole=True), 3, 1.5, "expected an integer from 1 to 3"),
        (choice("a", "b"), "a", [], "expected one of a, b"),
        (optional(text), None, 1, "expected text"),
        (listed(text), ["a"], ["a", 1], "[1]: expected text"),
        (listed(text), [], "a", "expected a list"),
        (either(choice("a"), text), "x", 1, "expected one of a or expected text"),
        (fields({"a": text}, b=text), {"a": "", "c": 1}, {"b": ""}, "a is missing"),
        (fields({"a": text}, b=text), {"a": "", "b": ""}, {"a": "", "b": 1}, "b: expected text"),
        (fields({}), {}, [], "expected an object"),
    ],
)
def test_checks(check: Any, right: Any, wrong: Any, says: str) -> None:
    assert (check(right), check(wrong)) == (None, says)


def test_what_is_too_deep_to_echo() -> None:
    shallow: Any = 1
    for _ in range(100):
        shallow = {"a": shallow}
    ensure_writable(shallow)
    deep = [[shallow] for _ in range(1)]
    for _ in range(100):
        deep = [deep]
    with pytest.raises(RefusedError, match="nested too deeply"):
        ensure_writable(deep)


def test_the_beta_echo_of_every_default() -> None:
    shown = Settings("gpt-realtime").echo("s", beta=True, expires_at=1)
    BETA.validate_python({"type": "session.updated", "event_id": "e", "session": shown})
