"""Criteria that end in `where told` are left out where the wire or the way in does not tell their metrics."""

from __future__ import annotations

import pytest

from metrics.criteria import parse
from scenarios import Scenario, ScenarioError, parse_scenario
from scenarios.criteria import asked_of, check_criteria

UNTOLD = {"barge_in_latency": "on the wire x a speaker is silenced when the assistant says so"}
TEXT = """
name: asked
load: {talkers: 2, duration_s: 60}
conversation: {barge_in: {per_second: 0.1}}
abort: {unless: [success > 50 %, token_success > 50 % where told], grace_s: 10}
criteria:
  - success > 95 %
  - barge_in_latency p95 < 320 ms where told
  - token_mint_latency p95 < 1 s where told
"""


def scenario(text: str = TEXT) -> Scenario:
    return parse_scenario(text, "asked.yml", "asked")


@pytest.mark.parametrize(
    ("tokens", "untold", "criteria", "unless", "left"),
    [
        (True, {}, 3, 2, []),
        (False, {}, 2, 1, ["token_mint_latency p95 < 1 s", "token_success > 50 %"]),
        (True, UNTOLD, 2, 2, ["barge_in_latency p95 < 320 ms"]),
        (False, UNTOLD, 1, 1, ["barge_in_latency p95 < 320 ms", "token_mint_latency p95 < 1 s", "token_success > 50 %"]),
    ],
)
def test_what_is_not_told_is_left_out(tokens: bool, untold: dict[str, str], criteria: int, unless: int, left: list[str]) -> None:
    made, told = asked_of(scenario(), parse, tokens, untold)
    assert (len(made.criteria), len(made.abort.unless)) == (criteria, unless)
    assert sorted(text for text, _ in told) == left
    assert not any("where told" in text for text in (*made.criteria, *made.abort.unless))
    assert len(check_criteria(made, parse, tokens, untold)) == criteria


def test_the_reason_is_the_wires() -> None:
    _, told = asked_of(scenario(), parse, True, UNTOLD)
    assert told == [
        (
            "barge_in_latency p95 < 320 ms",
            "barge_in_latency cannot be measured: on the wire x a speaker is silenced when the assistant says so",
        )
    ]


def test_a_criterion_without_it_is_refused_where_it_is_not_told() -> None:
    made, _ = asked_of(scenario(TEXT.replace("ms where told", "ms")), parse, True, UNTOLD)
    wanted = (
        r"asked\.yml, line 8: criterion 'barge_in_latency p95 < 320 ms': barge_in_latency cannot .*; leave it out, or end it in where told"
    )
    with pytest.raises(ScenarioError, match=wanted):
        check_criteria(made, parse, True, UNTOLD)


def test_what_is_no_criterion_is_refused_with_its_line() -> None:
    with pytest.raises(ScenarioError, match=r"asked\.yml, line 9: "):
        asked_of(scenario(TEXT.replace("token_mint_latency p95", "token_mint p95")), parse, True, {})


def test_a_scenario_as_written_is_sound() -> None:
    assert len(check_criteria(scenario(), parse, False, UNTOLD)) == 3
