"""What a session sends and hears goes on a tape, but for secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.tape import read
from protocol import Opcode
from users.tape import Tape


def test_secrets_are_hidden_and_the_rest_is_kept(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.jsonl", "openai-realtime", {"a": 1})
    tape.secrets = ("ek_1234", "")
    tape.message("got", 5, Opcode.TEXT, b'{"type":"x","client_secret":"ek_1234"}')
    tape.message("sent", 6, Opcode.BINARY, b"\x00ek_1234\x01")
    tape.write(50, 960)
    assert "ek_1234" not in (tmp_path / "t.jsonl").read_text()
    assert read(tmp_path / "t.jsonl") == [
        {"dialect": "openai-realtime", "options": {"a": 1}},
        {"t_ns": 5, "got": {"text": '{"type":"x","client_secret":"*******"}'}, "opcode": 1},
        {"t_ns": 6, "sent": {"base64": "ACoqKioqKioB"}, "opcode": 2},
        {"sent": {"frames": 50, "bytes": 960}},
    ]


def test_a_tape_that_cannot_be_written_is_told_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Tape(tmp_path / "none" / "t.jsonl", "openai-realtime", {}).write(0, 960)
    assert caplog.messages == [f"--tape: cannot write {tmp_path}/none/t.jsonl: No such file or directory"]
