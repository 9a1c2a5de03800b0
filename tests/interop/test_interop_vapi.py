"""Vapi's published client and types, and our assistant. Vapi has no client of its own for its WebSocket transport."""

from __future__ import annotations

from pathlib import Path

import pytest
from interop_environment import assistant, held, python_with, questions, told

pytestmark = pytest.mark.interop


def test_a_call_of_vapis_client_is_a_conversation(tmp_path: Path) -> None:
    python = python_with("vapi-server-sdk>=3,<4", "websockets>=15,<18")
    with assistant(tmp_path, profile="ideal") as (url, truth):
        saw = held(python, "vapi_client.py", url, *map(str, questions(tmp_path, 16_000)))
    first, second = told(truth, "response")
    assert (first["status"], second["status"]) == ("cancelled", "completed")
    assert [one["reaction"] for one in told(truth, "barge_in")] == ["cancelled"]
    assert saw["audio_s"] == pytest.approx((first["audio_samples"] + second["audio_samples"]) / 16_000, abs=0.01)
    assert (saw["assistant"], saw["status"], saw["type"]) == ("a1", "queued", "vapi.websocketCall")
    turns = [what for what in saw["told"] if what not in ("status-update", "transcript", "model-output")]
    user, agent = "speech-update user", "speech-update assistant"
    assert turns == [
        f"{user} started",
        f"{user} stopped",
        f"{agent} started",
        f"{user} started",
        "user-interrupted",
        f"{agent} stopped",
        f"{user} stopped",
        f"{agent} started",
        f"{agent} stopped",
        "closed 1000",
    ]
    assert saw["told"].count("transcript") == 2
    assert "model-output" in saw["told"]
