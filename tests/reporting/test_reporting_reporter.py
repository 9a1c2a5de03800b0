"""The reporter: runs follow one another, and the last one settles the exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from locust.event import EventHook, Events

import gevent
import pytest
from reporting_disks import full_disk
from reporting_local import who
from reporting_records import FACTS, turn

from analysis import load
from analysis.__main__ import main
from metrics.health import Health
from metrics.stages import Stages
from reporting.gatherer import Watched
from reporting.journal import entries
from reporting.reporter import Reporter
from reporting.run_folder import REPORTED
from reporting.workers import LOCAL


class Stage:
    """A reporter with one hook and a clock that stands still."""

    def __init__(self, folder: Path, write: Callable[[Path], Path | None] = lambda _: None) -> None:
        self.hook = EventHook()
        self.reporter = Reporter(folder / "runs", lambda: FACTS.started_ns, write)
        self.environment = SimpleNamespace(events=Events(), process_exit_code=None, parsed_options=SimpleNamespace(headless=True))

    def start(self) -> None:
        self.reporter.start_here(FACTS, who(LOCAL), [self.hook], Watched(lambda: 1, Health, FACTS.started_ns, Stages()))

    def run(self, turns: int, interrupted: bool = False) -> None:
        self.start()
        for _ in range(turns):
            self.hook.fire(environment=None, record=turn(0.5))
        if interrupted:
            self.reporter.interrupted = True
        self.reporter.stop()

    def exit_code(self) -> int | None:
        self.reporter.conclude(self.environment)
        return self.environment.process_exit_code


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_each_run_has_its_own_records(stage: Stage) -> None:
    for turns in (2, 3):
        stage.run(turns)
        assert stage.reporter.finished is not None
        assert stage.reporter.finished.run["totals"]["turns"] == turns
        assert not stage.reporter.under_way
    stage.hook.fire(environment=None, record=turn(0.5))  # nobody listens between runs
    assert stage.reporter.finished is not None
    assert stage.reporter.finished.run["totals"]["turns"] == 3


def test_a_disk_that_is_full_at_the_end_is_told_with_what_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    stage.run(1)
    monkeypatch.setattr("reporting.run_folder.to_parquet", full)
    stage.run(1)
    folder = max((tmp_path / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert f"{folder}: the run cannot be completed: No space left on device; make room, then: " in caplog.text
    assert f"python -m analysis recover {folder}" in caplog.text
    assert stage.exit_code() == 1
    assert not stage.reporter.under_way
    (told,) = [entry["batch"] for entry in entries(folder / REPORTED) if "batch" in entry]
    assert told["aggregate"]["counts"] == {"turns.utterance.completed": 1}


@pytest.mark.parametrize("room", [False, True])
def test_a_report_that_finds_no_room_at_the_end_is_not_left_out(
    stage: Stage, caplog: pytest.LogCaptureFixture, tmp_path: Path, room: bool
) -> None:
    stage.start()
    collector = stage.reporter.collector
    assert collector is not None
    stage.hook.fire(environment=None, record=turn(0.5))
    with full_disk(collector.folder._journal):
        stage.reporter._report()
        stage.hook.fire(environment=None, record=turn(0.5))
        if not room:
            stage.reporter.stop()
    if room:  # in time
        stage.reporter.stop()
        assert stage.reporter.finished is not None
        assert (stage.reporter.finished.run["totals"]["turns"], stage.reporter.finished.run["valid"]) == (2, True)
        assert stage.exit_code() == 0
    else:
        assert f"{collector.folder.path}: the run cannot be completed: No space left on device; make room, then: " in caplog.text
        assert stage.exit_code() == 1
        assert main(["recover", str(collector.folder.path)]) == 0
        assert load(collector.folder.path).info["totals"]["turns"] == 2, "its spool had room"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [collector.run_id]


def test_a_run_under_way_is_not_replaced(stage: Stage) -> None:
    stage.start()
    with pytest.raises(RuntimeError, match="a run is under way"):
        stage.start()
    stage.hook.fire(environment=None, record=turn(0.5))
    stage.reporter.stop()
    assert stage.reporter.finished is not None
    assert stage.reporter.finished.run["totals"]["turns"] == 1


def test_the_end_is_announced_once_and_only_where_it_takes_time(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.reporter.stopping(20)
    stage.start()
    stage.reporter.stopping(0)
    assert capsys.readouterr().out == ""
    stage.reporter.stopping(20)
    stage.reporter.stopping(20)
    assert capsys.readouterr().out == "Ending: the talkers finish their turns (at most 20 s)\n"
    stage.reporter.stop()


@pytest.mark.parametrize(("turns", "interrupted", "code"), [(1, False, 0), (0, False, 1), (1, True, 1)])
def test_exit_code(stage: Stage, turns: int, interrupted: bool, code: int) -> None:
    stage.run(turns, interrupted)
    assert stage.exit_code() == code
    assert stage.reporter.finished is not None
    assert stage.reporter.finished.run["ended"] == ("interrupted" if interrupted else "complete")


def test_an_interruption_does_not_stick_to_the_next_run(stage: Stage) -> None:
    stage.run(1, interrupted=True)
    stage.run(1)
    assert stage.exit_code() == 0


def test_without_a_run(stage: Stage) -> None:
    stage.reporter.stop()
    assert stage.reporter.finished is None
    assert stage.exit_code() == 1
    stage.environment.process_exit_code = None
    stage.environment.parsed_options.headless = False
    assert stage.exit_code() is None


def test_a_place_that_cannot_hold_runs_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ValueError, match=r"^--runs .*runs: File exists$"):
        Stage(tmp_path).reporter.check()
    Stage(tmp_path / "new").reporter.check()
    assert (tmp_path / "new" / "runs").is_dir()


def test_the_report_of_each_run_is_written_and_the_last_ones_named_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written: list[Path] = []

    def write(folder: Path) -> Path:
        gevent.sleep(0.05)
        assert (folder / "run.json").exists()
        written.append(folder)
        return folder / "report.html"

    stage = Stage(tmp_path, write)
    stage.run(1)
    stage.run(2)
    assert stage.exit_code() == 0
    assert len(set(written)) == 2
    stage.environment.events.quit.fire(exit_code=0)
    assert f"Report: {written[-1] / 'report.html'}" in capsys.readouterr().out


def test_nobody_has_to_wait_for_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(tmp_path, lambda _: gevent.sleep(3600))
    stage.run(1)
    gevent.kill(gevent.getcurrent(), KeyboardInterrupt)  # as by Ctrl-C while the end waits
    assert stage.exit_code() == 0
    stage.environment.events.quit.fire(exit_code=0)
    out = capsys.readouterr().out
    assert "Run folder: " in out
    assert "Report: " not in out
