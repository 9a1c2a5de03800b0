"""What a reply gives: JSON pointers, tokens, URLs, expiries, and what is lacking, told without a word of the reply."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import TOKENS, Grant, Lacking, Recipe, found
from protocol.grant import at

NOW_S = 1_795_000_000.0
SIGNED = Recipe(method="GET", url="/signed", url_pointers=("/signed_url",))
GRANTED = Recipe(url="/grant", token_pointers=("/access_token",), expiry_pointers=("/expires_in",))

RFC6901 = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8, "01": 9, "~1": 10}
"""The document of RFC 6901, section 5, and two keys more."""


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/foo/1", "baz"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/01", 9),
        ("/~01", 10),
        ("/foo/2", None),
        ("/foo/01", None),
        ("/foo/-", None),
        ("/foo/-1", None),
        ("/foo/9999999999999999999999", None),
        ("/foo/0/0", None),
        ("/a", None),
        ("/m~n", 8),
        ("/a~1b/x", None),
        ("/foo/", None),
    ],
)
def test_a_json_pointer(pointer: str, value: Any) -> None:
    assert at(RFC6901, pointer) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), below, max_size=3),
    max_leaves=12,
)


def places(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """Every pointer into a document, and what it leads to."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    steps = [(str(key).replace("~", "~0").replace("/", "~1"), inner) for key, inner in below]
    return [(pointer, value), *(place for key, inner in steps for place in places(inner, f"{pointer}/{key}"))]


@settings(max_examples=50)
@given(JSON)
def test_every_place_of_a_document_has_a_pointer(document: Any) -> None:
    for pointer, value in places(document):
        assert at(document, pointer) == value


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_reply_is_a_grant_or_lacks_something(reply: bytes) -> None:
    for recipe in (TOKENS, SIGNED, GRANTED):
        assert isinstance(found(recipe, reply, NOW_S, {}), Grant | Lacking)


@pytest.mark.parametrize(
    "reply",
    [
        '{"value": "ek_1"}',
        '{"client_secret": {"value": "ek_1"}}',
        '{"client_secret": "ek_1"}',
        '{"token": "ek_1", "value": null, "client_secret": {}}',
        '{"value": "ek_1", "token": "other"}',
    ],
)
def test_openai_tokens_in_every_shape(reply: str) -> None:
    assert found(TOKENS, reply.encode(), NOW_S, {}) == Grant("ek_1")


@pytest.mark.parametrize(
    "reply", ["", "null", "[]", "7", '"ek_1"', '{"value": 7}', '{"value": ""}', '{"client_secret": {"value": []}}', "<p>"]
)
def test_no_openai_token(reply: str) -> None:
    assert found(TOKENS, reply.encode(), NOW_S, {}) == Lacking("the reply holds no token")


@pytest.mark.parametrize(
    ("recipe", "reply", "told"),
    [
        (SIGNED, b"{}", "the reply holds nothing at /signed_url"),
        (SIGNED, b"<html>", "the reply holds nothing at /signed_url"),
        (SIGNED, b"\xff", "the reply holds nothing at /signed_url"),
        (SIGNED, b'{"signed_url": 7}', "the reply holds no text at /signed_url"),
        (SIGNED, b'{"signed_url": ""}', "the reply holds no text at /signed_url"),
        (GRANTED, b"{}", "the reply holds nothing at /access_token"),
        (GRANTED, b'{"access_token": "a\\nb"}', "the token has characters that a header cannot carry"),
        (Recipe(url="/c", url_pointers=("/ws_url", "/wsUrl")), b"{}", "the reply holds no session URL"),
        (Recipe(url="/c", token_pointers=("",)), b"[]", "the reply holds no text at its top"),
        (Recipe(url="/c", url_pointers=("/u",), token_pointers=("/t",), session_headers={"x": "${TOKEN}"}), b'{"u": "ws://x"}', "the reply "
         "holds nothing at /t"),
    ],
)  # fmt: skip
def test_what_is_lacking(recipe: Recipe, reply: bytes, told: str) -> None:
    assert found(recipe, reply, NOW_S, {}) == Lacking(told)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("wss://x.example/s?token=a%20b", "wss://x.example/s?token=a%20b"),
        ("WSS://x/s", "wss://x/s"),
        ("https://other.example:8443/s", "wss://other.example:8443/s"),
        ("http://x/s", "ws://x/s"),
        ("ws://[::1]:9000", "ws://[::1]:9000"),
        ("wss://x/s?#part", "wss://x/s?"),
        ("ftp://x/s3cr3t", None),
        ("/s3cr3t", None),
        ("s3cr3t", None),
        ("wss://", None),
        ("wss://:80/s3cr3t", None),
        ("wss://x:0/s3cr3t", None),
        ("wss://x:s3cr3t/", None),
        ("wss://[x/s3cr3t", None),
        ("wss://x/s3cr3t\r\nX-Evil: 1", None),
        ("wss://x/s3cr3t HTTP/1.1", None),
        ("wss://x/s3crét", None),
    ],
)
def test_the_url_of_a_session(url: str, called: str | None) -> None:
    given = found(SIGNED, json.dumps({"signed_url": url}).encode(), NOW_S, {})
    if called is None:
        assert given == Lacking("the session's URL is none of ws, wss, http or https that can be called")
    else:
        assert given == Grant(url=called)


