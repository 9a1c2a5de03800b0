"""The workflow for continuous benchmarking: the steps of its jobs are run as they are, shortened by its own variables, against the bundled
assistant."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_files import ROOT

pytestmark = pytest.mark.long

WORKFLOW = ROOT / "deploy" / "ci" / "voice-benchmark.yml"
PLAIN: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
JOBS: dict[str, dict[str, Any]] = PLAIN["jobs"]
SHORT = "--frame-ms 40 --set conversation.turns=1 --set load.spawn_per_s=20 --set load.duration_s=4 --set abort.unless=[]"
STAGES = " ".join(
    [
        "--frame-ms 40 --set abort.unless=[]",
        *(f"--set load.stages.{change}" for change in ("first.hold_s=3", "rise.talkers=3", "rise.over_s=1", "top.hold_s=3")),
    ]
)
OPTIONS = {"baseline": SHORT, "peak": STAGES, "audit": SHORT}
UNFIT = re.compile(r"INVALID|not valid|is valid|not fit|unfit", re.IGNORECASE)
"""How it is said that a busy machine disturbed a run."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    line = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "demo"]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://[\d.:]+", process.stdout.readline())
    assert found
    yield found[0]
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, so that what the steps write is not in ours."""
    for name in ("locustfile.py", "locust.conf", "deploy", "scenarios"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


class Runner:
    """Runs the steps of a job as GitHub does: one shell each, with what earlier ones put into the environment."""

    def __init__(self, job: str, checkout: Path, host: str) -> None:
        self.steps = {step["name"]: step["run"] for step in JOBS[job]["steps"] if "run" in step and step["name"] != "Install"}
        self.checkout = checkout
        self.files = {name: checkout / name.lower() for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "DOUBLETALK_", "GITHUB_"))}
        own = {name: str(value) for name, value in JOBS[job]["env"].items()}
        venv = str(Path(sys.executable).parent)
        self.env = {**plain, **own, "TARGET": host, "OPTIONS": OPTIONS[job], "PATH": f"{venv}:{plain['PATH']}"}
        self.env |= {name: str(path) for name, path in self.files.items()}

    def run(self, name: str) -> str:
        """What a step prints; its exit code is 0, or that of a verdict, or it says that the machine was too busy."""
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.steps[name]]
        done = subprocess.run(line, cwd=self.checkout, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        said = done.stdout + done.stderr
        assert done.returncode in (0, 1) or (done.returncode == 2 and UNFIT.search(said)), f"{name}: {said}"
        assert "Traceback" not in said, said
        assert "usage:" not in said, said
        if self.files["GITHUB_ENV"].exists():
            self.env |= dict(entry.split("=", 1) for entry in self.files["GITHUB_ENV"].read_text().splitlines())
        return said

    @property
    def folder(self) -> Path:
        return self.checkout / self.env["RUN"]

    @property
    def summary(self) -> str:
        return self.files["GITHUB_STEP_SUMMARY"].read_text()


def test_it_is_a_workflow() -> None:
    line = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_time_has_its_job_and_each_job_its_time() -> None:
    triggers = PLAIN[True]  # `on`, as YAML reads it
    times = [entry["cron"] for entry in triggers["schedule"]]
    conditions = {name: job["if"] for name, job in JOBS.items()}
    assert list(JOBS) == triggers["workflow_dispatch"]["inputs"]["job"]["options"]
    assert [re.findall(r"schedule == '(.*?)'", text) for text in conditions.values()] == [[time] for time in times]
    assert all(f"inputs.job == '{name}'" in text for name, text in conditions.items())
    assert times == ["0 3 * * *", "0 14 * * *", "0 5 * * 0"], "each day at 3 and at 14, and on Sundays"


def test_a_verdict_in_a_pipe_still_counts() -> None:
    assert PLAIN["defaults"]["run"]["shell"] == "bash"


def test_the_nightly_baseline(checkout: Path, host: str) -> None:
    job = Runner("baseline", checkout, host)
    for name in job.steps:
        job.run(name)
    assert {"report.html", "report.md", "baseline.json", "trend.html"} <= {path.name for path in job.folder.iterdir()}
    assert (job.folder / "report.md").read_text() in job.summary
    assert "There is no deploy/ci/baseline.json yet" in job.summary
    job.env["BASELINE"] = str(job.folder / "baseline.json")
    job.run("Compare with the baseline")
    assert (job.folder / "baseline.html").exists()
    job.env["KEEP"] = "0"
    job.run("Drop the oldest runs")
    assert not job.folder.exists()


def test_the_peak(checkout: Path, host: str) -> None:
    job = Runner("peak", checkout, host)
    for name in job.steps:
        job.run(name)
    assert {"report.html", "capacity.html"} <= {path.name for path in job.folder.iterdir()}
    assert "Little's law" in job.summary


def test_the_weekly_audit(checkout: Path, host: str) -> None:
    job = Runner("audit", checkout, host)
    for name in job.steps:
        said = job.run(name)
    assert "ord error rate" in job.summary or UNFIT.search(said)
