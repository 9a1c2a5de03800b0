"""What a user is told before a run that cannot work."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from users_assistants import Assistant, a_run, listening
from users_peers import Peer, free_port, read_http, served, until

from scenarios import ScenarioError
from users.preflight import preflight
from users.run import Run


def told(run: Run) -> str:
    with listening() as heard, pytest.raises(ScenarioError) as caught:
        preflight(run)
    assert (heard.turns, heard.sessions, heard.tokens) == ([], [], []), "it is no part of the run"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_is_well(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        assistant = Assistant(peer)
        assistant.ready().until_gone()

    with served(script) as server:
        run = a_run(server.host, tmp_path)
        with listening() as heard:
            preflight(run)
        assert server.peers[0].read_request().headers["X-Client-Id"] == "preflight"
        assert (heard.turns, heard.sessions, heard.tokens) == ([], [], [])
        assert run.roster.present() == 0


def test_nobody_there(tmp_path: Path) -> None:
    port = free_port()
    text = told(a_run(f"http://127.0.0.1:{port}", tmp_path))
    assert text == (
        f"http://127.0.0.1:{port} cannot be called: cannot connect to 127.0.0.1:{port}: Connection refused; "
        "is the assistant running, and is --host right?"
    )


def refusing(status: str, headers: str = "") -> Any:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.refuse(status, headers)

    return script


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("401 Unauthorized", "it wants another way in than --auth none, or another key (--api-key-env)"),
        (
            "403 Forbidden",
            "it wants another way in than --auth none, or another key (--api-key-env), "
            "or it has no WebSocket at /v1/realtime: servers of FastAPI's kind answer so, too",
        ),
        ("404 Not Found", "is this the URL of an assistant that speaks openai-realtime?"),
    ],
)
def test_refused(status: str, advice: str, tmp_path: Path) -> None:
    with served(refusing(status)) as server:
        text = told(a_run(server.host, tmp_path))
    assert text == f"{server.host} cannot be called: localhost:{server.port} refused the WebSocket with HTTP status {status[:3]}; {advice}"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_rate_limit_is_what_a_load_test_looks_for(status: str, tmp_path: Path) -> None:
    with served(refusing(status)) as server:
        preflight(a_run(server.host, tmp_path))
    with served(refusing("429 Too Many Requests")) as server:
        preflight(a_run(server.host, tmp_path, auth="token"))


def test_it_takes_too_long(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.drain()

    with served(script) as server:
        text = told(a_run(server.host, tmp_path, {"limits": {"setup_s": 0.3}}))
    assert text.endswith(": the session was not ready within 0.3 s; it accepts connections but does not answer in time (limits.setup_s)")


@pytest.mark.parametrize("dialect", ["openai-realtime", "twilio"])
def test_it_closes(dialect: str, tmp_path: Path) -> None:
    """On a wire that is ready at once, too, where it was listened to for a moment."""

    def script(peer: Peer) -> None:
        peer.accept(behind=b"\x88\x05\x03\xf3off")

    with served(script) as server:
        text = told(a_run(server.host, tmp_path, dialect=dialect))
        assert text.endswith(f"closed by the assistant: code 1011, off; does it speak {dialect}? look at its log")


def test_it_refuses_the_settings(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.tell(type="error", error={"code": "invalid_value", "message": "m"})
        peer.drain()

    with served(script) as server:
        assert told(a_run(server.host, tmp_path)).endswith("settings: invalid_value; does it speak openai-realtime?")


@pytest.mark.parametrize(
    ("status", "told_of", "advice"),
    [
        ("404 Not Found", "HTTP status 404", "check --token-path, and --auth"),
        ("500 Internal Server Error", "HTTP status 500", "check --token-path, and --auth"),
        ("200 OK", "the reply holds no token", "check --token-path, and --auth"),
        ("401 Unauthorized", "HTTP status 401", "it wants another way in than --auth token, or another key (--api-key-env)"),
    ],
)
def test_no_token(status: str, told_of: str, advice: str, tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        read_http(peer)
        peer.refuse(status)

    with served(script) as server:
        text = told(a_run(server.host, tmp_path, auth="token"))
    assert text == f"{server.host} cannot be called: no token from /rt-token: {told_of}; {advice}"


def test_the_token_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    seen: list[dict[str, str]] = []

    def mint(peer: Peer) -> None:
        seen.append(read_http(peer)[1])
        peer.refuse("200 OK", body='{"value": "ek_1"}')

    with served(mint, lambda peer: Assistant(peer).ready().until_gone()) as server:
        preflight(a_run(server.host, tmp_path, auth="token", api_key_env="OPENAI_API_KEY"))
        assert seen[0]["authorization"] == "Bearer sk-1"
        assert server.peers[1].read_request().headers["Authorization"] == "Bearer ek_1"


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with served(lambda peer: Assistant(peer).ready().until_gone(), tls=context) as server:
        text = told(a_run(server.host, tmp_path))
        assert text == (
            f"{server.host} cannot be called: TLS certificate of localhost:{server.port} is not trusted: unable to get local issuer "
            "certificate; name the authority that signed it with --tls-ca FILE (or trust anything: --tls-insecure)"
        )
        pem = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(pem)
        preflight(a_run(server.host, tmp_path, tls_ca=str(pem)))
        preflight(a_run(server.host, tmp_path, tls_insecure=True))
        until(lambda: len(server.peers) >= 2)
