"""The way in of a run: what the dialect, the scenario, the options and the environment make of it, before anything starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from users_assistants import a_run

from protocol import TOKENS, Grant, Lacking, OpenAIRealtime, OpenAIRealtimeBeta, Recipe, Reuse, found, make
from scenarios import ScenarioError, parse_scenario
from users.access import door, recipe_of, secret_parameters
from users.run import Run, make_run

HOST = "http://127.0.0.1:8000"
SECRET = "sk-do-not-show-me"
BARE = """
from protocol import OpenAIRealtime

class Bare(OpenAIRealtime):
    name = "bare"
    recipe = None
    key_variable = None
"""
PAGE = Path(__file__).parents[2] / "docs" / "getting-in.md"


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A dialect that asks nobody."""
    path = tmp_path / "bare.py"
    path.write_text(BARE)
    return str(path)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "NO_SUCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINE", SECRET)
    monkeypatch.setenv("BOT", "b 7")
    monkeypatch.setenv("BROKEN", SECRET + "\n")


def run_with(tmp_path: Path, access: dict[str, Any] | None = None, host: str = HOST, **options: Any) -> Run:
    return a_run(host, tmp_path, {"access": access or {}}, **{"auth": "", **options})


@pytest.mark.parametrize(
    ("asked", "recipes", "named", "auth"),
    [
        ("", "dialect", "", "token"),
        ("", "dialect", "MINE", "token"),
        ("", "scenario", "", "token"),
        ("", "path", "", "token"),
        ("", None, "MINE", "key"),
        ("", None, "", "none"),
        ("none", "scenario", "MINE", "none"),
        ("key", "dialect", "MINE", "key"),
        ("token", "path", "", "token"),
    ],
)
def test_the_way_in(asked: str, recipes: str | None, named: str, auth: str, bare: str, tmp_path: Path) -> None:
    run = run_with(
        tmp_path,
        {"url": "/connect"} if recipes == "scenario" else {},
        auth=asked,
        api_key_env=named,
        dialect="openai-realtime" if recipes == "dialect" else bare,
        token_path="/rt" if recipes == "path" else "",
    )
    assert (run.options.auth, run.options.shown()["auth"]) == (auth, auth)
    assert (run.mint is not None) is (auth == "token")
    assert run.key == (SECRET if named and auth != "none" else None)
    assert make_run(run.options, run.scenario).options == run.options, "workers come to the same"


