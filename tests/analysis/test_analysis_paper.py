"""A paper's tables and figures: values against numpy, groups, significance, and LaTeX that compiles."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis import load
from analysis.__main__ import main
from analysis.files import RunError
from analysis.paper import figures
from analysis.pool import PARTS, members, pool
from analysis.sweep import manifest
from analysis.sweep.manifest import Cell, Manifest
from benchmarks.made import make
from benchmarks.made_truth import Truth

LATEX = shutil.which("pdflatex")
NASTY = "A&B_50%{$#}~^\\<é漢>"
THRESHOLDS = (0.3, 0.7)


def told(folder: Path, **changes: Any) -> None:
    """Change what run.json says."""
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """450 turns of callers at home, in the street and Scottish, half of them on 3G."""
    folder = make(tmp_path_factory.mktemp("made") / "run", 450, talkers=24, personas=["at-home", "in-street", "scottish"],
                  networks={"3g": 0.2, "wifi": 0.01})  # fmt: skip
    scenario = load(folder).info["scenario"]
    scenario["personas"][1]["noise"] = {"kind": "street", "snr_db": 10.0}
    scenario["personas"][2]["accent"] = "en-scotland"
    told(folder, scenario=scenario)
    return folder


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repeats of two thresholds, the second of which has a slower speech synthesis; the same callers in each repeat."""
    folder = tmp_path_factory.mktemp("sweep")
    cells = []
    for number in range(4):
        threshold, repeat = THRESHOLDS[number % 2], 1 + number // 2
        truth = Truth(shifts={"tts_processing": 1.3} if threshold == THRESHOLDS[1] else {})
        make(folder / f"{number}" / "run", 400, talkers=20, seed=repeat, number=number, truth=truth)
        cells.append(Cell(number + 1, {"session.vad_threshold": threshold}, repeat, repeat, f"{number}/run", 0, True))
    manifest.write(folder, Manifest("vad", "made", {"session.vad_threshold": list(THRESHOLDS)}, {}, tuple(cells)))
    return folder


