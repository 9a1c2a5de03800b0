"""The WebSocket endpoint of one wire: who may come in, and how the connection ends."""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

import orjson

from assistant.call import Call
from assistant.hub import Hub
from assistant.minting import MAX_CLIENT_ID
from assistant.outbox import Outbox
from assistant.session import Receive, Send, Session
from assistant.settings import Settings
from assistant.wires.base import Wire

DEFAULT_MODEL = "gpt-realtime"


class Endpoint:
    """ASGI application for the paths of one wire."""

    def __init__(self, hub: Hub, wire: type[Wire]) -> None:
        self._hub = hub
        self._wire = wire

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        hub, kind = self._hub, self._wire
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        protocols: list[str] = scope["subprotocols"]
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = {**dict(asked), **scope.get("path_params", {})}
        secret = kind.secret(headers, query, protocols)
        if not (hub.tokens.accepts(secret, time.monotonic()) or kind.admits_anyone()):
            text = "Incorrect or expired token: mint one at /rt-token or /v1/realtime/client_secrets."
            await self._refuse(send, 401, "invalid_api_key", text, [(b"www-authenticate", b"Bearer")])
            return
        if hub.full:
            text = "The assistant has no room for another session."
            await self._refuse(send, 503, "session_limit_reached", text, [(b"retry-after", b"1")])
            return
        accept: dict[str, Any] = {"type": "websocket.accept", "headers": []}
        if (protocol := kind.accepted(protocols)) is not None:
            accept["subprotocol"] = protocol
        settings = Settings(DEFAULT_MODEL, hub.tokens.config(secret))
        if query.get("model"):
            settings.config = {**settings.config, "model": query["model"]}
        wire = kind.opened(secrets.token_hex(8), headers, query, protocols)
        client = (headers.get("x-client-id") or None) and headers["x-client-id"][:MAX_CLIENT_ID]
        call = Call(hub, Outbox(send, hub.exposition), wire, client=client, settings=settings)
        if wire.tuned_at_once:  # before it is open: the client may speak from then on
            await call.tune()
        await send(accept)
        await Session(call, receive, send).run()

    async def _refuse(self, send: Send, status: int, code: str, text: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Answers the handshake with an HTTP error."""
        shown = self._hub.exposition
        shown.http_errors.labels(str(status)).inc()
        shown.api_requests.labels("GET", self._wire.paths[0], str(status)).inc()
        body = orjson.dumps({"error": {"type": "invalid_request_error", "code": code, "message": text, "param": None}})
        start = {"type": "websocket.http.response.start", "status": status}
        await send({**start, "headers": [(b"content-type", b"application/json"), *headers]})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
