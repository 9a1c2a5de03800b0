"""What a run came to, kept in a file, and later runs held against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.compare.baseline import baseline, check, read, write
from analysis.compare.comparison import compare
from analysis.compare.tolerance import tolerance
from analysis.files import RunError
from analysis.load import load
from benchmarks.made import make
from benchmarks.made_truth import Truth


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made runs of 300 turns, and the baseline of the first."""
    parent = tmp_path_factory.mktemp("runs")
    made = {
        "a": make(parent / "a", 300, number=0),
        "again": make(parent / "again", 300, number=1),
        "slow": make(parent / "slow", 300, number=2, truth=Truth(shifts={"tts_processing": 1.6})),
        "invalid": make(parent / "invalid", 300, number=4, valid=False),
    }
    write(baseline([load(made["a"])], quiet=True), parent / "baseline.json")
    return {**made, "file": parent / "baseline.json"}


def test_the_file_says_what_comparing_the_run_itself_does(runs: dict[str, Path]) -> None:
    kept = check(read(runs["file"]), [load(runs["slow"])], tolerance(None), quiet=True)
    direct = compare([load(runs["a"])], [load(runs["slow"])], tolerance(None), quiet=True)
    assert [row.metric.name for row in kept.rows] == [row.metric.name for row in direct.rows]
    for one, other in zip(kept.rows, direct.rows, strict=True):
        assert one.difference.value == pytest.approx(other.difference.value, rel=1e-4, abs=1e-5)
    assert [cause.row.metric.name for cause in kept.causes] == ["tts_processing"]
    assert kept.code == 1
    assert kept.pairing.startswith("Not paired: a baseline keeps no single sessions.")


def test_a_run_like_the_baseline_passes(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "check", str(runs["again"]), "--file", str(runs["file"])]) == 0
    assert "No regression seen" in capsys.readouterr().out
    assert main(["baseline", "check", str(runs["slow"]), "--file", str(runs["file"])]) == 1
    assert main(["baseline", "check", str(runs["invalid"]), "--file", str(runs["file"])]) == 2


def test_each_figure_is_a_line_and_setting_it_again_changes_none(runs: dict[str, Path], tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    assert main(["baseline", "set", str(runs["a"]), "--file", str(again)]) == 0
    text = again.read_text()
    assert text == runs["file"].read_text()
    line = next(line for line in text.splitlines() if '"e2e_latency p50"' in line)
    told = json.loads("{" + line.strip().rstrip(",") + "}")["e2e_latency p50"]
    assert set(told) == {"value", "low", "high", "n", "sessions", "freedom"}
    assert told["low"] < told["value"] < told["high"]
    assert len(text) < 40_000


def test_a_run_that_is_not_valid_is_no_baseline(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is INVALID: .*; a baseline needs valid runs"):
        baseline([load(runs["invalid"])], quiet=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no baseline is there; make one: python -m analysis baseline set RUN"),
        ("{", "is no baseline, or broken"),
        ("[]", "is no baseline, or broken"),
        ('{"baseline_version": 2}', "baseline of version 2; this reader knows 1: set it anew"),
        ('{"baseline_version": 1, "runs": [], "conditions": {}, "metrics": {"e2e p50": {}}}', "no metric 'e2e'"),
        (
            '{"baseline_version": 1, "runs": [], "conditions": {}, "metrics": {"ttft p50": {"value": 1}}}',
            "is no baseline, or broken: 'low'",
        ),
    ],
)
def test_a_file_that_is_no_baseline_is_a_line(
    text: str | None, told: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "baseline.json"
    if text is not None:
        path.write_text(text)
    assert main(["baseline", "check", str(runs["a"]), "--file", str(path)]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_metrics_that_are_defined_otherwise_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(runs["file"].read_text().replace('"catalog_version": "1"', '"catalog_version": "0"'))
    with pytest.raises(RunError, match="catalogue versions 0 and 1"):
        check(read(path), [load(runs["a"])], tolerance(None), quiet=True)
