"""A run folder read back: the same records, the same numbers; broken folders are told in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from analysis import RunError, load
from analysis.__main__ import main
from metrics.aggregate import Aggregate, measure
from metrics.health import Health
from metrics.records import (
    BargeInClass,
    ErrorKind,
    Outcome,
    Record,
    SessionOutcome,
    SessionRecord,
    TokenRecord,
    TurnKind,
    TurnRecord,
)
from metrics.summary import summary
from reporting.run_folder import RunFacts, RunFolder

ROOT = Path(__file__).parent.parent.parent
MS = 1_000_000


def record(made: type, /, **given: Any) -> Any:
    """A record in which everything that may be None is None, and the rest is zero or empty."""
    hints = get_type_hints(made)
    plain: dict[str, Any] = {}
    for field in fields(made):
        parts = get_args(hints[field.name]) or (hints[field.name],)
        plain[field.name] = None if type(None) in parts else parts[0]() if parts[0] in (int, float, str, bool) else None
    return made(**{**plain, **given})


SCENARIO = {"name": "tiny", "criteria": ["success > 95 %"]}
RECORDS: list[Record] = [
    record(TurnRecord, kind=TurnKind.UTTERANCE, outcome=Outcome.COMPLETED, clip="a", clock="kernel", speech_offset_ns=1000 * MS,
           first_audio_ns=1500 * MS, first_audible_ns=1600 * MS, response_id="r1", chunks=3, audio_s=2.0, span_s=6.0),
    record(TurnRecord, kind=TurnKind.BARGE_IN, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT, turn=1, clock="kernel",
           barge_in_class=BargeInClass.NO_REACTION, speech_onset_ns=9000 * MS, span_s=12.0),
    record(TurnRecord, kind=TurnKind.FALSE_ALARM, outcome=Outcome.RESUMED, clock="user", windows_met=True, false_stop_ns=1,
           resumed_ns=900 * MS),
    record(SessionRecord, outcome=SessionOutcome.LOST, error_kind=ErrorKind.REMOTE_CLOSE, ready_ns=5 * MS, closed_ns=3600_000 * MS),
    record(TokenRecord, user="talker", done_ns=12 * MS, status=200),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    facts = RunFacts(SCENARIO, 1, "openai-realtime", 20.0, "http://127.0.0.1:8000", 1_800_000_000.0, 0)
    written, aggregate = RunFolder(tmp_path, facts), Aggregate()
    for one in RECORDS:
        written.add(one, measure(one))
        aggregate.add(one)
    health = Health(wall_s=10.0)
    health.send_lateness.add(0.001)
    health.loop_lag.add(0.001)
    written.finish("complete", 10.0, 1, aggregate, health)
    return written.path


def test_records_come_back_as_they_were(folder: Path) -> None:
    assert list(load(folder).records()) == RECORDS


def test_the_summary_computed_anew_is_the_one_written(folder: Path) -> None:
    run = load(folder)
    assert summary(run.info, run.aggregate()) == (folder / "summary.md").read_text()


def test_tables_have_metrics_with_their_unit(folder: Path) -> None:
    turns = load(folder).turns.set_index("kind")
    assert turns.loc["utterance", "time_to_first_audio_s"] == pytest.approx(0.5)
    assert turns.loc["utterance", "e2e_latency_s"] == pytest.approx(0.6)
    assert turns.loc["barge_in", "interruption_success"] == 0.0
    assert turns.loc["false_alarm", "false_alarm_resume"] == 1.0
    assert load(folder).tokens["token_mint_latency_s"].tolist() == pytest.approx([0.012])


def test_the_command_tells_what_the_run_came_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(folder)]) == 1
    assert "1 of 1 criteria missed: success > 95 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda f: (f / "run.json").unlink(), "no run.json there"),
        (lambda f: (f / "run.json").write_text("{"), "run.json: broken"),
        (lambda f: (f / "run.json").write_text(json.dumps({"schema_version": 99})), "schema version 99; this reader knows 1"),
        (lambda f: (f / "turns.parquet").unlink(), "turns.parquet: missing"),
        (lambda f: (f / "turns.parquet").write_bytes((f / "turns.parquet").read_bytes()[:200]), "turns.parquet: broken"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str], breaks: Any, says: str) -> None:
    breaks(folder)
    assert main(["summary", str(folder)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert says in told[0]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run\.json there"):
        load(tmp_path / "nowhere")


def test_it_needs_neither_locust_nor_gevent(folder: Path) -> None:
    code = "import sys; sys.modules.update(locust=None, gevent=None, websocket=None)\n"
    code += "from analysis.__main__ import main; sys.exit(main(['summary', sys.argv[1]]))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "# tiny" in done.stdout
