"""What a killed process left behind becomes a run; a living one's folder is left alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from analysis_runs import RECORDS, finished, under_way

from analysis import load
from analysis.__main__ import main
from metrics.aggregate import measure
from reporting.run_folder import SO_FAR, STARTED, TIMELINE

FACTS = {"scenario": {"name": "tiny"}, "seed": 1, "dialect": "d", "frame_ms": 20.0, "host": "h", "started_epoch_s": 0.0, "started_ns": 0}
ROW = dict.fromkeys(TIMELINE.names, 1)
ABOUT = multiprocessing.get_context("spawn")


def _work(parent: Path, ready: Event, seconds: int, cut_off: bool) -> None:
    written, _, health = under_way(parent)
    for _ in range(seconds):
        written.second(ROW)
        written.keep(9.0, 3, health, lambda: None)
    written.add(RECORDS[0], measure(RECORDS[0]))  # that second is lost
    if cut_off:
        with (written.path / "turns.arrows").open("ab") as file:
            file.write(b"\xff\xff\xff\xff\x10")
    ready.set()
    signal.pause()


@pytest.fixture
def killed(tmp_path: Path) -> Any:
    """Makes the folder of a process that was killed after so many seconds."""

    def make(seconds: int = 1, cut_off: bool = False) -> Path:
        ready = ABOUT.Event()
        process = ABOUT.Process(target=_work, args=(tmp_path / "runs", ready, seconds, cut_off))
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
    assert list(run.records()) == RECORDS
    assert len(run.timeline) == 1
    assert (run.info["ended"], run.info["duration_s"], run.info["talkers_max"], run.info["valid"]) == ("killed", 9.0, 3, True)
    assert run.info["health"]["send_lateness"]["count"] == 1
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
    assert list(load(folder).records()) == RECORDS


def test_a_run_that_is_under_way_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, aggregate, health = under_way(tmp_path)
    before = sorted(path.name for path in written.path.iterdir())
    assert main(["recover", str(written.path)]) == 2
    assert capsys.readouterr().err == f"doubletalk: {written.path}: the run is still under way; it completes its folder itself\n"
    assert sorted(path.name for path in written.path.iterdir()) == before
    written.finish("complete", 10.0, 1, aggregate, health)
    assert list(load(written.path).records()) == RECORDS


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (STARTED, "{", "started.json: broken"),
        (STARTED, json.dumps({"schema_version": 1, "facts": {}}), "started.json: broken"),
        (STARTED, None, "no run is there"),
        (SO_FAR, "{", "so_far.json: broken"),
        (SO_FAR, "{}", "so_far.json: broken"),
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
