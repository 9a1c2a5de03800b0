"""Minting tokens over real HTTP: every reply that there is, and whose fault it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gevent
import gevent.ssl
import pytest
import trustme
from users_peers import Peer, free_port, read_http, served, until
from users_vendors import SECRET, Vendor, ok

from metrics.records import ErrorKind, TokenRecord
from protocol import TOKENS, Grant, Recipe
from scenarios import parse_scenario
from users.access import Mint, make_mint
from users.clock import now_ns
from users.mint import MARGIN_NS, Kept, http_client, request_grant

AUTHORITY = trustme.CA()
TRUSTING = gevent.ssl.create_default_context()
AUTHORITY.configure_trust(TRUSTING)
SERVER_TLS = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)


def replying(status: str, body: str = "", headers: str = "") -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        read_http(peer)
        peer.refuse(status, headers, body)

    return script


def mint_at(host: str, recipe: Recipe = TOKENS, timeout_s: float = 20.0, secret: str | None = None, tls: object = TRUSTING) -> Mint:
    scenario = parse_scenario(f"limits: {{setup_s: {timeout_s}}}", "here", "mine")
    return make_mint(scenario, recipe, host.rstrip("/"), tls, secret)


def ask(host: str, timeout_s: float = 20.0, secret: str | None = None, tls: object = TRUSTING) -> tuple[str | None, TokenRecord]:
    mint = mint_at(host, TOKENS, timeout_s, secret, tls)
    http = http_client(mint)
    intended_ns = now_ns() - 1_000_000
    try:
        grant, record = request_grant(http, mint, "talker", "talker-7", 7, intended_ns)
    finally:
        http.close()
    token = None if grant is None else grant.token
    assert (record.user, record.talker, record.intended_ns) == ("talker", 7, intended_ns)
    assert intended_ns < record.sent_ns <= record.done_ns
    assert (token is None) is (record.error_kind is not None) is (record.error is not None)
    assert secret is None or secret not in repr(mint) + repr(record)
    return token, record


@pytest.mark.parametrize(
    "body",
    ['{"value": "ek_1"}', '{"client_secret": {"value": "ek_1"}}', '{"client_secret": "ek_1"}', '{"token": "ek_1", "value": null}'],
)
def test_a_token_in_every_shape(body: str) -> None:
    with served(replying("200 OK", body)) as server:
        token, record = ask(server.host)
    assert (token, record.status, record.error_kind) == ("ek_1", 200, None)
    assert "ek_1" not in repr(record)


def test_the_request() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    def script(peer: Peer) -> None:
        seen.append(read_http(peer))
        peer.refuse("201 Created", body='{"value": "ek_1"}')

    with served(script) as server:
        assert ask(server.host + "/api/", secret="s3cret")[0] == "ek_1"
        ask(server.host)
    (line, headers, body), (_, plain, _) = seen
    assert line == "POST /api/rt-token HTTP/1.1"
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["x-client-id"] == "talker-7"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"localhost:{server.port}"
    assert body == b"{}"
    assert "authorization" not in plain


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "wait_s", "text"),
    [
        ("401 Unauthorized", "", "", ErrorKind.AUTH, None, "HTTP status 401"),
        ("403 Forbidden", "", "", ErrorKind.AUTH, None, "HTTP status 403"),
        ("429 Too Many Requests", "Retry-After: 3\r\n", "", ErrorKind.RATE_LIMITED, 3.0, "HTTP status 429"),
        ("429 Too Many Requests", "", "", ErrorKind.RATE_LIMITED, None, "HTTP status 429"),
        ("429 Too Many Requests", "Retry-After: Fri, 20 Nov 2026 11:00:00 GMT\r\n", "", ErrorKind.RATE_LIMITED, None, "HTTP status 429"),
        ("404 Not Found", "", '{"value": "ek_1"}', ErrorKind.ASSISTANT_ERROR, None, "HTTP status 404"),
        ("500 Internal Server Error", "", "boom", ErrorKind.ASSISTANT_ERROR, None, "HTTP status 500"),
        ("302 Found", "Location: /elsewhere\r\n", "", ErrorKind.ASSISTANT_ERROR, None, "HTTP status 302"),
        ("200 OK", "", "<html>", ErrorKind.PROTOCOL, None, "the reply holds no token"),
        ("200 OK", "", '{"value": ""}', ErrorKind.PROTOCOL, None, "the reply holds no token"),
        ("204 No Content", "", "", ErrorKind.PROTOCOL, None, "the reply holds no token"),
    ],
)
def test_no_token(status: str, headers: str, body: str, kind: ErrorKind, wait_s: float | None, text: str) -> None:
    with served(replying(status, body, headers)) as server:
        token, record = ask(server.host)
    assert token is None
    assert (record.status, record.error_kind, record.retry_after_s, record.error) == (int(status[:3]), kind, wait_s, text)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"value"',
        bytes(range(256)),
    ],
)
def test_not_http_or_broken_off(reply: bytes) -> None:
    def script(peer: Peer) -> None:
        read_http(peer)
        peer.raw(reply)

    with served(script) as server:
        token, record = ask(server.host)
    assert token is None
    assert record.error_kind in (ErrorKind.PROTOCOL, ErrorKind.CONNECT)
    assert record.error


def test_nobody_listens() -> None:
    _, record = ask(f"http://127.0.0.1:{free_port()}")
    assert (record.error_kind, record.error, record.status) == (ErrorKind.CONNECT, "Connection refused", None)


def test_no_such_host() -> None:
    assert ask("http://no.such.host.invalid")[1].error_kind is ErrorKind.CONNECT


def silent(peer: Peer) -> None:
    read_http(peer)
    assert peer.sock.recv(1) == b""


def dripping(peer: Peer) -> None:
    read_http(peer)
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        peer.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            peer.raw(b"z")
            threading.Event().wait(0.01)


@pytest.mark.parametrize("script", [silent, dripping])
def test_it_takes_too_long(script: Callable[[Peer], None]) -> None:
    with served(script) as server:
        _, record = ask(server.host, 0.3)
        assert (record.error_kind, record.error, record.status) == (ErrorKind.TIMEOUT, "no reply within 0.3 s", None)
        assert record.done_ns - record.sent_ns >= 290_000_000


def test_foreign_timeouts_and_kills_pass_through() -> None:
    with served(silent) as server:
        with gevent.Timeout(0.1) as mine, pytest.raises(gevent.Timeout) as caught:
            ask(server.host)
        assert caught.value is mine
        asking = gevent.spawn(ask, server.host)
        until(lambda: len(server.peers) == 2)
        asking.kill()
        assert isinstance(asking.value, gevent.GreenletExit)


def test_https() -> None:
    AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)
    with served(replying("200 OK", '{"value": "ek_1"}'), tls=SERVER_TLS) as server:
        assert ask(server.host)[0] == "ek_1"
        untrusting = gevent.ssl.create_default_context()
        token, record = ask(server.host, tls=untrusting)
        assert (token, record.error_kind) == (None, ErrorKind.CONNECT)
        assert record.error == "TLS certificate is not trusted: unable to get local issuer certificate"
        careless = gevent.ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, gevent.ssl.CERT_NONE
        assert ask(server.host, tls=careless)[0] == "ek_1"
        assert (careless.check_hostname, careless.verify_mode) == (False, gevent.ssl.CERT_NONE)
        assert (TRUSTING.check_hostname, TRUSTING.verify_mode) == (True, gevent.ssl.CERT_REQUIRED)


SIGNED = Recipe(method="GET", url="/signed?agent=7", headers={"xi-api-key": "${KEY}", "x-client-id": "me"}, url_pointers=("/signed_url",))


def test_a_get_for_a_url() -> None:
    vendor = Vendor([ok(signed_url=f"https://elsewhere.example/s?sig={SECRET}")])
    with served(vendor) as server:
        mint = mint_at(server.host + "/api", SIGNED, secret="k3y")
        http = http_client(mint)
        grant, record = request_grant(http, mint, "talker", "talker-7", 7, now_ns())
        http.close()
    ((line, headers, body),) = vendor.requests
    assert (line, body) == ("GET /api/signed?agent=7 HTTP/1.1", b"")
    assert (headers["xi-api-key"], headers["x-client-id"]) == ("k3y", "me"), "a recipe's header goes over ours"
    assert not {"authorization", "content-type", "content-length"} & set(headers)
    assert grant == Grant(url=f"wss://elsewhere.example/s?sig={SECRET}")
    assert (record.status, record.error_kind, record.error) == (200, None, None)
    assert SECRET not in repr(grant) + repr(record) + repr(mint)


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (("401 Unauthorized", "", SECRET), ErrorKind.AUTH, "HTTP status 401"),
        (("429 Too Many Requests", "Retry-After: 2\r\n", SECRET), ErrorKind.RATE_LIMITED, "HTTP status 429"),
        (("307 Temporary Redirect", f"Location: /{SECRET}\r\n", ""), ErrorKind.ASSISTANT_ERROR, "HTTP status 307"),
        (("200 OK", "", SECRET), ErrorKind.PROTOCOL, "the reply holds nothing at /signed_url"),
        (ok(url=SECRET), ErrorKind.PROTOCOL, "the reply holds nothing at /signed_url"),
        (ok(signed_url={"a": SECRET}), ErrorKind.PROTOCOL, "the reply holds no text at /signed_url"),
        (ok(signed_url=f"ftp://x/{SECRET}"), ErrorKind.PROTOCOL, "the session's URL is none of ws, wss, http or https that can be called"),
    ],
)
def test_no_url(reply: tuple[str, str, str], kind: ErrorKind, text: str) -> None:
    with served(Vendor([reply])) as server:
        mint = mint_at(server.host, SIGNED)
        http = http_client(mint)
        grant, record = request_grant(http, mint, "token_minter", "token-minter", None, now_ns())
        http.close()
    assert grant is None
    assert (record.error_kind, record.error, record.status) == (kind, text, int(reply[0][:3]))
    assert record.retry_after_s == (2.0 if kind is ErrorKind.RATE_LIMITED else None)
    assert SECRET not in repr(record)


def test_what_is_kept_is_used_until_it_expires() -> None:
    kept, grant, at_ns = Kept(), Grant("t", expires_at_s=1060.0), 7 * 10**9
    assert kept.good(at_ns) is None
    kept.keep(grant, 1000.0, at_ns)
    last_ns = at_ns + 60 * 10**9 - MARGIN_NS
    assert [kept.good(t_ns) for t_ns in (at_ns, last_ns - 1, last_ns, last_ns + 1)] == [grant, grant, None, None]
    kept.keep(Grant("u"), 1000.0, at_ns)
    assert kept.good(10**18) == Grant("u"), "its end is not known"
    kept.drop()
    assert kept.good(at_ns) is None
    kept.keep(Grant("v", expires_at_s=999.0), 1000.0, at_ns)
    assert kept.good(at_ns) is None
