"""Who may open a session: ephemeral tokens, an optional API key, and the limit on minting.

Time is an argument: seconds of a monotonic clock. Tokens live in memory only and are never logged.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from typing import Any

MAX_CLIENTS = 100_000  # buckets kept; the one unused for longest goes first


class TokenStore:
    """Ephemeral tokens, when they expire, and the session configuration that was asked for with them. A token opens any
    number of sessions until it expires."""

    def __init__(self, api_key: str | None = None) -> None:
        self._api_key = api_key.encode() if api_key else None
        self._tokens: dict[str, tuple[float, dict[str, Any] | None]] = {}
        self._next_purge = 0.0

    def mint(self, now_s: float, ttl_s: float, config: dict[str, Any] | None = None) -> str:
        """A new token that is valid until now_s + ttl_s; its sessions start with `config` (None: the defaults)."""
        if now_s >= self._next_purge:
            self._tokens = {token: held for token, held in self._tokens.items() if held[0] > now_s}
            self._next_purge = now_s + 10.0
        token = f"ek_{secrets.token_hex(16)}"
        self._tokens[token] = now_s + ttl_s, config
        return token

    def config(self, secret: str | None) -> dict[str, Any] | None:
        """The session configuration that belongs to a token; None: the defaults."""
        return self._tokens.get(secret or "", (0.0, None))[1]

    def may_mint(self, secret: str | None) -> bool:
        """Whether this secret may ask for tokens: the API key, or any where there is no key."""
        return self._api_key is None or self._is_api_key(secret or "")

    def _is_api_key(self, secret: str) -> bool:
        return self._api_key is not None and hmac.compare_digest(secret.encode(), self._api_key)

    def accepts(self, secret: str | None, now_s: float) -> bool:
        """Whether this bearer may open a session: an unexpired token, or the API key."""
        if not secret:
            return False
        return self._tokens.get(secret, (float("-inf"), None))[0] > now_s or self._is_api_key(secret)


class RateLimiter:
    """A token bucket per client: `burst` at once, refilled with `per_second`."""

    def __init__(self, per_second: float, burst: int) -> None:
        self.limit(per_second, burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (level, at)

    def limit(self, per_second: float, burst: int) -> None:
        """Sets the limit anew; what a client has left above `burst` is lost to it."""
        self._per_second, self._burst = per_second, float(burst)

    def take(self, client: str, now_s: float) -> float:
        """Takes one; returns 0.0, or, where none is left, the seconds until there is one."""
        level, at_s = self._buckets.get(client, (self._burst, now_s))
        level = min(self._burst, level + (now_s - at_s) * self._per_second)
        wait_s = 0.0 if level >= 1.0 else (1.0 - level) / self._per_second
        self._buckets[client] = (level - 1.0 if level >= 1.0 else level, now_s)
        self._buckets.move_to_end(client)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return wait_s


def bearer(headers: dict[str, str], protocols: list[str]) -> str | None:
    """The secret of a WebSocket request: the Authorization header, else the browsers' sub-protocol. None: neither."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    prefix = "openai-insecure-api-key."
    return next((name.removeprefix(prefix) for name in protocols if name.startswith(prefix)), None)
