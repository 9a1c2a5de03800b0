"""Google's own client talks to the assistant, and takes what our talkers send for its own: its types forbid what they do not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trustme
from interop_environment import assistant, held, python_with, questions, told

from protocol import SessionSettings, find, make

pytestmark = pytest.mark.interop

SDK = "google-genai>=3.6,<4"


def test_a_turn_a_barge_in_and_a_turn(tmp_path: Path) -> None:
    python = python_with(SDK)
    first, second = questions(tmp_path, 16_000)
    authority = trustme.CA()  # the client knows wss alone
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    served = authority.issue_cert("127.0.0.1")
    served.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in served.cert_chain_pems:
        part.write_to_path(tmp_path / "cert.pem", append=True)
    tls = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with assistant(tmp_path, "ideal", options=tls) as (url, truth):
        ours = json.dumps(of_talkers())
        seen = held(python, "gemini_live_client.py", url, ours, str(first), str(second), SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    assert seen["seen"] == [
        *("ACTIVITY_START", "ACTIVITY_END", "audio", "ACTIVITY_START", "interrupted", "turn_complete"),
        *("ACTIVITY_END", "audio", "generation_complete", "turn_complete"),
        *("ACTIVITY_START", "ACTIVITY_END", "audio", "generation_complete", "turn_complete"),
    ]
    assert seen["token"] == "auth_tokens/"
    assert [token["status"] for token in told(truth, "token")] == [200]
    answers = told(truth, "response")
    assert [answer["status"] for answer in answers] == ["cancelled", "completed", "completed"]
    assert seen["heard"] == "".join(answer["transcript"] for answer in answers)
    assert len(seen["tokens"]) == 3
    assert min(seen["tokens"]) > 0
    (barge_in,) = told(truth, "barge_in")
    assert (barge_in["reaction"], barge_in["response_id"]) == ("cancelled", answers[0]["response_id"])
    assert seen["session"] == told(truth, "session")[0]["session_id"]


def of_talkers() -> list[object]:
    """What our talkers send."""
    dialect = make(find("gemini-live"), {"start_sensitivity": "high", "end_sensitivity": "low"})
    settings = SessionSettings(instructions="Be brief.", voice="Puck", interrupt_response=False)
    return [json.loads(message) for message in (*dialect.configure(settings), dialect.append(b"\0\0"))]
