"""The target's side of whole runs: an assistant that leaks is named, one that is killed was down, one that cannot be read stops the run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import LOCUST, ROOT, alone

from analysis import Loaded, load

SCENARIO = """
load: {{talkers: 6, spawn_per_s: 6, duration_s: 20}}
conversation: {{turns: 3, think_s: 0.1, between_calls_s: 0.1}}
limits: {{setup_s: 2, reconnects: 1}}
target:
  metrics_url: {metrics}
  health_url: /health
  settle_s: 6
  latencies: {{asr: asr_transcription_delay_milliseconds}}
criteria:
  - target_memory_growth < 2 GB/h
  - target_availability > 99.5 %
  - target_memory_per_session mean < 500 MB
"""
SOUND = "description: sound\n"
LEAK = "leak_kib_per_turn: 8192\n"
"""Some half a turn a second and talker: more than ten GB an hour."""


@contextmanager
def assistant(folder: Path, profile: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An assistant of this profile, and where it listens."""
    folder.mkdir(exist_ok=True)
    (folder / "profile.yml").write_text(profile)
    command = [sys.executable, "-m", "assistant", "--port", "0", "--profile", str(folder / "profile.yml")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split(",")[0].split()[-1]
    finally:
        process.kill()
        process.communicate()


def scenario(folder: Path, metrics: str = "/metrics") -> str:
    path = folder / "mine.yml"
    path.write_text(SCENARIO.format(metrics=metrics))
    return str(path)


@dataclass(frozen=True)
class Done:
    """A run that is over: what it printed, and its files."""

    out: str
    host: str
    run: Loaded

    def criterion(self, metric: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.run.info["criteria"] if c["criterion"].startswith(metric))
        return found


@contextmanager
def calling(folder: Path, host: str) -> Iterator[subprocess.Popen[str]]:
    """A run against this host, under way."""
    arguments = ["--headless", "--scenario", scenario(folder), "--host", host, "--runs", str(folder / "runs"), "--stop-timeout", "5"]
    with (folder / "out").open("w") as sink:
        process = subprocess.Popen([*LOCUST, *arguments], cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """Three at once: against an assistant that leaks, one that does not, and one that is killed amid the run."""
    tmp = tmp_path_factory.mktemp("target")
    hosts: dict[str, str] = {}
    with ExitStack() as stack:
        under_way = {}
        for name, profile in (("leaks", LEAK), ("sound", SOUND), ("killed", SOUND)):
            served, hosts[name] = stack.enter_context(assistant(tmp / name, profile))
            under_way[name] = stack.enter_context(calling(tmp / name, hosts[name]))
        until = time.monotonic() + 90
        while "All users spawned" not in (tmp / "killed" / "out").read_text():
            assert time.monotonic() < until, (tmp / "killed" / "out").read_text()
            time.sleep(0.1)
        time.sleep(6.0)
        served.kill()
        for process in under_way.values():
            process.wait(120)
    folders = {name: next((tmp / name / "runs").iterdir()) for name in hosts}
    return {name: Done((tmp / name / "out").read_text(), host, load(folders[name])) for name, host in hosts.items()}


@pytest.mark.parametrize("leaks", [True, False])
def test_a_leak_is_found_and_named(runs: dict[str, Done], leaks: bool) -> None:
    done = runs["leaks" if leaks else "sound"]
    criteria = {
        name: done.criterion(name)["holds"] for name in ("target_memory_growth", "target_availability", "target_memory_per_session")
    }
    assert criteria == {"target_memory_growth": not leaks, "target_availability": True, "target_memory_per_session": True}, done.out
    told = next(line for line in done.out.splitlines() if line.startswith("| target_memory_growth < 2 GB/h"))
    assert "(95 %: " in told and ("MISSED" if leaks else "holds") in told
    kept = done.run.timeline.query("settled")["target_memory_bytes"].dropna()
    assert (kept.iloc[-1] - kept.iloc[0] > 20e6) == leaks


def test_each_second_is_in_the_timeline(runs: dict[str, Done]) -> None:
    rows = runs["sound"].run.timeline
    assert rows["target_up"].notna().sum() > 15 and rows["target_up"].dropna().all()
    assert rows["target_memory_bytes"].dropna().between(30e6, 3e9).all()
    assert rows["target_sessions"].max() == 6
    assert rows["target_cpu_share"].dropna().between(0, 2).all()
    assert rows["target_asr_s"].dropna().between(0.0, 2.0).all() and rows["target_asr_s"].notna().any()
    assert rows["tester_memory_bytes"].dropna().between(50e6, 2e9).all()


def test_the_files_hold_all_that_was_reported(runs: dict[str, Done]) -> None:
    for done in runs.values():
        kept = json.loads((done.run.path / "histograms.json").read_text())["metrics"]
        assert json.loads(json.dumps(done.run.aggregate().to_plain())) == kept


def test_a_target_that_is_killed_was_down_from_then_on(runs: dict[str, Done]) -> None:
    done = runs["killed"]
    asked = done.run.timeline.query("target_up.notna()")
    ups = asked["target_up"].astype(bool).tolist()
    down = ups.index(False)
    assert down >= 3 and not any(ups[down:]), ups
    assert asked["target_memory_bytes"].notna().tolist() == ups
    found = done.criterion("target_availability")
    assert found["value"] == pytest.approx(ups.count(True) / len(ups)) and not found["holds"]
    assert done.out.count("cannot be read: ") <= 2 and f"target: {done.host}/health cannot be read" in done.out
    assert "Traceback" not in done.out


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ("/nowhere", "/nowhere cannot be read: HTTP status 404; is it right (target.metrics_url, target.health_url)?"),
        ("/health", "/health has no series for latencies.asr (asr_transcription_delay_milliseconds): look at what it shows"),
    ],
)
def test_what_cannot_be_read_is_told_before_the_run(tmp_path: Path, metrics: str, says: str) -> None:
    with assistant(tmp_path, SOUND) as (_, host):
        done = alone("--headless", "--host", host, "--scenario", scenario(tmp_path, metrics), "--runs", str(tmp_path / "runs"))
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("[")]
    assert (done.returncode, lines) == (2, [f"doubletalk: target: {host}{says}"])
    assert not list((tmp_path / "runs").iterdir())
