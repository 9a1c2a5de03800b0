"""What a killed process left behind becomes a run; a living one's folder is left alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from analysis_killed import ROW, work
from analysis_runs import FACTS as RUN
from analysis_runs import RECORDS, SCENARIO, Reports, finish, finished, record, under_way
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import RunError, load
from analysis.__main__ import main
from analysis.recover import recover
from metrics.aggregate import Aggregate
from metrics.records import Outcome, SampleRecord, TurnKind, TurnRecord
from reporting.collector import Collector
from reporting.journal import Journal, entries, spool
from reporting.run_folder import REPORTED, STARTED, RunFolder
from reporting.workers import joined, reported

FACTS = {"scenario": SCENARIO, "seed": 1, "dialect": "d", "frame_ms": 20.0, "host": "h", "started_epoch_s": 0.0, "started_ns": 0}
SAMPLE = SampleRecord(
    t_s=9.0,
    settled=True,
    target_up=False,
    target_memory_bytes=1,
    target_cpu_share=1.0,
    target_sessions=1,
    tester_memory_bytes=1,
    calls_due=1,
    calls_begun=1,
)
"""What the row of the only second holds."""
ABOUT = multiprocessing.get_context("spawn")


@pytest.fixture
def killed(tmp_path: Path) -> Any:
    """Makes the folder of a process that was killed after so many seconds."""

    def make(seconds: int = 1, cut_off: bool = False) -> Path:
        ready = ABOUT.Event()
        process = ABOUT.Process(target=work, args=(tmp_path / "runs", ready, seconds, cut_off))
        process.start()
        assert ready.wait(60)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        (folder,) = (tmp_path / "runs").iterdir()
        return folder

    return make


@pytest.mark.parametrize("cut_off", [False, True])
def test_all_but_the_last_second_is_there(killed: Any, cut_off: bool, capsys: pytest.CaptureFixture[str]) -> None:
    folder: Path = killed(cut_off=cut_off)
    assert main(["summary", str(folder)]) == 2
    assert f"or was killed; then: python -m analysis recover {folder}" in capsys.readouterr().err
    assert main(["recover", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "KILLED: the load tester's process was ended after 9 s" in told
    run = load(folder)
    assert list(run.records()) == [*RECORDS, SAMPLE]
    assert len(run.timeline) == 1
    assert run.info["totals"]["samples"] == 1
    assert (run.info["ended"], run.info["duration_s"], run.info["talkers_max"], run.info["valid"]) == ("killed", 9.0, 3, True)
    assert run.info["health"]["send_lateness"]["count"] == 2
    assert [(worker["name"], worker["turns"], worker["state"]) for worker in run.info["workers"]] == [("local", 2, "running")]
    assert (folder / "summary.md").read_text() == told
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in finished(folder.parent).iterdir())
    assert main(["summary", str(folder)]) == 1, "a run that was killed has not passed"
    capsys.readouterr()
    assert main(["recover", str(folder)]) == 2
    assert capsys.readouterr().err == f"doubletalk: {folder}: the run is complete, there is nothing to recover\n"


def test_killed_when_only_tidying_was_left_it_is_what_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished(tmp_path)
    (folder / STARTED).write_text(json.dumps({"schema_version": 1, "facts": FACTS}))
    assert main(["recover", str(folder)]) == 2
    assert "the run is complete" in capsys.readouterr().err
    assert load(folder).info["ended"] == "complete"
    assert not (folder / STARTED).exists()


def test_from_within_the_folder(killed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = killed()
    monkeypatch.chdir(folder)
    assert main(["recover", "."]) == 0
    assert load(folder).info["run_id"] == folder.name


def test_killed_before_its_first_second(killed: Any) -> None:
    folder: Path = killed(seconds=0)
    assert main(["recover", str(folder)]) == 0
    run = load(folder)
    assert list(run.records()) == []
    assert (run.info["duration_s"], run.info["talkers_max"]) == (0.0, 0)


def test_broken_off_it_is_done_again(killed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder: Path = killed()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("analysis.recover.complete", full)
        assert main(["recover", str(folder)]) == 2
    assert capsys.readouterr().err == f"doubletalk: {folder}: No space left on device\n"
    assert main(["recover", str(folder)]) == 0
    assert list(load(folder).records()) == [*RECORDS, SAMPLE]


def test_a_run_that_is_under_way_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, aggregate, worker = under_way(tmp_path)
    before = sorted(path.name for path in written.path.iterdir())
    assert main(["recover", str(written.path)]) == 2
    assert capsys.readouterr().err == f"doubletalk: {written.path}: the run is still under way; it completes its folder itself\n"
    assert sorted(path.name for path in written.path.iterdir()) == before
    finish(written, aggregate, worker)
    assert list(load(written.path).records()) == RECORDS


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (STARTED, "{", "started.json: broken"),
        (STARTED, json.dumps({"schema_version": 1, "facts": {}}), "started.json: broken"),
        (STARTED, None, "no run is there"),
        (REPORTED, None, "no run is there"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(
    killed: Any, capsys: pytest.CaptureFixture[str], name: str, text: str | None, says: str
) -> None:
    folder: Path = killed()
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    assert main(["recover", str(folder)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert says in told[0]


def test_a_folder_of_another_version(killed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder: Path = killed()
    told = json.loads((folder / STARTED).read_text())
    (folder / STARTED).write_text(json.dumps({**told, "schema_version": 99}))
    assert main(["recover", str(folder)]) == 2
    assert "run of schema version 99: recover it with the version of Doubletalk that wrote it" in capsys.readouterr().err


SIX = [record(TurnRecord, kind=TurnKind.UTTERANCE, outcome=Outcome.COMPLETED, turn=n, clip="a", clock="kernel") for n in range(6)]
"""Turns that differ in their number alone: `turn` n is of report n + 1."""


def left_behind(parent: Path, taken: dict[str, list[int]], spooled: dict[str, list[int]]) -> Path:
    """The folder of a run whose master took these reports of its workers, by number, and whose workers kept those."""
    written = RunFolder(parent, RUN)
    for name in sorted(taken.keys() | spooled.keys()):
        reports = Reports(name)
        made = [reports.next(turn, last=turn is SIX[-1]) for turn in SIX]
        if name in taken:
            written.note(joined(reports.facts))
        for seq in taken.get(name, []):
            written.batch(name, made[seq - 1])
        if name in spooled:
            kept = Journal(spool(parent, written.run_id, name))
            for entry in (joined(reports.facts), *(reported(name, made[seq - 1]) for seq in spooled[name])):
                kept.add(entry)
            kept.close()
    written.note({"second": ROW | {"t_s": 6.0, "talkers": 6}})
    written.leave()
    return written.path


def turns_of(folder: Path, worker: str) -> list[int]:
    """The numbers of a worker's turns, as the table has them."""
    turns = load(folder).turns
    found: list[int] = turns[turns["worker"] == worker]["turn"].tolist()
    return found


