"""Runs of a master and three workers: however they end, every finished turn is in the run files, once, and the histograms are theirs."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pytest
import soundfile
from cluster import DEMO, TALKERS, WORKERS, cluster, everybody, free_port, free_ports, started, wait_for, whole

from analysis import load
from analysis.__main__ import main

pytestmark = pytest.mark.spread


def read(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as reply:
        text: str = reply.read().decode()
        return text


def test_a_worker_is_stopped_for_ten_seconds(tmp_path: Path) -> None:
    with cluster(tmp_path) as c:
        started(c, "--run-time", "15s")
        c.processes["second"].send_signal(signal.SIGSTOP)
        time.sleep(10)
        c.processes["second"].send_signal(signal.SIGCONT)
        assert c.ended("master") == 1
        turns, truth = c.table("turns"), c.truth("response")
        given_up = {f"talker-{talker}" for talker in turns[turns["outcome"].isin(["timeout", "no_response"])]["talker"]}
        whole(c, missing=set(truth[truth["client"].isin(given_up)]["response_id"]))  # it woke too late to hear them
        run = c.run
        assert all(worker["state"] == "left" for worker in run["workers"])
        (stopped,) = [worker for worker in run["workers"] if worker["pid"] == c.processes["second"].pid]
        assert any(fault.startswith(f"{stopped['name']}: loop_lag p99") for fault in run["faults"]), "it was not there to measure"


def test_a_worker_leaves_another_joins_and_a_signal_ends_the_master(tmp_path: Path) -> None:
    with cluster(tmp_path) as c:
        started(c, "--run-time", "300s")
        c.wait_for_answers(3)
        c.processes["second"].send_signal(signal.SIGTERM)
        assert c.ended("second") == 0
        c.worker("fourth")
        wait_for(lambda: "(index 3) reported as ready" in c.told("master"), "the fourth")
        answers = len(c.truth("response"))
        c.wait_for_answers(answers + 6)
        c.processes["master"].send_signal(signal.SIGTERM)
        assert c.ended("master") == 1
        assert [c.ended(name) for name in ("first", "third", "fourth")] == [0, 0, 0]
        turns = whole(c)
        assert c.run["ended"] == "interrupted"
        assert c.told("master").count("## Snapshot") == 1
        assert "worker-3" in set(turns["worker"]), "who joins takes a share"
        assert c.run["talkers_max"] == TALKERS


def test_a_worker_is_killed(tmp_path: Path) -> None:
    web, prometheus = free_port(), free_port()
    with cluster(tmp_path) as c:
        c.master("--web-port", str(web), "--autostart", "--prometheus-port", str(prometheus), "--prometheus-linger", "0", *DEMO)
        for name in WORKERS:
            c.worker(name)
        everybody(c)
        c.wait_for_answers(4)
        pid, killed_ns = c.processes["second"].pid, time.monotonic_ns()
        c.processes["second"].kill()
        wait_for(lambda: "INVALID so far: worker-" in c.told("master") and "was lost at" in c.told("master"), "the loss", 60)
        shown = {worker["name"]: worker for worker in json.loads(read(web, "voice/data"))["workers"]}
        assert sorted(worker["state"] for worker in shown.values()) == ["lost", "running", "running"]
        scraped = read(prometheus, "metrics").splitlines()
        states = [line for line in scraped if line.startswith("doubletalk_workers{")]
        counted = {state: line.split()[-1] for line in states for state in ("lost", "running") if f'state="{state}"' in line}
        assert counted == {"lost": "1.0", "running": "2.0"}
        assert [line.split()[-1] for line in scraped if line.startswith("doubletalk_run_valid{")] == ["0.0"]
        c.processes["master"].send_signal(signal.SIGTERM)
        assert c.ended("master") == 1
        truth = c.truth("response")
        heard_ns = truth["first_audio_ns"] + truth["audio_samples"] / 24_000 * 1e9
        recent = truth[(truth["status"] == "completed") & (heard_ns + 5e9 > killed_ns)]
        unsettled = set(recent["response_id"])  # and what the talker said into an answer may have been under way still
        for kind in ("barge_in", "false_alarm"):
            unsettled |= set(c.truth(kind).get("response_id", pd.Series(dtype=str)).dropna())
        turns = whole(c, missing=unsettled)
        run = c.run
        (lost,) = [worker for worker in run["workers"] if worker["state"] == "lost"]
        assert shown[lost["name"]]["state"] == "lost"
        assert lost["pid"] == pid
        told = f"{lost['name']} (process {pid} on {lost['host']}) was lost at {lost['lost_at_s']:.1f} s with 3 talkers"
        assert run["faults"][0].startswith(told)
        assert told in c.told("master").split("## Snapshot")[0], "first of all"
        assert not run["valid"]
        kept = turns[turns["worker"] == lost["name"]]
        assert killed_ns / 1e9 - (run["started_ns"] / 1e9 + lost["lost_at_s"]) < 2.5, "it reported until it was killed"
        assert (kept["span_s"] >= 0).all()
        others = turns[(turns["worker"] != lost["name"]) & (turns["kind"] != "false_alarm")]
        assert (others["success"].dropna() == 1.0).all(), "the others go on undisturbed"


def test_ctrl_c_with_processes(tmp_path: Path) -> None:
    with cluster(tmp_path) as c:
        where = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(c.port), "--master-port", str(c.port), "--host", c.host]
        first = free_ports(4)
        c.start("master", "--headless", "--processes", "3", "--run-time", "300s", "--prometheus-port", str(first), *where, *DEMO)
        everybody(c)
        c.wait_for_answers(4)
        for n in range(3):
            own = read(first + 1 + n, "metrics")
            assert f'doubletalk_send_lateness_seconds_count{{worker="worker-{n}"}}' in own, "each worker tells of its own health"
        os.killpg(c.processes["master"].pid, signal.SIGINT)
        assert c.ended("master") == 1
        whole(c)
        assert c.run["ended"] == "interrupted"
        assert len(c.run["workers"]) == 3


def test_the_master_is_killed_and_its_run_recovered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(tmp_path) as c:
        started(c, "--run-time", "300s")
        c.wait_for_answers(3)
        c.processes["master"].kill()
        for name in WORKERS:
            wait_for(lambda name=name: "what it has not acknowledged is kept in" in c.told(name), f"{name}'s journal")
        for name in WORKERS:
            c.processes[name].send_signal(signal.SIGTERM)
        assert [c.ended(name) for name in WORKERS] == [1, 1, 1], "not all was handed over"
        journals = sorted(path.name for path in (c.tmp / "runs").glob("*.journal"))
        assert journals == [f"{c.folder.name}.worker-{n}.journal" for n in range(3)]
        assert main(["recover", str(c.folder)]) == 0
        run = load(c.folder)
        assert run.info["ended"] == "killed"
        assert ("KILLED" if run.info["valid"] else "INVALID") in capsys.readouterr().out
        truth = c.truth("response")
        completed = set(truth[truth["status"] == "completed"]["response_id"])
        owed = run.turns[run.turns["kind"] != "false_alarm"]
        assert completed <= set(owed["response_id"].dropna())
        assert owed["response_id"].dropna().is_unique
        assert json.loads(json.dumps(run.aggregate().to_plain())) == json.loads((c.folder / "histograms.json").read_text())["metrics"]
        assert list((c.tmp / "runs").glob("*.journal")) == []


@pytest.mark.parametrize("how", ["another version", "another locustfile"])
def test_a_worker_that_cannot_take_part(tmp_path: Path, how: str) -> None:
    other = tmp_path / "other.py"
    if how == "another version":
        other.write_text(
            "from users import messages, worker\nmessages.our_version = worker.our_version = lambda: '9.9.9'\nfrom locustfile import *\n"
        )
    else:
        other.write_text("from locust import User, task\nclass Talker(User):\n    @task\n    def talk(self): pass\n")
    with cluster(tmp_path / "c") as c:
        c.master("--headless", *DEMO, "--run-time", "20s", workers=2)
        c.worker("first")
        c.start("odd", "-f", str(other), "--worker", "--master-host", "127.0.0.1", "--master-port", str(c.port))
        if how == "another version":
            assert c.ended("odd") == 2
            assert "doubletalk: it runs Doubletalk 9.9.9, the master" in c.told("odd")
            wait_for(lambda: "it runs Doubletalk 9.9.9, the master" in c.told("master"), "the master's word")
            c.processes["master"].send_signal(signal.SIGTERM)
        else:
            assert c.ended("master") == 2
            assert "does not answer: does it run Doubletalk's locustfile" in c.told("master")
        assert not list((c.tmp / "runs").glob("*")), "no run is half started"
        assert "Traceback" not in c.told("master") + c.told("first")


def test_a_port_that_one_of_the_processes_does_not_get(tmp_path: Path) -> None:
    with cluster(tmp_path) as c, socket.socket() as taken:
        first = free_ports(3)
        taken.bind(("127.0.0.1", first + 2))
        taken.listen()
        where = ["--master-bind-port", str(c.port), "--master-port", str(c.port), "--host", c.host, "--prometheus-port", str(first)]
        c.start("master", "--headless", "--processes", "2", "--run-time", "20s", *where, *DEMO)
        assert c.ended("master") == 2
        told = [line for line in c.told("master").splitlines() if line.startswith("doubletalk: ")]
        assert len(told) == 1
        assert f"the Prometheus exporter cannot be served on 127.0.0.1:{first + 2}: Address already in use" in told[0]
        assert "worker-1" in told[0]
        assert not list((c.tmp / "runs").glob("*"))


def test_a_dialect_that_a_worker_does_not_have(tmp_path: Path) -> None:
    with cluster(tmp_path / "c") as c:
        mine, spare = tmp_path / "mine.py", tmp_path / "spare.py"
        mine.write_text("from protocol import OpenAIRealtime\nclass Mine(OpenAIRealtime):\n    name = 'mine'\n")
        c.master("--headless", *DEMO, "--run-time", "20s", "--dialect", str(mine), workers=1)
        wait_for(lambda: "Waiting for workers" in c.told("master"), "the master")
        mine.rename(spare)
        c.worker("first")
        assert c.ended("master") == 2
        (told,) = [line for line in c.told("master").splitlines() if line.startswith("doubletalk: ")]
        assert told.startswith("doubletalk: worker-0 (process")
        assert f"--dialect: {mine} does not exist: name a Python file with a dialect in it" in told
        assert "Traceback" not in c.told("master") + c.told("first")


def test_a_corpus_that_a_worker_does_not_have(tmp_path: Path) -> None:
    with cluster(tmp_path / "c") as c:
        corpus = tmp_path / "corpus"
        corpus.mkdir()
        soundfile.write(corpus / "beep.wav", np.sin(np.arange(24_000) / 8) / 2, 24_000)
        (corpus / "transcripts.tsv").write_text("file\ttranscript\tonset_s\toffset_s\nbeep.wav\tbeep\t0.1\t0.9\n")
        c.master("--headless", *DEMO, "--run-time", "20s", "--corpus", str(corpus), workers=1)
        wait_for(lambda: "Waiting for workers" in c.told("master"), "the master")
        (corpus / "transcripts.tsv").unlink()
        c.worker("first")
        assert c.ended("master") == 2
        assert "doubletalk: worker-0 (process" in c.told("master")
        assert "--corpus: " in c.told("master")
        assert "Traceback" not in c.told("master") + c.told("first")
        assert not list((c.tmp / "runs").glob("*"))


def test_the_web_ui_of_a_master_starts_and_stops_twice(tmp_path: Path) -> None:
    def ask(path: str, form: dict[str, str] | None = None) -> dict[str, object]:
        with urlopen(f"http://127.0.0.1:{port}/{path}", urlencode(form).encode() if form is not None else None, timeout=60) as reply:
            told: dict[str, object] = json.load(reply)
            return told

    def answers(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    port = free_port()
    with cluster(tmp_path) as c:
        c.master("--web-port", str(port), "--stop-timeout", "4")
        wait_for(lambda: answers(port), "the page")
        form = {"user_count": "4", "spawn_rate": "4", "host": c.host, "scenario": "demo"}
        wait_for(lambda: str(ask("swarm", form)["message"]).startswith("no worker is ready"), "no worker")
        for name in WORKERS:
            c.worker(name)
        wait_for(lambda: "3 workers connected" in c.told("master"), "the workers")
        refused = ask("swarm", {**form, "scenario": "nowhere"})
        assert (refused["success"], "no scenario 'nowhere'" in str(refused["message"])) == (False, True)
        for runs in (1, 2):
            wait_for(lambda: ask("swarm", form)["success"], "the start")
            wait_for(lambda runs=runs: len(list((c.tmp / "runs").iterdir())) == runs, "the run")
            c.wait_for_answers(2 * runs)
            assert ask("stop", {})["success"]
            wait_for(lambda runs=runs: len(list((c.tmp / "runs").glob("*/run.json"))) == runs, "the end of the run")
        for folder in (c.tmp / "runs").iterdir():
            run = load(folder)
            assert len(run.info["workers"]) == 3
            assert run.info["ended"] == "complete"
            assert json.loads(json.dumps(run.aggregate().to_plain())) == json.loads((folder / "histograms.json").read_text())["metrics"]
        c.processes["master"].send_signal(signal.SIGTERM)
        c.ended("master")
        assert "Traceback" not in c.told("master")
