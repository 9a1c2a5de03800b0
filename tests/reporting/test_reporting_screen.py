"""What screens show of a run: values as the summary tells them, standings, and the points that the page does not have yet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from reporting_live import HOSTILE, RECORDS, Shown, a_run, second
from reporting_records import FACTS, IN_STAGES, SEARCH, turn

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.records import ErrorKind, Outcome
from reporting.live import Failure
from reporting.points import POINTS_MAX
from reporting.screen import TEXT_MAX, Screen


def state(live: Shown | None, run_id: str = "", step: int = 0, since: int = 0) -> dict[str, Any]:
    """As the page reads it: through JSON."""
    told: dict[str, Any] = json.loads(json.dumps(Screen(lambda: live).state(run_id, step, since, lambda: None), allow_nan=False))
    return told


def test_before_the_first_run() -> None:
    assert state(None) == {"run": None}
    assert [row["name"] for row in Screen(lambda: None).measured(None)["metrics"]] == list(METRICS)


def test_the_run() -> None:
    told = state(a_run())["run"]
    assert told["id"] == "20261125-120000-demo"
    assert (told["scenario"], told["seed"], told["dialect"], told["frame"], told["host"]) == (
        "demo", 7, "openai-realtime", "20 ms", "http://127.0.0.1:8000")  # fmt: skip
    assert (told["under_way"], told["elapsed_s"], told["talkers"]) == (True, 12.5, 20)
    assert told["limits"] == {
        "e2e_latency_p50_s": 0.84,
        "e2e_latency_p95_s": 1.2,
        "barge_in_latency_p95_s": 0.32,
        "send_lateness_p99_s": 0.01,
        "loop_lag_p99_s": 0.02,
    }


def test_totals_and_failures_count_as_the_run_files_do() -> None:
    told = state(a_run())
    totals = told["totals"]
    assert {name: totals[name] for name in ("turns", "barge_ins", "false_alarms", "failed", "sessions", "tokens")} == {
        "turns": 21, "barge_ins": 1, "false_alarms": 1, "failed": 1, "sessions": 1, "tokens": 1}  # fmt: skip
    assert totals["errors"] == [{"kind": "timeout", "n": 1, "own": False}]
    outcomes = {row["outcome"]: row["counts"] for row in totals["outcomes"]}
    assert list(outcomes) == [outcome.value for outcome in Outcome], "every one has its place from the beginning"
    assert {outcome: counts for outcome, counts in outcomes.items() if any(counts)} == {
        "completed": [18, 1, 0], "no_response": [1, 0, 0], "cut_by_run_end": [1, 0, 0], "continued": [0, 0, 1]}  # fmt: skip
    assert told["failures"][0] == {"t_s": 9.25, "worker": "host-1", "talker": 3, "kind": "assistant_error", "text": HOSTILE}
    assert told["failures"][1]["talker"] is None


def test_turns_that_the_tester_broke_itself_have_not_failed() -> None:
    shown = a_run()
    for kind in (ErrorKind.CHAOS, ErrorKind.NETWORK, ErrorKind.REMOTE_CLOSE):
        shown.aggregate.add(turn(None, outcome=Outcome.CONNECTION_LOST, error_kind=kind))
    totals = state(shown)["totals"]
    assert (totals["turns"], totals["failed"]) == (24, 2)
    assert {error["kind"] for error in totals["errors"] if error["own"]} == {"chaos", "network"}


def test_a_long_text_is_cut() -> None:
    told = state(
        a_run(of_failures=[Failure(1.0, "w", 1, "protocol", "x" * (TEXT_MAX + 1)), Failure(1.0, "w", 1, "protocol", "y" * TEXT_MAX)])
    )
    assert [failure["text"] for failure in told["failures"]] == ["x" * TEXT_MAX + "…", "y" * TEXT_MAX]


def test_figures_have_targets_and_standings() -> None:
    found = {figure["title"]: figure for figure in state(a_run())["figures"]}
    assert found["Success"] == {"title": "Success", "shown": "95.0 %", "n": 20, "target": "> 95 %", "standing": "missed", "few": False}
    assert found["End-to-end latency p50"]["standing"] == "holds"
    assert found["Yield rate"] == {"title": "Yield rate", "shown": "-", "n": 0, "target": "", "standing": "unknown", "few": False}


@pytest.mark.parametrize(("under_way", "standing", "verdict"), [(True, "unknown", "-"), (False, "missed", "MISSED")])
def test_a_criterion_of_which_nothing_was_measured_is_open_until_the_end(under_way: bool, standing: str, verdict: str) -> None:
    told = state(a_run(aggregate=Aggregate(), under_way=under_way))["criteria"][0]
    assert told == {
        "text": "e2e_latency p50 < 800 ms", "measured": "nothing measured", "n": 0, "standing": standing, "verdict": verdict}  # fmt: skip


def test_criteria_have_their_present_verdict() -> None:
    """The tenth of nineteen latencies is 509 ms, told to 0.5 %."""
    assert [(c["text"], c["measured"], c["standing"]) for c in state(a_run())["criteria"]] == [
        ("e2e_latency p50 < 800 ms", "511 ms", "holds"), ("success > 95 %", "95.0 %", "missed")]  # fmt: skip


def test_the_stage_is_told_and_whether_the_run_is_a_search() -> None:
    assert [state(a_run(**changes))["run"]["stage"] for changes in ({}, {"stage": "many"})] == ["", "many"]
    assert [state(a_run(facts=facts))["run"]["search"] for facts in (FACTS, SEARCH)] == [False, True]
    assert state(a_run(facts=SEARCH))["criteria"] == []


def test_a_criterion_of_a_stage_is_open_until_the_stage_has_something() -> None:
    run, told = a_run(facts=IN_STAGES, aggregate=Aggregate()), []
    for stage, e2e_s in (("few", 0.5), ("many", 0.7)):
        run.aggregate.add(turn(e2e_s), stage=stage)
        told.append([(c["measured"], c["n"], c["verdict"]) for c in state(run)["criteria"]])
    assert told[0] == [("nothing measured", 0, "-"), ("100.0 %", 1, "holds (few)")]
    first, _ = told[1]
    assert first == ("700 ms, 140 % of 500 ms", 1, "MISSED (few)")
    run = a_run(facts=IN_STAGES, aggregate=Aggregate())
    run.aggregate.add(turn(0.5), stage="many")
    shown = [(c["measured"], c["verdict"]) for c in state(run)["criteria"]]
    assert shown[0] == ("500 ms; nothing measured in few", "-")
    over = [c["verdict"] for c in state(replace(run, under_way=False))["criteria"]]
    assert over == ["MISSED", "MISSED"]


def test_workers_and_the_tester() -> None:
    told = state(a_run())
    first, second_ = told["workers"]
    assert first == {"name": "host-1", "state": "running", "talkers": 12, "turns": 11, "cpu": "25 %", "late": "0.400 ms", "lag": "1.0 ms",
                     "clock": "+0.0 ms", "silent": "0 s", "lost_at_s": None}  # fmt: skip
    assert (second_["state"], second_["cpu"], second_["late"], second_["clock"], second_["lost_at_s"]) == (
        "lost",
        "-",
        "-",
        "-12.3 ms",
        7.2,
    )
    assert told["tester"]["valid"] is False
    assert told["tester"]["faults"] == ["1 worker(s) lost: their talkers fell silent; look at their logs"]
    assert (told["tester"]["cpu"], told["tester"]["late"], told["tester"]["lag"]) == ("10 %", "0.500 ms", "-")


def test_only_new_points_travel() -> None:
    live = a_run()
    first = state(live)["timeline"]
    assert (first["step"], first["since"], len(first["t_s"])) == (1, 0, 12)
    live.timeline = [*live.timeline, second(13)]
    new = state(live, live.run_id, 1, 12)["timeline"]
    assert (new["since"], new["t_s"]) == (12, [13.0])
    assert state(live, live.run_id, 1, 13)["timeline"]["t_s"] == []


@pytest.mark.parametrize(("run_id", "step"), [("another", 1), ("20261125-120000-demo", 2)])
def test_what_is_known_of_another_run_or_step_is_of_no_use(run_id: str, step: int) -> None:
    told = state(a_run(), run_id, step, 5)["timeline"]
    assert (told["since"], len(told["t_s"])) == (0, 12)


def test_a_long_run_is_thinned() -> None:
    told = state(a_run(timeline=[second(n) for n in range(1, POINTS_MAX + 2)]))["timeline"]
    assert (told["step"], len(told["t_s"])) == (2, POINTS_MAX // 2)


def test_the_metrics_are_worked_out_once_a_second() -> None:
    live = a_run()
    screen = Screen(lambda: live)
    first = screen.measured(live)
    assert screen.measured(live) is first
    live.aggregate.add(RECORDS[0])
    live.timeline = [*live.timeline, second(13)]
    assert screen.measured(live)["totals"]["turns"] == first["totals"]["turns"] + 1
    live.aggregate.add(RECORDS[0])
    live.under_way = False
    assert screen.measured(live)["totals"]["turns"] == first["totals"]["turns"] + 2


def test_a_scenario_without_criteria() -> None:
    facts = {name: getattr(FACTS, name) for name in ("seed", "dialect", "frame_ms", "host", "started_epoch_s", "started_ns")}
    assert state(a_run(facts=type(FACTS)(scenario={**FACTS.scenario, "name": "bare", "criteria": []}, **facts)))["criteria"] == []