def test_each_report_counts_once_wherever_it_lies(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1, 2, 3], "worker-1": [1]}, {"worker-0": [2, 3, 4, 5, 6], "worker-1": [2, 3, 4, 5, 6]})
    assert len(list(tmp_path.iterdir())) == 3
    recover(folder)
    assert (turns_of(folder, "worker-0"), turns_of(folder, "worker-1")) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    run = load(folder)
    assert (run.info["valid"], run.info["faults"], run.info["totals"]["turns"]) == (True, [], 12)
    assert run.info["health"]["send_lateness"]["count"] == run.info["health"]["loop_lag"]["count"] == 12
    assert (run.info["health"]["cpu_s"], run.info["health"]["wall_s"]) == (0.25 * 12, 12.0)
    assert [(worker["name"], worker["state"], worker["turns"]) for worker in run.info["workers"]] == [
        ("worker-0", "left", 6),
        ("worker-1", "left", 6),
    ]
    kept = json.loads((folder / "histograms.json").read_text())["metrics"]
    assert Aggregate.from_plain(kept).to_plain() == run.aggregate().to_plain()
    assert list(tmp_path.iterdir()) == [folder], "its spools have been used up"


def test_reports_that_are_nowhere_make_it_invalid(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1, 2], "worker-1": [1, 2]}, {"worker-0": [5, 6], "worker-1": [2, 4, 6]})
    recover(folder)
    assert (turns_of(folder, "worker-0"), turns_of(folder, "worker-1")) == ([0, 1, 4, 5], [0, 1, 3, 5])
    info = load(folder).info
    assert info["valid"] is False
    assert info["faults"] == [
        "worker-0: 2 report(s) are missing, and what they told: is one of its journals elsewhere?",
        "worker-1: 2 report(s) are missing, and what they told: is one of its journals elsewhere?",
    ]
    assert all(fault in (folder / "summary.md").read_text() for fault in info["faults"])


def test_a_worker_that_the_master_had_not_heard_of_is_in_its_spool(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1]}, {"worker-1": [1, 2]})
    recover(folder)
    assert turns_of(folder, "worker-1") == [0, 1]
    assert [worker["name"] for worker in load(folder).info["workers"]] == ["worker-0", "worker-1"]


def test_a_worker_that_has_not_said_its_last_may_have_kept_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1, 2], "worker-1": [1, 2]}, {"worker-0": [3, 4, 5, 6], "worker-1": [3, 4, 5, 6]})
    kept = spool(tmp_path, folder.name, "worker-1")
    elsewhere = kept.rename(tmp_path / "elsewhere")
    recover(folder)
    info = load(folder).info
    assert [(worker["name"], worker["state"]) for worker in info["workers"]] == [("worker-0", "left"), ("worker-1", "lost")]
    assert (info["ended"], info["valid"], info["totals"]["turns"]) == ("killed", False, 8)
    elsewhere.rename(kept)
    recover(folder)
    info = load(folder).info
    assert (info["ended"], info["valid"], info["totals"]["turns"]) == ("killed", True, 12)
    assert list(tmp_path.iterdir()) == [folder]
    assert main(["recover", str(folder)]) == 2
    assert "the run is complete" in capsys.readouterr().err


