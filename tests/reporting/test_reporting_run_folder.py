"""The run folder: one per run, complete, and free of secrets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from reporting_disks import full_disk
from reporting_local import Player, who
from reporting_records import FACTS, session, token, turn

from metrics.aggregate import Aggregate
from metrics.catalog import CATALOG_VERSION
from metrics.health import Health
from metrics.records import Outcome, TurnKind
from reporting.batch import Batch
from reporting.facts import Ending, RunFacts
from reporting.journal import entries
from reporting.lock import held
from reporting.run_folder import REPORTED, STARTED, RunFolder
from reporting.tables import SCHEMA_VERSION, TIMELINE
from reporting.workers import Worker, joined, reported

ROW = dict.fromkeys(TIMELINE.names, 1) | {"e2e_latency_p50_s": None, "t_s": 1.0, "settled": True, "target_up": None}


def healthy() -> Health:
    health = Health(cpu_s=1.0, wall_s=2.0)
    for _ in range(100):
        health.send_lateness.add(0.001)
        health.loop_lag.add(0.001)
    return health


def finished(parent: Path, health: Health | None = None, facts: RunFacts = FACTS) -> tuple[RunFolder, dict[str, Any], str]:
    folder, aggregate, player = RunFolder(parent, facts), Aggregate(), Player()
    player.state, player.talkers = health or healthy(), 5
    worker = Worker(player.facts)
    folder.note(joined(player.facts))
    turns = [turn(0.5), turn(0.6), turn(None, outcome=Outcome.NO_RESPONSE), turn(kind=TurnKind.FALSE_ALARM, outcome=Outcome.CONTINUED)]
    for plain in (player.plain(*turns), player.plain(session(), token(), token(), last=True)):
        batch = Batch.from_plain(plain)
        folder.batch("local", plain)
        worker.advance(batch, 10.0)
        aggregate.merge(batch.aggregate)
    folder.note({"second": ROW})
    run, text = folder.finish(Ending("complete", 10.5, 5, "kernel"), aggregate, [worker])
    return folder, run, text


def test_its_name_is_the_start_and_the_scenario(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "deep", FACTS)
    assert folder.run_id == "20251120-120000-demo"
    assert folder.path == tmp_path / "runs" / "deep" / folder.run_id


def test_runs_of_the_same_second_do_not_mix(tmp_path: Path) -> None:
    ids = [RunFolder(tmp_path, FACTS).run_id for _ in range(3)]
    assert ids == ["20251120-120000-demo", "20251120-120000-demo-2", "20251120-120000-demo-3"]


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, dataclasses.replace(FACTS, scenario={**FACTS.scenario, "name": "../../etc/x y"}))
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
    assert (run["talkers_max"], run["ended"]) == (5, "complete")
    (worker,) = run["workers"]
    expected = {
        "name": "local", "host": "here", "pid": 7, "native": True, "started_ns": 5, "started_epoch_s": 1_763_640_000.5, "state": "left",
        "talkers_max": 5, "turns": 3,
    }  # fmt: skip
    assert {name: worker[name] for name in expected} == expected
    assert (worker["clock_offset_s"], worker["clock_error_s"], worker["lost_at_s"]) == (None, None, None)
    assert worker["health"] == run["health"]
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
    health.local_faults = 2
    _, run, text = finished(tmp_path, health)
    assert run["valid"] is False
    assert run["faults"] == ["2 fault(s) of the load tester itself: see its log, and report them"]
    assert run["faults"][0] in text


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
    run, text = folder.finish(Ending("complete", 0.0, 0, None), Aggregate(), [])
    assert (run["totals"]["turns"], run["duration_s"]) == (0, 0.0)
    assert [c["value"] for c in run["criteria"]] == [None, None]
    assert not any(c["holds"] for c in run["criteria"])
    assert text
    assert pq.read_table(folder.path / "turns.parquet").num_rows == 0


def test_what_finds_no_room_precedes_what_does(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, FACTS)
    plain = Player().plain(turn())
    with full_disk(folder._journal):
        for write in (lambda: folder.note(joined(who())), lambda: folder.note({"second": ROW}), lambda: folder.batch("local", plain)):
            with pytest.raises(OSError):
                write()
    assert list(entries(folder.path / REPORTED)) == []
    folder.batch("local", plain)
    assert list(entries(folder.path / REPORTED)) == [joined(who()), {"second": ROW}, reported("local", plain)]


def test_what_cannot_be_completed_is_left_to_be_recovered(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, FACTS)
    folder.note({"second": ROW})
    (folder.path / "histograms.json").mkdir()  # as good as any reason for which a file cannot be written
    with (folder.path / STARTED).open("rb") as started:
        assert held(started)
    with pytest.raises(OSError):
        folder.finish(Ending("complete", 1.0, 0, None), Aggregate(), [])
    with (folder.path / STARTED).open("rb") as started:
        assert not held(started)
    assert list(entries(folder.path / REPORTED)) == [{"second": ROW}]
    assert not (folder.path / "run.json").exists()
