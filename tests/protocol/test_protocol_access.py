"""Recipes: what is one, what the environment puts into it, and that no secret comes out again."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import TOKENS, OpenAIRealtime, OpenAIRealtimeBeta, Recipe, SessionSettings, filled, variables
from protocol.access import in_header, literal

PRINTABLE = "".join(map(chr, range(33, 127)))
SECRET = "s3cr3t/with?strange&parts"
ELEVENLABS = Recipe(
    method="GET",
    url="/v1/convai/conversation/get-signed-url?agent_id=${AGENT}",
    headers={"xi-api-key": "${KEY}"},
    url_pointers=("/signed_url",),
)


def test_openai_mints_as_it_did() -> None:
    assert OpenAIRealtime.recipe == OpenAIRealtimeBeta.recipe == OpenAIRealtime().access(SessionSettings()) == TOKENS
    assert variables(TOKENS) == {}
    request = filled(TOKENS, {})
    assert (request.method, request.url, request.headers, request.body) == ("POST", "/rt-token", {}, b"{}")
    assert filled(TOKENS, {"KEY": "sk-1"}).headers == {"Authorization": "Bearer sk-1"}


def test_what_is_filled_in_and_where() -> None:
    recipe = Recipe(
        url="https://${HOST}/api/${AGENT}/calls?of=${AGENT}",
        headers={"X-API-Key": "${KEY}", "X-Team": "a team"},
        body={"medium": {"rates": ["${RATE}", 48000, None, True]}, "${AGENT}": "${AGENT}-${RATE}"},
        url_pointers=("/joinUrl",),
    )
    assert variables(recipe) == {"HOST": "url", "AGENT": "url", "RATE": "body.medium.rates.0"}
    request = filled(recipe, {"HOST": "voice.example.com:8443", "AGENT": "a/b c", "RATE": "8000", "KEY": "k"})
    assert request.url == "https://voice.example.com:8443/api/a%2Fb%20c/calls?of=a%2Fb%20c"
    assert request.headers == {"X-API-Key": "k", "X-Team": "a team"}
    assert request.body is not None
    assert json.loads(request.body) == {"medium": {"rates": ["8000", 48000, None, True]}, "${AGENT}": "a/b c-8000"}


@pytest.mark.parametrize("text", ["say ${A} and ${KEY}", "${", "$${A}", "$$${", "a } ${ b", "${}", "plain"])
def test_a_text_that_only_looks_as_if_it_held_names(text: str) -> None:
    recipe = Recipe(url=f"/a?b={literal(text)}", body={"c": literal(text) + "${A}"}, token_pointers=("/t",))
    assert variables(recipe) == {"A": "body.c"}
    request = filled(recipe, {"A": "v"})
    assert json.loads(request.body or b"") == {"c": text + "v"}
    assert request.url.replace("%24%7B", "${") == f"/a?b={text}"


def test_a_get_sends_no_body() -> None:
    request = filled(ELEVENLABS, {"AGENT": "agent_1", "KEY": "k"})
    assert (request.method, request.url, request.body) == ("GET", "/v1/convai/conversation/get-signed-url?agent_id=agent_1", None)


def test_a_header_is_left_out_without_a_key_and_nothing_else_is() -> None:
    recipe = Recipe(url="/a?k=${KEY}", headers={"x": "${KEY}", "y": "${OTHER}"}, token_pointers=("/t",))
    assert variables(recipe) == {"KEY": "url", "OTHER": "headers.y"}
    assert variables(Recipe(url="/a", token_pointers=("/t",), session_headers={"x": "${KEY}"})) == {"KEY": "session_headers.x"}
    assert variables(Recipe(url="/a", token_pointers=("/t",), session_url="/s?t=${TOKEN}", session_headers={"x": "${TOKEN}"})) == {}
    assert variables(Recipe(url="/${TOKEN}", token_pointers=("/t",))) == {"TOKEN": "url"}, "there is no token yet"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"url": "rt-token"}, "url: write a path such as /rt-token, or a URL that begins with"),
        ({"url": "ws://x/rt"}, "url: write a path"),
        ({"url": "https:///rt"}, "url: write a path"),
        ({"url": "https://[::1/rt"}, "url: write a path"),
        ({"method": "PUT"}, "method: it is GET or POST"),
        ({"token_pointers": ()}, "token_pointers, url_pointers: one of them must say where"),
        ({"token_pointers": ("value",)}, "token_pointers: 'value' is no JSON pointer"),
        ({"expiry_pointers": ("/a~2",)}, "expiry_pointers: '/a~2' is no JSON pointer"),
        ({"session_url": "s?t=${TOKEN}"}, "session_url: write a path, or a URL"),
        ({"headers": {"x": "${}"}}, "headers.x: write ${NAME}, with the name of an environment variable"),
        ({"headers": {"x": SECRET + "${A-B}"}}, "headers.x: write ${NAME}"),
        ({"body": {"a": [{"b": "${A"}]}}, "body.a.0.b: write ${NAME}"),
        ({"session_headers": {"x": "${1}"}}, "session_headers.x: write ${NAME}"),
    ],
)
def test_what_is_no_recipe(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        Recipe(**{"url": "/rt-token", "token_pointers": ("/value",), **keys})
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", ["", f"{SECRET}\r\nX-Evil: 1", f"{SECRET}é", f"{SECRET}\0"])
@pytest.mark.parametrize("where", ["headers", "session_headers"])
def test_what_a_header_cannot_carry(where: str, value: str) -> None:
    recipe = Recipe(**{"url": "/t", "token_pointers": ("/t",), where: {"x": "${A}"}})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"^{where}\.x: it is empty or has characters that a header cannot carry") as caught:
        filled(recipe, {"A": value})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "told"), [(2**64, "Integer exceeds 64-bit range"), (-(2**63) - 1, "Integer exceeds 64-bit range"), ("${A}", "surrogates")]
)
def test_what_json_cannot_hold(value: Any, told: str) -> None:
    recipe = Recipe(url="/t", body={"a": [{"b": value}]}, token_pointers=("/t",))
    with pytest.raises(ValueError, match=f"^body: it cannot be sent as JSON: .*{told}") as caught:
        filled(recipe, {"A": f"{SECRET}\udcff"})
    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(PRINTABLE, min_size=12))
def test_values_stay_in_their_places_and_are_never_shown(wild: str, tame: str) -> None:
    """Whatever a value holds, it is one path segment, one parameter, one JSON text; and no repr has it."""
    recipe = Recipe(
        url="https://x.example/a/${WILD}/b?p=${WILD}&q=1",
        headers={"authorization": "Bearer ${KEY}"},
        body={"a": "${WILD}"},
        token_pointers=("/t",),
        session_headers={"x": "${TAME}"},
    )
    before = copy.deepcopy(recipe)
    request = filled(recipe, {"WILD": wild, "KEY": tame, "TAME": tame})
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.path.count("/")) == ("https", "x.example", 3)
    assert parse_qs(parts.query, keep_blank_values=True) == {"p": [wild], "q": ["1"]}
    assert in_header(parts.path)
    assert request.headers == {"authorization": f"Bearer {tame}"}
    assert json.loads(request.body or b"") == {"a": wild}
    assert recipe == before
    assert tame not in repr(request) + repr(recipe)
