"""Stages of a run: what belongs to which, what is judged of them, and when a run is hopeless."""

from __future__ import annotations

import pytest
from metrics_script import session, token, turn

from metrics.aggregate import Aggregate
from metrics.criteria import CriterionError, judge, parse
from metrics.hopeless import hopeless
from metrics.stages import WHOLE, Stages
from scenarios import Scenario
from scenarios.load import Load, Stage
from scenarios.model import Abort

S = 1_000_000_000


def test_of_an_instant() -> None:
    stages = Stages(100 * S, [(0.0, "first"), (10.0, "top")])
    assert [stages.at(t * S) for t in (99, 100, 109, 110, 500)] == [WHOLE, "first", "first", "top", "top"]
    stages.begin(120 * S, WHOLE)
    stages.begin(130 * S, "step-2")
    assert [stages.at(t * S) for t in (119, 120, 129, 130)] == ["top", WHOLE, WHOLE, "step-2"]
    assert Stages().at(5) == WHOLE


def answered(e2e_s: float) -> object:
    return turn(speech_offset=1.0, first_audible=1.0 + e2e_s)


def staged() -> Aggregate:
    made = Aggregate()
    for e2e_s in (0.4, 0.5, 0.6):
        made.add(answered(e2e_s), stage="first")
    for e2e_s in (0.6, 0.7, 0.8):
        made.add(answered(e2e_s), stage="top")
    made.add(answered(5.0))
    return made


def test_the_whole_has_all_and_a_stage_its_own() -> None:
    made = staged()
    assert [made.stage(name).histogram("e2e_latency").count for name in (WHOLE, "first", "top", "later")] == [7, 3, 3, 0]
    assert made.stage("later").turns() == 0
    assert sorted(made.stages) == ["first", "top"], "asking makes no stage"


def test_stages_merge_and_travel() -> None:
    whole, parts = Aggregate(), [Aggregate(), Aggregate()]
    for number, e2e_s in enumerate((0.4, 0.9, 0.5, 0.6)):
        for made in (whole, parts[number % 2]):
            made.add(answered(e2e_s), stage="ab"[number // 2])
    merged = Aggregate()
    for part in parts:
        merged.merge(Aggregate.from_plain(part.to_plain()))
    assert merged.to_plain() == whole.to_plain()


@pytest.mark.parametrize(
    ("text", "holds", "measured"),
    [
        ("e2e_latency max in top < 900 ms", True, "800 ms"),
        ("e2e_latency max < 900 ms", False, "5000 ms"),
        ("e2e_latency max in first < 500 ms", False, "600 ms"),
        ("e2e_latency max in top < 134 % of first", True, "800 ms, 133 % of 600 ms"),
        ("e2e_latency max in top < 1.3 x of first", False, "800 ms, 133 % of 600 ms"),
        ("success in top >= 100 % of first", True, "100.0 %, 100 % of 100.0 %"),
        ("e2e_latency count in top >= 3", True, "3"),
        ("e2e_latency p50 in later < 900 ms", False, "nothing measured"),
        ("e2e_latency max in top < 120 % of later", False, "800 ms; nothing measured in later"),
    ],
)  # fmt: skip
def test_criteria(text: str, holds: bool, measured: str) -> None:
    told = judge(parse(text, ["first", "top", "later"]), staged())
    assert (told.holds, told.measured) == (holds, measured)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("success in peak > 95 %", "no stage 'peak'; there are: first, top"),
        ("success in top > 95 % of peak", "no stage 'peak'"),
        ("e2e_latency p50 in top < 120 ms of first", "unit ms; e2e_latency p50 takes % or x"),
        ("e2e_latency in top < 5 ms", "e2e_latency has many values"),
        ("e2e_latency p50 in < 5 ms", "write it as 'e2e_latency p95 < 1200 ms'"),
    ],
)
def test_criteria_that_cannot_be_judged(text: str, told: str) -> None:
    with pytest.raises(CriterionError) as caught:
        parse(text, ["first", "top"])
    assert told in str(caught.value)


def test_a_load_without_stages_has_none_to_name() -> None:
    with pytest.raises(CriterionError, match="the load has no stages"):
        parse("success in top > 95 %", [])


def test_what_belongs_to_which_record() -> None:
    stages = Stages(0, [(0.0, "a"), (2.0, "b")])
    assert stages.of(turn(speech_onset=1.9), 9 * S) == "a"
    assert stages.of(turn(speech_onset=2.0), 9 * S) == "b"
    assert {stages.of(session(), 9 * S), stages.of(token(), 9 * S)} <= {"a", "b"}
    assert Stages().of(turn(), 9 * S) == WHOLE
    assert Stages(0, [(0.0, "a"), (2.0, "b")], by_end=True).of(turn(speech_onset=1.9), 9 * S) == "b"


def test_hopeless() -> None:
    load = Load(stages=(Stage(name="first", talkers=1, hold_s=60), Stage(name="top", talkers=9, hold_s=60)))
    abort = Abort(unless=("e2e_latency p50 < 900 ms", "e2e_latency max in top < 700 ms"), grace_s=20)
    scenario = Scenario(name="x", load=load, abort=abort).model_dump(mode="json")
    assert hopeless(scenario, staged(), 19.9) is None, "within the grace of the run"
    assert hopeless(scenario, staged(), 79.9) is None, "within the grace of the stage"
    assert hopeless(scenario, staged(), 80.0) == "e2e_latency max in top < 700 ms does not hold: 800 ms after 80 s"
    assert hopeless(scenario, Aggregate(), 20.0) == "e2e_latency p50 < 900 ms does not hold: nothing measured after 20 s"
