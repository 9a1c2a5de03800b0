"""Minting ephemeral tokens over HTTP. The request's latency counts from its intended start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import orjson
from gevent import Timeout
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError
from geventhttpclient.url import URL

from metrics.records import ErrorKind, TokenRecord
from users.clock import now_ns
from users.errors import seconds_asked

POINTERS = (("value",), ("client_secret", "value"), ("client_secret",), ("token",))
"""Where a token is found in the reply: OpenAI's GA and beta shapes, and what home-grown endpoints use."""


@dataclass(frozen=True, slots=True)
class Mint:
    """Where tokens come from. `timeout_s`: limit of a whole request. `secret`: API key sent as bearer, None for an endpoint that asks none;
    never shown."""

    base_url: str
    path: str
    tls: ssl.SSLContext
    timeout_s: float
    secret: str | None = field(default=None, repr=False)


def http_client(mint: Mint) -> HTTPClient:
    """A client for `request_token`, with a connection of its own. Close it after use."""
    url = URL(mint.base_url)
    return HTTPClient(
        url.host,
        url.port,
        ssl=url.scheme == "https",
        ssl_context_factory=(lambda **_: mint.tls) if url.scheme == "https" else None,
        insecure=mint.tls.verify_mode is ssl.CERT_NONE,
        connection_timeout=mint.timeout_s,
        network_timeout=mint.timeout_s,
    )


def request_token(
    http: HTTPClient, mint: Mint, user: str, client: str, talker: int | None, intended_ns: int
) -> tuple[str | None, TokenRecord]:
    """Ask for one token through `http`; blocks the calling greenlet. The token is None where the record has an error. Does not raise."""
    sent_ns = now_ns()
    status: int | None = None
    retry_after_s: float | None = None
    token: str | None = None
    kind: ErrorKind | None = None
    text: str | None = None
    limit = Timeout(mint.timeout_s)
    try:
        with limit:
            status, retry_after_s, body = _post(http, mint, client)
        if status == 429:
            kind, text = ErrorKind.RATE_LIMITED, "HTTP status 429"
        elif status in (401, 403):
            kind, text = ErrorKind.AUTH, f"HTTP status {status}"
        elif not 200 <= status < 300:
            kind, text = ErrorKind.ASSISTANT_ERROR, f"HTTP status {status}"
        else:
            token = find_token(body)
            if token is None:
                kind, text = ErrorKind.PROTOCOL, "the reply holds no token"
    except (Timeout, TimeoutError) as error:
        if isinstance(error, Timeout) and error is not limit:
            raise
        kind, text = ErrorKind.TIMEOUT, f"no reply within {mint.timeout_s:g} s"
    except ssl.SSLCertVerificationError as error:
        kind, text = ErrorKind.CONNECT, f"TLS certificate is not trusted: {error.verify_message}"
    except OSError as error:
        kind, text = ErrorKind.CONNECT, str(error.strerror or error)[:120] or type(error).__name__
    except (HTTPParseError, ValueError) as error:
        kind, text = ErrorKind.PROTOCOL, str(error)[:120] or type(error).__name__
    record = TokenRecord(
        user=user,
        talker=talker,
        intended_ns=intended_ns,
        sent_ns=sent_ns,
        done_ns=now_ns(),
        status=status,
        error_kind=kind,
        error=text,
        retry_after_s=retry_after_s,
    )
    return token, record


def find_token(body: bytes) -> str | None:
    """The token in a JSON reply; None where it is in none of the known places."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    for pointer in POINTERS:
        found = reply
        for key in pointer:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and found:
            return found
    return None


def _post(http: HTTPClient, mint: Mint, client: str) -> tuple[int, float | None, bytes]:
    headers = {"Content-Type": "application/json", "X-Client-Id": client}
    if mint.secret is not None:
        headers["Authorization"] = f"Bearer {mint.secret}"
    response = http.request("POST", URL(mint.base_url).path.rstrip("/") + mint.path, body=b"{}", headers=headers)
    return response.status_code, seconds_asked(response.get("retry-after")), bytes(response.read())
