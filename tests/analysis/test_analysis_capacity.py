"""How many callers a target holds: on runs whose truth is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import load
from analysis.__main__ import main
from analysis.capacity import holds, little
from analysis.capacity.bottleneck import STAGES, Failures, Growth, OwnHealth, Signature, signature, verdict
from analysis.capacity.measured import judged, pool
from analysis.capacity.told import document
from analysis.document import Document, Table, Text
from analysis.load import Loaded
from analysis.statistics.estimate import Estimate
from analysis.statistics.knee import Knee
from benchmarks.made import make
from benchmarks.made_truth import Truth
from metrics.criteria import parse

KNEE = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 talkers join over the run; from the 25th on the stages from L4 to L6 grow by 2 % with each, and 0.4 % more turns fail."""
    truth = Truth(knee=KNEE, past_knee=0.02, failing=0.004)
    return make(tmp_path_factory.mktemp("runs") / "ramp", 6000, talkers=60, ramp=1.0, truth=truth, criteria=("success > 95 %",))


@pytest.fixture(scope="module")
def run(folder: Path) -> Loaded:
    return load(folder)


def tables(made: Document) -> dict[str, Table]:
    blocks = [block for section in made.sections for block in section.blocks]
    return {block.caption: block for block in blocks if isinstance(block, Table)}


def texts(made: Document) -> str:
    blocks = [*made.lead, *(block for section in made.sections for block in section.blocks)]
    return "\n".join("\n".join([block.text, *block.items]) for block in blocks if isinstance(block, Text))


def test_the_knee_is_found_where_it_is(run: Loaded) -> None:
    found = signature(pool([run]))
    assert found.latency is not None
    assert found.latency.low <= KNEE <= found.latency.high
    assert found.latency.high - found.latency.low < 20
    assert found.slowest is not None
    assert found.slowest.metric == "llm_ttft"
    grown = {growth.metric: growth.grows for growth in found.growths}
    assert grown == {name: name in ("asr_processing", "llm_ttft", "tts_processing") for name in grown}
    assert len(grown) == 5


def test_so_many_are_held_as_the_truth_says(run: Loaded) -> None:
    pooled = pool([run])
    criteria, unfit, own = judged(run)
    assert ([c.text for c in criteria], unfit, own) == (["success > 95 %"], [], True)
    found = holds.holds(pooled, criteria)
    truth = Truth(knee=KNEE, past_knee=0.02, failing=0.004)
    at = KNEE + (truth.share("success") - 0.95) / truth.failing
    assert found.together is not None
    assert found.together.low <= at <= found.together.high
    assert abs(found.together.at - at) < 8
    assert holds.said(found, pooled).startswith(f"Holds **{math.floor(found.together.at)} callers** (95 %: ")


def test_the_first_criterion_to_be_missed_counts(run: Loaded) -> None:
    pooled = pool([run])
    found = holds.holds(pooled, [parse("success > 95 %"), parse("e2e_latency p50 < 900 ms"), parse("e2e_latency p50 < 99 s")])
    at = [kept.at for _, kept in found.criteria if kept is not None]
    assert found.together is not None
    assert found.together.at == min(at) < at[0] < at[2] == math.inf


@pytest.mark.parametrize(
    ("text", "sure"),
    [("success > 95 %", True), ("success > 96.5 %", False), ("e2e_latency p95 < 985 ms", True), ("e2e_latency p95 < 975 ms", False)],
)
def test_sure_is_what_the_whole_interval_keeps(text: str, sure: bool) -> None:
    assert holds.certain(parse(text), Estimate(0.97, 0.96, 0.98, 500, 40)) is sure
    assert not holds.certain(parse(text), Estimate(0.97, None, None, 5, 1))


def test_curves_say_what_the_turns_do(run: Loaded) -> None:
    pooled = pool([run])
    curve = pooled.curve("e2e_latency", "p95")
    assert curve is not None
    values = pooled.values("e2e_latency")
    for at, one in enumerate(pooled.bins("e2e_latency", "p95")):
        here = values[values["bin"] == at]
        assert one.n == len(here) == curve.n[at]
        assert one.value == pytest.approx(here["value"].quantile(0.95)) == curve.y[at]
        assert curve.x[at] == pytest.approx(here["concurrency"].mean())
    below = pooled.up_to("success", "value", 20)
    table = run.turns[run.turns["success"].notna() & (run.turns["concurrency"] <= 20)]
    assert (below.value, below.n) == (pytest.approx(table["success"].mean()), len(table))


def test_each_metric_and_curve_is_a_step_of_the_bar(run: Loaded) -> None:
    steps: list[int] = []
    document(pool([run], lambda: steps.append(1)))
    curves = 3  # of CURVES; the criteria's are among them
    assert len(steps) == curves + len({"success", "e2e_latency"} | set(STAGES))