def test_a_url_that_is_made_with_the_token() -> None:
    recipe = Recipe(url="/t", token_pointers=("/name",), session_url="/ws?access_token=${TOKEN}&at=${PLACE}")
    grant = found(recipe, b'{"name": "auth_tokens/a&b"}', NOW_S, {"PLACE": "eu 1"})
    assert grant == Grant("auth_tokens/a&b", "/ws?access_token=auth_tokens%2Fa%26b&at=eu%201")
    elsewhere = Recipe(url="/t", token_pointers=("/name",), session_url="https://x/${TOKEN}", session_headers={"a": "Token ${TOKEN}"})
    assert found(elsewhere, b'{"name": "n"}', NOW_S, {}) == Grant("n", "wss://x/n", {"a": "Token n"})


def test_a_url_and_a_token() -> None:
    pipecat = Recipe(url="/connect", token_pointers=("/token",), url_pointers=("/ws_url", "/wsUrl"))
    assert found(pipecat, b'{"ws_url": "ws://x/ws", "token": "t"}', NOW_S, {}) == Grant("t", "ws://x/ws")
    assert found(pipecat, b'{"wsUrl": "ws://x/ws"}', NOW_S, {}) == Grant(None, "ws://x/ws")


@pytest.mark.parametrize(
    ("told", "expires_at_s"),
    [
        (30, NOW_S + 30),
        (0.5, NOW_S + 0.5),
        ("30", NOW_S + 30),
        (-1, NOW_S - 1),
        (1_795_170_580, 1_795_170_580.0),
        (1_795_170_580_250, 1_795_170_580.25),
        ("1795170580", 1_795_170_580.0),
        ("2026-11-20T10:00:00Z", 1_795_168_800.0),
        ("2026-11-20T11:00:00.5+01:00", 1_795_168_800.5),
        ("2026-11-20T10:00:00", 1_795_168_800.0),
        ("2026-11-20T10:00:00.123456789Z", pytest.approx(1_795_168_800.123456)),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_when_it_expires(told: Any, expires_at_s: float | None) -> None:
    grant = found(GRANTED, json.dumps({"access_token": "t", "expires_in": told}).encode(), NOW_S, {})
    assert isinstance(grant, Grant)
    assert grant.expires_at_s == expires_at_s


def test_an_instant_without_a_zone_is_no_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        grant = found(GRANTED, b'{"access_token": "t", "expires_in": "2026-11-20T10:00:00"}', NOW_S, {})
    time.tzset()
    assert grant == Grant("t", expires_at_s=1_795_168_800.0)


def test_what_must_not_be_shown_of_it() -> None:
    assert Grant("t", "wss://x/s", {"x": "Token t"}).secrets == ("t", "wss://x/s", "Token t")
    assert Grant(None, None, {"x": ""}).secrets == Grant().secrets == ()


@settings(max_examples=50)
@given(st.text("".join(map(chr, range(33, 127))), min_size=12), st.text(min_size=12))
def test_nothing_of_it_is_shown(token: str, wild: str) -> None:
    recipe = Recipe(url="/t", token_pointers=("/t",), url_pointers=("/u",), session_headers={"x": "${TOKEN}"})
    for reply in ({"t": token, "u": f"wss://x/{token.replace('#', '')}"}, {"t": wild, "u": wild}, {"t": token, "u": wild}):
        given = found(recipe, json.dumps(reply).encode(), NOW_S, {})
        assert token not in repr(given)
        assert wild not in repr(given)


def test_what_of_a_grant_must_not_be_shown() -> None:
    url = "wss://h/s?format=pcm_s16le&sig=0123456789abcdef%2F&t=0123456789abcde"
    assert Grant("tok", url, {"x": "Bearer tok", "y": ""}).secrets == ("tok", url, "Bearer tok", "0123456789abcdef/")
    assert Grant().secrets == ()
