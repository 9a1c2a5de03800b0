"""`locust --autostart`: the web UI with a run that nobody has to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import LOCUST, ROOT
from test_e2e_web_ui import free_port

pytestmark = pytest.mark.spread

STAGES = "based_on: demo\nload: {stages: [{name: few, talkers: 1, hold_s: 2}, {name: more, talkers: 2, hold_s: 2}]}\ncriteria: []\n"


@pytest.mark.parametrize("staged", [False, True], ids=["run time", "stages"])
def test_autostart_runs_and_quits(tmp_path: Path, staged: bool) -> None:
    runs = tmp_path / "runs"
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal"]
    locust = [*LOCUST, "--autostart", "--autoquit", "0", "--web-port", str(free_port()), "--runs", str(runs)]
    (tmp_path / "stages.yml").write_text(STAGES)
    load = ["--scenario", str(tmp_path / "stages.yml")] if staged else ["--scenario", "demo", "--users", "3", "--run-time", "4s"]
    done = subprocess.run(
        [*assistant, "--", *locust, *load], cwd=ROOT, capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    (folder,) = runs.iterdir()
    run = json.loads((folder / "run.json").read_text())
    assert (run["ended"], run["talkers_max"]) == ("complete", 2)
    assert run["totals"]["turns"] >= 1
    assert "## Snapshot" in done.stdout