def test_runs_are_pooled_and_their_sessions_kept_apart(folder: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other", 600, talkers=60, number=1, criteria=("success > 95 %",))
    one, both = pool([load(folder)]), pool([load(folder), load(other)])
    assert both.turns == one.turns + len(load(other).turns)
    assert len(both.drawn.names) == len(one.drawn.names) + load(other).turns["session"].nunique()
    apart = sum(part.values("success")["session"].nunique() for part in (one, pool([load(other)])))
    assert both.values("success")["session"].nunique() == apart


def test_a_folder_of_runs_is_all_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    each = [str(make(tmp_path / "runs" / f"night-{number}", 200, number=number)) for number in range(2)]
    assert main(["capacity", *each]) == 0
    told = capsys.readouterr().out
    assert main(["capacity", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == told
    assert "400 turns" in told


def test_without_criteria_the_targets_stand_in(tmp_path: Path) -> None:
    bare = load(make(tmp_path / "bare", 200, criteria=("session_success > 99 %", "success in step-1 > 90 %"), steps=2))
    criteria, unfit, own = judged(bare)
    assert unfit == ["session_success > 99 %", "success in step-1 > 90 %"]
    assert not own
    assert [c.text for c in criteria] == ["success > 95 %", "e2e_latency p50 < 840 ms", "e2e_latency p95 < 1200 ms"]


CALM = Estimate(0.0, -1e-5, 1e-5, 100, 20)
FAILS = Knee(40.0, 38.0, 42.0, 0.0, 0.0, 0.02)
SLOWS = Knee(20.0, 18.0, 22.0, 0.8, 0.0, 0.02)
FINE = OwnHealth((0.001, 0.001), (0.001, 0.001), (0.1, 0.2), 0.01, 1, 60)
NOTHING = Signature(None, None, CALM, [], [], (0, 60, None), FINE)
SLOWER = [Growth("llm_ttft", CALM, 0.2, 0.9, True)]


def kind(name: str, of_all: float = 0.8) -> list[Failures]:
    return [Failures(name, 40, Estimate(0.1, 0.08, 0.12, 400, 20), of_all, 41)]


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        (NOTHING, "None was seen up to 60 callers"),
        (replace(NOTHING, tester=replace(FINE, cpu_share=(0.2, 0.9)), failures=FAILS, kinds=kind("rate_limited")), "**The tester itself**"),
        (replace(NOTHING, tester=replace(FINE, lag_s=(0.001, 0.03))), "**The tester itself**"),
        (replace(NOTHING, tester=replace(FINE, lateness_s=(0.001, 0.02))), "**The tester itself**"),
        (replace(NOTHING, failures=FAILS, kinds=kind("rate_limited", 0.73)), "**Rate limits**: 73 % of the failures, from 41 callers on."),
        (replace(NOTHING, refused=(3, 60, 50)), "**Sessions are refused**: 3 of 60, from 50 callers on"),
        (
            replace(NOTHING, growths=[Growth("llm_ttft", CALM, 0.2, 0.9, True)], latency=SLOWS),
            "before anything fails, most of all LLM time",
        ),
        (
            replace(NOTHING, growths=SLOWER, latency=SLOWS, failures=FAILS, kinds=kind("timeout")),
            "before anything fails, most of all LLM time",
        ),
        (replace(NOTHING, failures=FAILS, kinds=kind("timeout")), "**A limit on how many are served at a time**"),
        (replace(NOTHING, more_fail=Estimate(0.01, 0.005, 0.015, 400, 20), kinds=kind("timeout")), "the first with 41 callers"),
        (replace(NOTHING, failures=FAILS, kinds=kind("assistant_error", 0.9)), "**Failures** of kind assistant_error, 90 % of them"),
        (replace(NOTHING, failures=FAILS, kinds=kind("assistant_error", 0.4)), "**Failures** of several kinds"),
        (replace(NOTHING, kinds=kind("rate_limited")), "None was seen"),  # as many with few callers as with many
    ],
)
def test_the_signature_of_a_bottleneck(signed: Signature, says: str) -> None:
    assert says in verdict(signed, 60)


def test_littles_law_holds_of_a_run_in_which_nobody_is_missing(tmp_path: Path) -> None:
    made = load(make(tmp_path / "steady", 3000, talkers=20, ramp=0.05))
    checks = {check.what: check for check in little.check(made)}
    assert abs(checks["turns"].deviation) < little.TOLERATED
    assert checks["turns"].counted == pytest.approx(20, abs=0.5)
    assert abs(checks["sessions"].deviation) < little.TOLERATED
    assert "Both ways agree" in texts(document(pool([made])))


def test_littles_law_tells_of_missing_records(tmp_path: Path) -> None:
    path = make(tmp_path / "lossy", 3000, talkers=20, ramp=0.05)
    rows = pq.read_table(path / "turns.parquet").to_pandas()
    kept = rows[np.random.default_rng(1).random(len(rows)) < 0.7]
    pq.write_table(pa.Table.from_pandas(kept, pq.read_schema(path / "turns.parquet"), preserve_index=False), path / "turns.parquet")
    (turns, *_) = little.check(load(path))
    assert turns.deviation == pytest.approx(-0.3, abs=0.05)
    assert "Fewer than were counted" in texts(document(pool([load(path)])))


@pytest.mark.parametrize(
    ("talkers", "found"),
    [
        ([1, 5, 8, *[10] * 30, 4, 2], (4.0, 33.0)),
        ([*[10] * 12, *[40] * 20, *[41, 42, 40] * 5], (13.0, 47.0)),
        ([*range(1, 40)], None),
        ([0] * 40, None),
        ([], None),
    ],
)
def test_the_steady_part(talkers: list[int], found: tuple[float, float] | None) -> None:
    timeline = pd.DataFrame({"t_s": np.arange(1.0, len(talkers) + 1.0), "talkers": talkers})
    assert little.steady(timeline) == found


def searched(path: Path, **more: Any) -> None:
    """Make the run's folder that of a search."""
    info = json.loads((path / "run.json").read_text())
    info["scenario"]["load"]["search"] = {"wanted": 1}
    criteria = [{"criterion": "success > 95 %", "measured": "90.0 %", "count": 50, "holds": False}]
    steps = [{"stage": "step-1", "talkers": 42, "holds": False, "criteria": criteria, **more}]
    info["capacity"] = {"holds": 40, "fails": 42, "complete": True, "missed": ["success > 95 %"], "steps": steps}
    (path / "run.json").write_text(json.dumps(info))


def test_a_search_tells_its_steps_and_its_interval(tmp_path: Path) -> None:
    path = make(tmp_path / "search", 300)
    searched(path, begins_s=3.2, ends_s=11.4)
    made = document(pool([load(path)]))
    section = next(section for section in made.sections if section.anchor == "search")
    verdict_of, steps = section.blocks
    assert isinstance(verdict_of, Text) and "PASSED: 40 talkers keep all criteria, 42 do not" in verdict_of.text
    assert isinstance(steps, Table)
    assert steps.rows == [("1", "42", "3 to 11 s", "50", "MISSED", "success > 95 % (90.0 %, n 50)")]
    searched(path)
    (_, steps) = next(section for section in document(pool([load(path)])).sections if section.anchor == "search").blocks
    assert isinstance(steps, Table) and steps.rows[0][2] == "-", "a version that did not tell when"


def test_an_invalid_run_says_so_and_is_left_out_where_others_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = make(tmp_path / "bad", 200, valid=False), make(tmp_path / "good", 200, number=1)
    assert main(["capacity", str(bad)]) == 0
    assert "**INVALID: the tester was not fit to measure" in capsys.readouterr().out.split("Holds")[0]
    assert main(["capacity", str(bad), str(good), "--html", str(tmp_path / "page.html")]) == 0
    told = capsys.readouterr().out
    assert "bad: invalid: loop_lag p99 30.0 ms" in told
    assert f"{len(load(good).turns)} turns of" in told
    assert "<h1" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda info: info["scenario"].update(name="other"), "different scenarios or targets"),
        (lambda info: info.update(host="https://elsewhere"), "different scenarios or targets"),
        (lambda info: info.update(host="http://127.0.0.1:9999"), ""),
    ],
)
def test_runs_of_another_kind_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], breaks: Any, says: str) -> None:
    one, other = make(tmp_path / "one", 100), make(tmp_path / "other", 100, number=1)
    info = json.loads((other / "run.json").read_text())
    breaks(info)
    (other / "run.json").write_text(json.dumps(info))
    assert main(["capacity", str(one), str(other)]) == (2 if says else 0)
    told = capsys.readouterr()
    assert says in told.err
    assert len(told.err.splitlines()) == bool(says)


def test_a_run_without_turns_and_one_of_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "few", 100)
    table = pq.read_table(path / "turns.parquet")
    pq.write_table(table.slice(0, 3), path / "turns.parquet")
    assert main(["capacity", str(path)]) == 0
    told = capsys.readouterr().out
    assert "Too few turns to be sure of" in told
    assert "(few)" in told
    assert "| not known from fewer than 8 calls |" in " ".join(told.split())
    assert "Knee: not looked for; that takes 6 different loads of 20 turns each." in told
    pq.write_table(table.slice(0, 0), path / "turns.parquet")
    assert main(["capacity", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [f"doubletalk: {path}: no turn was measured; there is nothing to say of its capacity"]
    assert main(["capacity", str(path), "--html", str(tmp_path / "no" / "x")]) == 2