@pytest.mark.parametrize(
    ("access", "options", "told"),
    [
        (
            None,
            {"auth": "token", "dialect": "BARE"},
            "--auth token: the dialect bare asks nobody for one: say whom with",
        ),
        (None, {"auth": "key", "dialect": "BARE"}, "--auth key: name the environment variable that holds the API key: --api-key-env"),
        ({"reuse": "talker"}, {"dialect": "BARE"}, "line 1: access.url is missing: the dialect bare asks nobody by itself"),
        ({"url": "/a/${NO_SUCH}"}, {}, "line 2: access.url needs ${NO_SUCH}: set the environment variable NO_SUCH"),
        ({"body": {"a": [{"b": "${NO_SUCH}"}]}}, {}, "access.body.a.0.b needs ${NO_SUCH}: set the environment variable NO_SUCH"),
        ({"headers": {"x": "${NO_SUCH}"}}, {}, "line 3: access.headers.x needs ${NO_SUCH}: set the environment variable NO_SUCH"),
        ({"session_headers": {"x": "${NO_SUCH}"}}, {}, "access.session_headers.x needs ${NO_SUCH}: set"),
        ({"url": "/a?key=${KEY}"}, {}, "line 2: access.url needs ${KEY}: name the API key's environment variable: --api-key-env"),
        ({"headers": {"x": "${BROKEN}"}}, {}, "access.headers.x: it is empty or has characters that a header cannot carry"),
        ({"headers": {"x": "${A-B}"}}, {}, "line 3: access.headers.x: write ${NAME}, with the name of an environment variable"),
        ({"body": {"n": 2**64}}, {}, "line 2: access.body: it cannot be sent as JSON: Integer exceeds 64-bit range"),
        ({"url": "https://x${BOT}:${MINE}/a"}, {}, "access.url: it is none that can be called"),
        ({"url": "http://x:0/a"}, {}, "access.url: it is none that can be called"),
        ({"url": "ws://x/a"}, {}, "access.url: write a path such as /rt-token, or a URL that begins with http:// or https://"),
        ({"token_pointers": []}, {}, "access.token_pointers, url_pointers: one of them must say where"),
    ],
)
def test_what_is_wrong_is_told(access: dict[str, Any] | None, options: dict[str, Any], told: str, bare: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        run_with(tmp_path, access, **{name: value.replace("BARE", bare) for name, value in options.items()})
    text = str(caught.value)
    assert told in text
    assert "\n" not in text
    assert SECRET not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_what_the_scenario_says_goes_over_the_recipe(tmp_path: Path) -> None:
    access = {
        "headers": {"authorization": "Basic ${MINE}", "x-team": "red"},
        "body": {"a": {"b": 1}},
        "reuse": "talker",
        "expiry_pointers": "/ends",
    }
    run = run_with(tmp_path, access, changes=("access.body.a.c=${BOT}",))
    mint = run.mint
    assert mint is not None
    assert mint.request.headers == {"authorization": f"Basic {SECRET}", "x-team": "red"}
    assert json.loads(mint.request.body or b"") == {"a": {"b": 1, "c": "b 7"}}
    assert (mint.base_url, mint.path, mint.place) == (HOST, "/rt-token", "/rt-token")
    assert (mint.recipe.reuse, mint.recipe.expiry_pointers) == (Reuse.TALKER, ("/ends",))
    assert mint.recipe.token_pointers == TOKENS.token_pointers
    without = run_with(tmp_path, {"headers": {"Authorization": ""}}, api_key_env="MINE").mint
    assert without is not None
    assert without.request.headers == {}


def test_bodies_are_merged_key_by_key() -> None:
    asked = Recipe(url="/api/calls", body={"medium": {"a": 1, "b": [1, 2]}, "voice": "v"}, url_pointers=("/joinUrl",))
    scenario = parse_scenario("access: {body: {medium: {b: [3], c: null}, voice: {id: 7}}}", "mine.yml", "mine")
    recipe = recipe_of(scenario, make(OpenAIRealtime, {}), asked, "")
    assert recipe == replace(asked, body={"medium": {"a": 1, "b": [3], "c": None}, "voice": {"id": 7}})
    assert asked.body == {"medium": {"a": 1, "b": [1, 2]}, "voice": "v"}


@pytest.mark.parametrize(
    ("url", "host", "token_path", "base", "path", "place"),
    [
        ("/c?bot=${BOT}", "wss://x.example/api/?key=1", "", "https://x.example", "/api/c?bot=b%207", "/c"),
        ("https://y:8443/c?k=${MINE}", HOST, "", "https://y:8443", f"/c?k={SECRET}", "https://y:8443/c"),
        ("https://y", HOST, "", "https://y", "/", "https://y"),
        ("/c/${MINE}", HOST, "", HOST, f"/c/{SECRET}", "/c/${MINE}"),
        ("/c", HOST, "rt?a=b", HOST, "/rt?a=b", "/rt"),
        ("/c", HOST, "https://z/rt", "https://z", "/rt", "https://z/rt"),
    ],
)
def test_who_is_asked(url: str, host: str, token_path: str, base: str, path: str, place: str, tmp_path: Path) -> None:
    mint = run_with(tmp_path, {"url": url}, host=host, token_path=token_path).mint
    assert mint is not None
    assert (mint.base_url, mint.path, mint.place) == (base, path, place)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    access = {
        "url": "/c?k=${MINE}",
        "headers": {"x-api-key": "${KEY}", "authorization": ""},
        "body": {"secret": "${MINE}"},
        "session_headers": {"x": "${MINE}"},
    }
    run = run_with(tmp_path, access, api_key_env="MINE", changes=("access.headers.x-other-key=${MINE}",))
    assert run.mint is not None
    assert run.mint.request.headers == {"x-api-key": SECRET, "x-other-key": SECRET}
    grant = found(run.mint.recipe, b'{"token": "sk-do-not-show-me"}', 0.0, run.mint.values)
    shown = repr(run) + repr(run.mint) + repr(run.mint.request) + repr(run.options.shown()) + run.scenario.model_dump_json() + repr(grant)
    assert SECRET not in shown
    assert run.secrets == {"MINE": SECRET}


def test_which_parameters_are_secrets() -> None:
    assert secret_parameters("ws://h/p?model=gpt-realtime&api_key=k%20&TOKEN=t&sampleRate=8000&key=") == ("k ", "t")


def test_what_commands_do_not_get(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"url": "/c?bot=${BOT}", "headers": {"x-api-key": "${MINE}"}})
    assert {name: value for name, value in run.secrets.items() if name} == {"MINE": SECRET}, "the bot's number is no secret"
    for access in ({"url": "/c?bot=${BOT}&api_key=${MINE}"}, {"url": "/c", "body": {"bot": "${BOT}", "auth": {"password": "${MINE}"}}}):
        run = run_with(tmp_path, access)
        assert {name: value for name, value in run.secrets.items() if name} == {"MINE": SECRET}
    assert run_with(tmp_path, auth="none", api_key_env="MINE").secrets == {"MINE": ""}


