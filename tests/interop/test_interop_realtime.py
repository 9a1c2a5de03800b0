"""OpenAI's own client, and its Agents SDK, talk to the assistant on the Realtime wire, on Azure's and on xAI's, which are such.

xAI publishes no types for Python: its client is OpenAI's, whose types it differs from by what is said below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interop_environment import assistant, held, python_with, questions, told

from protocol import SessionSettings, find, make

pytestmark = pytest.mark.interop

SDK = "openai[realtime]>=3.57,<4"
AGENTS = "openai-agents>=0.24,<0.30"
OWN = {
    "openai": [],
    "azure": [],
    "xai": [
        "conversation.item.input_audio_transcription.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "ping",
        "session.created",
        "session.updated",
    ],
}
"""Types of events that are not as OpenAI's types have them."""
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("openai-realtime", {}),
    "azure": ("azure-openai", {"api_version": "2025-04-01-preview"}),
    "xai": ("xai", {}),
}


@pytest.mark.parametrize("vendor", list(DIALECTS))
def test_a_turn_a_barge_in_and_a_turn(vendor: str, tmp_path: Path) -> None:
    python = python_with(SDK)
    first, second = questions(tmp_path, 24_000)
    name, options = DIALECTS[vendor]
    (ours,) = make(find(name), options).configure(SessionSettings(instructions="Be brief.", voice="marin"))
    with assistant(tmp_path, "ideal") as (url, truth):
        seen = held(python, "realtime_client.py", vendor, url, ours.decode(), str(first), str(second))
    assert seen["wrong"] == OWN[vendor]
    assert seen["statuses"] == ["cancelled", "completed", "completed"]
    assert seen["kinds"].count("conversation.item.truncated") == 1
    assert seen["kinds"].count("error") == 0
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == seen["statuses"]
    assert seen["transcripts"] == [answer["transcript"] for answer in answers]
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])


def test_the_agents_sdk_holds_a_turn_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    python = python_with(AGENTS)
    first, second = questions(tmp_path, 24_000)
    with assistant(tmp_path, "ideal") as (url, truth):
        seen = held(python, "agents_client.py", url, str(first), str(second))
    assert seen["errors"] == []
    assert seen["kinds"].count("audio_end") == 3
    assert seen["kinds"].index("audio_interrupted") < seen["kinds"].index("audio_end")
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == ["cancelled", "completed", "completed"]
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])
