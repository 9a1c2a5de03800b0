"""Chaos in a scenario: what may be written, when it is due, whom it hits, and what garbage is."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import FrameDecoder, FrameError, MalformedMessage, OpenAIRealtime
from protocol.events import Unknown
from scenarios import HAND, Action, Do, Garbage, Scenario, ScenarioError, action_from, garbage, hit, parse_scenario, timetable

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"do": "drop"}, "give exactly one of at_s, every_s, per_min"),
    "two times": ({"do": "drop", "at_s": 1, "per_min": 2}, "give exactly one of at_s, every_s, per_min"),
    "an end of what is done once": ({"do": "drop", "at_s": 1, "until_s": 2}, "until_s goes with every_s or per_min"),
    "nothing that is known": ({"do": "burn", "at_s": 1}, "do: Input should be 'drop', 'reset', 'stall'"),
    "no share": ({"do": "drop", "at_s": 1, "share": 0}, "share: Input should be greater than 0"),
    "more than all": ({"do": "drop", "at_s": 1, "share": 1.5}, "share: Input should be less than or equal to 1"),
    "a stall without an end": ({"do": "stall", "at_s": 1}, "for_s goes with do: stall"),
    "a drop that lasts": ({"do": "drop", "at_s": 1, "for_s": 2}, "for_s goes with do: stall, and with nothing else"),
    "garbage of no kind": ({"do": "garbage", "at_s": 1}, "kind goes with do: garbage"),
    "another kind": ({"do": "garbage", "at_s": 1, "kind": "rotten"}, "kind: Input should be 'frames', 'json' or 'bytes'"),
    "a command without one": ({"do": "command", "at_s": 1}, "run goes with do: command"),
    "an empty command": ({"do": "command", "at_s": 1, "run": []}, "run names a program"),
    "a command's share": ({"do": "command", "at_s": 1, "run": ["true"], "share": 0.5}, "share goes with what is done to sessions"),
    "a line for a shell": ({"do": "command", "at_s": 1, "run": "docker kill x"}, "run: Input should be a valid tuple"),
    "before the run": ({"do": "drop", "at_s": -1}, "at_s: Input should be greater than or equal to 0"),
    "a key that is none": ({"do": "drop", "at_s": 1, "when": 2}, "when: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str) -> None:
    plain, says = BAD[name]
    with pytest.raises(ScenarioError) as refused:
        action_from(plain)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_mistake_is_told_with_its_line() -> None:
    with pytest.raises(ScenarioError, match=r"scenario here, line 3: chaos\.1: give exactly one of at_s, every_s, per_min"):
        parse_scenario("chaos:\n  - {do: drop, at_s: 3}\n  - {do: reset}\n", "here", "x")


def test_a_scenario_travels_with_its_chaos() -> None:
    text = "load: {talkers: 2}\nchaos:\n  - {do: drop, at_s: 3, share: 0.3}\n  - {do: command, per_min: 2, run: [kill, x]}\n"
    scenario = parse_scenario(text, "here", "x")
    assert scenario.chaos[0] == Action(do=Do.DROP, at_s=3, share=0.3)
    assert scenario.chaos[1].run == ("kill", "x")
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario


def test_the_timetable_is_in_order_and_ends_where_actions_do() -> None:
    actions = [
        Action(do=Do.DROP, at_s=7.5),
        Action(do=Do.RESET, every_s=3, until_s=9),
        Action(do=Do.GARBAGE, kind=Garbage.JSON, at_s=0),
    ]
    due = [(planned.at_s, planned.number, planned.n) for planned in timetable(actions, seed=1)]
    assert due == [(0.0, 2, 0), (3.0, 1, 0), (6.0, 1, 1), (7.5, 0, 0), (9.0, 1, 2)]
    assert list(timetable([], seed=1)) == []


def test_random_instants_are_so_many_a_minute_and_the_same_for_a_seed() -> None:
    actions = [Action(do=Do.DROP, per_min=30)]
    hours = [planned.at_s for planned in takewhile(lambda planned: planned.at_s < 36_000, timetable(actions, seed=3))]
    assert len(hours) == pytest.approx(600 * 30, rel=0.03)
    gaps = [b - a for a, b in pairwise(hours)]
    assert sum(gap > 2.0 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02), "an exponential exceeds its mean so often"
    again = [planned.at_s for planned in islice(timetable(actions, seed=3), 5)]
    other = [planned.at_s for planned in islice(timetable(actions, seed=4), 5)]
    assert again == hours[:5]
    assert other != again


@given(st.integers(1, 1000), st.integers(1, 200), st.integers(0, 5), st.integers(0, 100))
def test_a_share_of_any_number_of_talkers_is_hit(thousandths: int, talkers: int, n: int, seed: int) -> None:
    share = thousandths / 1000
    found = sum(hit(seed, 0, n, share, talker) for talker in range(talkers))
    assert abs(found - Fraction(thousandths, 1000) * talkers) < 1


@pytest.mark.parametrize(("share", "talkers", "count"), [(0.5, 8, 4), (0.3, 20, 6), (0.25, 8, 2), (0.9, 10, 9), (1.0, 7, 7), (0.7, 10, 7)])
def test_whole_shares_are_exact(share: float, talkers: int, count: int) -> None:
    for seed in range(20):
        assert sum(hit(seed, HAND, 0, share, talker) for talker in range(talkers)) == count


def test_every_talker_is_hit_alike_often_and_not_always_with_the_same() -> None:
    hits = [[hit(1, 0, n, 0.25, talker) for talker in range(8)] for n in range(2000)]
    assert [sum(each) / 2000 for each in zip(*hits, strict=True)] == pytest.approx([0.25] * 8, abs=0.04)
    assert len({tuple(row) for row in hits}) == 16, "one of each four"


@pytest.mark.parametrize("talker", range(30))
def test_garbage_is_what_its_kind_says(talker: int) -> None:
    frames, json, raw = (garbage(kind, 1, 0, 0, talker) for kind in (Garbage.FRAMES, Garbage.JSON, Garbage.BYTES))
    with pytest.raises(FrameError):
        FrameDecoder(expect_masked=True).feed(frames)
    assert isinstance(OpenAIRealtime().decode(json), Unknown)
    with pytest.raises(UnicodeDecodeError):
        raw.decode()
    with pytest.raises(MalformedMessage):
        OpenAIRealtime().decode(raw)
    assert garbage(Garbage.BYTES, 1, 0, 0, talker) == raw
    assert garbage(Garbage.BYTES, 1, 0, 1, talker) != raw
