"""Talkers on every wire that the assistant answers, and what they measured against what it knows to be true."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from assistant.wires import WIRES
from assistant.wires.openai_live import PIECE_S
from benchmarks.golden import corpus
from benchmarks.wire_truth import Compared, Truth, compare
from benchmarks.wires import clears, leads_s, names
from metrics.records import SessionOutcome, SessionRecord, TurnRecord

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]
SECONDS = 9
SCENARIO = """
name: dialects
load: {talkers: 2, spawn_per_s: 2, duration_s: 8}
conversation: {turns: 12, think_s: 1.0, barge_in: {per_second: 0.4}, false_alarms: {per_second: 0.3, noise: 0.0}}
session: {silence_duration_ms: 250}
"""
PROFILE = """
like: demo
gaps: {rate: 0.3, after_s: 0.6, silence_s: {fixed: 0.3}}
false_alarm: {mistake_rate: 0.0}
"""


SILENCE_S = {"openai-live": 2 * PIECE_S}
"""How much later an answer may be heard on a wire whose audio never stops: silence that comes late is played before it all the same. The
assistant's truth does not know of that."""
LATE = {wire.name for wire in WIRES if not wire.tuned_at_once}
"""Wires whose client says late how it writes audio: meanwhile the assistant makes its sounds, and hears the first turns late."""


@dataclass(frozen=True)
class Done:
    """What came of all of them. `faults`: of the tester's own."""

    faults: int
    compared: dict[str, Compared]
    sessions: dict[str, list[SessionRecord]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    tmp = tmp_path_factory.mktemp("dialects")
    (tmp / "corpus").mkdir()
    corpus(tmp / "corpus")
    (tmp / "scenario.yml").write_text(SCENARIO)
    (tmp / "profile.yml").write_text(PROFILE)
    truth, out = tmp / "truth.jsonl", tmp / "records"
    command = [sys.executable, "-m", "assistant", "--port", "0", "--profile", tmp / "profile.yml", "--corpus", tmp / "corpus",
               "--api-key-env", "WIRES_KEY", "--truth", truth, "--",
               sys.executable, Path(__file__).with_name("e2e_dialects.py"), out, SECONDS]  # fmt: skip
    environment = {**os.environ, "WIRES_KEY": "a-key-of-this-test"}
    ran = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    faults, records = pickle.loads(out.read_bytes())
    known = Truth(truth)
    turns = {name: [record for record in of if isinstance(record, TurnRecord)] for name, of in records.items()}
    sessions = {name: [record for record in of if isinstance(record, SessionRecord)] for name, of in records.items()}
    since_ns = {name: min(turn.speech_onset_ns for turn in turns[name]) + 1_500_000_000 for name in LATE}
    compared = {
        name: compare(of, known, leads_s(name, tmp / "corpus"), clears=clears(name), since_ns=since_ns.get(name, 0))
        for name, of in turns.items()
    }
    return Done(faults, compared, sessions)


def test_the_tester_made_no_mistake(done: Done) -> None:
    assert done.faults == 0
    assert set(done.compared) == set(names())


@pytest.mark.parametrize("name", names())
def test_nothing_said_was_strange(done: Done, name: str) -> None:
    sessions = done.sessions[name]
    assert {one.outcome for one in sessions} <= {SessionOutcome.HUNG_UP, SessionOutcome.CUT_BY_RUN_END}
    assert [(one.malformed_messages, one.unknown_events, one.assistant_errors) for one in sessions] == [(0, 0, 0)] * len(sessions)


@pytest.mark.parametrize("name", names())
def test_what_was_measured_is_true(done: Done, name: str) -> None:
    made = done.compared[name]
    assert made.problems == []
    assert made.turns >= 2
    assert made.answered == made.turns
    assert -10 < median(made.errors["e2e_latency"]) < 10 + 1000 * SILENCE_S.get(name, 0.0)
    assert [error for error in made.errors.get("underruns", []) if error] == []
    assert all(abs(error) < 100 for error in made.errors.get("stop_by_ear", []))
