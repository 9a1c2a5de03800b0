"""A tester that does not get its core says so: the same run is invalid with a busy loop on its core, and valid without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

import pytest
from harness import LOCUST, ROOT

pytestmark = pytest.mark.alone

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
ON_A_CORE = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
LAST = "import os, sys; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)); os.execv(sys.argv[1], sys.argv[1:])"
"""Run a command only while nothing else wants the core."""
BUSY_S = 8
SPIN = f"import time; end = time.monotonic() + {BUSY_S}\nwhile time.monotonic() < end: pass"


def on_a_core(core: int, *command: str) -> list[str]:
    return [sys.executable, "-c", ON_A_CORE, str(core), *command]


@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores: one to starve the tester on, one for the assistant")
@pytest.mark.parametrize("starved", [True, False], ids=["starved", "left alone"])
def test_a_starved_tester_invalidates_its_run(tmp_path: Path, starved: bool) -> None:
    runs, core = tmp_path / "runs", CORES[0]
    ways = ["--users", "21", "--spawn-rate", "20", "--run-time", f"{BUSY_S + 6}s", "--stop-timeout", "0", "--runs", str(runs)]
    locust = [*LOCUST, "--headless", "--scenario", "demo", *ways]
    assistant = on_a_core(CORES[1], sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal")
    command = [*assistant, "--", *on_a_core(core, *([sys.executable, "-c", LAST] if starved else []), *locust)]
    with ExitStack() as started:
        process = started.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        started.callback(process.kill)
        assert process.stdout is not None
        before = list(takewhile(lambda line: "   20 talkers " not in line, process.stdout))
        assert process.poll() is None, "".join(before)
        if starved:
            busy = started.enter_context(subprocess.Popen(on_a_core(core, sys.executable, "-c", SPIN)))
            started.callback(busy.kill)
        out, _ = process.communicate(timeout=120)
    (folder,) = runs.iterdir()
    run = json.loads((folder / "run.json").read_text())
    assert run["valid"] is not starved, run["faults"]
    summary = (folder / "summary.md").read_text()
    if starved:
        assert process.returncode == 1
        assert any("use more workers" in fault for fault in run["faults"])
        assert summary.splitlines()[2].startswith("**INVALID: ")
        assert summary.splitlines()[4].startswith("- "), "what is wrong, and what to do, comes before any number"
        assert "INVALID so far: " in out
    else:
        assert "INVALID" not in out + summary