@contextmanager
def undrawn() -> Iterator[None]:
    """Without figures, which take longest: for tests that look at none."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("distribution", "stages", "levels"):
            patched.setattr(figures, name, lambda *_: None)
        yield


@pytest.fixture(scope="module")
def written(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper")
    with undrawn():
        assert main(["paper", str(run), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def ablated(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ablation")
    assert main(["paper", str(sweep), "--out", str(out)]) == 0
    return out


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / f"tables/{name}.csv")


def test_latencies_are_those_of_the_turns(written: Path, run: Path) -> None:
    found = table(written, "latency").set_index(["metric", "aggregate"])
    assert sorted(found["code"].unique()) == ["E2E", *(f"L{i}" for i in range(1, 10))]
    for metric, column in (("e2e_latency", "e2e_latency_s"), ("llm_ttft", "llm_ttft_s"), ("tts_processing", "tts_processing_s")):
        values = load(run).turns[column].dropna().to_numpy(float)
        assert found.loc[(metric, "mean"), "value"] == pytest.approx(values.mean())
        assert found.loc[(metric, "p50"), "value"] == pytest.approx(np.median(values), rel=0.01)
        assert found.loc[(metric, "p99"), "value"] == pytest.approx(np.quantile(values, 0.99), rel=0.05)
        assert found.loc[(metric, "p95"), "n"] == len(values)
        assert found.loc[(metric, "mean"), "low"] < values.mean() < found.loc[(metric, "mean"), "high"]


def test_each_group_has_its_own_turns(written: Path, run: Path) -> None:
    turns = load(run).turns
    for name, column, labels in (
        ("network", "network", {"3g": "3g", "wifi": "wifi"}),
        ("noise", "persona", {"10 dB": "in-street"}),
        ("accent", "persona", {"en-scotland": "scottish"}),
    ):
        found = table(written, name).query("metric == 'e2e_latency' and aggregate == 'mean'").set_index("level")
        for level, label in labels.items():
            values = turns.loc[turns[column] == label, "e2e_latency_s"].dropna()
            assert (found.loc[level, "value"], found.loc[level, "n"]) == (pytest.approx(values.mean()), len(values))
    noise = table(written, "noise")
    assert list(noise["level"].unique()) == ["quiet", "10 dB"], "what others are compared with comes first"


def test_parts_of_a_conversation(run: Path) -> None:
    made = pool(members([str(run)]))
    turns = load(run).turns.assign(part=made.turns["part"].to_numpy())
    assert set(turns.loc[turns["kind"] == "false_alarm", "part"]) == {""}
    spoken = turns[turns["kind"] != "false_alarm"]
    assert set(spoken["part"]) <= set(PARTS)
    assert ((spoken["part"] == "greeting") == (spoken["turn"] == 0)).all()
    ended = load(run).sessions.query("outcome == 'hung_up'")["session"]
    closing = spoken[spoken["part"] == "closing"]
    assert closing.groupby("session").size().max() == 1
    assert set(closing["session"]) == set(ended) & set(spoken.loc[spoken["turn"] > 0, "session"])
    assert set(spoken.loc[spoken["part"] == "query", "kind"]) == {"utterance"}


def test_an_ablation_finds_what_moved_and_nothing_else(ablated: Path) -> None:
    tests = table(ablated, "significance").query("group == 'session.vad_threshold'").set_index("metric")
    assert set(tests["against"].astype(str)) == {"0.3"}
    assert set(tests.index[tests["p_adjusted"] < 0.05]) == {"tts_processing", "e2e_latency"}
    moved = tests.loc["tts_processing"]
    truth = 0.3 * Truth().mean("tts_processing")
    assert moved["low"] < truth < moved["high"]
    starred = [line for line in (ablated / "tables/session-vad-threshold-effects.tex").read_text().splitlines() if r"^\ast" in line]
    assert [line.split(" & ")[0] for line in starred] == ["E2E", "L6"]


def test_callers_who_are_the_same_in_both_runs_are_one_unit(sweep: Path, tmp_path: Path) -> None:
    made = pool(members([str(sweep)]))
    units = made.turns.groupby("run")["session"].agg(set)
    assert units[0] & units[1]
    assert not units[0] & units[2], "another seed, other callers"
    apart = pool(members([str(sweep / "0/run"), str(sweep / "1/run")])).turns.groupby("run")["session"].agg(set)
    assert not apart[0] & apart[1], "nobody said that they are alike"


@pytest.mark.skipif(LATEX is None, reason="pdflatex is not installed (Debian: texlive-latex-base)")
@pytest.mark.parametrize("which", ["ablated", "nasty"])
def test_it_compiles(which: str, ablated: Path, run: Path, tmp_path: Path) -> None:
    out = ablated
    if which == "nasty":
        copied = make(tmp_path / "run", 120, talkers=10, personas=["some"])
        scenario = load(copied).info["scenario"]
        scenario["name"], scenario["personas"][0]["accent"] = NASTY, NASTY
        told(copied, scenario=scenario)
        out = tmp_path / "paper"
        assert main(["paper", f"{NASTY}={copied}", f"other={run}", "--out", str(out)]) == 0
    assert LATEX is not None
    done = subprocess.run(
        [LATEX, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Float too large" not in done.stdout
    assert (out / "paper.pdf").stat().st_size > 30_000


def test_a_run_that_is_not_valid_is_left_out_and_named(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = make(tmp_path / "bad", 100, valid=False)
    with undrawn():
        assert main(["paper", str(run), str(bad), "--out", str(tmp_path / "p")]) == 0
    assert capsys.readouterr().err == f"{bad}: left out: the run is not valid\n"
    paper = (tmp_path / "p/paper.tex").read_text()
    name = load(bad).name.replace("_", r"\_")
    assert f"Left out, as the tester was not fit to measure: {name}." in paper
    assert "INVALID" not in paper
    with pytest.raises(RunError, match="no run is valid: the tester was not fit to measure; --invalid shows the numbers all the same"):
        pool(members([str(bad)]))
    with undrawn():
        assert main(["paper", str(bad), "--invalid", "--out", str(tmp_path / "q")]) == 0
    assert r"\textbf{INVALID: the tester was not fit to measure; do not use these numbers." in (tmp_path / "q/paper.tex").read_text()
    text = (tmp_path / "q/paper.tex").read_text()
    assert text.index("INVALID") < text.index("Values are in milliseconds")
    assert "(INVALID)" in (tmp_path / "q/tables/runs.tex").read_text()


def test_few_values_are_marked_and_no_test_is_made_of_them(tmp_path: Path) -> None:
    few = make(tmp_path / "few", 30, networks={"3g": 0.2, "wifi": 0.01})
    with undrawn():
        assert main(["paper", str(few), "--out", str(tmp_path / "p")]) == 0
    tests = table(tmp_path / "p", "significance")
    assert tests["p"].isna().all()
    assert set(tests["why"]) <= {"few values", "fewer than 8 sessions tell nothing of others"}
    assert table(tmp_path / "p", "part").query("n < 10")["few"].all()
    assert r"^\dagger" in (tmp_path / "p/tables/part.tex").read_text()


@pytest.mark.parametrize(
    ("argument", "says"),
    [("nowhere", "no run.json there"), ("empty-sweep", "no run of the sweep is done yet"), ("silent", "silent: no turn was measured")],
)
def test_what_is_no_run(tmp_path: Path, argument: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    silent = make(tmp_path / "silent", 10) / "turns.parquet"
    pq.write_table(pq.read_table(silent).slice(0, 0), silent)
    manifest.write(tmp_path / "empty-sweep", Manifest("n", "s", {"a": [1]}, {}, (Cell(1, {"a": 1}, 1, 1),)))
    assert main(["paper", str(tmp_path / argument), "--out", str(tmp_path / "p")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
