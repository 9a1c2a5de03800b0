"""Tokens for whoever may have one: within the limit, after the delay and with the failures of the profile, and in the truth."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from assistant.settings import Settings
from assistant.truth import TokenTruth

if TYPE_CHECKING:
    from assistant.hub import Hub  # which has the wires, whose routes ask here

DEFAULT_TTL_S = 600
MAX_CLIENT_ID = 128


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no token: the HTTP status, a code and a sentence; `retry_after_s`: whole seconds, None where waiting does not help."""

    status: int
    code: str
    text: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, where it helps."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def admitted(hub: Hub, key: str | None) -> Refusal | None:
    """None where this API key may ask: any may, where the assistant has none of its own."""
    if hub.tokens.has_api_key and not hub.tokens.is_api_key((key or "").strip()):
        return Refusal(401, "invalid_api_key", "Incorrect API key provided.")
    return None


async def granted(hub: Hub, request: Request, endpoint: str, ttl_s: int = DEFAULT_TTL_S, settings: Settings | None = None) -> str | Refusal:
    """A token for `ttl_s` seconds, whose sessions begin with `settings`. `endpoint`: the path that was asked, for the metrics."""
    begun = time.perf_counter()
    peer = request.client.host if request.client else "unknown"
    client = request.headers.get("x-client-id", "")[:MAX_CLIENT_ID] or peer
    wait_s = hub.limiter.take(client, time.monotonic())
    if wait_s > 0:
        hub.exposition.rate_limited.labels(endpoint).inc()
        hub.truth.write(TokenTruth(time.monotonic_ns(), 429))
        return Refusal(429, "rate_limit_exceeded", "Rate limit reached for token requests.", math.ceil(wait_s))
    rng = hub.rng("", "mint", hub.mints)
    hub.mints += 1
    delay_s = hub.profile.tokens.delay.sample(rng)
    if delay_s > 0:
        await asyncio.sleep(delay_s)
    if rng.random() < hub.profile.failures.mint:
        hub.exposition.errors.labels("mint").inc()
        hub.truth.write(TokenTruth(time.monotonic_ns(), 500))
        return Refusal(500, "server_error", "The token could not be minted.")
    token = hub.tokens.mint(time.monotonic(), ttl_s, settings.config if settings else None)
    hub.truth.write(TokenTruth(time.monotonic_ns(), 200))
    hub.exposition.token_mint.observe(time.perf_counter() - begun)
    return token


def session_url(request: Request, path: str) -> str:
    """The WebSocket URL of a path on this assistant, by the name under which it was asked."""
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{request.url.netloc}{path}"
