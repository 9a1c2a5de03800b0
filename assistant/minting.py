"""Tokens by HTTP, on whatever wire's path: limited, delayed and failed as the profile says, and told to the truth."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request

from assistant.truth import TokenTruth

if TYPE_CHECKING:
    from assistant.hub import Hub

MAX_CLIENT_ID = 128


@dataclass(frozen=True, slots=True)
class Unminted:
    """Why there is no token: HTTP status 429, with the seconds after which there may be one, or 500."""

    status: int
    text: str
    code: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, where waiting helps."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


async def mint(hub: Hub, request: Request, endpoint: str, ttl_s: float, config: dict[str, Any] | None = None) -> str | Unminted:
    """A token that is valid for `ttl_s`; its sessions start with `config` (None: the defaults). `endpoint`: what metrics call it."""
    begun = time.perf_counter()
    peer = request.client.host if request.client else "unknown"
    client = request.headers.get("x-client-id", "")[:MAX_CLIENT_ID] or peer
    wait_s = hub.limiter.take(client, time.monotonic())
    if wait_s > 0:
        hub.exposition.rate_limited.labels(endpoint).inc()
        hub.truth.write(TokenTruth(time.monotonic_ns(), 429))
        return Unminted(429, "Rate limit reached for token requests.", "rate_limit_exceeded", math.ceil(wait_s))
    rng = hub.rng("", "mint", hub.mints)
    hub.mints += 1
    delay_s = hub.profile.tokens.delay.sample(rng)
    if delay_s > 0:
        await asyncio.sleep(delay_s)
    if rng.random() < hub.profile.failures.mint:
        hub.exposition.errors.labels("mint").inc()
        hub.truth.write(TokenTruth(time.monotonic_ns(), 500))
        return Unminted(500, "The token could not be minted.", "server_error")
    token = hub.tokens.mint(time.monotonic(), ttl_s, config)
    hub.truth.write(TokenTruth(time.monotonic_ns(), 200))
    hub.exposition.token_mint.observe(time.perf_counter() - begun)
    return token


def session_url(request: Request, path: str) -> str:
    """The WebSocket URL of a path on this assistant, by the name under which it was asked."""
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{request.url.netloc}{path}"
