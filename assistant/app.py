"""The assistant as an ASGI application: tokens, health, metrics, and the WebSocket endpoint."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute

from assistant.bodies import BodyError, read_json
from assistant.endpoint import DEFAULT_MODEL, Endpoint
from assistant.hub import Hub
from assistant.minting import Unminted, mint
from assistant.session import Receive, Send
from assistant.settings import Settings
from assistant.shapes import RefusedError, ensure_writable
from assistant.wires import WIRES
from assistant.wires.base import Wire

NO_STORE = {"Cache-Control": "no-store"}
DEFAULT_TTL_S = 600
TTL_RANGE_S = (10, 7200)


class HttpMetrics:
    """Middleware: counts and times HTTP requests by route template."""

    def __init__(self, app: Any, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown = self._hub.exposition
        begun = time.perf_counter()
        status = 500

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            endpoint = getattr(scope.get("route"), "path", "other")
            shown.requests += 1
            shown.http.labels(scope["method"], endpoint).observe(time.perf_counter() - begun)
            shown.api_requests.labels(scope["method"], endpoint, str(status)).inc()
            if status >= 400:
                shown.http_errors.labels(str(status)).inc()


def error(status: int, text: str, code: str, param: str | None = None, **headers: str) -> JSONResponse:
    """An error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    content = {"error": {"message": text, "type": kind, "code": code, "param": param}}
    return JSONResponse(content, status, {**NO_STORE, **headers})


class Routes:
    """The HTTP routes of one assistant."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def rt_token(self, request: Request) -> Response:
        """A token for one of our own clients, in the shapes that clients look for."""
        return await self._mint(request, "/rt-token", self._hub.profile.tokens.ttl_s)

    async def client_secrets(self, request: Request) -> Response:
        """POST /v1/realtime/client_secrets, as OpenAI's."""
        hub = self._hub
        if not hub.tokens.may_mint(Wire.secret(request.headers, {}, [])):
            return error(401, "Incorrect API key provided.", "invalid_api_key")
        try:
            ttl_s, settings = _secret_request(await read_json(request))
        except BodyError as wrong:
            return error(wrong.status, str(wrong), "invalid_value", wrong.param)
        return await self._mint(request, "/v1/realtime/client_secrets", ttl_s, settings)

    async def _mint(self, request: Request, endpoint: str, ttl_s: int, settings: Settings | None = None) -> Response:
        token = await mint(self._hub, request, endpoint, ttl_s, settings.config if settings else None)
        if isinstance(token, Unminted):
            return error(token.status, token.text, token.code, **token.headers)
        expires_at = int(time.time() + ttl_s)
        session = (settings or Settings(DEFAULT_MODEL)).echo(f"sess_{secrets.token_hex(8)}", beta=False, expires_at=0)
        secret = {"value": token, "expires_at": expires_at}
        return JSONResponse({**secret, "session": session, "client_secret": secret}, headers=NO_STORE)

    async def health(self) -> dict[str, Any]:
        return {"healthy": True, "timestamp": _now()}

    async def ready(self) -> Response:
        ready = not self._hub.full
        content = {"ready": ready, "services": ["realtime", "tokens"], "timestamp": _now()}
        return JSONResponse(content, 200 if ready else 503)

    async def live(self) -> dict[str, Any]:
        return {"alive": True, "uptime_seconds": round(self._hub.uptime_s, 3)}

    async def status(self) -> dict[str, Any]:
        hub = self._hub
        shown = hub.exposition
        return {
            "health": await self.health(),
            "metrics": {
                "sessions_opened": hub.opened,
                "messages_received": shown.messages_received,
                "tokens_minted": hub.mints,
            },
            "uptime_seconds": round(hub.uptime_s, 3),
            "request_count": shown.requests,
            "sessions": len(hub.sessions),
            "profile": hub.profile.name,
        }

    async def metrics(self) -> Response:
        return Response(self._hub.exposition.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def client_metrics(self, request: Request) -> Response:
        """Client-side metrics: {name: number or [numbers]}, in the units of the monitoring guide."""
        try:
            taken = self._hub.exposition.take_client_metrics(await read_json(request))
        except BodyError as wrong:
            return error(wrong.status, str(wrong), "invalid_body")
        except ValueError as wrong:
            return error(422, str(wrong), "invalid_body")
        return JSONResponse({"accepted": taken}, 202)


def create_app(hub: Hub) -> FastAPI:
    """The ASGI application for one hub."""
    routes = Routes(hub)
    app = FastAPI(title="Doubletalk reference assistant", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(HttpMetrics, hub=hub)
    options: dict[str, Any] = {"response_model": None}
    app.add_api_route("/rt-token", routes.rt_token, methods=["GET", "POST"], **options)
    app.add_api_route("/v1/realtime/client_secrets", routes.client_secrets, methods=["POST"], **options)
    app.add_api_route("/health", routes.health, **options)
    app.add_api_route("/health/ready", routes.ready, **options)
    app.add_api_route("/health/live", routes.live, **options)
    app.add_api_route("/status", routes.status, **options)
    app.add_api_route("/metrics", routes.metrics, **options)
    app.add_api_route("/api/metrics", routes.client_metrics, methods=["POST"], **options)
    for wire in WIRES:
        for method, path, route in wire.routes(hub):
            app.add_api_route(path, route, methods=[method], **options)
        for path in wire.paths:
            app.router.routes.append(WebSocketRoute(path, Endpoint(hub, wire)))
    return app


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _secret_request(body: Any) -> tuple[int, Settings | None]:
    """The token's life in seconds and the session asked for in the body of client_secrets (None: none). Raises BodyError."""
    if not isinstance(body, dict):
        raise BodyError(400, "The body must be an object.")
    after = body.get("expires_after") or {}
    seconds = after.get("seconds", DEFAULT_TTL_S) if isinstance(after, dict) else None
    low, high = TTL_RANGE_S
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not low <= seconds <= high:
        raise BodyError(400, f"expires_after.seconds must be an integer from {low} to {high}.", "expires_after.seconds")
    if body.get("session") is None:
        return seconds, None
    settings = Settings(DEFAULT_MODEL)
    try:
        ensure_writable(body)
        settings.update(body["session"], beta=False)
    except RefusedError as wrong:
        raise BodyError(400, str(wrong), wrong.param) from None
    return seconds, settings
