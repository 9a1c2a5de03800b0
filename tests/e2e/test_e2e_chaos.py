"""Chaos in whole runs: the assistant is killed and comes back, connections end on a timetable in a cluster, commands are run or refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from cluster import Cluster, cluster, free_port, wait_for
from harness import ROOT, alone

from scenarios import hit

AWAY_S = 5.0
TALKERS = 6
WATCH = """
load: {talkers: 6, spawn_per_s: 6, duration_s: 200}
conversation: {turns: 3, think_s: 0.2, between_calls_s: 0.5}
criteria: [time_to_recover max < 30 s, automatic_recovery_rate >= 100 %, availability > 99.5 %]
"""
BREAK = """
load: {talkers: 8, spawn_per_s: 8, duration_s: 12}
conversation: {turns: 20, think_s: 0.2}
chaos:
  - {at_s: 5, do: drop, share: 0.5}
  - {at_s: 9, do: reset, share: 0.5}
  - {at_s: 2, do: command, run: [sh, -c, 'echo "$OPENAI_API_KEY" > seen; echo said so; exit 3']}
"""


@contextmanager
def served(tmp: Path, port: int, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """The assistant, listening."""
    truth, out = tmp / f"truth-{seed}.jsonl", tmp / f"assistant-{seed}.out"
    command = ["-m", "assistant", "--port", str(port), "--profile", "ideal", "--seed", str(seed), "--truth", str(truth)]
    with out.open("wb") as told:
        made = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "listening" in out.read_text(), "the assistant")
        yield made
    finally:
        made.kill()
        made.wait(30)


def truth(tmp: Path, seed: int, kind: str) -> pd.DataFrame:
    lines = [json.loads(line) for line in (tmp / f"truth-{seed}.jsonl").read_text().splitlines()]
    return pd.DataFrame([line for line in lines if line["kind"] == kind])


def answered(tmp: Path, seed: int) -> int:
    """How many talkers have had a whole answer so far."""
    answers = truth(tmp, seed, "response")
    return answers[answers["status"] == "completed"]["client"].nunique() if len(answers) else 0


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, float, float]]:
    """A run whose assistant was killed and started again; when it was, in monotonic seconds of this machine, and when it listened again."""
    tmp = tmp_path_factory.mktemp("killed")
    port = free_port()
    c = Cluster(tmp, f"http://127.0.0.1:{port}")
    (tmp / "watch.yml").write_text(WATCH)
    try:
        with served(tmp, port, 7) as assistant:
            c.start("local", "--headless", "--scenario", str(tmp / "watch.yml"), "--host", c.host, "--stop-timeout", "10")
            wait_for(lambda: answered(tmp, 7) == TALKERS, "answers")
            wait_for(lambda: f" {TALKERS} talkers" in c.told("local"), "all talkers")
            killed_s = time.monotonic()
            assistant.kill()
            assistant.wait(30)
        time.sleep(AWAY_S)
        with served(tmp, port, 8):
            back_s = time.monotonic()
            wait_for(lambda: answered(tmp, 8) == TALKERS, "answers of the assistant that is back")
            c.processes["local"].send_signal(signal.SIGINT)
            c.ended("local")
        yield c, killed_s, back_s
    finally:
        for process in c.processes.values():
            process.kill()
            process.wait(30)


def test_every_talker_is_back_after_the_assistant_was_killed(killed: tuple[Cluster, float, float]) -> None:
    c, killed_s, back_s = killed
    sessions = c.table("sessions")
    lost = sessions[sessions["outcome"] == "connection_lost"]
    assert set(lost["talker"]) <= set(range(TALKERS))
    ready = sessions[sessions["ready_ns"] > back_s * 1e9].groupby("talker")["ready_ns"].min() / 1e9
    assert set(ready.index) == set(range(TALKERS))
    assert ready.max() - killed_s < 30
    run = c.run
    (outage,) = run["chaos"]
    assert (outage["fault"], outage["what"], outage["by"], outage["present"]) == ("outage.0", "outage", "detected", TALKERS)
    assert outage["t_s"] == pytest.approx(killed_s - run["started_ns"] / 1e9, abs=0.5)
    assert outage["sessions_lost"] == len(lost)
    assert (outage["noticed"], outage["recovered"], outage["blast_radius"]) == (TALKERS, TALKERS, 1.0)
    assert outage["time_to_recover_s"] == pytest.approx(ready.max() - killed_s, abs=0.5)
    assert outage["automatic_recovery_rate"] == 1.0
    assert outage["availability"] < 0.6
    again = truth(c.tmp, 8, "session")
    opened = again.groupby("client")["opened_ns"].min() / 1e9
    assert len(opened) == TALKERS
    assert outage["time_to_recover_s"] == pytest.approx(opened.max() - killed_s, abs=0.5), "as the assistant saw it"


def test_the_criteria_tell_the_outage(killed: tuple[Cluster, float, float]) -> None:
    c, killed_s, back_s = killed
    sessions = c.table("sessions")
    judged = {criterion["criterion"].split()[0]: criterion for criterion in c.run["criteria"]}
    gone = sessions[sessions["lost_ns"].notna() & sessions["ready_ns"].notna()]
    assert judged["time_to_recover"]["value"] == pytest.approx(((gone["ready_ns"] - gone["lost_ns"]) / 1e9).max())
    assert back_s - killed_s - 0.5 < judged["time_to_recover"]["value"] < 30
    assert (judged["automatic_recovery_rate"]["value"], judged["automatic_recovery_rate"]["holds"]) == (1.0, True)
    assert judged["time_to_recover"]["holds"]
    assert not judged["availability"]["holds"]
    summary = (c.folder / "summary.md").read_text()
    assert "## Chaos" in summary
    assert "| outage.0 |" in summary


def test_no_record_is_lost(killed: tuple[Cluster, float, float]) -> None:
    c, _, _ = killed
    turns = c.table("turns")
    for seed in (7, 8):
        answers = truth(c.tmp, seed, "response")
        completed = set(answers[answers["status"] == "completed"]["response_id"])
        assert len(completed) >= TALKERS
        assert completed <= set(turns["response_id"].dropna())
    assert c.run["health"]["records_lost"] == 0
    assert "Traceback" not in c.told("local")


def test_a_cluster_hits_who_is_planned_and_runs_the_command_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "break.yml").write_text(BREAK)
    with cluster(tmp_path / "c", profile="ideal") as c:
        seen = c.tmp / "seen"
        text = BREAK.replace("> seen", f"> {seen}")
        (tmp_path / "break.yml").write_text(text)
        key = "sk-nobody-may-see-this"
        given = ("--scenario", str(tmp_path / "break.yml"), "--chaos-commands", "--api-key-env", "OPENAI_API_KEY", "--stop-timeout", "5")
        c.master("--headless", *given, workers=2, env={"OPENAI_API_KEY": key})
        for name in ("first", "second"):
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("OPENAI_API_KEY", key)
                c.worker(name)
        c.ended("master")
        run, sessions = c.run, c.table("sessions")
        told = "".join(c.told(name) for name in c.processes)
    assert "Traceback" not in told
    assert [fault["fault"] for fault in run["chaos"]] == ["2.0", "0.0", "1.0"], told
    for number, what in ((0, "drop"), (1, "reset")):
        planned = {talker for talker in range(8) if hit(1, number, 0, 0.5, talker)}
        assert len(planned) == 4
        ours = sessions[sessions["error"] == f"chaos {number}.0: {what}"]
        assert sorted(ours["talker"]) == sorted(planned)
        assert set(ours["error_kind"]) == {"chaos"}
        assert ours["worker"].nunique() == 2
        fault = next(fault for fault in run["chaos"] if fault["fault"] == f"{number}.0")
        assert (fault["what"], fault["by"], fault["share"], fault["hit"], fault["present"]) == (what, "scenario", 0.5, 4, 8)
        assert (fault["noticed"], fault["blast_radius"], fault["sessions_lost"]) == (4, 0.5, 4)
        assert 0.2 < fault["time_to_recover_s"] < 5
        assert fault["automatic_recovery_rate"] == 1.0
    command = run["chaos"][0]
    assert (command["what"], command["detail"], command["present"], command["sessions_lost"]) == ("command", "sh: exit code 3", 8, 0)
    assert seen.read_text() == "\n", "the API key is not in its environment"
    assert "chaos: sh: said so" in c.told("master")
    assert key not in told


def test_a_command_is_refused_where_the_owner_does_not_allow_it(tmp_path: Path) -> None:
    (tmp_path / "break.yml").write_text(BREAK)
    done = alone("--headless", "--scenario", str(tmp_path / "break.yml"), "--host", "http://127.0.0.1:1", "--runs", str(tmp_path / "runs"))
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert f"{tmp_path / 'break.yml'}, line 7: chaos.2.run" in lines[0]
    assert "--chaos-commands" in lines[0]
    assert not (tmp_path / "runs").exists()
