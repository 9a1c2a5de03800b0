"""The opening of a session's WebSocket: connect, TLS and handshake under one time limit. Foreign errors end here."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gevent import Timeout
from gevent.socket import create_connection
from websocket import WebSocket, WebSocketBadStatusException, WebSocketException
from websocket._handshake import CookieJar

from metrics.records import ErrorKind
from protocol import Opcode
from users.channel import Channel
from users.clock import KERNEL, now_ns
from users.errors import RemoteError, seconds_asked
from users.inbox import Inbox
from users.link import Link, Opening
from users.network import SHAKE, SYN, TLS, Emulation, Wait


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: the WebSocket URL, headers and sub-protocols of the handshake, the TLS context for wss, a time limit in seconds.
    `arrivals`: where arrival times are to come from, one of `users.clock.CLOCKS`."""

    url: str
    headers: dict[str, str]
    subprotocols: list[str]
    tls: ssl.SSLContext
    timeout_s: float
    arrivals: str = KERNEL


def connect(
    target: Target,
    inbox: Inbox,
    on_message: Callable[[int, bytes, Opcode], None],
    on_closed: Callable[[RemoteError | None], None],
    on_full: Callable[[], None] | None = None,
    network: Emulation | None = None,
) -> Link:
    """Open a WebSocket that `inbox` will read; the callbacks are the link's. Blocks the calling greenlet. `network`: what the opening and
    all bytes pass; None: nothing.

    Raises RemoteError: connect, handshake, auth, rate_limited or timeout.
    """
    parts = urlsplit(target.url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    where = f"{host}:{port}"
    channel: Channel | None = None
    started_ns = now_ns()
    limit = Timeout(target.timeout_s)
    try:
        with limit:
            if network is not None:
                network.leave(SYN)
            sock = create_connection((host, port))
            channel = Channel(sock, target.tls if secure else None, host, target.arrivals)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls_done_ns = connected_ns = _passed(network, SYN, now_ns())
            if secure:
                _start_tls(channel, network)
                tls_done_ns = now_ns()
            if network is not None:
                network.leave(SHAKE)
            _shake_hands(channel, target)
            opened_ns = _passed(network, SHAKE, channel.arrived_ns)
    except BaseException as error:
        if channel is not None:
            channel.close()
        if error is limit:
            if channel is None:
                raise RemoteError(ErrorKind.CONNECT, f"{where} did not answer within {target.timeout_s:g} s") from None
            raise RemoteError(ErrorKind.TIMEOUT, f"{where} did not complete the handshake within {target.timeout_s:g} s") from None
        if isinstance(error, WebSocketException | OSError | EOFError | ValueError):
            raise (_unreachable(error, where) if channel is None else _refused(error, where)) from None
        raise
    opening = Opening(
        started_ns,
        (connected_ns - started_ns) / 1e9,
        (tls_done_ns - connected_ns) / 1e9 if secure else None,
        (opened_ns - tls_done_ns) / 1e9,
        opened_ns,
    )
    return Link(channel, opening, inbox, on_message, on_closed, on_full, network)


def _passed(network: Emulation | None, step: Wait, at_ns: int) -> int:
    return at_ns if network is None else network.arrive(step, at_ns)


def _start_tls(channel: Channel, network: Emulation | None) -> None:
    """One round trip with TLS 1.3, two before (RFC 8446, section 2)."""
    if network is not None:
        network.leave(TLS)
    channel.start_tls()
    _passed(network, TLS, now_ns())
    if network is not None and channel.tls_version != "TLSv1.3":
        network.leave(SYN)
        network.arrive(SYN, now_ns())


def _shake_hands(channel: Channel, target: Target) -> None:
    client = WebSocket(skip_utf8_validation=True)
    client.connect(
        target.url,
        socket=channel,
        header=target.headers,
        subprotocols=target.subprotocols or None,
        suppress_origin=True,
        redirect_limit=0,
    )
    CookieJar.jar.clear()  # websocket-client would send one talker's cookies with every other's handshake, and so pin all to one backend
    if client.getstatus() != 101:  # some versions of websocket-client take a redirection that they may not follow for success
        raise WebSocketException("redirect")
    vars(client).clear()  # its buffers hold it, and it holds them: no circle is left for the collector


def _unreachable(error: Exception, where: str) -> RemoteError:
    reason = getattr(error, "strerror", None) or str(error)
    return RemoteError(ErrorKind.CONNECT, f"cannot connect to {where}: {reason[:160]}")


def _refused(error: Exception, where: str) -> RemoteError:
    if isinstance(error, WebSocketBadStatusException):
        status = error.status_code
        kinds = {401: ErrorKind.AUTH, 403: ErrorKind.AUTH, 429: ErrorKind.RATE_LIMITED, 503: ErrorKind.RATE_LIMITED}
        wait_s = seconds_asked((error.resp_headers or {}).get("retry-after"))
        text = f"{where} refused the WebSocket with HTTP status {status}"
        return RemoteError(kinds.get(status, ErrorKind.HANDSHAKE), text, retry_after_s=wait_s)
    if isinstance(error, ssl.SSLCertVerificationError):
        return RemoteError(ErrorKind.CONNECT, f"TLS certificate of {where} is not trusted: {error.verify_message}")
    if isinstance(error, WebSocketException) and "redirect" in str(error).lower():
        return RemoteError(ErrorKind.HANDSHAKE, f"{where} redirects to another address: name that one")
    return RemoteError(ErrorKind.HANDSHAKE, f"handshake with {where} failed: {str(error)[:160] or type(error).__name__}")
