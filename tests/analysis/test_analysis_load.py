"""A run folder read back: the same records, the same numbers; broken folders are told in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analysis_runs import RECORDS, finished

from analysis import RunError, files, load
from analysis.__main__ import main
from metrics.summary import summary

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path)


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
        (lambda f: (f / "run.json").write_text("[1]"), "run.json: broken: it has no schema_version"),
        (lambda f: (f / "run.json").write_text(json.dumps({"schema_version": 1})), "run.json: broken: it has no run_id"),
        (lambda f: (f / "turns.parquet").unlink(), "turns.parquet: missing"),
        (
            lambda f: (f / "turns.parquet").write_bytes((f / "turns.parquet").read_bytes()[:200]),
            "turns.parquet: broken: Parquet magic bytes not found in footer.",
        ),
    ],
)
def test_a_broken_folder_is_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str], breaks: Any, says: str) -> None:
    breaks(folder)
    assert main(["summary", str(folder)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert says in told[0]


def test_a_file_in_place_of_a_folder(folder: Path) -> None:
    with pytest.raises(RunError, match="is a file; name the folder of a finished run"):
        load(folder / "summary.md")


def test_a_column_of_another_type(folder: Path) -> None:
    path = folder / "turns.parquet"
    written = pq.read_table(path)
    at = written.schema.get_field_index("turn")
    name = "turn"
    pq.write_table(written.set_column(at, name, written[name].cast(pa.string())), path)
    assert load(folder).turns[name].tolist() == written[name].to_pylist(), "numbers as text are numbers"
    pq.write_table(written.set_column(at, name, pa.array(["x"] * len(written))), path)
    with pytest.raises(RunError, match=rf"turns.parquet: broken: {name} is no int64"):
        _ = load(folder).turns


def test_what_an_earlier_version_did_not_record_is_null(folder: Path) -> None:
    path = folder / "turns.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["cached_tokens", "network"]), path)
    path = folder / "timeline.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["calls_due"]), path)
    run = load(folder)
    assert run.turns["cached_tokens"].isna().all()
    assert run.timeline["calls_due"].isna().all()
    assert run.aggregate().counts == load(folder).histograms.counts
    assert [getattr(record, "network", "") for record in run.records(["turns"])] == [None] * 3


def test_a_column_that_each_version_has_is_missed(folder: Path) -> None:
    path = folder / "turns.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["audio_s"]), path)
    with pytest.raises(RunError, match="has no column audio_s"):
        _ = load(folder).turns


@pytest.mark.parametrize("table", ["turns", "sessions", "tokens"])
def test_a_byte_that_changed_within_a_table_is_told(folder: Path, table: str) -> None:
    path = folder / f"{table}.parquet"
    whole = path.read_bytes()
    at = whole.index(b"local")  # the worker's name, in its column's dictionary
    path.write_bytes(whole[:at] + b"vocal" + whole[at + 5 :])
    with pytest.raises(RunError, match=rf"{table}\.parquet: broken"):
        files.table(folder, table)
    with pytest.raises(RunError, match=rf"{table}\.parquet: broken"):
        list(files.batches(folder, table, ["worker"]))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run\.json there"):
        load(tmp_path / "nowhere")


def test_it_needs_neither_locust_nor_gevent_nor_what_windows_lacks(folder: Path) -> None:
    code = "import sys; sys.modules.update(locust=None, gevent=None, websocket=None, fcntl=None)\n"
    code += "from analysis.__main__ import main; sys.exit(main(['summary', sys.argv[1]]))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "# tiny" in done.stdout


def test_who_reads_the_first_lines_only_sees_no_traceback(folder: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "analysis", "summary", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")
