"""The load: stages, open arrivals, and what is asked of Locust."""

from __future__ import annotations

from typing import Any

import pytest

from metrics.criteria import parse
from scenarios import ScenarioError, parse_scenario
from scenarios.criteria import check_criteria
from scenarios.load import Load, Stage

RAMP = Load(
    tokens_per_s=1.0,
    stages=(
        Stage(name="first", talkers=2, hold_s=30),
        Stage(name="rise", talkers=100, over_s=300, tokens_per_s=4),
        Stage(name="top", hold_s=60),
        Stage(name="down", talkers=0, hold_s=10),
    ),
)  # fmt: skip


def test_stages() -> None:
    assert (RAMP.length_s, RAMP.peak, RAMP.open, RAMP.minting) == (400.0, 100, False, True)
    assert RAMP.timetable == ((0.0, "first"), (30.0, "rise"), (330.0, "top"), (390.0, "down"))
    assert RAMP.orders == ((0.0, 2, 2.0), (30.0, 100, 98 / 300), (390.0, 0, 100.0))
    assert [RAMP.talkers_at(t) for t in (0, 29, 30, 180, 330, 389, 391)] == [2, 2, 2, 51, 100, 100, 0]
    assert [RAMP.tokens.at(t) for t in (0, 29, 180, 330, 395)] == [1, 1, 2.5, 4, 4]


def test_a_load_without_stages() -> None:
    load = Load(talkers=20, spawn_per_s=4, duration_s=60)
    assert (load.orders, load.timetable, load.length_s, load.peak) == (((0.0, 20, 4.0),), (), 60.0, 20)
    assert [load.talkers_at(t) for t in (0, 2.5, 5, 59)] == [0, 10, 20, 20]
    assert not load.minting
    assert load.calls.total == 0


def test_a_ramp_longer_than_the_run() -> None:
    load = Load(talkers=100, spawn_per_s=1, duration_s=100).model_copy(update={"duration_s": 10.0})  # as by --run-time
    assert load.planned.until(10) == 50.0
    assert load.talkers_at(10) == 10


@pytest.mark.parametrize(
    ("load", "risen_s"),
    [
        (Load(talkers=30, spawn_per_s=3), 10),
        (Load(talkers=30, arrivals="poisson", calls_per_s=1), 0),
        (Load(stages=(Stage(name="a", talkers=2, hold_s=9), Stage(name="b", talkers=5, over_s=4, hold_s=9))), 13),
        (
            Load(stages=(Stage(name="a", talkers=5, hold_s=9), Stage(name="b", talkers=2, over_s=4), Stage(name="c", talkers=5, hold_s=9))),
            0,
        ),
    ],
)
def test_talkers_have_risen_when_there_are_as_many_as_there_ever_are(load: Load, risen_s: float) -> None:
    assert load.risen_s == risen_s


def test_open_arrivals() -> None:
    load = Load(talkers=30, arrivals="poisson", calls_per_s=2.0, duration_s=10)
    assert load.open
    assert load.orders == ((0.0, 30, 30.0),), "they are there at once, to take what comes"
    assert (load.calls.at(5), load.calls.until(10), load.peak) == (2.0, 20.0, 30)
    rush = Load(
        talkers=30, arrivals="constant", stages=(Stage(name="a", calls_per_s=1, hold_s=10), Stage(name="b", calls_per_s=3, over_s=10))
    )
    assert (rush.calls.total, rush.peak, rush.length_s, rush.planned.at(3)) == (30.0, 30, 20.0, 30)


BAD: dict[str, tuple[str, str]] = {
    "no time": ("load:\n  stages:\n    - {name: a, talkers: 4}", "line 3: load.stages.0: a stage takes some time"),
    "no name": ("load:\n  stages:\n    - {talkers: 4, hold_s: 3}", "line 3: load.stages.0.name is missing"),
    "two of a name": ("load:\n  stages: [{name: a, talkers: 1, hold_s: 3}, {name: a, hold_s: 3}]", "two stages are called a"),
    "nobody": ("load:\n  stages: [{name: a, talkers: 0, hold_s: 3}]", "no stage has a talker"),
    "nobody at first": ("load:\n  stages: [{name: a, talkers: 0, hold_s: 3}, {name: b, talkers: 1, hold_s: 3}]", "the first stage has no"),
    "a name that is none": ("load:\n  stages: [{name: 'a b', talkers: 1, hold_s: 3}]", "load.stages.0.name: String should match"),
    "not a stage": ("load:\n  stages:\n    - 5", "line 3: load.stages.0: write its keys, such as {name: ..., talkers: ...} (found 5)"),
    "a key of another": (
        "load:\n  stages:\n    - name: a\n      users: 5\n",
        "line 4: unknown key load.stages.0.users; allowed there: name",
    ),
    "a rate without arrivals": ("load: {calls_per_s: 1}", "calls_per_s goes with open arrivals"),
    "arrivals without a rate": ("load: {arrivals: poisson}", "open arrivals need calls_per_s"),
    "arrivals of another kind": ("load: {arrivals: random}", "Input should be 'closed', 'constant' or 'poisson' (found 'random')"),
    "talkers of a stage": (
        "load: {arrivals: poisson, stages: [{name: a, talkers: 3, hold_s: 3}]}",
        "with open arrivals a stage has calls_per_s",
    ),
    "too many calls": (
        "load: {arrivals: poisson, calls_per_s: 1000000.0, talkers: 9, duration_s: 600}",
        "6e+08 calls in one run are more than 10000000",
    ),
    "a search downwards": ("load: {search: {least: 5, most: 3}}", "load.search: most is below least"),
    "a search without time for a step": (
        "load: {spawn_per_s: 2, duration_s: 30, search: {least: 20, settle_s: 5, measure_s: 20}}",
        "line 1: load: duration_s 30 is too short for a search: its first step alone takes 36.5 s",
    ),
    "a search with stages": ("load: {search: {}, stages: [{name: a, talkers: 3, hold_s: 3}]}", "a search makes its own stages"),
}


