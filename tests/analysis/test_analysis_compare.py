"""Runs against runs, with known truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.compare import conditions, drawn
from analysis.compare.comparison import compare
from analysis.compare.judge import Verdict
from analysis.compare.told import document
from analysis.compare.tolerance import tolerance
from analysis.document import Chart, Text
from analysis.files import RunError
from analysis.load import Loaded, load
from analysis.markdown import markdown
from benchmarks.made import make
from benchmarks.made_truth import Truth

SLOW = Truth(shifts={"tts_processing": 1.6})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made runs of 300 turns: two alike, one with a slow TTS stage, one of other talkers, one that is not valid."""
    parent = tmp_path_factory.mktemp("runs")
    return {
        "a": make(parent / "a", 300, number=0),
        "again": make(parent / "again", 300, number=1),
        "slow": make(parent / "slow", 300, number=5, truth=SLOW),
        "other": make(parent / "other", 300, seed=9, number=3),
        "invalid": make(parent / "invalid", 300, number=4, valid=False, truth=SLOW),
    }


def changed(run: Path, to: Path, **told: Any) -> Path:
    """A copy of a run whose `run.json` says this."""
    shutil.copytree(run, to)
    info = json.loads((to / "run.json").read_text())
    (to / "run.json").write_text(json.dumps({**info, **told}))
    return to


def test_the_stage_that_moved_is_named_alone(runs: dict[str, Path]) -> None:
    made = compare([load(runs["a"])], [load(runs["slow"])], tolerance(None), quiet=True)
    assert [cause.row.metric.name for cause in made.causes] == ["tts_processing"]
    cause = made.causes[0]
    assert {metric.name for metric in cause.follow} <= {"time_to_first_audio", "e2e_latency", "total_response"}
    assert cause.row.difference.part_low is not None and cause.row.difference.part_high is not None
    assert cause.row.difference.part_low < 0.6 < cause.row.difference.part_high
    assert (made.code, made.unfit, made.warnings) == (1, (), ())
    assert made.pairing.startswith("Paired by talker and turn: ")


def test_runs_of_the_same_assistant_show_no_regression(runs: dict[str, Path]) -> None:
    made = compare([load(runs["a"])], [load(runs["again"])], tolerance(None), quiet=True)
    assert (made.regressions, made.code) == ([], 0)


def test_pairs_tell_more_than_other_talkers(runs: dict[str, Path]) -> None:
    paired = compare([load(runs["a"])], [load(runs["again"])], tolerance(None), quiet=True)
    unpaired = compare([load(runs["a"])], [load(runs["other"])], tolerance(None), quiet=True)
    assert unpaired.pairing.startswith("Not paired: the seeds differ")
    rows = [next(row for row in made.rows if row.metric.name == "tts_processing") for made in (paired, unpaired)]
    assert [row.difference.a.sessions for row in rows] == [45, 6]  # sessions; talkers
    assert [row.verdict for row in rows] == [Verdict.NONE, Verdict.CANNOT]
    assert unpaired.warnings == ("seed: 1 in A, 9 in B",)


def test_several_runs_tell_more_than_one(runs: dict[str, Path]) -> None:
    one = compare([load(runs["a"])], [load(runs["slow"])], tolerance(None), quiet=True)
    many = compare([load(runs["a"]), load(runs["again"])], [load(runs["slow"])], tolerance(None), quiet=True)
    of_one, of_many = (next(row for row in made.rows if row.metric.name == "e2e_latency").difference for made in (one, many))
    assert of_many.a.n > 1.9 * of_one.a.n
    assert of_many.a.sessions < 1.2 * of_one.a.sessions  # the same calls, met twice
    widths = [(one.high or 0.0) - (one.low or 0.0) for one in (of_many.a, of_one.a)]
    assert widths[0] < widths[1]
    assert of_many.b == of_one.b
    assert many.name_a.endswith(" and 1 more")


def test_an_invalid_run_decides_nothing(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs["a"]), str(runs["invalid"])]) == 2
    told = capsys.readouterr().out
    assert "INVALID: nothing is decided" in told.splitlines()[2]
    assert "would be worse" in told and "WORSE:" not in told


def test_the_command_tells_decides_and_writes_a_page(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["compare", str(runs["a"]), str(runs["slow"]), "--html", str(page)]) == 1
    told = capsys.readouterr().out
    assert "**TTS processing (L6)** is worse" in told
    assert "TTS processing (L6)</strong> is worse" in page.read_text(encoding="utf-8")
    assert main(["compare", str(runs["a"]), str(runs["slow"]), "--tolerance", "200%"]) == 0
    assert main(["compare", str(runs["a"]), str(runs["slow"]), "--only", "success"]) == 0
    assert main(["compare", str(runs["a"]), str(runs["again"]), "--with", str(runs["slow"])]) == 1


