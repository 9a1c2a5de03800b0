"""The calibration as a command: five talkers for real, and what it says to what it cannot do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.calibrate import table

ROOT = Path(__file__).parent.parent.parent
MS_METRICS = {"time_to_first_audio", "e2e_latency", "ttft", "endpointing_delay", "asr_processing", "llm_ttft", "tts_processing"}


def calibrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.calibrate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)


def missing() -> str | None:
    """What this machine lacks; None where nothing."""
    if sys.platform != "linux":
        return "needs Linux"
    if not (shutil.which("cc") or shutil.which("gcc")):
        return "needs a C compiler"
    return "needs two cores" if len(os.sched_getaffinity(0)) < 2 else None


@pytest.mark.alone
@pytest.mark.skipif(missing() is not None, reason=f"the calibration {missing()}")
def test_five_talkers(tmp_path: Path) -> None:
    done = calibrate("--talkers", "5", "--seconds", "12", "--clocks", "kernel", "--out", str(tmp_path))
    assert (tmp_path / "calibration.json").exists(), done.stderr
    found = json.loads((tmp_path / "calibration.json").read_text())
    (run,) = found["runs"]
    assert done.returncode == (0 if run["valid"] else 1), done.stderr
    assert run["unaccounted"] == []
    assert (found["frame_ms"], found["machine"]["cores"], run["talkers"], run["clock"]) == (40, os.cpu_count(), 5, "kernel")
    rows = {row["metric"]: row for row in found["rows"]}
    assert MS_METRICS | {"underruns", "outcomes"} <= rows.keys()
    for row in rows.values():
        assert row.keys() == {"talkers", "frame_ms", "metric", "clock", "count", "median_ms", "p99_ms", "max_ms"}
        assert (row["talkers"], row["frame_ms"], row["clock"]) == (5, 40, "kernel")
        assert row["count"] > 0
        assert abs(row["median_ms"]) <= row["p99_ms"] <= row["max_ms"]
    assert rows["underruns"]["max_ms"] == rows["outcomes"]["max_ms"] == 0
    assert all(abs(row["median_ms"]) < 5 for row in rows.values())
    assert (tmp_path / "calibration.md").read_text() == table(found["rows"]) + "\n"
    assert table(found["rows"]) in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--talkers", "1,none"], "argument --talkers: 'none' is no whole number above 0 (see --help)"),
        (["--seconds", "0"], "argument --seconds: '0' is no whole number above 0 (see --help)"),
        (["--clocks", "kernel,sun"], "argument --clocks: 'sun' is none of kernel, user (see --help)"),
        (["--frame-ms", "25"], "a frame of 25 ms is not possible"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments: list[str], said: str) -> None:
    done = calibrate(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"calibrate: {said}")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = calibrate("--out", str(tmp_path / "file" / "here"))
    assert done.returncode == 2
    assert done.stderr.startswith("calibrate: ")
    assert done.stderr.count("\n") == 1


def test_the_table_has_a_section_per_load_and_the_clocks_side_by_side() -> None:
    def row(talkers: int, metric: str, clock: str, off: float) -> dict[str, object]:
        common = {"talkers": talkers, "frame_ms": 40, "metric": metric, "clock": clock, "count": 12}
        return {**common, "median_ms": off, "p99_ms": 2 * off, "max_ms": 3 * off}

    rows = [
        row(1, "ttft", "kernel", 0.1),
        row(1000, "ttft", "kernel", 0.2),
        row(1000, "underruns", "kernel", 0.0),
        row(1000, "ttft", "user", 1.0),
    ]
    assert table(rows) == "\n".join(
        [
            "### 1 talker",
            "",
            "| off by, ms | kernel n | kernel median | kernel p99 | kernel most |",
            "| --- | ---: | ---: | ---: | ---: |",
            "| `ttft` | 12 | 0.100 | 0.200 | 0.300 |",
            "",
            "### 1,000 talkers",
            "",
            "| off by, ms | kernel n | kernel median | kernel p99 | kernel most | user n | user median | user p99 | user most |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            "| `ttft` | 12 | 0.200 | 0.400 | 0.600 | 12 | 1.000 | 2.000 | 3.000 |",
            "| `underruns` (count) | 12 | 0 | 0 | 0 | - | - | - | - |",
        ]
    )