def test_a_journal_that_a_worker_still_writes_to_is_waited_for(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1]}, {})
    writing = Journal(spool(tmp_path, folder.name, "worker-0"))
    with pytest.raises(RunError, match="its worker is still writing to it; wait until it has quit"):
        recover(folder)
    writing.close()
    recover(folder)


def test_a_spool_that_is_torn_counts_up_to_there(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1]}, {"worker-0": [2, 3]})
    path = spool(tmp_path, folder.name, "worker-0")
    path.write_bytes(path.read_bytes()[:-1])
    recover(folder)
    assert turns_of(folder, "worker-0") == [0, 1]


def test_spools_of_other_runs_are_left_alone(tmp_path: Path) -> None:
    other = left_behind(tmp_path, {}, {"worker-0": [1]})
    folder = left_behind(tmp_path, {"worker-0": [1]}, {})
    assert folder.name == f"{other.name}-2"
    recover(folder)
    assert turns_of(folder, "worker-0") == [0]
    recover(other)
    assert turns_of(other, "worker-0") == [0]


@settings(max_examples=15)
@given(st.integers(0, 6), st.lists(st.integers(1, 6), unique=True).map(sorted))
def test_what_counts_is_what_was_taken_and_what_was_kept(tmp_path_factory: pytest.TempPathFactory, taken: int, kept: list[int]) -> None:
    folder = left_behind(tmp_path_factory.mktemp("runs"), {"worker-0": list(range(1, taken + 1))}, {"worker-0": kept})
    recover(folder)
    counted = sorted({*range(1, taken + 1), *kept})
    assert [turn + 1 for turn in turns_of(folder, "worker-0")] == counted
    info = load(folder).info
    assert info["totals"]["turns"] == len(counted)
    assert info["valid"] is (counted == [1, 2, 3, 4, 5, 6])
    missing = max(counted, default=0) - len(counted)
    told = [fault for fault in info["faults"] if "report(s) are missing" in fault]
    assert [fault.split(",")[0] for fault in told] == ([f"{missing} report(s) are missing"] if missing else [])


def completed_without(parent: Path, lost_after: int) -> tuple[Path, Path]:
    """The folder of a run whose master lost worker-1 after so many reports and completed the run, and the journal that the worker kept."""
    collector = Collector(parent, RUN, lambda: 1, lambda: RUN.started_ns + 20 * 10**9)
    collector._ticking.kill()
    players = [Reports("worker-0"), Reports("worker-1")]
    made = {player.facts.name: [player.next(turn, last=turn is SIX[-1]) for turn in SIX] for player in players}
    for player in players:
        collector.join(player.facts)
    for plain in made["worker-0"]:
        collector.take("worker-0", plain)
    for plain in made["worker-1"][:lost_after]:
        collector.take("worker-1", plain)
    collector.lose("worker-1")
    done = collector.finish()
    assert (done.run["ended"], done.run["valid"], done.run["totals"]["turns"]) == ("complete", False, 6 + lost_after)
    kept = Journal(spool(parent, collector.run_id, "worker-1"))
    for entry in (joined(players[1].facts), *(reported("worker-1", plain) for plain in made["worker-1"])):
        kept.add(entry)
    kept.close()
    return done.path, kept.path


def test_what_a_lost_worker_kept_is_added_to_a_complete_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, kept = completed_without(tmp_path, 2)
    elsewhere = kept.rename(tmp_path.parent / f"{tmp_path.name}-{kept.name}")
    assert main(["recover", str(folder)]) == 2, "nothing has turned up yet"
    assert "the run is complete, there is nothing to recover" in capsys.readouterr().err
    elsewhere.rename(kept)
    assert main(["recover", str(folder)]) == 0
    run = load(folder)
    assert (run.info["ended"], run.info["valid"], run.info["totals"]["turns"]) == ("complete", True, 12)
    assert turns_of(folder, "worker-1") == [0, 1, 2, 3, 4, 5]
    assert [(worker["state"], worker["lost_at_s"]) for worker in run.info["workers"]] == [("left", None)] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]
    assert not (folder / REPORTED).exists()


def test_who_was_lost_is_lost_in_the_recovered_run_too(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, {"worker-0": [1, 2, 3, 4, 5, 6], "worker-1": [1]}, {})
    journal = Journal(tmp_path / "more")
    for entry in (*entries(folder / REPORTED), {"lost": "worker-1", "t_s": 5.0}, {"clock": "worker-0", "offset_s": 0.25, "error_s": 0.001}):
        journal.add(entry)
    journal.close()
    journal.path.replace(folder / REPORTED)
    recover(folder)
    first, second = load(folder).info["workers"]
    assert (first["clock_offset_s"], first["clock_error_s"], first["state"]) == (0.25, 0.001, "left")
    assert second["state"] == "lost"
    assert not load(folder).info["valid"]
