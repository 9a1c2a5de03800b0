"""The HTTP side: tokens, limits, health, metrics."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from assistant_harness import Running, profile, running
from openai.types.realtime import ClientSecretCreateResponse

from assistant.bodies import MAX_BODY


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("truth")) as server:
        yield server


def knock(server: Running, headers: dict[str, str], protocols: list[str] | None = None) -> tuple[int, str | None]:
    """Status of a WebSocket handshake and the sub-protocol agreed on."""

    async def connect() -> tuple[int, str | None]:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?model=m"
        try:
            async with websockets.connect(url, additional_headers=headers, subprotocols=protocols) as socket:
                assert socket.response is not None
                assert "permessage-deflate" not in socket.response.headers.get("Sec-WebSocket-Extensions", "")
                return socket.response.status_code, socket.subprotocol
        except websockets.InvalidStatus as error:
            return error.response.status_code, None

    return asyncio.run(connect())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_in_every_usual_shape(server: Running, method: str) -> None:
    status, headers, body = server.request(method, "/rt-token")
    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert body["value"].startswith("ek_")
    assert body["client_secret"] == {"value": body["value"], "expires_at": body["expires_at"]}
    assert abs(body["expires_at"] - time.time() - 600) < 5
    ClientSecretCreateResponse.model_validate(body)
    assert server.until("token")[0]["status"] == 200
    assert body["value"] not in str(server.truth("token"))


def test_client_secrets_as_openai_has_them(server: Running) -> None:
    session = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    request = {"expires_after": {"anchor": "created_at", "seconds": 30}, "session": session}
    status, _, body = server.request("POST", "/v1/realtime/client_secrets", request)
    assert status == 200
    assert abs(body["expires_at"] - time.time() - 30) < 5
    assert ClientSecretCreateResponse.model_validate(body).session.type == "realtime"
    assert body["session"]["audio"]["output"]["voice"] == "cedar"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"expires_after": {"seconds": 9}}, 400, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, 400, "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, 400, "expires_after.seconds"),
        ({"expires_after": [1]}, 400, "expires_after.seconds"),
        ({"session": {"type": "other"}}, 400, "session.type"),
        ([], 400, None),
        (b"{", 422, None),
        (b"x" * (MAX_BODY + 1), 413, None),
    ],
)
def test_wrong_requests_for_secrets(server: Running, body: Any, status: int, param: str | None) -> None:
    got, _, reply = server.request("POST", "/v1/realtime/client_secrets", body)
    assert (got, reply["error"]["param"]) == (status, param)


def test_a_secret_brings_its_session_along(server: Running) -> None:
    vad = {"type": "server_vad", "silence_duration_ms": 250}
    asked = {"type": "realtime", "model": "mine", "instructions": "Be brief.", "audio": {"input": {"turn_detection": vad}}}
    secret = server.request("POST", "/v1/realtime/client_secrets", {"session": asked})[2]["value"]

    async def open_session(query: str) -> dict[str, Any]:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime{query}"
        async with websockets.connect(url, additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
            session: dict[str, Any] = json.loads(await socket.recv())["session"]
            return session

    session = asyncio.run(open_session(""))
    assert (session["model"], session["instructions"]) == ("mine", "Be brief.")
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 250
    assert asyncio.run(open_session("?model=other"))["model"] == "other"
    assert asyncio.run(open_session(""))["model"] == "mine"  # one session does not change the next


@pytest.mark.parametrize(
    ("headers", "protocols", "status", "agreed"),
    [
        ({"Authorization": "Bearer TOKEN"}, None, 101, None),
        ({}, ["realtime", "openai-insecure-api-key.TOKEN"], 101, "realtime"),
        ({}, None, 401, None),
        ({"Authorization": "Bearer ek_wrong"}, None, 401, None),
        ({}, ["realtime", "openai-insecure-api-key.wrong"], 401, None),
    ],
)
def test_who_may_come_in(server: Running, headers: dict[str, str], protocols: list[str] | None, status: int, agreed: str | None) -> None:
    token = server.token()
    headers = {name: value.replace("TOKEN", token) for name, value in headers.items()}
    offered = [name.replace("TOKEN", token) for name in protocols] if protocols else None
    assert knock(server, headers, offered) == (status, agreed)


def test_an_api_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with running(tmp_path, api_key="sk-test") as server:
        path = "/v1/realtime/client_secrets"
        assert server.request("POST", path, {})[0] == 401
        assert server.request("POST", path, {}, {"Authorization": "Bearer sk-other"})[0] == 401
        assert server.request("POST", path, {}, {"Authorization": "Bearer sk-test"})[0] == 200
        assert knock(server, {"Authorization": "Bearer sk-test"})[0] == 101
        assert server.request("GET", "/rt-token")[0] == 200


def test_minting_is_limited_per_client(tmp_path: Path) -> None:
    with running(tmp_path, profile(tokens={"per_second": 0.01, "burst": 2})) as server:
        one, two = {"X-Client-Id": "talker-1"}, {"X-Client-Id": "talker-2"}
        assert [server.request("GET", "/rt-token", headers=one)[0] for _ in range(3)] == [200, 200, 429]
        status, headers, body = server.request("POST", "/v1/realtime/client_secrets", {}, one)
        assert status == 429
        assert 0 < int(headers["retry-after"]) <= 100
        assert body["error"]["code"] == "rate_limit_exceeded"
        assert server.request("GET", "/rt-token", headers=two)[0] == 200
        metrics = server.request("GET", "/metrics")[2]
        assert 'rate_limit_exceeded_total{endpoint="/rt-token"} 1.0' in metrics
        assert 'http_errors_total{code="429"} 2.0' in metrics
        assert [line["status"] for line in server.until("token", 5)] == [200, 200, 429, 429, 200]


def test_a_mint_that_fails(tmp_path: Path) -> None:
    with running(tmp_path, profile(failures={"mint": 1.0})) as server:
        status, _, body = server.request("GET", "/rt-token")
        assert (status, body["error"]["type"]) == (500, "server_error")


def test_health(server: Running) -> None:
    status, _, health = server.request("GET", "/health")
    assert (status, health["healthy"]) == (200, True)
    assert health["timestamp"].endswith("Z")
    assert server.request("GET", "/health/ready")[2]["ready"] is True
    live = server.request("GET", "/health/live")[2]
    assert live["alive"] is True and live["uptime_seconds"] > 0
    status = server.request("GET", "/status")[2]
    assert {"health", "metrics", "uptime_seconds", "request_count", "sessions", "profile"} <= set(status)
    assert status["request_count"] >= 3


def test_metrics_use_route_templates(server: Running) -> None:
    assert server.request("GET", "/no/such/path/4711")[0] == 404
    status, headers, text = server.request("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert "4711" not in text
    assert 'api_requests_total{endpoint="other",method="GET",status="404"}' in text


def test_client_metrics_are_taken(server: Running) -> None:
    body = {"e2e_latency": 640, "barge_in_latency": [210, 260], "unheard_of": 5}
    status, _, reply = server.request("POST", "/api/metrics", body)
    assert (status, reply) == (202, {"accepted": 3})
    text = server.request("GET", "/metrics")[2]
    assert "barge_in_latency_milliseconds_sum 470.0" in text
    assert "e2e_latency_client_milliseconds_count 1.0" in text


@pytest.mark.parametrize(("body", "status"), [(b"{", 422), ([1], 422), ({"jitter": "x"}, 422), (b"[" * (MAX_BODY + 1), 413)])
def test_wrong_client_metrics(server: Running, body: Any, status: int) -> None:
    assert server.request("POST", "/api/metrics", body)[0] == status
