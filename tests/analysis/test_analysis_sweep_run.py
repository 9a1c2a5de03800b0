"""A sweep that is really run, goes on where it was broken off, and ends what it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from analysis_runs import finished

from analysis import load
from analysis.__main__ import main
from analysis.files import RunError
from analysis.sweep import manifest, processes
from analysis.sweep.plan import read
from analysis.sweep.run import begin

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent.parent
SCENARIO = """
load: {talkers: 2, spawn_per_s: 10, duration_s: 2}
conversation: {turns: 1, think_s: 0.1, between_calls_s: 30}
session: {silence_duration_ms: 250}
"""
SWEEP = """
scenario: {scenario}
over:
  options.frame-ms: [20, 60]
  profile.llm.delay.fixed: [0.3]
assistant:
  command: python -m assistant --port {{port}} --profile {{profile}} --seed {{seed}}
  profile: ideal
"""
DEAF = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"]
SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "short.yml").write_text(SCENARIO)
    path = tmp_path / "frames.yml"
    path.write_text(SWEEP.format(scenario=tmp_path / "short.yml"))
    return path


def test_it_goes_on_where_it_was_broken_off(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "out"
    begun = begin(read(sweep), out)
    there = finished(out / "001").relative_to(out)
    first = replace(begun.cells[0], folder=str(there), code=0, valid=True)
    manifest.write(out, replace(begun, cells=(first, *begun.cells[1:])))
    code = main(["sweep", str(sweep), "--out", str(out)])
    told = capsys.readouterr()
    done = manifest.read(out).cells
    assert done[0] == first, "what was done is not done again"
    assert code == (0 if done[1].valid else 1), told.err  # on a busy machine it is not valid
    run = load(out / str(done[1].folder))
    assert run.info["frame_ms"] == done[1].settings["options.frame-ms"] != first.settings["options.frame-ms"]
    assert run.info["seed"] == done[1].seed == 1
    assert run.turns["llm_ttft_s"].min() > 0.29, "the assistant had the profile that was asked for"
    assert "2 runs of" in told.out
    assert "1 to do" in told.out
    assert f"{done[1].told}: {done[1].folder}, exit code {done[1].code}" in told.out


def test_what_could_not_start_is_told_before_anything_does(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    wrong = {"[20, 60]": "[65]", "options.frame-ms: [20, 60]": "sesion.voice: [a]"}
    for was, becomes in wrong.items():
        sweep.write_text(SWEEP.format(scenario=tmp_path / "short.yml").replace(was, becomes))
        assert main(["sweep", str(sweep), "--out", str(tmp_path / "out")]) == 2
    frame, key = capsys.readouterr().err.splitlines()
    assert "options.frame-ms=65" in frame
    assert "choose a multiple of 10 ms from 10 to 200 ms" in frame
    assert "unknown key sesion; did you mean session?" in key
    assert not (tmp_path / "out").exists()


def test_an_assistant_that_does_not_come_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    host = f"http://127.0.0.1:{processes.free_port()}"
    for command, says in {
        "nosuchprogram": "nosuchprogram cannot be started: No such file",
        "python -c 'print(\"no room\"); raise SystemExit(3)'": "it ended with exit code 3: no room",
        "python -c 'import time; time.sleep(60)'": f"nothing listens on {host} after 0.2 s",
    }.items():
        with pytest.raises(RunError, match=says), processes.assistant(command, host, 0.2 if "sleep" in command else 30, {}, log):
            pytest.fail("it is there")


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = f"""
import subprocess, pathlib, time
started = subprocess.Popen({DEAF!r})
pathlib.Path({str(child)!r}).write_text(str(started.pid))
time.sleep(60)
"""
    with pytest.raises(RunError, match="took longer than 2 s: raise limit_s"):
        processes.finish([sys.executable, "-c", code], tmp_path / "log", 2.0)
    assert gone(int(child.read_text()))


def test_told_to_end_it_ends_what_it_started(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from analysis.sweep import processes
import subprocess
popen = subprocess.Popen
def noted(*a, **k):
    made = popen(*a, **k)
    Path({str(tmp_path / "pid")!r}).write_text(str(made.pid))
    return made
subprocess.Popen = noted
with processes.ended_in_order():
    try:
        processes.finish({SLEEPS!r}, Path({str(tmp_path / "log")!r}), 60)
    except KeyboardInterrupt:
        print("broken off")
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = tmp_path / "pid"
    until = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out == "broken off\n"
    assert gone(int(pid.read_text()))


def gone(pid: int) -> bool:
    """Whether a process is no more, or has only its exit code left."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.05)
                continue
        return True
    os.kill(pid, signal.SIGKILL)
    return False
