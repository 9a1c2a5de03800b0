"""Talkers who get in by a recipe: a URL for each session, a token that is kept, and what refuses them. Real sockets, real runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from users_assistants import Heard, a_run, listening, locust_running
from users_peers import Peer, served, until
from users_vendors import SECRET, Vendor, ok
from websockets.frames import Opcode

from metrics.records import ErrorKind, Outcome, SessionOutcome
from scenarios import ScenarioError
from users.preflight import preflight
from users.run import Run
from users.talker import Talker
from users.token_minter import TokenMinter

URL = {"url": "/api/calls", "url_pointers": "/joinUrl", "headers": {"x-api-key": "${VENDOR_KEY}"}, "reuse": "call"}
JOIN = ok(joinUrl=f"http://HERE/join/NUMBER?sig={SECRET}")
GRANT = {"url": "/v1/auth/grant", "token_pointers": "/access_token", "expiry_pointers": "/expires_in", "reuse": "talker"}
AGAIN = {"turns": 1, "think_s": 0, "between_calls_s": 0}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", "v3ndor-k3y-of-a-test")


def run_at(host: str, folder: Path, access: dict[str, Any], **parts: Any) -> Run:
    return a_run(host, folder, {"access": access, **parts}, auth="")


def shown(heard: Heard, run: Run, caplog: pytest.LogCaptureFixture) -> str:
    """All that a run leaves behind."""
    kept = [*heard.turns, *heard.sessions, *heard.tokens, run, run.options.shown(), run.scenario.model_dump_json(), run.mint]
    return " ".join([*map(repr, kept), caplog.text, *(str(vars(one)) for one in caplog.records)])


def test_each_session_has_a_url_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call whose session is lost asks for another: this one is used."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "websockets")  # the vendor's side
    vendor = Vendor([JOIN], lost=1, turns=2)
    with served(vendor) as server:
        run = run_at(server.host, tmp_path, URL, conversation={"turns": 2})
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) == 2)
    assert [path for path, _ in vendor.sessions] == [f"/join/0?sig={SECRET}", f"/join/1?sig={SECRET}"]
    assert {line for line, *_ in vendor.requests} == {"POST /api/calls HTTP/1.1"}
    assert {headers["x-api-key"] for _, headers, _ in vendor.requests} == {"v3ndor-k3y-of-a-test"}
    assert all("authorization" not in headers for _, headers in vendor.sessions)
    assert [session.outcome for session in heard.sessions] == [SessionOutcome.LOST, SessionOutcome.HUNG_UP]
    assert heard.turns[-1].outcome is Outcome.COMPLETED
    assert [(record.status, record.error_kind, record.talker) for record in heard.tokens] == [(200, None, 0)] * 2
    assert all(record.intended_ns <= record.sent_ns < record.done_ns for record in heard.tokens)
    everything = shown(heard, run, caplog)
    assert SECRET not in everything
    assert "v3ndor-k3y-of-a-test" not in everything


@pytest.mark.parametrize(("expires_in", "requests"), [(3600, 1), (2, 3)])
def test_a_token_is_kept_until_it_expires(tmp_path: Path, expires_in: float, requests: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "websockets")  # the vendor's side
    vendor = Vendor([ok(access_token=SECRET, expires_in=expires_in)], once=False)
    access = {**GRANT, "session_headers": {"X-Token": "${TOKEN}"}}
    with served(vendor) as server:
        run = run_at(server.host, tmp_path, access, conversation=AGAIN)
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) >= 3)
    assert len([session for session in heard.sessions[:3] if session.outcome is SessionOutcome.HUNG_UP]) == 3
    assert len([record for record in heard.tokens if record.done_ns < heard.sessions[2].started_ns]) == requests
    assert {headers["x-token"] for _, headers in vendor.sessions} == {SECRET}
    assert all("authorization" not in headers for _, headers in vendor.sessions)
    assert SECRET not in shown(heard, run, caplog)


def test_a_url_that_is_kept_though_it_may_be_used_once_is_asked_for_again(tmp_path: Path) -> None:
    vendor = Vendor([JOIN])
    with served(vendor) as server:
        run = run_at(server.host, tmp_path, {**URL, "reuse": "talker"}, conversation=AGAIN)
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) >= 3)
    first, refused, back = heard.sessions[:3]
    assert (first.outcome, refused.outcome, back.outcome) == (SessionOutcome.HUNG_UP, SessionOutcome.REFUSED, SessionOutcome.HUNG_UP)
    assert (refused.error_kind, refused.error) == (ErrorKind.AUTH, f"localhost:{server.port} refused the WebSocket with HTTP status 401")
    assert [path.partition("?")[0] for path, _ in vendor.sessions[:3]] == ["/join/0", "/join/0", "/join/1"]


class Bouncer(Vendor):
    """Accepts every session of a wire without a word for ready, and closes it at once, by this code."""

    code = 1000

    def _session(self, peer: Peer) -> None:
        peer.accept()
        with self.lock:
            self.sessions.append((peer.read_request().path, {}))
        peer.send(Opcode.CLOSE, self.code.to_bytes(2, "big"))
        peer.drain()


@pytest.mark.parametrize(
    ("code", "lasting_s", "again"),
    [
        pytest.param(4401, 2.0, True, id="unauthorized"),
        pytest.param(1013, 2.0, True, id="closed at once"),
        pytest.param(1008, 0.0, True, id="it lasted, and was denied all the same"),
        pytest.param(1013, 0.0, False, id="it lasted"),
    ],
)
def test_a_kept_token_is_dropped_though_the_wire_was_ready_at_once(
    code: int, lasting_s: float, again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("users.talker._LASTED_S", lasting_s)
    monkeypatch.setattr("users.talker._FIRST_BACKOFF_S", 0.02)
    vendor = Bouncer([ok(access_token=SECRET)])
    vendor.code = code
    with served(vendor) as server:
        run = a_run(server.host, tmp_path, {"access": GRANT, "conversation": AGAIN}, auth="", dialect="raw-pcm")
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(heard.sessions) >= 3)
    assert len([record for record in heard.tokens if record.done_ns < heard.sessions[2].started_ns]) == (3 if again else 1)


def test_a_refused_request_is_tried_again_after_its_wait(tmp_path: Path) -> None:
    vendor = Vendor([("429 Too Many Requests", "Retry-After: 1\r\n", ""), ok(), JOIN])
    with served(vendor) as server:
        run = run_at(server.host, tmp_path, URL)
        with locust_running(run, Talker) as (_, heard):
            until(lambda: len(vendor.sessions) == 1)
    limited, empty, given = heard.tokens
    assert (limited.error_kind, limited.retry_after_s) == (ErrorKind.RATE_LIMITED, 1.0)
    assert empty.sent_ns - limited.done_ns >= 1_000_000_000
    assert (empty.error_kind, empty.error) == (ErrorKind.PROTOCOL, "the reply holds nothing at /joinUrl")
    assert given.error_kind is None


def test_the_minter_asks_as_talkers_do(tmp_path: Path) -> None:
    vendor = Vendor([ok(joinUrl=f"wss://HERE/{SECRET}"), ok(joinUrl=f"ftp://{SECRET}")])
    with served(vendor) as server:
        run = run_at(server.host, tmp_path, URL, load={"tokens_per_s": 20})
        with locust_running(run, TokenMinter) as (_, heard):
            until(lambda: len(heard.tokens) >= 3)
    assert {(record.user, record.status) for record in heard.tokens} == {("token_minter", 200)}
    assert {record.error_kind for record in heard.tokens} == {None, ErrorKind.PROTOCOL}
    assert {line for line, *_ in vendor.requests} == {"POST /api/calls HTTP/1.1"}
    assert SECRET not in repr(heard.tokens)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (("401 Unauthorized", "", ""), "no session URL from /api/calls: HTTP status 401; it wants another way in than --auth token"),
        (
            ("302 Found", f"Location: /{SECRET}\r\n", ""),
            "no session URL from /api/calls: HTTP status 302; check the scenario's access",
        ),
        (("200 OK", "", f"<{SECRET}>"), "no session URL from /api/calls: the reply holds nothing at /joinUrl; check the scenario's access"),
        (ok(joinUrl=f"http://127.0.0.1:1/{SECRET}"), "cannot connect to 127.0.0.1:1: Connection refused; is the assistant running"),
        (ok(joinUrl=f"wss://HERE/{SECRET}"), "handshake with localhost:PORT failed: "),
    ],
)
def test_what_is_told_before_a_run(reply: tuple[str, str, str], told: str, tmp_path: Path) -> None:
    with served(Vendor([reply])) as server, listening() as heard:
        with pytest.raises(ScenarioError) as caught:
            preflight(run_at(server.host, tmp_path, URL))
        text = str(caught.value)
    assert text.startswith(f"{server.host} cannot be called: {told.replace('PORT', str(server.port))}")
    assert "\n" not in text
    assert SECRET not in text
    assert heard.tokens == []


def test_a_slow_endpoint_and_a_host_elsewhere(tmp_path: Path) -> None:
    """What gives the URL is one server, the assistant another."""
    assistant, waits = Vendor([ok()]), Vendor([JOIN])
    with served(assistant) as other, served(waits) as server:
        waits.replies = [ok(joinUrl=f"ws://127.0.0.1:{other.port}/there?sig={SECRET}")]
        preflight(run_at(server.host, tmp_path, URL))
        assert [path for path, _ in assistant.sessions] == [f"/there?sig={SECRET}"]
        assert waits.sessions == []
        slow = replace(waits, pause_s=0.6)
    with served(slow) as server, pytest.raises(ScenarioError) as caught:
        preflight(run_at(server.host, tmp_path, URL, limits={"setup_s": 0.3}))
    assert "no session URL from /api/calls: no reply within 0.3 s; it accepts connections but does not answer" in str(caught.value)