@pytest.mark.parametrize(
    ("grant", "url", "headers"),
    [
        (Grant(), f"{HOST}/v1/realtime?model=m", {}),
        (Grant("t"), f"{HOST}/v1/realtime?model=m", {"Authorization": "Bearer t"}),
        (Grant("t", "wss://other/s?a=b"), "wss://other/s?a=b", {"Authorization": "Bearer t"}),
        (Grant(None, "wss://other/s"), "wss://other/s", {}),
        (Grant("t", "/s?t=t", {"x": "t"}), f"{HOST}/s?t=t", {"x": "t"}),
    ],
)
def test_the_door(grant: Grant, url: str, headers: dict[str, str]) -> None:
    assert door(grant, make(OpenAIRealtime, {}), HOST, "m") == (url.replace("http", "ws"), headers)
    assert door(Grant(None, "/s"), make(OpenAIRealtime, {}), "WSS://x/api/?k=1", None)[0] == "wss://x/api/s"


def test_headers_of_a_recipe_go_over_those_of_the_dialect() -> None:
    _, headers = door(Grant("t", headers={"OpenAI-Beta": "other", "x": "t"}), OpenAIRealtimeBeta(), HOST, "m")
    assert headers == {"OpenAI-Beta": "other", "x": "t"}


VENDORS: dict[str, tuple[str, dict[str, str], Any, Grant]] = {
    "/v1/realtime/client_secrets": (
        '{"value": "ek", "expires_at": 1795170580, "session": {}}',
        {"Authorization": f"Bearer {SECRET}"},
        {"session": {"type": "realtime", "model": "gpt-realtime"}},
        Grant("ek", expires_at_s=1795170580.0),
    ),
    "/v1/convai/conversation/get-signed-url?agent_id=b%207": (
        '{"signed_url": "wss://api.elevenlabs.io/v1/convai/conversation?agent_id=b&conversation_signature=s"}',
        {"xi-api-key": SECRET},
        None,
        Grant(url="wss://api.elevenlabs.io/v1/convai/conversation?agent_id=b&conversation_signature=s"),
    ),
    "/v1/auth/grant": (
        '{"access_token": "jwt", "expires_in": 60}',
        {"Authorization": f"Token {SECRET}"},
        {"ttl_seconds": 60},
        Grant("jwt", None, {"Authorization": "Bearer jwt"}, 1060.0),
    ),
    "/v1alpha/auth_tokens": (
        '{"name": "auth_tokens/1"}',
        {"x-goog-api-key": SECRET},
        {"uses": 1},
        Grant(
            "auth_tokens/1",
            "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained?access_token=auth_tokens%2F1",
            {},
        ),
    ),
    "/api/calls": (
        '{"callId": "c", "joinUrl": "wss://voice.ultravox.ai/calls/c/server_web_socket"}',
        {"X-API-Key": SECRET},
        {"medium": {"serverWebSocket": {"inputSampleRate": 48000, "outputSampleRate": 48000, "clientBufferSizeMs": 30000}}},
        Grant(url="wss://voice.ultravox.ai/calls/c/server_web_socket"),
    ),
    "/call": (
        '{"id": "7", "transport": {"provider": "vapi.websocket", "websocketCallUrl": "wss://phone-call-websocket.vapi.ai/7/transport"}}',
        {"Authorization": f"Bearer {SECRET}"},
        {
            "assistantId": "b 7",
            "transport": {"provider": "vapi.websocket", "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 16000}},
        },
        Grant(url="wss://phone-call-websocket.vapi.ai/7/transport"),
    ),
    "/connect": (
        '{"ws_url": "ws://localhost:7860/ws", "token": "t"}',
        {"Authorization": f"Bearer {SECRET}"},
        {},
        Grant("t", "ws://localhost:7860/ws"),
    ),
}


def test_the_vendors_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked as its documentation has it, and its reply is understood."""
    for name, value in {"AGENT_ID": "b 7", "ASSISTANT_ID": "b 7", "VOICE_KEY": SECRET, "BOT_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    asked: set[str] = set()
    for block in blocks:
        run = run_with(tmp_path, yaml.safe_load(block.partition("```")[0])["access"], api_key_env="MINE")
        mint = run.mint
        assert mint is not None
        assert mint.base_url == HOST or mint.base_url.startswith("https://")
        if mint.base_url == "https://voice.example.com":
            continue
        reply, headers, body, grant = VENDORS[mint.path]
        asked.add(mint.path)
        assert mint.request.headers == headers
        assert (json.loads(mint.request.body) if mint.request.body is not None else None) == body
        given = found(mint.recipe, reply.encode(), 1000.0, mint.values)
        assert not isinstance(given, Lacking)
        assert given == grant
        assert mint.recipe.reuse is Reuse.CALL
    assert asked == set(VENDORS)
