"""A cluster on one machine: the assistant, a master and its workers, each a process of its own, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from harness import LOCUST, ROOT

from analysis import load


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> int:
    """The first of so many ports in a row."""
    while True:
        first = free_port()
        probes = [socket.socket() for _ in range(count)]
        try:
            for port, probe in enumerate(probes, first):
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = 60) -> Any:
    """Wait until `condition` gives something true, and return it."""
    until = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < until, f"{what}: not within {limit_s:g} s"
        time.sleep(0.05)
    return found


@dataclass
class Cluster:
    """The processes and what they write."""

    tmp: Path
    host: str
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Locust process whose output is `told(name)`."""
        with (self.tmp / f"{name}.out").open("wb") as out:
            place = {"DOUBLETALK_RUNS": str(self.tmp / "runs")}  # which a worker with another locustfile does not mind
            made = subprocess.Popen(
                [*LOCUST, *arguments],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **place, **(env or {})},
                start_new_session=True,
            )
        self.processes[name] = made
        return made

    def master(self, *arguments: str, workers: int = 3, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start the master."""
        where = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.port), "--host", self.host]
        return self.start("master", "--master", "--expect-workers", str(workers), *where, *arguments, env=env)

    def worker(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        return self.start(name, "--worker", "--master-host", "127.0.0.1", "--master-port", str(self.port), *arguments)

    def told(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.tmp / f"{name}.out").read_text(errors="replace")

    def ended(self, name: str, limit_s: float = 90) -> int:
        """Wait for a process to end; its exit code."""
        return self.processes[name].wait(limit_s)

    def truth(self, kind: str) -> pd.DataFrame:
        """What the assistant has written down as true."""
        path = self.tmp / "truth.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return pd.DataFrame([line for line in lines if line["kind"] == kind])

    def wait_for_answers(self, count: int, limit_s: float = 90) -> None:
        """Wait until the assistant has finished so many answers."""

        def enough() -> bool:
            found = self.truth("response")
            return len(found) > 0 and int((found["status"] == "completed").sum()) >= count

        wait_for(enough, f"{count} answers", limit_s)

    @property
    def folder(self) -> Path:
        """The run folder."""
        (found,) = [path for path in (self.tmp / "runs").iterdir() if path.is_dir()]
        return found

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run."""
        return pd.read_parquet(self.folder / f"{name}.parquet")


@contextmanager
def cluster(tmp: Path, profile: str = "demo") -> Iterator[Cluster]:
    """The assistant is served; what was started ends with the test."""
    tmp.mkdir(exist_ok=True)
    port = free_port()
    served = [
        sys.executable,
        "-m",
        "assistant",
        "--port",
        str(port),
        "--profile",
        profile,
        "--seed",
        "7",
        "--truth",
        str(tmp / "truth.jsonl"),
    ]
    with (tmp / "assistant.out").open("wb") as out:
        assistant = subprocess.Popen(served, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    made = Cluster(tmp, f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: "listening" in (tmp / "assistant.out").read_text(), "the assistant")
        yield made
    finally:
        for process in made.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the workers of --processes
                process.wait(30)
        assistant.terminate()
        assistant.wait(30)


WORKERS = ("first", "second", "third")
TALKERS = 9
DEMO = ("--scenario", "demo", "--users", str(TALKERS + 1), "--spawn-rate", "9", "--frame-ms", "40", "--stop-timeout", "4")


def started(c: Cluster, *arguments: str) -> None:
    """A headless master and its workers, until all talkers are there."""
    c.master("--headless", *DEMO, *arguments)
    for name in WORKERS:
        c.worker(name)
    everybody(c)


def everybody(c: Cluster) -> None:
    wait_for(lambda: f" {TALKERS} talkers" in c.told("master"), "all talkers", 60)


def whole(c: Cluster, missing: set[str] | None = None) -> pd.DataFrame:
    """Check that the run's files hold each finished turn once, but for those `missing`; returns the turns."""
    turns, totals = c.table("turns"), c.run["totals"]
    owed = turns[turns["kind"] != "false_alarm"]
    answers = owed["response_id"].dropna()
    truth = c.truth("response")
    completed = set(truth[truth["status"] == "completed"]["response_id"])
    assert len(completed) >= 3, c.told("master")
    assert completed - set(answers) <= (missing or set())
    assert answers.is_unique
    assert not turns.duplicated(["talker", "call", "turn", "kind", "speech_onset_ns"]).any()
    run = load(c.folder)
    kept = json.loads((c.folder / "histograms.json").read_text())["metrics"]
    assert json.loads(json.dumps(run.aggregate().to_plain())) == kept
    assert run.timeline["turns"].sum() == totals["turns"] == len(owed)
    assert set(turns["talker"]) <= set(range(TALKERS))
    assert "Traceback" not in "".join(c.told(name) for name in c.processes)
    return turns
