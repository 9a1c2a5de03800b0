"""ElevenLabs' own client talks to the assistant; what either side says fits the types that ElevenLabs publishes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from interop_environment import assistant, held, python_with, questions, told

from assistant.wires.elevenlabs import ElevenLabs as Wire
from protocol import SessionSettings
from protocol.dialects.elevenlabs import ElevenLabs, Options
from protocol.events import Reply

pytestmark = pytest.mark.interop

SDK = "elevenlabs>=2.78,<3"
TYPES = ("@elevenlabs/types@^0.23.0", "typescript@^5.9.0")
NAMES = {
    "agent_chat_response_part": "AgentChatResponsePart",
    "agent_response": "AgentResponse",
    "agent_response_correction": "AgentResponseCorrection",
    "audio": "Audio",
    "client_tool_result": "ClientToolResult",
    "conversation_initiation_client_data": "ConversationInitiation",
    "conversation_initiation_metadata": "ConversationMetadata",
    "error": "ErrorMessage",
    "interruption": "Interruption",
    "ping": "Ping",
    "pong": "Pong",
    "user_transcript": "UserTranscript",
    "vad_score": "VadScore",
}


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("elevenlabs")
    python = python_with(SDK)
    first, second = questions(folder, 16_000)
    with assistant(folder, "ideal") as (url, truth):
        return held(python, "elevenlabs_client.py", url, str(first), str(second)), truth


def test_a_turn_a_barge_in_and_a_turn(conversation: tuple[dict[str, Any], Path]) -> None:
    seen, truth = conversation
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == ["cancelled", "completed", "completed"]
    assert seen["interruptions"] == 1
    assert seen["transcripts"] == [answer["transcript"] for answer in answers]
    assert len(seen["answers"]) == 2
    assert len(seen["corrections"]) == 1
    assert [token["status"] for token in told(truth, "token")] == [200]
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])
    (session,) = told(truth, "session")
    assert (
        session["session_id"]
        == seen["messages"]["conversation_initiation_metadata"]["conversation_initiation_metadata_event"]["conversation_id"]
    )


def test_what_either_side_says_fits_the_published_types(conversation: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    installed = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", *TYPES], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    if installed.returncode:
        pytest.skip(f"cannot be installed here: {' '.join(TYPES)}: {installed.stderr.strip().splitlines()[-1:]}")
    messages = [*conversation[0]["messages"].values(), *of_talkers(), json.loads(str(Wire("t").error("No.")))]
    assert {message.get("type") for message in messages} == {*NAMES, None}
    lines = [f"const m{i}: T.{NAMES.get(one.get('type'), 'UserAudio')} = {json.dumps(one)};" for i, one in enumerate(messages)]
    kept = "export const all = [" + ", ".join(f"m{i}" for i in range(len(messages))) + "];"
    (tmp_path / "messages.ts").write_text("\n".join(['import type * as T from "@elevenlabs/types";', *lines, kept]), encoding="utf-8")
    compiler = ["node_modules/.bin/tsc", "--noEmit", "--strict", "--module", "nodenext", "--skipLibCheck", "messages.ts"]
    checked = subprocess.run(compiler, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout


def of_talkers() -> list[dict[str, Any]]:
    """What our talkers send."""
    dialect = ElevenLabs(Options(first_message="Hi."))
    asks = [
        {"type": "ping", "ping_event": {"event_id": 1}},
        {"type": "client_tool_call", "client_tool_call": {"tool_call_id": "c", "tool_name": "t", "parameters": {}}},
    ]
    replies = [dialect.decode(json.dumps(one).encode()) for one in asks]
    raw = [*dialect.configure(SessionSettings(model="m", instructions="Be brief.", voice="v")), dialect.append(b"\0\0")]
    sent = raw + [reply.message for reply in replies if isinstance(reply, Reply)]
    return [json.loads(one) for one in sent]