@pytest.mark.parametrize("which", BAD)
def test_what_cannot_be_is_refused(which: str) -> None:
    text, told = BAD[which]
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "mine.yml", "mine")
    assert told in str(caught.value)
    assert "line " in str(caught.value)


CHANGES: dict[str, tuple[str, Any]] = {
    "talkers": ("load.talkers=50", lambda s: s.load.talkers == 50),
    "a part that the file does not have": ("limits.response_s=3", lambda s: s.limits.response_s == 3.0),
    "by name": ("load.stages.b.talkers=9", lambda s: s.load.stages[1].talkers == 9),
    "by number": ("load.stages.0.talkers=9", lambda s: s.load.stages[0].talkers == 9),
    "a draw": ("conversation.turns={uniform: [1, 2]}", lambda s: s.conversation.turns.uniform == (1, 2)),
    "a list": ("criteria=[success > 5 %]", lambda s: s.criteria == ("success > 5 %",)),
    "one of a list": ("criteria.0=success > 6 %", lambda s: s.criteria == ("success > 6 %",)),
    "nothing": ("session.voice=null", lambda s: s.session.voice is None),
}
STAGED = "load:\n  stages:\n    - {name: a, talkers: 1, hold_s: 3}\n    - {name: b, talkers: 2, hold_s: 3}\ncriteria: [success > 1 %]\n"


@pytest.mark.parametrize("which", CHANGES)
def test_changes(which: str) -> None:
    text, right = CHANGES[which]
    assert right(parse_scenario(STAGED, "x.yml", "x", [text]))


def test_a_later_change_goes_over_an_earlier_one() -> None:
    assert parse_scenario("{}", "x.yml", "x", ["load.talkers=5", "load.talkers=6"]).load.talkers == 6


BAD_CHANGES = {
    "load.talkers": "--set 'load.talkers': write it as load.talkers=50",
    "=5": "write it as load.talkers=50",
    "load..talkers=5": "write it as load.talkers=50",
    "load.talkers=[": "--set load.talkers=[: the value is not YAML",
    "load.talkers=many": "--set load.talkers=many: load.talkers: Input should be a valid integer (found 'many')",
    "load.talker=5": "--set load.talker=5: unknown key load.talker; did you mean talkers?",
    "load.stages.c.talkers=5": "--set load.stages.c.talkers=5: load.stages has no c; there is a, b",
    "load.stages.7.talkers=5": "load.stages has no 7; there is a, b",
    "load.stages.a.talkers.x=5": "--set load.stages.a.talkers.x=5: load.stages.0.talkers has no keys",
    "criteria.4=x": "criteria has no 4; there is 0 to 0",
}


@pytest.mark.parametrize("change", BAD_CHANGES)
def test_changes_that_cannot_be(change: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(STAGED, "x.yml", "x", [change])
    assert BAD_CHANGES[change] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_know_where_they_are_written() -> None:
    found = parse_scenario(STAGED, "x.yml", "x", ["limits.response_s=3"])
    assert found.place("criteria", 0) == "scenario x.yml, line 5"
    assert found.place("load", "stages", 1, "talkers") == "scenario x.yml, line 4"
    assert found.place("limits", "response_s") == "--set limits.response_s=3"


@pytest.mark.parametrize(
    ("search", "limits", "fine"),
    [
        ("{settle_s: 2, measure_s: 4}", "{response_s: 10}", False),
        ("{settle_s: 2, measure_s: 4}", "{response_s: 1}", True),
        ("{settle_s: 5, measure_s: 9.9}", "{}", False),
        ("{settle_s: 5, measure_s: 10}", "{}", True),
    ],
)
def test_steps_of_a_search_are_long_enough_for_a_turn_that_gets_no_answer(search: str, limits: str, fine: bool) -> None:
    """Else a step holds in which nobody is answered."""
    text = f"limits: {limits}\nload:\n  search: {search}\ncriteria: [success > 99 %]\n"
    found = parse_scenario(text, "x.yml", "x")
    if fine:
        assert len(check_criteria(found, parse)) == 1
        return
    with pytest.raises(ScenarioError) as caught:
        check_criteria(found, parse)
    assert str(caught.value).startswith("scenario x.yml, line 3: load.search: settle_s and measure_s, ")
