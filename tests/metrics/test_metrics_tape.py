"""Tapes of real sessions replay to the records that they came to, over every wire."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from metrics.tape import message_entry, read, records_on, replayed, written
from protocol import DIALECTS, Opcode

GOLDEN = Path(__file__).parent / "golden"
TAPES = sorted(GOLDEN.glob("*.jsonl.gz"))


def name(path: Path) -> str:
    return path.name.removesuffix(".jsonl.gz")


def test_there_is_a_tape_of_every_dialect() -> None:
    assert {name(path) for path in TAPES} == set(DIALECTS), "python -m benchmarks.golden makes them"


@pytest.mark.parametrize("path", TAPES, ids=name)
def test_the_same_messages_come_to_the_same_records(path: Path) -> None:
    entries = read(path)
    records = records_on(entries)
    assert entries[0]["dialect"] == name(path)
    assert replayed(entries) == records
    assert {record["kind"] for record in records} == {"utterance", "barge_in", "false_alarm"}
    assert {record["outcome"] for record in records if record["kind"] == "barge_in"} == {"completed"}
    assert all(record["first_audible_ns"] for record in records if record["kind"] != "false_alarm")


@pytest.mark.parametrize("path", TAPES, ids=name)
def test_no_secret_is_on_it(path: Path) -> None:
    assert b"ek_" not in gzip.decompress(path.read_bytes())


def test_a_message_that_is_lost_changes_the_records() -> None:
    entries = read(GOLDEN / "openai-realtime.jsonl.gz")
    last = max(i for i, entry in enumerate(entries) if "response.done" in entry.get("got", {}).get("text", ""))
    assert replayed(entries[:last] + entries[last + 1 :]) != records_on(entries)


@pytest.mark.parametrize(
    ("opcode", "message", "held"),
    [
        (Opcode.TEXT, '{"a":"é"}'.encode(), {"text": '{"a":"é"}'}),
        (Opcode.TEXT, b"\xff", {"base64": "/w=="}),
        (Opcode.BINARY, b"\x00\x01", {"base64": "AAE="}),
    ],
)
def test_messages_are_kept_whole(opcode: Opcode, message: bytes, held: dict[str, Any]) -> None:
    assert message_entry("got", 7, opcode, message) == {"t_ns": 7, "got": held, "opcode": int(opcode)}


def test_what_is_no_tape_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.jsonl").write_bytes(written([{"run": 1}]))
    with pytest.raises(ValueError, match=r"no\.jsonl is no tape of a session: its first line does not tell the dialect"):
        read(tmp_path / "no.jsonl")


def test_an_unknown_dialect_is_told() -> None:
    with pytest.raises(ValueError, match="there is no dialect 'gone'"):
        replayed([{"dialect": "gone", "options": {}}])


def test_a_tape_is_json_lines() -> None:
    assert [orjson.loads(line) for line in written([{"a": 1}, {"t_ns": 2, "looked": True}]).splitlines()] == [
        {"a": 1},
        {"t_ns": 2, "looked": True},
    ]
