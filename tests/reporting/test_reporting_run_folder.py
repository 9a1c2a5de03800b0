"""The run folder: one per run, complete, and free of secrets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from reporting_records import FACTS, session, token, turn

from metrics.aggregate import Aggregate, measure
from metrics.catalog import CATALOG_VERSION
from metrics.health import Health
from metrics.records import Outcome, TurnKind
from reporting.completion import RunFacts
from reporting.run_folder import TIMELINE, RunFolder
from reporting.tables import SCHEMA_VERSION

ROW = dict.fromkeys(TIMELINE.names, 1) | {"e2e_latency_p50_s": None, "t_s": 1.0}


def healthy() -> Health:
    health = Health(cpu_s=1.0, wall_s=2.0)
    for _ in range(100):
        health.send_lateness.add(0.001)
        health.loop_lag.add(0.001)
    return health


def finished(parent: Path, health: Health | None = None, facts: RunFacts = FACTS) -> tuple[RunFolder, dict[str, Any], str]:
    folder, aggregate = RunFolder(parent, facts), Aggregate()
    everything = [turn(0.5), turn(0.6), turn(None, outcome=Outcome.NO_RESPONSE), turn(kind=TurnKind.FALSE_ALARM, outcome=Outcome.CONTINUED)]
    for record in [*everything, session(), token(), token()]:
        folder.add(record, measure(record))
        aggregate.add(record)
    folder.second(ROW)
    run, text = folder.finish("complete", 10.5, 5, aggregate, health or healthy())
    return folder, run, text


def test_its_name_is_the_start_and_the_scenario(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "deep", FACTS)
    assert folder.run_id == "20251120-120000-demo"
    assert folder.path == tmp_path / "runs" / "deep" / folder.run_id


def test_runs_of_the_same_second_do_not_mix(tmp_path: Path) -> None:
    ids = [RunFolder(tmp_path, FACTS).run_id for _ in range(3)]
    assert ids == ["20251120-120000-demo", "20251120-120000-demo-2", "20251120-120000-demo-3"]


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, dataclasses.replace(FACTS, scenario={"name": "../../etc/x y"}))
    assert folder.path.parent == tmp_path


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        RunFolder(tmp_path / "file", FACTS)


def test_run_json(tmp_path: Path) -> None:
    folder, run, text = finished(tmp_path)
    assert json.loads((folder.path / "run.json").read_text()) == json.loads(json.dumps(run))
    assert (run["schema_version"], run["catalog_version"], run["run_id"]) == (SCHEMA_VERSION, CATALOG_VERSION, folder.run_id)
    assert (run["valid"], run["faults"]) == (True, [])
    assert (run["scenario"], run["seed"], run["dialect"], run["frame_ms"]) == (FACTS.scenario, 7, "openai-realtime", 20.0)
    assert (run["host"], run["options"]) == (FACTS.host, FACTS.options)
    assert (run["started_epoch_s"], run["started_ns"], run["duration_s"]) == (FACTS.started_epoch_s, 123, 10.5)
    assert run["talkers_max"] == 5
    totals = run["totals"]
    assert (totals["turns"], totals["false_alarms"], totals["sessions"], totals["tokens"]) == (3, 1, 1, 2)
    assert (totals["turns.utterance.completed"], totals["turns.false_alarm.continued"], totals["sessions.hung_up"]) == (2, 1, 1)
    assert {"python", "platform", "locust", "gevent", "pyarrow"} <= set(run["versions"])
    first, second = run["criteria"]
    assert first["criterion"] == "e2e_latency p50 < 800 ms"
    assert (first["count"], first["holds"]) == (2, True)
    assert 0.5 <= first["value"] <= 0.6
    assert second["value"] == pytest.approx(2 / 3)
    assert second["holds"] is False
    assert text == (folder.path / "summary.md").read_text()


def test_an_invalid_run_says_so(tmp_path: Path) -> None:
    health = healthy()
    health.records_lost = 2
    _, run, text = finished(tmp_path, health)
    assert run["valid"] is False
    assert run["faults"] == ["2 record(s) lost between worker and run files"]
    assert "2 record(s) lost" in text


def test_everything_is_there_and_nothing_half_written(tmp_path: Path) -> None:
    folder, run, _ = finished(tmp_path)
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "histograms.json", "run.json", "sessions.parquet", "summary.md", "timeline.parquet", "tokens.parquet", "turns.parquet",
    ]  # fmt: skip
    rows = {name: pq.read_table(folder.path / f"{name}.parquet").num_rows for name in ("turns", "sessions", "tokens", "timeline")}
    assert rows == {"turns": 4, "sessions": 1, "tokens": 2, "timeline": 1}
    assert pq.read_table(folder.path / "timeline.parquet").to_pylist() == [ROW]
    back = Aggregate.from_plain(json.loads((folder.path / "histograms.json").read_text())["metrics"])
    assert back.histogram("e2e_latency").count == 2
    assert back.histogram("token_mint_latency").total == pytest.approx(0.2)
    assert dict(back.counts) == {k: v for k, v in run["totals"].items() if k not in ("turns", "false_alarms", "sessions", "tokens")} | {
        "tokens": run["totals"]["tokens"]
    }


def test_no_turns_at_all(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, FACTS)
    run, text = folder.finish("complete", 0.0, 0, Aggregate(), Health())
    assert (run["totals"]["turns"], run["duration_s"]) == (0, 0.0)
    assert [c["value"] for c in run["criteria"]] == [None, None]
    assert not any(c["holds"] for c in run["criteria"])
    assert text
    assert pq.read_table(folder.path / "turns.parquet").num_rows == 0
