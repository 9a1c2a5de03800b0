"""Tokens and session URLs over HTTP. A request's latency counts from its intended start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from gevent import Timeout
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError
from geventhttpclient.url import URL

from metrics.records import ErrorKind, TokenRecord
from protocol import Grant, found
from users.access import Mint
from users.clock import SECOND_NS, epoch_s, now_ns
from users.errors import seconds_asked

MARGIN_NS = 5 * SECOND_NS
"""So long before it expires what a talker keeps counts as expired: it must still be good when the handshake has arrived."""


@dataclass(slots=True)
class Kept:
    """What a talker was given, for as long as it may use it again. `until_ns`: None where no end is known."""

    grant: Grant | None = None
    until_ns: int | None = None

    def keep(self, grant: Grant, epoch_s: float, at_ns: int) -> None:
        """Keep it. `epoch_s` and `at_ns`: now, since 1970 and on the monotonic clock."""
        left_s = None if grant.expires_at_s is None else grant.expires_at_s - epoch_s
        self.grant, self.until_ns = grant, None if left_s is None else at_ns + round(left_s * SECOND_NS) - MARGIN_NS

    def good(self, at_ns: int) -> Grant | None:
        """What is kept; None where there is nothing, or it has expired."""
        return self.grant if self.until_ns is None or at_ns < self.until_ns else None

    def drop(self) -> None:
        """It was refused."""
        self.grant = self.until_ns = None


def http_client(mint: Mint) -> HTTPClient:
    """A client for `request_grant`, with a connection of its own. Close it after use."""
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


def request_grant(
    http: HTTPClient, mint: Mint, user: str, client: str, talker: int | None, intended_ns: int
) -> tuple[Grant | None, TokenRecord]:
    """Ask as the recipe says, through `http`; blocks the calling greenlet. No grant: the record has an error. Does not raise."""
    sent_ns = now_ns()
    status: int | None = None
    retry_after_s: float | None = None
    grant: Grant | None = None
    kind: ErrorKind | None = None
    text: str | None = None
    limit = Timeout(mint.timeout_s)
    try:
        with limit:
            status, retry_after_s, body = _ask(http, mint, client)
        if status == 429:
            kind, text = ErrorKind.RATE_LIMITED, "HTTP status 429"
        elif status in (401, 403):
            kind, text = ErrorKind.AUTH, f"HTTP status {status}"
        elif not 200 <= status < 300:
            kind, text = ErrorKind.ASSISTANT_ERROR, f"HTTP status {status}"
        else:
            given = found(mint.recipe, body, epoch_s(), mint.values)
            if isinstance(given, Grant):
                grant = given
            else:
                kind, text = ErrorKind.PROTOCOL, given.text
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
    return grant, record


def _ask(http: HTTPClient, mint: Mint, client: str) -> tuple[int, float | None, bytes]:
    asked = mint.request
    own = {"Content-Type": "application/json", "X-Client-Id": client} if asked.body is not None else {"X-Client-Id": client}
    response = http.request(asked.method, mint.path, body=asked.body or b"", headers={**own, **asked.headers})
    return response.status_code, seconds_asked(response.get("retry-after")), bytes(response.read())
