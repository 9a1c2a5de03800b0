"""Intervals against values from elsewhere, figures read off turns, and the page that shows them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
import yaml
from benchmarks_turns import turn

from assistant.profile import profile_names
from benchmarks import intervals, reference
from benchmarks.stated import STUDIES, Figure, failure_is, metric, shown
from metrics.metric import Unit, show
from metrics.records import ErrorKind, Outcome, TurnKind


@pytest.mark.parametrize(
    ("hits", "count", "level", "low", "high"),
    [
        (48, 50, 0.95, 0.8654, 0.9890),  # worked out by hand from Wilson's formula, z = 1.96
        (5, 10, 0.95, 0.2366, 0.7634),
        (0, 10, 0.95, 0.0, 0.2775),
        (10, 10, 0.95, 0.7225, 1.0),
    ],
)
def test_wilson(hits: int, count: int, level: float, low: float, high: float) -> None:
    assert intervals.share(hits, count, level) == pytest.approx((low, high), abs=5e-5)


def test_a_mean() -> None:
    low, high = intervals.mean([1.0, 2.0, 3.0, 4.0], 0.95)
    assert (low, high) == pytest.approx((2.5 - 1.96 * 1.29099 / 2, 2.5 + 1.96 * 1.29099 / 2), abs=1e-4)


def test_a_median_lies_between_two_of_the_sample() -> None:
    """Of 10 values the 2nd and the 9th hold the median with 97.9 %, the 3rd and the 8th with 89.1 %: tables of the sign test."""
    values = [float(value) for value in range(1, 11)]
    assert intervals.quantile(values, 0.5, 0.95) == (2.0, 9.0)
    assert intervals.quantile(values, 0.5, 0.89) == (3.0, 8.0)


def test_a_small_sample_leaves_an_end_open() -> None:
    low, high = intervals.quantile([float(value) for value in range(20)], 0.99, 0.95)
    assert (low, high) == (18.0, math.inf)
    assert intervals.quantile([1.0, 2.0], 0.5, 0.99) == (-math.inf, math.inf)


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = random.Random(2)
    held = {"share": 0, "mean": 0, "p90": 0}
    for _ in range(1000):
        values = [rng.expovariate(1.0) for _ in range(80)]
        low, high = intervals.share(sum(value > 2 for value in values), 80, 0.9)
        held["share"] += low <= math.exp(-2) <= high
        low, high = intervals.mean(values, 0.9)
        held["mean"] += low <= 1.0 <= high
        low, high = intervals.quantile(values, 0.9, 0.9)
        held["p90"] += low <= math.log(10) <= high
    assert all(860 <= count <= 960 for count in held.values()), held


def test_a_figure_comes_back_where_its_value_is_likely() -> None:
    turns = [turn(speech_offset=10_000, first_audible=10_000 + 10 * step) for step in range(1, 101)]
    median = Figure("median", 0.5, "quantile", metric("e2e_latency"), 0.5)
    found = shown(median, turns, 0.99)
    assert (found.value, found.count, found.within) == (pytest.approx(0.5), 100, True)
    assert not shown(Figure("median", 0.7, "quantile", metric("e2e_latency"), 0.5), turns, 0.99).within
    assert shown(Figure("median", 0.7, "quantile", metric("e2e_latency"), 0.5, below=True), turns, 0.99).within
    assert not shown(Figure("median", 0.4, "quantile", metric("e2e_latency"), 0.5, below=True), turns, 0.99).within


def test_failures_by_kind() -> None:
    turns = [
        turn(),
        turn(outcome=Outcome.CUT_BY_RUN_END),
        turn(kind=TurnKind.FALSE_ALARM, outcome=Outcome.NOT_RESUMED),
        *[turn(outcome=Outcome.ASSISTANT_ERROR, error_kind=ErrorKind.RATE_LIMITED)] * 3,
        turn(outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT),
    ]
    found = shown(Figure("limits", 0.75, "share", failure_is(ErrorKind.RATE_LIMITED)), turns, 0.95)
    assert (found.value, found.count) == (0.75, 4)
    success = shown(Figure("success", 0.2, "share", metric("success")), turns, 0.95)
    assert (success.value, success.count) == (0.2, 5)


def test_too_few_turns_show_nothing() -> None:
    with pytest.raises(ValueError, match="interrupted: only 0 turns tell of it"):
        shown(Figure("interrupted", 0.9, "share", metric("interruption_success")), [turn()], 0.99)


def test_every_study_has_its_profile_and_its_scenario() -> None:
    for study in STUDIES:
        assert study.profile in profile_names()
        scenario = yaml.safe_load((reference.SCENARIOS / f"{study.scenario}.yml").read_text())
        assert scenario["name"] == study.scenario


def test_the_page_has_every_figure() -> None:
    text = reference.PAGE.read_text(encoding="utf-8")
    for study in STUDIES:
        for figure in study.figures:
            stated = show(figure.stated, Unit.SHARE if figure.kind == "share" else Unit.SECONDS)
            several = f", {study.runs} runs" if study.runs > 1 else ""
            runs = f"`{study.profile}` | `{study.scenario}`, {study.talkers} talkers{several}"
            assert f"| {runs} | {figure.what} | {'< ' if figure.below else ''}{stated} |" in text


def test_what_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert reference.main(["--only", "nosuch", "--out", str(tmp_path)]) == 2
    assert reference.main(["--seconds", "0", "--out", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("reference: no study begins with 'nosuch': voice-bot, 10 callers; ")
    assert lines[1] == "reference: --seconds must be 1 or more"


def test_rows_stay_until_they_are_measured_anew(tmp_path: Path) -> None:
    kept, first, second = tmp_path / "reference.json", STUDIES[1], STUDIES[2]
    for study, value in ((first, 0.5), (second, 0.6), (first, 0.7)):
        reference._keep(kept, study, [{"study": study.name, "value": value}])
    assert [(row["study"], row["value"]) for row in json.loads(kept.read_text())] == [(second.name, 0.6), (first.name, 0.7)]


def test_a_row_says_what_was_stated_and_what_was_seen() -> None:
    study = next(study for study in STUDIES if study.name == "latency-guide, best")
    turns = [turn(speech_offset=10_000, first_audible=10_380 + step % 10) for step in range(200)]
    (row,) = reference.rows(study, turns, 110)
    assert (row["document"], row["stated"], row["value"], row["count"], row["within"]) == ("latency-guide.md", 0.385, 0.384, 200, True)
    cells = [cell.strip() for cell in reference.table([row]).splitlines()[2].strip("|").split("|")]
    assert cells[1:4] == ["`latency-guide-best`", "`latency-guide`, 30 talkers", "End-to-end latency p50"]
    assert cells[4:] == ["385 ms", "384 ms", "200", "384 ms to 385 ms", "yes"]
