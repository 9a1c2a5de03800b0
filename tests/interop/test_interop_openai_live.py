"""OpenAI's own Live client talks to the assistant: each event is checked against the published types."""

from __future__ import annotations

from pathlib import Path

import pytest
from interop_environment import assistant, held, python_with, questions, told

from protocol import SessionSettings, find, make

pytestmark = pytest.mark.interop

SDK = "openai[realtime]>=3.57,<4"


def test_a_turn_a_barge_in_and_a_turn(tmp_path: Path) -> None:
    python = python_with(SDK)
    first, second = questions(tmp_path, 24_000)
    (start,) = make(find("openai-live"), {}).configure(SessionSettings(instructions="Be brief.", voice="marin"))
    with assistant(tmp_path, "ideal") as (url, truth):
        seen = held(python, "openai_live_client.py", url, start.decode(), str(first), str(second))
    assert seen["wrong"] == []
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == ["cancelled", "completed", "completed"]
    assert seen["words"]["session.input_transcript.delta"] == "".join(answer["transcript"] for answer in answers)
    assert (seen["kinds"]["session.usage.updated"], seen["kinds"]["session.closed"]) == (3, 1)
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])
    assert seen["stopped_s"] < 1.0
    assert 0.85 < seen["share"] < 1.05, "the stream goes on at the pace at which it is heard, silence included"
