"""analysis/report: what a report says of runs whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from analysis_report import charts, column, figures, made, retold, said, section, tables, texts, truth
from analysis_runs import finished

from analysis.__main__ import main
from analysis.document import Document, Part
from analysis.load import Loaded, load
from analysis.markdown import markdown
from analysis.page import html
from analysis.report import worst
from analysis.report.facts import Facts, Standing, standing
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.metric import Target


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return made(tmp_path_factory.mktemp("made") / "run", personas=("calm",), criteria=("success > 95 %", "e2e_latency p95 < 100 ms"))


@pytest.fixture(scope="module")
def document(run: Loaded) -> Document:
    return said(run)


def test_verdict_and_validity_come_first(document: Document) -> None:
    assert document.lead[0].text == "FAILED: 1 of 2 criteria missed: e2e_latency p95 < 100 ms"
    anchors = [one.anchor for one in document.sections if one.blocks]
    assert anchors[:4] == ["verdict", "snapshot", "issues", "latency"]
    assert (
        anchors.index("barge-in")
        < anchors.index("streaming")
        < anchors.index("tester")
        < anchors.index("worst-turns")
        < anchors.index("targets")
    )
    criteria = tables(section(document, "verdict"))["Criteria"]
    assert column(criteria, "verdict") == {"success > 95 %": "holds", "e2e_latency p95 < 100 ms": "MISSED"}
    assert criteria.moods == {0: "good", 1: "bad"}


def test_the_snapshot_has_the_values_of_the_turns_with_n_and_interval(run: Loaded, document: Document) -> None:
    told = figures(section(document, "snapshot"))
    e2e = run.turns["e2e_latency_s"].dropna()
    shown, detail, mood = told["End-to-end latency p50"]
    assert shown == f"{np.median(e2e) * 1000:.0f} ms"
    assert detail.startswith(f"n {len(e2e)}, 95 %: ")
    assert detail.endswith("target < 840 ms: met")
    assert mood == "good"
    low, high = (float(v) for v in detail.split("95 %: ")[1].split(" ms")[0].split(" to "))
    assert low < np.median(e2e) * 1000 < high


def test_the_waterfalls_stages_add_up(run: Loaded, document: Document) -> None:
    chart = next(c for title, c in charts(section(document, "latency")).items() if title.startswith("Where the time goes"))
    bar = chart.figure["data"][0]
    known = run.turns[run.turns["stage_residual_s"].notna()]
    assert sum(bar["x"]) == pytest.approx(known["e2e_latency_s"].mean() * 1000.0)
    assert bar["base"] == pytest.approx(np.cumsum([0.0, *bar["x"]])[:-1])
    llm = bar["x"][list(bar["y"]).index("LLM time to first token (L5)")]
    assert llm == pytest.approx(known["llm_ttft_s"].mean() * 1000.0)
    assert bar["marker"]["color"].count("--orange") == 1


def test_distribution_and_time_hold_every_turn(run: Loaded, document: Document) -> None:
    drawn = charts(section(document, "latency"))
    n = int(run.turns["e2e_latency_s"].notna().sum())
    bars = drawn["Distribution of the end-to-end latency"].figure["data"][0]
    beyond = [word for word in drawn["Distribution of the end-to-end latency"].says.split(". ") if "beyond" in word]
    assert sum(bars["y"]) + sum(int(word.split()[0]) for word in beyond) == n
    windows = [trace for trace in drawn["End-to-end latency over time"].figure["data"] if trace.get("name") == "p50"]
    assert sum(int(text.removeprefix("n ")) for text in windows[0]["text"]) == n


def test_targets_and_grades_are_judged(run: Loaded, document: Document) -> None:
    part = tables(section(document, "targets"))
    result = column(part["Targets against results"], "result")
    assert result["LLM time to first token (L5)"] == "met"
    assert result["Chunk drop rate"].startswith("not measured: this dialect")
    assert column(part["Grades of the latency guide (LG)"], "grade")["TTS processing (L6)"] == "excellent"
    assert column(part["Grades of the latency guide (LG)"], "grade")["End-to-end latency (E2E)"] == "good"


def test_an_invalid_run_says_so_first_and_shows_nothing_as_checked(tmp_path: Path) -> None:
    document = said(made(tmp_path / "run", 120, valid=False))
    assert "INVALID" in document.lead[0].text
    assert "not the assistant's" in document.lead[1].text
    assert "from an invalid run" in texts(section(document, "issues"))
    shown = [one for one in document.sections if one.blocks]
    assert shown and all("From an INVALID run" in one.blocks[0].text for one in shown)
    state = column(next(iter(tables(section(document, "readiness")).values())), "state")
    assert "checked" not in state.values()
    assert "invalid run" in state.values()


def test_a_run_with_three_values_judges_nothing(tmp_path: Path) -> None:
    document = said(load(finished(tmp_path)))
    told = figures(section(document, "snapshot"))
    assert told["End-to-end latency p50"][0] == "600 ms"
    assert "too few to judge" in told["End-to-end latency p50"][1]
    assert not [b for b in section(document, "issues").blocks if type(b).__name__ == "Part"]
    assert "says little" in texts(section(document, "issues")) and "8 sessions at least" in texts(section(document, "issues"))
    assert "sampling unit" not in next(iter(tables(section(document, "streaming")).values())).note
    assert "too few" in column(next(iter(tables(section(document, "readiness")).values())), "state").values()
    html(document)


def test_words_are_one_for_one_thing_and_numbers_agree_with_them(run: Loaded, tmp_path: Path) -> None:
    only = Loaded(run.path, run.info)
    only.__dict__["turns"] = run.turns[run.turns["kind"] == "barge_in"]
    drawn = [block.title for block in worst.section(Facts(only)).blocks if isinstance(block, Part)]
    assert drawn and all(title.startswith("Barge-in, ") for title in drawn)
    assert "None found: 10 rules looked at" in texts(section(said(made(tmp_path / "fine", of=truth())), "issues"))
    few = said(load(finished(tmp_path)))
    assert " 1 session." in few.lead[1].text


def test_what_the_wire_cannot_tell_is_absent_for_that_reason_everywhere(tmp_path: Path) -> None:
    why = "on the wire dumb the assistant does not tell"
    document = said(retold(made(tmp_path / "run", 120), untold={"chunk_drop_rate": why, "e2e_latency": "unheeded: it was measured"}))
    assert column(tables(section(document, "targets"))["Targets against results"], "result")["Chunk drop rate"] == f"not measured: {why}"
    assert f"Chunk drop rate: {why}" in texts(section(document, "absent"))
    assert f"Chunk drop rate: {why}." in tables(section(document, "streaming"))["Streaming"].note
    assert "does not number its audio chunks" not in markdown(document)
    assert "unheeded" not in markdown(document)


def test_a_run_without_turns_says_why(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 120)
    for name in ("turns", "sessions", "tokens", "timeline"):
        path = run.path / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    (run.path / "histograms.json").write_text('{"metrics": {"catalog_version": 1, "values": {}, "counts": {}, "stages": {}}}')
    document = said(load(run.path))
    assert document.lead[0].text == "FAILED: no turn was measured."
    assert "No latency was measured: no answer was heard." in texts(section(document, "latency"))
    assert figures(section(document, "snapshot"))["Success"][:2] == ("-", "no turn was finished")
    assert "No turn was measured" in markdown(document)
    html(document)


def test_network_profiles_and_the_assistant_are_told_apart(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 240, networks={"3g": 0.4, "wifi": 0.02})
    part = section(said(run), "network")
    assistant, profile = next(iter(charts(part).values())).figure["data"]
    assert list(profile["x"]) == ["3g", "wifi"]
    assert profile["y"] == pytest.approx([400.0, 20.0], abs=0.01)
    turns = run.turns[run.turns["network"] == "3g"]
    assert assistant["y"][0] == pytest.approx((turns["e2e_latency_s"].mean() - 0.4) * 1000.0)
    assert column(tables(part)["By profile"], "the profile's delay p50")["3g"].startswith("400 ms")


def test_stages_faults_and_a_search_are_shown(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 300, steps=3)
    fault = {
        "fault": "1", "what": "drop", "detail": None, "by": "scenario", "t_s": 9.0, "for_s": 0.0, "share": 0.5, "hit": 2, "present": 4,
        "noticed": 2, "blast_radius": 0.5, "sessions_lost": 2, "turns_failed": 1, "time_to_recover_s": None,
        "automatic_recovery_rate": 0.5, "availability": 0.9,
    }  # fmt: skip
    step = {
        "stage": "step-1",
        "talkers": 4,
        "holds": True,
        "criteria": [{"criterion": "success > 95 %", "measured": "100.0 %", "count": 9, "holds": True}],
    }
    steps = [step, {**step, "talkers": 8, "holds": False}, {**step, "talkers": 6, "holds": None}]
    found = {"holds": 4, "fails": 8, "complete": True, "missed": [], "undecided": 6, "steps": steps}
    document = said(retold(run, chaos=[fault], capacity=found))
    assert [row[3] for row in tables(section(document, "verdict"))["Steps of the search"].rows] == ["holds", "MISSED", "too few to say"]
    assert column(tables(section(document, "recovery"))["What was broken, n 1 faults"], "time to recover") == {"1": "never"}
    stages = tables(section(document, "load"))["Stages of the load"]
    assert sum(int(n) for n in column(stages, "turns").values()) == len(run.turns[run.turns["kind"] != "false_alarm"])
    assert "Not everybody recovered from a fault" in markdown(document)


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "wanted"),
    [
        (0.9, 0.8, 0.95, 50, Standing.MET),
        (0.9, 0.8, 1.1, 50, Standing.LIKELY_MET),
        (1.1, 0.9, 1.2, 50, Standing.LIKELY_MISSED),
        (1.1, 1.05, 1.2, 50, Standing.MISSED),
        (1.1, None, None, 50, Standing.ALONE_MISSED),
        (0.9, None, 1.2, 50, Standing.ALONE_MET),
        (0.5, 0.4, 0.6, 9, Standing.FEW),
        (None, None, None, 0, Standing.UNKNOWN),
    ],
)
def test_a_target_is_met_or_missed_by_the_whole_interval(value: float, low: float, high: float, n: int, wanted: Standing) -> None:
    assert standing(Estimate(value, low, high, n, n), Target("p95", "<", 1.0, "SD"), METRICS["e2e_latency"]) is wanted


def test_what_never_recovered_misses_the_longest_recovery_allowed(run: Loaded) -> None:
    facts = Facts(run)
    facts.aggregate.histogram("time_to_recover").add(1.0)
    target = METRICS["time_to_recover"].targets[0]
    facts.aggregate.ratio("automatic_recovery_rate").add(1.0, 2.0)
    assert facts.stands("time_to_recover", target) is Standing.MISSED


def test_the_command_writes_both_and_says_where(run: Loaded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run.path)]) == 0
    assert capsys.readouterr().out == f"Report: {run.path / 'report.html'}\nReport: {run.path / 'report.md'}\n"
    assert 4_000_000 < (run.path / "report.html").stat().st_size < 6_000_000
    assert main(["report", str(run.path), "--markdown", "-"]) == 0
    assert capsys.readouterr().out == (run.path / "report.md").read_text()
    assert main(["report", str(run.path), "--html", str(tmp_path / "none" / "x.html")]) == 2
    assert "none/x.html: cannot be written: No such file or directory" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2


def test_a_slow_truth_is_slow_in_the_report(tmp_path: Path) -> None:
    told = figures(section(said(made(tmp_path / "run", 240, truth(shifts={"llm_ttft": 8.0}))), "snapshot"))
    assert told["End-to-end latency p50"][2] == "bad"
