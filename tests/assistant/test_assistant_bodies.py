"""Bodies of the requests for tokens and calls: none is read without end, and one that cannot be used costs its sender nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from assistant_harness import Running, profile, running

from assistant.bodies import MAX_BODY

FINE = {
    "/v1/realtime/client_secrets": ({}, 200, 422),
    "/v1alpha/auth_tokens": ({}, 200, 400),
    "/xai/v1/realtime/client_secrets": ({}, 200, 400),
    "/api/calls": ({"medium": {"serverWebSocket": {"inputSampleRate": 16_000}}}, 201, 400),
    "/call": ({"transport": {"provider": "vapi.websocket"}}, 201, 400),
}
"""What each path takes, the status that answers it, and the one that answers what is no JSON."""


@pytest.fixture(scope="module")
def sparing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An assistant that gives each client one token."""
    with running(tmp_path_factory.mktemp("bodies"), profile(tokens={"per_second": 0.001, "burst": 1})) as made:
        yield made


@pytest.mark.parametrize("path", FINE)
def test_a_broken_body_is_refused_and_does_not_count(sparing: Running, path: str) -> None:
    fine, made, no_json = FINE[path]
    bodies: list[Any] = [b" " * (MAX_BODY + 1), b"{", b"[" * 3000, [], fine, fine]
    statuses = [sparing.request("POST", path, body, {"X-Client-Id": path})[0] for body in bodies]
    assert statuses == [413, no_json, no_json, 400, made, 429]
