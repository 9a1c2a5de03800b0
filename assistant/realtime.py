"""The WebSocket endpoint: who may come in, in which dialect, and how the connection ends."""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import parse_qs

import orjson

from assistant.auth import bearer
from assistant.call import Call
from assistant.hub import Hub
from assistant.outbox import Outbox
from assistant.session import Receive, Send, Session
from assistant.settings import Settings

BETA_PROTOCOL = "openai-beta.realtime-v1"
MAX_CLIENT_ID = 128
DEFAULT_MODEL = "gpt-realtime"


class RealtimeEndpoint:
    """ASGI application for /v1/realtime."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        hub = self._hub
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        protocols: list[str] = scope["subprotocols"]
        secret = bearer(headers, protocols)
        if not hub.tokens.accepts(secret, time.monotonic()):
            text = "Incorrect or expired token: mint one at /rt-token or /v1/realtime/client_secrets."
            await self._refuse(send, 401, "invalid_api_key", text, [(b"www-authenticate", b"Bearer")])
            return
        if hub.full:
            text = "The assistant has no room for another session."
            await self._refuse(send, 503, "session_limit_reached", text, [(b"retry-after", b"1")])
            return
        accept: dict[str, Any] = {"type": "websocket.accept", "headers": []}
        if "realtime" in protocols:
            accept["subprotocol"] = "realtime"
        await send(accept)
        settings = Settings(DEFAULT_MODEL, hub.tokens.config(secret))
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("model")
        if asked:
            settings.config = {**settings.config, "model": asked[0]}
        outbox = Outbox(send, hub.exposition)
        call = Call(
            hub,
            outbox,
            tag=secrets.token_hex(8),
            client=(headers.get("x-client-id") or None) and headers["x-client-id"][:MAX_CLIENT_ID],
            settings=settings,
            beta="realtime=v1" in headers.get("openai-beta", "") or BETA_PROTOCOL in protocols,
        )
        await Session(call, receive, send).run()

    async def _refuse(self, send: Send, status: int, code: str, text: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Answers the handshake with an HTTP error."""
        shown = self._hub.exposition
        shown.http_errors.labels(str(status)).inc()
        shown.api_requests.labels("GET", "/v1/realtime", str(status)).inc()
        body = orjson.dumps({"error": {"type": "invalid_request_error", "code": code, "message": text, "param": None}})
        start = {"type": "websocket.http.response.start", "status": status}
        await send({**start, "headers": [(b"content-type", b"application/json"), *headers]})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