def test_a_stage_that_was_not_asked_for_is_not_passed_over(runs: dict[str, Path], tmp_path: Path) -> None:
    b = load(make(tmp_path / "b", 300, number=6, truth=Truth(shifts={"llm_ttft": 1.5, "tts_processing": 1.5})))
    asked = compare([load(runs["a"])], [b], tolerance("5%"), ["e2e_latency", "tts_processing"])
    (cause,) = asked.causes
    assert (cause.row.metric.name, [one.name for one in cause.unasked]) == ("tts_processing", ["llm_ttft"])
    assert "Not from it alone: LLM time to first token differs, too, not asked for." in markdown(document(asked))
    alone = compare([load(runs["a"])], [load(runs["slow"])], tolerance("5%"), ["e2e_latency", "tts_processing"])
    assert [one.unasked for one in alone.causes] == [()]


def test_the_chart_shows_what_moved_however_far_other_intervals_reach(runs: dict[str, Path]) -> None:
    rows = compare([load(runs["a"])], [load(runs["slow"])], tolerance("5%")).rows
    at = next(i for i, row in enumerate(rows) if row.metric.name == "jitter" and row.p is not None)
    far = replace(rows[at], differs=False, verdict=Verdict.NONE, difference=replace(rows[at].difference, part_high=110.0))
    (chart,) = drawn.chart([*rows[:at], far, *rows[at + 1 :]])
    assert isinstance(chart, Chart)
    least, most = chart.figure["layout"]["xaxis"]["range"]
    moved = next(trace for trace in chart.figure["data"] if trace["name"] == "worse")
    assert moved["error_x"]["color"] == "--bad"
    assert least < 0.0 < max(moved["x"]) < most < 500.0
    assert "Going on beyond the axis:" in chart.says and far.metric.title in chart.says.split("beyond the axis:")[1]


def test_what_moved_in_an_invalid_run_has_no_colour(runs: dict[str, Path]) -> None:
    comparison = compare([load(runs["a"])], [load(runs["slow"])], tolerance("5%"))
    assert [block.mood for block in document(comparison).lead[1:] if isinstance(block, Text) and "**TTS" in block.text] == ["bad"]
    unfit = replace(comparison, unfit=("slow is INVALID",))
    assert [block.mood for block in document(unfit).lead if isinstance(block, Text) and "**TTS" in block.text] == ["plain"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a"], "1 runs: name two, A and B"),
        (["a", "again", "slow"], "3 runs: name two, A and B"),
        (["a", "a"], "is named twice"),
        (["a", "slow", "--only", "e2e"], "--only e2e: no such metric"),
        (["a", "slow", "--html", "/nowhere/page.html"], "/nowhere/page.html: cannot be written"),
    ],
)
def test_bad_input_is_a_line(runs: dict[str, Path], arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *(str(runs.get(word, word)) for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_what_would_be_wrong_is_refused_and_what_differs_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    info = load(runs["again"]).info
    search = {**info["scenario"], "load": {**info["scenario"]["load"], "search": {"from": 1}}}
    with pytest.raises(RunError, match="a search for the capacity"):
        conditions.refuse([load(changed(runs["again"], tmp_path / "search", scenario=search))])
    a = conditions.of([load(runs["a"])])
    newer = conditions.of([load(changed(runs["again"], tmp_path / "newer", catalog_version=99))])
    with pytest.raises(RunError, match="catalogue versions 1 and 99"):
        conditions.refuse_versions(a, newer)
    more = {**info["scenario"], "load": {**info["scenario"]["load"], "talkers": 77}}
    other = load(changed(runs["again"], tmp_path / "other", scenario=more, frame_ms=40.0, host="http://elsewhere:1"))
    assert conditions.warnings(a, conditions.of([other])) == [
        f"frame_ms: {info['frame_ms']} in A, 40.0 in B",
        f"host: {a['host'][0]} in A, http://elsewhere:1 in B",
        f"scenario.load.talkers: {info['scenario']['load']['talkers']} in A, 77 in B",
    ]


def test_a_port_of_this_machine_is_no_difference() -> None:
    def run(host: str) -> Loaded:
        info = {
            "catalog_version": 1,
            "dialect": "d",
            "frame_ms": 20.0,
            "host": host,
            "seed": 1,
            "scenario": {},
            "workers": [],
            "versions": {},
        }
        return Loaded(Path("nowhere"), info)

    ports = [conditions.of([run(f"http://127.0.0.1:{port}")]) for port in (1234, 4321)]
    assert conditions.warnings(*ports) == []
    far = [conditions.of([run(f"http://10.0.0.1:{port}")]) for port in (1234, 4321)]
    assert conditions.warnings(*far) == ["host: http://10.0.0.1:1234 in A, http://10.0.0.1:4321 in B"]
