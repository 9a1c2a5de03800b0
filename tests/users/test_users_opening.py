"""What goes wrong before a WebSocket is open, and whose fault it is said to be."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from dataclasses import replace
from typing import Any

import gevent
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from users_peers import Peer, free_port, served, until

from metrics.records import ErrorKind
from users.errors import RemoteError, seconds_asked
from users.inbox import Inbox
from users.link import Link
from users.opening import Target, connect
from users.pacer import Pacer

AUTHORITY = trustme.CA()
TRUSTING = ssl.create_default_context()
AUTHORITY.configure_trust(TRUSTING)


def server_tls(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def target(url: str, limit_s: float = 20.0) -> Target:
    return Target(url, {"Authorization": "Bearer s3cret"}, [], TRUSTING, limit_s)


def call(aim: Target) -> Link:
    return connect(aim, Inbox(Pacer()), lambda _t, _p, _o: None, lambda _e: None)


def refusal(aim: Target) -> RemoteError:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RemoteError) as caught:
        call(aim)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the server's side may still be open
    return caught.value


def test_nobody_listens() -> None:
    port = free_port()
    error = refusal(target(f"ws://127.0.0.1:{port}/v1/realtime"))
    assert (error.kind, str(error)) == (ErrorKind.CONNECT, f"cannot connect to 127.0.0.1:{port}: Connection refused")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 64 + ".invalid", "a..b"])
def test_the_host_has_no_address(host: str) -> None:
    error = refusal(target(f"ws://{host}:80/"))
    assert error.kind is ErrorKind.CONNECT
    assert str(error).startswith(f"cannot connect to {host}:80: ")


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait_s"),
    [
        ("401 Unauthorized", "", ErrorKind.AUTH, None),
        ("403 Forbidden", "", ErrorKind.AUTH, None),
        ("404 Not Found", "", ErrorKind.HANDSHAKE, None),
        ("429 Too Many Requests", "", ErrorKind.RATE_LIMITED, None),
        ("429 Too Many Requests", "Retry-After: 7\r\n", ErrorKind.RATE_LIMITED, 7.0),
        ("503 Service Unavailable", "Retry-After: 0.5\r\n", ErrorKind.RATE_LIMITED, 0.5),
        ("500 Internal Server Error", "", ErrorKind.HANDSHAKE, None),
        ("200 OK", "", ErrorKind.HANDSHAKE, None),
    ],
)
def test_refused_with_a_status(status: str, headers: str, kind: ErrorKind, wait_s: float | None) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.refuse(status, headers, body="<html>s3cret of the server</html>")

    with served(script) as server:
        error = refusal(target(server.url))
        assert (error.kind, error.retry_after_s) == (kind, wait_s)
        assert str(error) == f"localhost:{server.port} refused the WebSocket with HTTP status {status[:3]}"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirection_is_no_open_connection(status: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.refuse(status, "Location: https://localhost/\r\n")

    with served(script) as server:
        error = refusal(target(server.url))
        assert error.kind is ErrorKind.HANDSHAKE
        assert str(error) == f"localhost:{server.port} redirects to another address: name that one"


ANSWERS = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "empty": b"",
    "half a header": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    "wrong accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    "no upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "rubbish": bytes(range(256)) * 4,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_not_a_websocket(answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.raw(answer)

    with served(script) as server:
        error = refusal(target(server.url))
        assert error.kind is ErrorKind.HANDSHAKE
        assert str(error).startswith(f"handshake with localhost:{server.port} failed: ")


def test_the_connection_is_reset_during_the_handshake() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    with served(script) as server:
        assert refusal(target(server.url)).kind is ErrorKind.HANDSHAKE


def drip(peer: Peer) -> None:
    """Never stays silent for long, and never comes to an end: only a limit on the whole opening ends this."""
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        peer.raw(b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ")
        while True:
            peer.raw(b"z")
            threading.Event().wait(0.01)


@pytest.mark.parametrize("script", [Peer.drain, drip], ids=["silent", "dripping"])
def test_the_server_takes_too_long(script: Any) -> None:
    with served(script) as server:
        error = refusal(target(server.url, 0.3))
        assert (error.kind, str(error)) == (ErrorKind.TIMEOUT, f"localhost:{server.port} did not complete the handshake within 0.3 s")


def test_the_server_takes_no_connection() -> None:
    """A full backlog: the kernel lets further connections wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        error = refusal(target(f"ws://127.0.0.1:{port}/", 0.3))
        assert (error.kind, str(error)) == (ErrorKind.CONNECT, f"127.0.0.1:{port} did not answer within 0.3 s")
        for sock in waiting:
            sock.close()


def test_a_foreign_timeout_and_a_kill_pass_through() -> None:
    with served(Peer.drain) as server:
        with gevent.Timeout(0.1) as mine, pytest.raises(gevent.Timeout) as caught:
            call(target(server.url))
        assert caught.value is mine
        killed = gevent.spawn(call, target(server.url))
        until(lambda: len(server.peers) == 2)
        killed.kill()
        assert isinstance(killed.value, gevent.GreenletExit)


def test_tls_trusted() -> None:
    with served(lambda peer: (peer.accept(), peer.drain()), tls=server_tls("localhost")) as server:
        link = call(target(server.url))
        assert link.open
        link.abort()


def test_tls_not_trusted() -> None:
    with served(Peer.drain, tls=server_tls("localhost")) as server:
        error = refusal(replace(target(server.url), tls=ssl.create_default_context()))
        assert error.kind is ErrorKind.CONNECT
        assert str(error) == f"TLS certificate of localhost:{server.port} is not trusted: unable to get local issuer certificate"


def test_tls_for_another_host() -> None:
    with served(Peer.drain, tls=server_tls("example.org")) as server:
        error = refusal(target(server.url))
        assert error.kind is ErrorKind.CONNECT
        assert "Hostname mismatch, certificate is not valid for 'localhost'" in str(error)


def test_tls_not_verified() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with served(lambda peer: (peer.accept(), peer.drain()), tls=server_tls("example.org")) as server:
        call(replace(target(server.url), tls=careless)).abort()


def test_tls_spoken_to_a_plain_server() -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.refuse("400 Bad Request")

    with served(script) as server:
        error = refusal(target(server.url.replace("ws:", "wss:")))
        assert error.kind is ErrorKind.HANDSHAKE
        assert str(error).startswith(f"handshake with localhost:{server.port} failed: ")


def test_one_talker_does_not_send_the_cookies_of_another() -> None:
    """websocket-client keeps cookies for the whole process: a load balancer would put all talkers onto one backend."""

    def script(peer: Peer) -> None:
        peer.accept(headers={"Set-Cookie": f"backend={peer.number}; Domain=localhost; Path=/"})
        peer.drain()

    with served(script) as server:
        for _ in range(3):
            call(target(server.url)).abort()
        assert [peer.read_request().headers.get("Cookie") for peer in server.peers] == [None, None, None]


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), (" 2.5 ", 2.5), (0, 0.0), (None, None), ("", None), ("-1", None), ("nan", None), ("²", None)]
)
def test_seconds_asked(header: object, seconds: float | None) -> None:
    assert seconds_asked(header) == seconds


@given(st.text() | st.none() | st.sampled_from(["Fri, 20 Nov 2026 11:00:00 GMT", "1.2.3", ".", "1e9", "inf"]))
def test_seconds_asked_never_fails(header: str | None) -> None:
    asked = seconds_asked(header)
    assert asked is None or asked >= 0
