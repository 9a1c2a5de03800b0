"""Deepgram's own client talks to the assistant, and takes what our talkers send for its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from interop_environment import assistant, held, python_with, questions, told

from protocol import SessionSettings
from protocol.dialects.deepgram import Deepgram, Options
from protocol.events import Reply

pytestmark = pytest.mark.interop

SDK = "deepgram-sdk>=7.16,<8"


def test_a_turn_a_barge_in_and_a_turn(tmp_path: Path) -> None:
    python = python_with(SDK)
    first, second = questions(tmp_path, 24_000)
    dialect = Deepgram(Options(experimental=True))
    dialect.configure(SessionSettings(instructions="Be brief."))
    _, settings = dialect.decode(b'{"type":"Welcome","request_id":"q"}')
    assert isinstance(settings, Reply)
    with assistant(tmp_path, "ideal") as (url, truth):
        seen = held(python, "deepgram_client.py", url, settings.message.decode(), str(first), str(second))
    assert seen["wrong"] == []
    assert seen["expires_in"] == 30
    thinks = ["ConversationText", "AgentThinking", "ConversationText", "AgentStartedSpeaking", "audio"]
    told_of = [kind for kind in seen["kinds"] if kind in {*thinks, "UserStartedSpeaking", "AgentAudioDone"}]
    assert seen["kinds"][:2] == ["Welcome", "SettingsApplied"]
    assert told_of[:6] == ["UserStartedSpeaking", *thinks]
    interrupted = told_of.index("UserStartedSpeaking", 1)
    assert "audio" not in told_of[interrupted : told_of.index("AgentThinking", interrupted)], "nothing is sent of what was broken off"
    assert [kind for kind in told_of if kind in ("UserStartedSpeaking", "AgentAudioDone")] == [
        "UserStartedSpeaking",
        "UserStartedSpeaking",
        "AgentAudioDone",
        "UserStartedSpeaking",
        "AgentAudioDone",
    ]
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == ["cancelled", "completed", "completed"]
    assert seen["words"]["user"] == [answer["transcript"] for answer in answers]
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])
