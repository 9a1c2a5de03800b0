"""The summary of a run: what must be in it, and first."""

from __future__ import annotations

import re
from typing import Any

import pytest
from metrics_script import session, token, turn

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.health import Health
from metrics.records import BargeInClass, ErrorKind, Outcome, Record, SessionOutcome, TurnKind
from metrics.summary import summary
from metrics.verdicts import passed, verdicts
from scenarios import Scenario


def run(*criteria: str, faults: tuple[str, ...] = (), **health: float) -> dict[str, Any]:
    return {
        "run_id": "20260101-000000-demo",
        "scenario": Scenario(name="demo", criteria=criteria).model_dump(mode="json"),
        "valid": not faults,
        "faults": list(faults),
        "talkers_max": 20,
        "duration_s": 60.4,
        "host": "http://127.0.0.1:8000",
        "dialect": "openai-realtime",
        "frame_ms": 20.0,
        "seed": 1,
        "health": Health(**health).told(0.020),
        "accuracy": None,
        "ended": "complete",
        "aborted": None,
        "capacity": None,
    }


def of(*records: Record) -> Aggregate:
    made = Aggregate()
    for record in records:
        made.add(record)
    return made


def answered(e2e: float, **facts: Any) -> Record:
    return turn(speech_offset=1.0, first_audible=1.0 + e2e, audio_s=9.9, underrun_s=0.1, chunks=9, span_s=30.0, **facts)


FULL = of(
    *(answered(0.5 + i / 100) for i in range(20)),
    turn(outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT),
    turn(TurnKind.BARGE_IN, barge_in_class=BargeInClass.SERVER, speech_onset=1.0, stop_byte=1.2, speech_offset=2.0, first_audible=2.5),
    turn(TurnKind.FALSE_ALARM, Outcome.CONTINUED, windows_met=True),
    session(SessionOutcome.LOST, ready_ns=1, closed_ns=2, error_kind=ErrorKind.REMOTE_CLOSE),
    token(done_ns=300_000_000),
)


def test_a_run_that_passes() -> None:
    text = summary(run("e2e_latency p50 < 840 ms", "success > 90 %", cpu_s=3.0, wall_s=60.0), FULL)
    lines = text.splitlines()
    assert lines[0] == "# demo: 20260101-000000-demo"
    assert lines[2] == "**PASSED: all 2 criteria hold.**"
    assert lines[4] == (
        "20 talkers for 60 s against http://127.0.0.1:8000, dialect openai-realtime, 20 ms frames, seed 1: "
        "22 turns (1 barge-ins), 1 false alarms."
    )
    assert re.search(r"^✓  End-to-end latency p50 +\d{3} ms +n 21 +target < 840 ms$", text, re.M)
    assert re.search(r"^✓  Interruption success +100.0 % +n 1 +target > 90 %$", text, re.M)
    assert re.search(r"^✓  Underruns +0.00 /min +n 22 +target < 1 /min$", text, re.M)
    assert re.search(r"^-  Barge-in latency p95 +- +n 0 +target < 320 ms$", text, re.M)
    assert re.search(r"^\| e2e_latency p50 < 840 ms \| \d{3} ms +\| 21 \| holds +\|$", text, re.M)
    assert re.search(r"^\| continuity +\| +\| 20 +\| 99.0 % ", text, re.M)
    assert re.search(
        r"^\| e2e_latency +\| E2E +\| 21 .*✓ p50 < 840 ms, ✓ p95 < 1200 ms, ✓ good p50 < 800 ms, ✗ excellent p50 < 500 ms", text, re.M
    )
    assert re.search(r"^\| interruption_success .*✓ > 90 % \(few\)", text, re.M)
    assert re.search(r"^\| no_response +\| 1 +\| 0 +\| 0 ", text, re.M)
    assert re.search(r"^\| remote_close \| 1 +\| 50 %", text, re.M)
    assert "Valid: send_lateness p50 -, p99 -; loop_lag p50 -, p99 -; CPU 5 % of a core; 0 frames more than a frame late, 0 dropped" in text
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_a_run_that_fails_says_which() -> None:
    text = summary(run("e2e_latency p50 < 100 ms", "success > 90 %", "resume_rate > 1 %"), FULL)
    assert "**FAILED: 2 of 3 criteria missed: e2e_latency p50 < 100 ms; resume_rate > 1 %**" in text
    assert re.search(r"^\| resume_rate > 1 % +\| nothing measured \| 0 +\| MISSED", text, re.M)


def test_an_invalid_run_says_so_first() -> None:
    text = summary(run("success > 90 %", faults=("loop_lag p99 30.0 ms is over 20 ms: use more workers",)), FULL)
    lines = text.splitlines()
    assert lines[2] == "**INVALID: the tester was not fit to measure; do not use these numbers.**"
    assert lines[4] == "- loop_lag p99 30.0 ms is over 20 ms: use more workers"
    assert "PASSED" not in text
    assert "INVALID: send_lateness" in text


def test_a_run_that_was_cut_off_has_not_passed() -> None:
    cut = run("success > 90 %") | {"ended": "interrupted", "duration_s": 9.4}
    assert passed(run("success > 90 %"), FULL)
    assert not passed(cut, FULL)
    assert summary(cut, FULL).splitlines()[2].startswith("**INTERRUPTED: the run was cut off after 9 s;")
    assert "PASSED" not in summary(cut, FULL)


def test_a_criterion_judged_by_few_values_says_so() -> None:
    few = Aggregate()
    few.ratio("success").add(1.0, 1.0)
    assert re.search(r"^\| success > 90 % +\| 100.0 % +\| 1 +\| holds \(few\)", summary(run("success > 90 %"), few), re.M)


