"""The scenario's section about getting in: it takes names of secrets, and neither takes nor repeats a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenarios import Scenario, ScenarioError, parse_scenario

SECRET = "sk-do-not-show-me"


def access(text: str, changes: tuple[str, ...] = ()) -> dict[str, Any]:
    scenario = parse_scenario(f"access: {text}", "mine.yml", "mine", changes)
    assert Scenario.model_validate(json.loads(scenario.model_dump_json())) == scenario, "workers get it so"
    return scenario.access.given


def refused(text: str, changes: tuple[str, ...] = ()) -> str:
    with pytest.raises(ScenarioError) as caught:
        access(text, changes)
    told = str(caught.value)
    assert "\n" not in told
    assert SECRET not in told
    return told


def test_nothing_differs_unless_told() -> None:
    assert access("{}") == {}
    assert parse_scenario("{}", "mine.yml", "mine").access.given == {}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("{url: /connect, method: GET, reuse: talker}", {"url": "/connect", "method": "GET", "reuse": "talker"}),
        ("{token_pointers: /a~1b}", {"token_pointers": ("/a~1b",)}),
        ("{url_pointers: [/ws_url, /wsUrl], expiry_pointers: []}", {"url_pointers": ("/ws_url", "/wsUrl"), "expiry_pointers": ()}),
        ("{headers: {xi-api-key: '${KEY}', x-team: red}}", {"headers": {"xi-api-key": "${KEY}", "x-team": "red"}}),
        ("{headers: {Authorization: 'Bearer ${A}'}}", {"headers": {"Authorization": "Bearer ${A}"}}),
        ("{headers: {cookie: 'sid=${A}; lang=${B}'}}", {"headers": {"cookie": "sid=${A}; lang=${B}"}}),
        ("{headers: {authorization: ''}}", {"headers": {"authorization": ""}}),
        ("{url: 'https://x/a?key=${K}&agent_id=7'}", {"url": "https://x/a?key=${K}&agent_id=7"}),
        ("{session_url: '/s?access_token=${TOKEN}'}", {"session_url": "/s?access_token=${TOKEN}"}),
        ("{body: {n: [1, 2.5, null, true], key: 7, api_key: '${K}'}}", {"body": {"n": [1, 2.5, None, True], "key": 7, "api_key": "${K}"}}),
    ],
)
def test_what_may_be_written(text: str, given: dict[str, Any]) -> None:
    assert access(text) == given


NO_NAME = "holds a secret, and run files show it: put it into an environment variable, and write ${NAME} here"


SECRETS = [
    "Authorization",
    "proxy-authorization",
    "api-key",
    "X-API-Key",
    "xi-api-key",
    "x-goog-api-key",
    "Cookie",
    "x-auth-token",
    "apikey",
]


@pytest.mark.parametrize("header", SECRETS)
@pytest.mark.parametrize("value", [SECRET, f"Bearer {SECRET}", f"{SECRET}${{A}}", f"Bearer ${{A}}{SECRET}", f"$A{SECRET}"])
def test_a_secret_in_a_header(header: str, value: str) -> None:
    assert refused(f"{{headers: {{{header}: '{value}'}}}}") == f"scenario mine.yml, line 1: access.headers: the header {header} {NO_NAME}"
    assert refused(f"{{session_headers: {{{header}: '{value}'}}}}").startswith("scenario mine.yml, line 1: access.session_headers: the")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{{url: 'https://me:{SECRET}@x/a'}}", "access.url: a URL without user name and password: run files show it"),
        (f"{{url: 'https://x/a?key={SECRET}'}}", f"access.url: the parameter key {NO_NAME}"),
        (f"{{url: '/a?b=1&access_token={SECRET}'}}", f"access.url: the parameter access_token {NO_NAME}"),
        (f"{{session_url: 'wss://x/a?token={SECRET}'}}", f"access.session_url: the parameter token {NO_NAME}"),
        (f"{{body: {{a: [{{client_secret: {SECRET}}}]}}}}", f"access.body: client_secret {NO_NAME}"),
        (f"{{url: {SECRET}}}", "access.url: write a path such as /rt-token, or a whole URL"),
        (f"{{url: '/a {SECRET}'}}", "access.url: a URL has no spaces"),
        (f"{{token_pointers: {SECRET}}}", "access.token_pointers.0: write a JSON pointer (RFC 6901) such as /value"),
        (f"{{headers: {SECRET}}}", "access.headers: "),
        (f"{{headers: {{'a b': {SECRET}}}}}", "access.headers.a b: a header's name has letters, digits and dashes"),
        (SECRET, "access: write its keys below it, indented, or leave it out"),
        ("{headers: {x-api-key: 'hunter2='}}", f"access.headers: the header x-api-key {NO_NAME}"),
        ("{method: PUT}", "access.method: Input should be 'GET' or 'POST'"),
        ("{method: GET, body: {a: 1}}", "access: body: a GET sends none"),
        ("{reuse: often}", "access.reuse: Input should be 'call' or 'talker'"),
        ("{body: {a: 2026-01-01}}", "access.body: JSON has no date: write it as text, in quotes"),
        ("{body: {1: a}}", "access.body"),
        ("{body: {a: {1: a}}}", "access.body: JSON has names in quotes only"),
        ("{token: /value}", "unknown key access.token; allowed there: url, method, headers, body, token_pointers"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    assert refused(text).removeprefix("scenario mine.yml, line 1: ").startswith(told)


def test_on_the_command_line() -> None:
    changes = ("access.headers.x-api-key=${MINE}", "access.url=/api/calls", "access.body.model=m")
    assert access("{body: {voice: v}}", changes) == {
        "url": "/api/calls",
        "headers": {"x-api-key": "${MINE}"},
        "body": {"voice": "v", "model": "m"},
    }
    assert refused("{}", (f"access.headers.x-api-key={SECRET}",)).startswith(
        "--set access.headers.x-api-key: access.headers: the header x-api"
    )
    assert refused("{}", (f"access.token_pointers=[{SECRET}",)) == "--set access.token_pointers: the value is not YAML: put text in quotes"
    assert refused("{url: /a}", (f"access.url.x={SECRET}",)) == "--set access.url.x: access.url has no keys"
