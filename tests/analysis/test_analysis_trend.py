"""A history of runs: the run since which something is worse, and what stood out within one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import RunError, history, load
from analysis.__main__ import main
from analysis.load import Loaded
from analysis.statistics.changes import Change
from analysis.statistics.estimate import Estimate
from analysis.trend.series import Series, Tolerance
from analysis.trend.series import history as series_of
from analysis.trend.within import anomalies
from benchmarks.made import make
from benchmarks.made_truth import Truth
from metrics.catalog import METRICS

WORSE_FROM = 7
TOLERANCE = Tolerance(0.10, 0.01)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten runs of one scenario, a day apart: from the eighth on TTS takes 40 % longer. The third is invalid."""
    parent = tmp_path_factory.mktemp("history")
    for number in range(10):
        shifts = {"tts_processing": 1.4} if number >= WORSE_FROM else {}
        make(parent / f"run-{number}", 200, seed=3, number=number, truth=Truth(shifts=shifts), valid=number != 2)
    return parent


def told(path: Path, change: Any) -> None:
    info = json.loads((path / "run.json").read_text())
    change(info)
    (path / "run.json").write_text(json.dumps(info))


def test_the_run_since_which_it_is_worse(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trend", str(runs)]) == 1
    out = capsys.readouterr().out
    worse = out.split("✗ **Worse** than tolerated.")[1].split("Tolerated:")[0]
    assert "9 valid runs" in worse
    assert "`tts_processing`" in worse
    assert "since run-7" in worse
    assert all(f"`{name}`" not in worse for name in ("asr_processing", "llm_ttft", "endpointing_delay"))
    assert "run-2: invalid: loop_lag p99 30.0 ms" in out
    assert "| 1   | run-0 |" in out and "| 9   | run-9 |" in out
    assert "Tolerated: 10 % of a time or a rate" in out


def test_a_series_has_the_estimates_of_its_runs(runs: Path) -> None:
    found, broken = history.read([runs])
    valid = [one for one in found if one.info["valid"]]
    assert broken == []
    assert [one.path.name for one in found] == [f"run-{number}" for number in range(10)]
    tts = next(one for one in series_of(valid) if one.metric.name == "tts_processing")
    assert [point.value for point in tts.points] == pytest.approx([one.turns["tts_processing_s"].median() for one in valid])
    assert [point.n for point in tts.points] == [one.turns["tts_processing_s"].notna().sum() for one in valid]
    (change,) = tts.changes
    assert valid[change.at].path.name == "run-7"
    before, after = [p.value for p in tts.points[: change.at]], [p.value for p in tts.points[change.at :]]
    assert (change.before, change.after) == (pytest.approx(np.mean(before)), pytest.approx(np.mean(after)))
    assert change.low is not None and change.high is not None
    assert change.low <= 0.4 * Truth().median("tts_processing") <= change.high


def test_a_run_of_few_values_is_no_point_of_a_series(runs: Path, tmp_path: Path) -> None:
    few = load(make(tmp_path / "few", 8))
    given = [few, *(load(runs / f"run-{number}") for number in (0, 1, 3, 4, 7, 8, 9))]
    tts = next(one for one in series_of(given) if one.metric.name == "tts_processing")
    assert list(tts.runs) == [1, 2, 3, 4, 5, 6, 7]
    assert [given[change.at].path.name for change in tts.changes] == ["run-7"]


def test_folders_are_given_as_one_likes_and_each_run_counts_once(runs: Path, tmp_path: Path) -> None:
    found, _ = history.read([runs / "run-3", runs, runs / "run-1"])
    assert [one.path.name for one in found] == [f"run-{number}" for number in range(10)]
    with pytest.raises(RunError, match="neither a run nor a folder of runs"):
        history.read([tmp_path])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    shutil.copytree(runs / "run-0", tmp_path / "fine")
    found, broken = history.read([tmp_path])
    assert [one.path.name for one in found] == ["fine"]
    assert "broken" in broken[0]
    with pytest.raises(RunError, match=r"run\.json: broken"):
        history.read([tmp_path / "broken"])


def test_runs_of_another_kind_have_a_history_of_their_own(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        shutil.copytree(runs / f"run-{number}", tmp_path / f"run-{number}")
        told(tmp_path / f"run-{number}", lambda info: info.update(host="https://staging"))
    given = [str(runs / f"run-{number}") for number in (0, 1, 3, 7, 8, 9)]
    assert main(["trend", *given, str(tmp_path), "--tolerance", "80"]) == 0
    out = capsys.readouterr().out
    assert "made against https://staging (openai-realtime): 2 valid runs: too few to look for changes; 6 are needed." in out
    assert "✓ Nothing is worse than tolerated. Scenario made against http://127.0.0.1 (openai-realtime): 6 valid runs." in out
    assert "worse, within tolerance" in out
    assert out.count("## What changed (") == 2


def test_what_cannot_be_used_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "bad", 60, valid=False)
    assert main(["trend", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none of 1 runs can be used: bad: invalid" in line
    with pytest.raises(SystemExit):
        main(["trend", str(tmp_path), "--tolerance", "much"])


def one(name: str, *changes: Change, aggregate: str = "p50") -> Series:
    return Series(METRICS[name], aggregate, range(12), [Estimate(1.0, None, None, 100, 10)] * 12, changes)


UP = Change(6, 0.80, 0.95, 0.1, 0.2, 0.001)


@pytest.mark.parametrize(
    ("series", "regressed"),
    [
        (one("e2e_latency", UP), True),
        (one("e2e_latency", replace(UP, after=0.87)), False),  # 9 %
        (one("e2e_latency", replace(UP, after=0.60)), False),  # better
        (one("e2e_latency", UP, replace(UP, at=9, before=0.95, after=0.8)), False),  # and back again
        (one("turn_gap", UP), False),  # no better, no worse
        (one("success", replace(UP, before=0.98, after=0.96), aggregate="value"), True),
        (one("success", replace(UP, before=0.98, after=0.975), aggregate="value"), False),  # half a point
        (one("success", replace(UP, before=0.96, after=0.98), aggregate="value"), False),
        (one("e2e_latency"), False),
    ],
)
def test_what_is_worse_than_tolerated(series: Series, regressed: bool) -> None:
    assert series.regressed(TOLERANCE) is regressed


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(make(tmp_path_factory.mktemp("within") / "run", 4000, talkers=40, ramp=0.02, number=1))


def test_in_a_run_without_trouble_little_stands_out(tmp_path: Path) -> None:
    loaded = [load(make(tmp_path / f"run-{number}", 600, talkers=20, number=number, ramp=0.02)) for number in range(8)]
    assert all(anomalies(run)[0] is not None for run in loaded)
    assert sum(bool(anomalies(run)[1]) for run in loaded) <= 2


def changed(run: Loaded, **columns: Any) -> Loaded:
    """The run with other turns, as if they had been read so."""
    other = Loaded(run.path, json.loads(json.dumps(run.info)))
    other.__dict__["turns"] = run.turns.assign(**columns)
    return other


def test_a_slow_stretch_is_told_with_its_seconds_and_with_what_happened_then(steady: Loaded) -> None:
    turns = steady.turns
    begin_s = turns["t_s"].quantile(0.5) // 10 * 10
    there = turns["t_s"].between(begin_s, begin_s + 19.99)
    run = changed(steady, e2e_latency_s=turns["e2e_latency_s"].where(~there, turns["e2e_latency_s"] * 2))
    fault = {"t_s": begin_s - 4.0, "for_s": 0.0, "what": "stall", "fault": "1.1", "by": "scenario"}
    run.info["chaos"] = [fault, {**fault, "t_s": begin_s - 60.0, "what": "drop"}, {**fault, "t_s": begin_s + 21.0, "what": "reset"}]
    length_s, found = anomalies(run)
    slow = [anomaly for anomaly in found if anomaly.what == "latency"]
    assert length_s is not None
    assert (slow[0].begins_s, slow[-1].ends_s) == (begin_s, begin_s + 20.0)
    assert slow[0].meanwhile == (f"stall at {begin_s - 4.0:.0f} s (1.1, by scenario)",)
    assert slow[0].value == pytest.approx(2 * slow[0].usual, rel=0.25)


def test_a_stretch_of_failures_is_told(steady: Loaded) -> None:
    turns = steady.turns
    begin_s = turns["t_s"].quantile(0.5) // 10 * 10
    there = turns["t_s"].between(begin_s, begin_s + 9.99) & turns["success"].notna()
    failing = there & (np.arange(len(turns)) % 2 == 0)
    _, found = anomalies(changed(steady, success=turns["success"].where(~failing, 0.0)))
    failures = [anomaly for anomaly in found if anomaly.what == "failures"]
    assert (failures[0].begins_s, failures[-1].ends_s) == (begin_s, begin_s + 10.0)
    assert 0.3 < max(anomaly.value for anomaly in failures) < 0.9
    assert failures[0].usual < 0.1


def test_the_testers_own_lateness_is_told(steady: Loaded) -> None:
    turns, timeline = steady.turns, steady.timeline
    begin_s = turns["t_s"].quantile(0.5) // 10 * 10
    there = turns["t_s"].between(begin_s, begin_s + 9.99)
    run = changed(steady, e2e_latency_s=turns["e2e_latency_s"].where(~there, 3.0))
    late = timeline["t_s"].between(begin_s, begin_s + 5)
    run.__dict__["timeline"] = timeline.assign(loop_lag_p99_s=timeline["loop_lag_p99_s"].where(~late, 0.05))
    (slow,) = [anomaly for anomaly in anomalies(run)[1] if anomaly.what == "latency"]
    assert "the tester itself was late: do not blame the target" in slow.meanwhile


def test_a_run_of_few_turns_has_no_windows(tmp_path: Path) -> None:
    assert anomalies(load(make(tmp_path / "few", 30))) == (None, [])
