"""A run that is ended early: every turn that was finished is in the run files, and the summary is printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from harness import LOCUST, ROOT

pytestmark = pytest.mark.spread


@pytest.mark.parametrize(("how", "stop_timeout_s"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGINT, 20)])
def test_a_signal_ends_the_run_and_loses_nothing(tmp_path: Path, how: signal.Signals, stop_timeout_s: int) -> None:
    runs, truth = tmp_path / "runs", tmp_path / "truth.jsonl"
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal", "--truth", str(truth)]
    locust = [*LOCUST, "--headless", "--scenario", "demo", "--users", "5", "--run-time", "120s", "--runs", str(runs)]
    command = [*assistant, "--", *locust, "--stop-timeout", str(stop_timeout_s)]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + 60
            while truth.read_text().count('"kind":"response"') < 4 if truth.exists() else True:
                assert process.poll() is None and time.monotonic() < until, (tmp_path / "out").read_text()
                time.sleep(0.2)
            process.send_signal(how)  # the assistant hands it on to Locust
            process.wait(60)
        finally:
            process.kill()
    told = (tmp_path / "out").read_text()
    assert "## Snapshot" in told
    assert "Traceback" not in told
    (folder,) = runs.iterdir()
    run = json.loads((folder / "run.json").read_text())
    turns = pd.read_parquet(folder / "turns.parquet")
    owed = turns[turns["kind"] != "false_alarm"]
    assert process.returncode == 1
    assert run["ended"] == "interrupted"
    assert "INTERRUPTED: the run was cut off" in told or not run["valid"]
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    completed = {d["response_id"] for d in lines if d["kind"] == "response" and d["status"] == "completed"}
    assert completed <= set(owed["response_id"])
    cut = owed["outcome"] == "cut_by_run_end"
    assert cut.any() == (stop_timeout_s == 0)
    assert owed["success"].notna().tolist() == (~cut).tolist()


def test_pressed_twice_it_does_not_wait_and_still_loses_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal"]
    command = [*assistant, "--", *LOCUST, "--headless", "--scenario", "demo", "--users", "5", "--run-time", "120s", "--runs", str(runs)]
    out = tmp_path / "out"
    with out.open("w") as sink:
        process = subprocess.Popen([*command, "--stop-timeout", "60"], cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT)
        try:
            for awaited in (" talkers ", "Ending: "):
                until = time.monotonic() + 60
                while awaited not in out.read_text():
                    assert process.poll() is None and time.monotonic() < until, out.read_text()
                    time.sleep(0.1)
                process.send_signal(signal.SIGINT)
            process.wait(60)
        finally:
            process.kill()
    told = out.read_text()
    assert process.returncode == 1, told
    (folder,) = runs.iterdir()
    assert json.loads((folder / "run.json").read_text())["ended"] == "interrupted"
    turns = pd.read_parquet(folder / "turns.parquet")
    assert (turns["outcome"] == "cut_by_run_end").any()


def over(truth: Path, before_ns: int) -> set[str]:
    """The responses that were received whole, and played to the end long before this instant: what fell into them is settled, too."""
    lines = [json.loads(line) for line in truth.read_text().splitlines()] if truth.exists() else []
    whole = [d for d in lines if d["kind"] == "response" and d["status"] == "completed" and d["first_audio_ns"]]
    return {d["response_id"] for d in whole if d["first_audio_ns"] + d["audio_samples"] / 24_000 * 1e9 + 20e9 < before_ns}


def test_killed_it_loses_its_last_second_at_most(tmp_path: Path) -> None:
    runs, truth = tmp_path / "runs", tmp_path / "truth.jsonl"
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal", "--truth", str(truth)]
    locust = [*LOCUST, "--headless", "--scenario", "demo", "--users", "5", "--run-time", "120s", "--runs", str(runs)]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([*assistant, "--", *locust], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + 90
            while len(over(truth, time.monotonic_ns())) < 3:
                assert process.poll() is None and time.monotonic() < until, (tmp_path / "out").read_text()
                time.sleep(0.2)
            (served,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            finished = over(truth, time.monotonic_ns())
            os.kill(int(served), signal.SIGKILL)
            process.wait(60)
        finally:
            process.kill()
    (folder,) = runs.iterdir()
    assert not (folder / "run.json").exists()
    recover = [sys.executable, "-m", "analysis", "recover", str(folder)]
    done = subprocess.run(recover, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "run.json").read_text())["ended"] == "killed"
    turns = pd.read_parquet(folder / "turns.parquet")
    assert finished <= set(turns["response_id"])
