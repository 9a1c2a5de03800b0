"""analysis/report's rules: each finds what is wrong with a run, and nothing else; and how stops and worst turns are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis_report import facts_of, made, retold, truth

from analysis.document import Text
from analysis.report.facts import Facts
from analysis.report.findings import find
from analysis.report.found_talk import explained
from analysis.report.interruptions import stop_times
from analysis.report.issues import section
from analysis.report.worst import worst
from metrics.trend import Trend

MS = 1_000_000
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "healthy": ({}, []),
    "slow stage": ({"shifts": {"llm_ttft": 8.0}}, ["P0 Slow stage: LLM time to first token (L5) carries the latency"]),
    "slow endpointing": (
        {"shifts": {"endpointing_delay": 6.0, "tts_processing": 2.2}},
        ["P0 Slow, and no stage alone carries it; the longest is Endpointing delay"],
    ),
    "stays silent": ({"shares": {"resume_rate": 0.3}}, ["P1 No resume after false alarms: the assistant stays silent"]),
    "answers coughs": ({"shares": {"spurious_response": 0.3}}, ["P1 False alarms are taken for turns"]),
    "never stops": ({"shares": {"yield_rate": 0.4}}, ["P1 The assistant does not stop when interrupted"]),
    "stops late": ({"shifts": {"stop_by_byte": 6.0}}, ["P1 Slow to fall silent: Server cancellation (B3)"]),
    "stutters": ({"underruns": 3.0}, ["P1 The assistant's audio stutters"]),
    "refuses": ({"shares": {"token_success": 0.5}}, ["P0 Rate limits under load"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_rule_finds_what_is_wrong_and_no_other_finds_anything(tmp_path: Path, wrong: str) -> None:
    given, expected = WRONG[wrong]
    wanted = truth(**{k: v for k, v in given.items() if k != "underruns"})
    if "underruns" in given:
        object.__setattr__(wanted, "underruns", given["underruns"])
    found = find(Facts(made(tmp_path / "run", 600, wanted)))
    assert [f"{one.priority} {one.title}" for one in found] == expected
    assert all(one.evidence and one.look and one.part for one in found)


def test_every_piece_of_evidence_has_its_n(tmp_path: Path) -> None:
    (one,) = find(Facts(made(tmp_path / "run", 600, truth(shifts={"llm_ttft": 8.0}))))
    assert all("n " in line for line in one.evidence)
    assert any(line.startswith("LLM time to first token p50 ") and "target p50 < 300 ms (SD)" in line for line in one.evidence)


def test_failures_are_told_by_kind(tmp_path: Path) -> None:
    found = {one.title: one for one in find(Facts(made(tmp_path / "run", 600, truth(shares={"success": 0.8}))))}
    assert {"Turns fail: timeout", "Turns fail: assistant_error", "Turns fail: remote_close"} <= set(found)
    assert found["Turns fail: timeout"].priority == "P0"


def test_a_failure_that_a_false_alarm_explains_is_not_told_again(tmp_path: Path) -> None:
    facts = Facts(made(tmp_path / "run", 600, truth(shares={"success": 0.8, "resume_rate": 0.3})))
    turns = facts.run.turns
    failed = turns["error_kind"].notna()
    silent = turns["outcome"] == "not_resumed"
    told = turns.assign(response_id=turns["response_id"].where(~failed, "stuck"))
    facts.run.__dict__["turns"] = told.assign(host_response_id=turns["host_response_id"].where(~silent, "stuck"))
    titles = [one.title for one in find(facts)]
    assert "No resume after false alarms: the assistant stays silent" in titles
    assert not [title for title in titles if title.startswith("Turns fail")]


def test_a_network_profile_is_not_laid_at_the_assistants_door(tmp_path: Path) -> None:
    found = find(Facts(made(tmp_path / "run", 300, networks={"satellite": 0.9})))
    assert [one.title for one in found] == ["The talkers' network profile carries the latency, not the assistant"]


def test_latency_that_rises_with_the_load_is_found(tmp_path: Path) -> None:
    found = find(Facts(made(tmp_path / "run", 900, truth(per_talker=0.15), talkers=20, ramp=0.9)))
    assert "Latency rises with concurrency" in [one.title for one in found]


def test_an_invalid_run_is_the_first_issue(tmp_path: Path) -> None:
    found = find(Facts(made(tmp_path / "run", 120, valid=False)))
    assert found[0].title == "The tester was not fit to measure: this run decides nothing"


@pytest.mark.parametrize(("turns", "says"), [(3, "None found, which says little: of 3 turns in"), (120, "None found: ")])
def test_few_turns_are_no_proof_that_all_is_well(tmp_path: Path, turns: int, says: str) -> None:
    (block,) = section(Facts(made(tmp_path / "run", turns))).blocks
    assert isinstance(block, Text)
    assert (block.text.startswith(says), block.mood) == (True, "warning" if turns == 3 else "good")


def test_an_open_load_with_missed_starts_was_lower_than_planned(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 120)
    load = {**run.info["scenario"]["load"], "arrivals": "constant"}
    told = retold(run, health={**run.info["health"], "missed_starts": 7}, scenario={**run.info["scenario"], "load": load})
    assert [(one.priority, one.title) for one in find(Facts(told))] == [("P2", "The load was lower than planned")]


def test_memory_that_grows_by_more_than_its_twentieth_an_hour_is_critical(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 120)
    mean = float(run.timeline["target_memory_bytes"].mean())
    for per_hour, titles in ((0.04, []), (0.08, ["The target's memory grows"])):
        facts = Facts(run)
        growth = facts.aggregate.values["target_memory_growth"] = Trend()
        for second in range(600):
            growth.add(float(second), mean * (1.0 + per_hour * second / 3600.0))
        assert [one.title for one in find(facts) if one.part == "target"] == titles


def barge_in(which: str | None, stop_ms: float | None, talked_s: float | None = None, **more: Any) -> dict[str, Any]:
    stop = np.nan if stop_ms is None else 5_000 * MS + stop_ms * MS
    return {
        "kind": "barge_in",
        "barge_in_class": which,
        "speech_onset_ns": 5_000 * MS,
        "stop_byte_ns": stop,
        "talked_over_s": talked_s,
        "session": 1,
        **more,
    }


def test_a_stop_that_never_came_is_censored_when_the_response_ended() -> None:
    turns = [
        barge_in("cancelled_by_server", 200.0),
        barge_in("cancelled_by_client", None),  # nothing came after the onset
        barge_in("no_reaction", None, 3.5),
        barge_in("already_generated", None, 1.0),
        barge_in(None, None),
        {**barge_in(None, None), "kind": "utterance"},
    ]
    found = stop_times(facts_of(turns), "stop_byte_ns")
    assert list(found["waited_s"]) == pytest.approx([0.2, 0.0, 3.5])
    assert list(found["stopped"]) == [1.0, 1.0, 0.0]


def test_a_turn_that_failed_as_its_answer_was_silenced_is_explained_by_that() -> None:
    failed = {"kind": "utterance", "outcome": "timeout", "error_kind": "timeout", "host_response_id": None}
    alarm = {"kind": "false_alarm", "outcome": "not_resumed", "error_kind": None, "response_id": None, "host_response_id": "r1"}
    turns = [
        {**failed, "response_id": "r1"},
        {**failed, "response_id": "r2"},
        alarm,
        {**alarm, "outcome": "continued", "host_response_id": "r2"},
        {**failed, "response_id": "r1", "outcome": "completed", "error_kind": None},
    ]
    assert list(explained(facts_of(turns))) == [True, False, False, False, False]


def test_the_worst_turns_are_failures_first_and_then_the_slowest() -> None:
    plain = {
        "kind": "utterance",
        "outcome": "completed",
        "error_kind": None,
        "barge_in_class": None,
        "talked_over_s": np.nan,
        "e2e_latency_s": 0.5,
    }
    rows = [
        plain,
        {**plain, "e2e_latency_s": 2.0},
        {**plain, "outcome": "timeout", "error_kind": "timeout", "e2e_latency_s": np.nan},
        {**plain, "outcome": "connection_lost", "error_kind": "chaos", "e2e_latency_s": np.nan},  # the tester's own doing
        {**plain, "kind": "false_alarm", "outcome": "not_resumed", "e2e_latency_s": np.nan},
        {**plain, "kind": "barge_in", "barge_in_class": "no_reaction", "talked_over_s": 4.0, "e2e_latency_s": 0.4},
        {**plain, "e2e_latency_s": 3.0},
    ]
    assert worst(facts_of(rows).run.turns) == [
        (2, "a failure"), (4, "the assistant did not go on"), (5, "talked over"), (6, "slow to answer"), (1, "slow to answer"),
    ]  # fmt: skip


def test_what_the_tester_took_away_is_not_missing_at_the_assistant(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 120)
    fault = {"fault": "1", "what": "drop", "t_s": 9.0, "noticed": 2, "sessions_lost": 2, "time_to_recover_s": 1.0}
    titles = {}
    for by in ("scenario", "detected"):
        facts = Facts(retold(run, chaos=[{**fault, "by": by}]))
        rows = facts.run.sessions
        facts.run.__dict__["sessions"] = rows.assign(availability=0.5, down_s=rows["closed_s"] - rows["ready_s"])
        facts.run.__dict__["_read_off"] = {
            "sessions": {"availability": (list(range(len(rows))), [(10.0 + i % 3, 20.0) for i in range(len(rows))])}
        }
        facts.aggregate.ratio("availability").add(1.0, 2.0)
        titles[by] = [one.title for one in find(facts) if one.part == "recovery"]
    assert titles == {"scenario": [], "detected": ["The assistant is not always available"]}


def test_audio_that_stutters_on_a_network_profile_may_be_the_profiles(tmp_path: Path) -> None:
    wanted = truth()
    object.__setattr__(wanted, "underruns", 3.0)
    (one,) = find(Facts(made(tmp_path / "run", 300, wanted, networks={"wifi": 0.01})))
    assert (one.priority, one.title) == ("P2", "The audio stutters, on the talkers' network profiles")
