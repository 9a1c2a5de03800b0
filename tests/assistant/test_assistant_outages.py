"""Outages by profile: real processes, killed and started again."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant.truth import FaultTruth, OutageTruth, TruthLog

ROOT = Path(__file__).parents[2]
DOWN_S = 1.0
PROFILE = f"""
faults: [{{at_s: 0, for_s: 3600, profile: {{llm: {{delay: {{fixed: 1}}}}}}}}]
outages: [{{at_s: 1, down_s: {DOWN_S}}}]
"""
WATCH = """
import http.client, os, sys, time, urllib.request
while True:
    try:
        urllib.request.urlopen(os.environ["LOCUST_HOST"] + "/health").read()
    except (OSError, http.client.HTTPException):
        break
    time.sleep(0.02)
print("down", flush=True)
while True:
    try:
        urllib.request.urlopen(os.environ["LOCUST_HOST"] + "/health").read()
        break
    except (OSError, http.client.HTTPException):
        time.sleep(0.02)
sys.exit(7)
"""


class Supervised:
    """`python -m assistant` with outages, its port and its truth."""

    def __init__(self, process: subprocess.Popen[str], truth: Path) -> None:
        self.process = process
        self._truth = truth
        assert process.stdout is not None
        self.ready = process.stdout.readline()
        self.port = int(self.ready.split(",")[0].rpartition(":")[2])

    def healthy(self) -> bool:
        """Whether it answers. A connection that is neither taken nor refused fails the test."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (ConnectionError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def serving(self) -> list[int]:
        """The serving process."""
        return [child.pid for child in psutil.Process(self.process.pid).children() if child.status() != psutil.STATUS_ZOMBIE]

    def truth(self, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._truth.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]


@contextmanager
def supervised(folder: Path, text: str, *command: str) -> Iterator[Supervised]:
    profile, truth = folder / "dies.yml", folder / "truth.jsonl"
    profile.write_text(text)
    line = [sys.executable, "-m", "assistant", "--port", "0", "--profile", str(profile), "--truth", str(truth), *command]
    with subprocess.Popen(line, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield Supervised(process, truth)
        finally:
            process.kill()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen of an assistant through one outage and its end, by SIGTERM."""
    seen: dict[str, Any] = {}
    with supervised(tmp_path_factory.mktemp("outage"), PROFILE) as assistant:
        seen["ready"], seen["before"], seen["healthy"] = assistant.ready, assistant.serving(), assistant.healthy()
        until(lambda: not assistant.healthy())
        until(lambda: assistant.healthy() or not assistant.serving())  # a process that is killed is there for a moment
        seen["down"] = assistant.serving()
        until(assistant.healthy)
        seen["after"] = assistant.serving()
        until(lambda: assistant.truth("outage"))
        assistant.process.send_signal(signal.SIGTERM)
        seen["code"] = assistant.process.wait(30)
        assert assistant.process.stdout is not None and assistant.process.stderr is not None
        seen["out"], seen["err"] = assistant.process.stdout.read(), assistant.process.stderr.read()
        seen["outages"], seen["faults"] = assistant.truth("outage"), assistant.truth("fault")
        seen["headers"] = assistant.truth("header")
    return seen


def test_the_serving_process_is_killed_and_another_takes_its_place(lived: dict[str, Any]) -> None:
    assert re.fullmatch(r"assistant listening on http://127\.0\.0\.1:\d+, profile dies, seed 1\n", lived["ready"])
    assert lived["healthy"]
    assert (len(lived["before"]), lived["down"], len(lived["after"])) == (1, [], 1)
    assert lived["before"] != lived["after"]


def test_the_truth_goes_on_and_tells_the_outage(lived: dict[str, Any]) -> None:
    assert len(lived["headers"]) == 1
    outage = lived["outages"][0]
    down_s = (outage["listening_ns"] - outage["killed_ns"]) / 1e9
    assert DOWN_S <= down_s < DOWN_S + 3


def test_a_fault_that_outlasts_an_outage_is_in_force_again(lived: dict[str, Any]) -> None:
    """Of the process that was killed nothing is written; its successor's line ends with it."""
    (fault,) = lived["faults"]
    assert fault["profile"] == {"llm": {"delay": {"fixed": 1.0}}}
    assert fault["begun_ns"] >= lived["outages"][0]["listening_ns"]
    assert fault["ended_ns"] > fault["begun_ns"]


def test_it_ends_in_order(lived: dict[str, Any]) -> None:
    assert (lived["code"], lived["out"], lived["err"]) == (0, "", "")


def test_a_command_goes_on_through_an_outage_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    with supervised(tmp_path, PROFILE, "--", sys.executable, "-c", WATCH) as assistant:
        assert assistant.process.stdout is not None
        assert assistant.process.stdout.readline() == "down\n"
        assert assistant.process.wait(30) == 7
        assert len(assistant.truth("outage")) == 1
        assert not assistant.healthy()


def test_signals_are_passed_on_to_the_command(tmp_path: Path) -> None:
    child = "import time; print('child', flush=True); time.sleep(60)"
    with supervised(tmp_path, "outages: [{at_s: 3600, down_s: 1}]", "--", sys.executable, "-c", child) as assistant:
        assert assistant.process.stdout is not None
        assert assistant.process.stdout.readline() == "child\n"
        assistant.process.send_signal(signal.SIGTERM)
        assert assistant.process.wait(30) == 128 + signal.SIGTERM


def test_while_it_is_down_a_signal_ends_it_and_the_outage_is_told(tmp_path: Path) -> None:
    with supervised(tmp_path, "outages: [{at_s: 0.2, down_s: 3600}]") as assistant:
        until(lambda: not assistant.serving())
        assistant.process.send_signal(signal.SIGINT)
        assert assistant.process.wait(30) == 0
        (outage,) = assistant.truth("outage")
    assert outage["listening_ns"] is None


def test_the_serving_process_goes_with_its_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, "outages: [{at_s: 3600, down_s: 1}]") as assistant:
        (serving,) = assistant.serving()
        os.kill(assistant.process.pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(serving) or psutil.Process(serving).status() == psutil.STATUS_ZOMBIE)


def test_a_serving_process_that_dies_by_itself_ends_it(tmp_path: Path) -> None:
    with supervised(tmp_path, "outages: [{at_s: 3600, down_s: 1}]") as assistant:
        os.kill(assistant.serving()[0], signal.SIGKILL)
        assert assistant.process.wait(30) == 128 + signal.SIGKILL
        assert assistant.process.stderr is not None
        assert assistant.process.stderr.read() == "assistant: the serving process ended by itself, exit code 137\n"


def test_a_line_that_a_killed_process_left_in_pieces_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    truth = TruthLog(path, seed=1, profile={})
    truth.write(FaultTruth(0, 1, 2, {}))
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"kind":"respon')
    truth.mend()
    assert path.read_bytes() == whole
    truth.write(OutageTruth(3))
    truth.mend()
    truth.close()
    assert path.read_bytes() == whole + b'{"kind":"outage","killed_ns":3,"listening_ns":null}\n'