def test_a_run_without_criteria() -> None:
    text = summary(run(), FULL)
    assert "**No criteria were set.**" in text
    assert "## Criteria" not in text


def test_a_run_without_a_turn() -> None:
    text = summary(run("success > 90 %"), Aggregate())
    assert text.splitlines()[2] == "**FAILED: no turn was measured.**"
    assert "## Errors\n\nNone." in text
    assert "CPU - of a core" in text
    for heading in ("## Latency", "## Where the time goes", "## Outcomes"):
        assert heading not in text
    listed = re.findall(r"^- (\w+): .+$", text.split("## Not applicable in this run")[1], re.M)
    assert listed == list(METRICS)


@pytest.mark.parametrize("aggregate", [FULL, Aggregate(), of(session(SessionOutcome.REFUSED, error_kind=ErrorKind.AUTH))])
def test_every_metric_is_in_a_table_or_in_the_list_of_what_does_not_apply(aggregate: Aggregate) -> None:
    body, _, rest = summary(run(), aggregate).partition("## Not applicable in this run")
    tables = re.findall(r"^\| (\w+) +\|", body, re.M)
    absent = re.findall(r"^- (\w+): ", rest, re.M)
    for name in METRICS:
        assert tables.count(name) + absent.count(name) == 1, name


def test_a_metric_that_the_wire_cannot_tell_has_the_wire_as_its_reason() -> None:
    text = summary({**run(), "untold": {"llm_ttft": "the wire is dumb", "success": "unheeded"}}, FULL)
    assert "- llm_ttft: the wire is dumb\n" in text
    assert "unheeded" not in text


def test_where_the_time_goes() -> None:
    stages = {"speech_stopped": 1.3, "response_created": 1.3, "first_token": 1.5, "first_audio": 1.6}
    text = summary(run(), of(answered(1.0, **stages, audio_rendering_s=0.01, speaker_output_s=0.01)))
    assert re.search(r"^\| Endpointing delay +\| +\| 300 ms +\| 30 % ", text, re.M)
    assert re.search(r"^\| LLM time to first token +\| L5 +\| 200 ms +\| 20 % ", text, re.M)
    assert re.search(r"^\| Stage residual +\| +\| 380 ms +\| 38 % ", text, re.M)
    assert re.search(r"^\| End-to-end latency +\| E2E +\| 1000 ms +\| ", text, re.M)


def test_an_answer_that_overlaps_has_no_shares() -> None:
    text = summary(run(), of(answered(-0.5, speech_stopped=1.3)))
    assert re.search(r"^\| Endpointing delay +\| +\| 300 ms +\| +\|$", text, re.M)


@pytest.mark.parametrize(
    ("facts", "aggregate", "expected"),
    [
        (run("success > 90 %"), FULL, True),
        (run(), FULL, True),
        (run("success > 99 %"), FULL, False),
        (run(), Aggregate(), False),
        (run("success > 90 %", faults=("x",)), FULL, False),
    ],
)
def test_the_exit_code(facts: dict[str, Any], aggregate: Aggregate, expected: bool) -> None:
    assert passed(facts, aggregate) is expected
    assert len(verdicts(facts, aggregate)) == len(facts["scenario"]["criteria"])


def test_how_far_the_tester_is_off_is_told() -> None:
    assert "is not known: no load as high was calibrated" in summary(run(), FULL)
    bar = {"count": 9, "median_s": 0.00012, "p99_s": 0.0009, "max_s": 0.002}
    bars = {"talkers": 100, "frame_ms": 40, "clock": "kernel", "own": True, "metrics": {"time_to_first_audio": bar, "stop_by_byte": bar}}
    text = summary({**run(), "accuracy": bars}, FULL)
    told = "time_to_first_audio by 0.120 ms at the median, 0.900 ms at p99; stop_by_byte by 0.120 ms at the median, 0.900 ms at p99."
    assert f"It is off, as calibrated here with 100 talkers, 40 ms frames and kernel times: {told}" in text


def offered(due: int, begun: int, *criteria: str) -> tuple[dict[str, Any], Aggregate]:
    """A run with open arrivals, all of whose turns were answered, in which so many of the calls that were due began."""
    of_run, aggregate = run(*criteria), of(*(answered(0.5) for _ in range(20)))
    of_run["scenario"]["load"]["arrivals"] = "poisson"
    aggregate.ratio("calls_begun").add(float(begun), float(due))
    return of_run, aggregate


@pytest.mark.parametrize(
    ("due", "begun", "criteria", "missed"),
    [
        (100, 96, ("success > 95 %",), []),
        (100, 95, ("success > 95 %",), ["calls_begun > 95 %"]),
        (100, 95, (), ["calls_begun > 95 %"]),
        (100, 80, ("success > 95 %", "calls_begun > 70 %"), []),
        (100, 98, ("calls_begun >= 99 %",), ["calls_begun >= 99 %"]),
    ],
)
def test_a_run_in_which_callers_were_turned_away_has_not_passed(due: int, begun: int, criteria: tuple[str, ...], missed: list[str]) -> None:
    of_run, aggregate = offered(due, begun, *criteria)
    assert [v.criterion.text for v in verdicts(of_run, aggregate) if not v.holds] == missed
    assert passed(of_run, aggregate) is not missed
    head = summary(of_run, aggregate).partition("## ")[0]
    assert f"{due - begun} of {due} planned calls did not begin: the load was lower than planned" in head
    assert ("FAILED" in head) is bool(missed)


def test_nothing_is_said_of_planned_calls_where_all_began_or_none_was_planned() -> None:
    assert "planned calls" not in summary(*offered(100, 100))
    assert "calls_begun: arrivals are not open" in summary(run(), FULL)
    assert verdicts(run(), FULL) == []
