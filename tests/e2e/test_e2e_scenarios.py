"""Each scenario that comes with Doubletalk, in its quick variant, some of them shortened, against an assistant that it must pass or must
not: the criterion that is missed is named. `make verdicts` runs both of each at full length."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.verdicts import CASES, Case, Outcome, run
from scenarios import load_scenario, names

SHORTER = {
    "capacity-quick": ["load.search.least=36", "load.search.growth=1.2"],
    "baseline-quick": ["load.duration_s=20"],
    "sustained-quick": ["load.duration_s=25"],
    "call-centre-quick": ["load.duration_s=30"],
    "interrupters-quick": ["load.duration_s=20"],
    "listeners-quick": ["load.duration_s=30"],
    "soak-quick": ["load.duration_s=60", "abort.grace_s=30"],
    "chaos-quick": ["load.duration_s=54"],
    "ramp-up-quick": ["load.stages.first.hold_s=20", "load.stages.rise.over_s=15", "load.stages.top.hold_s=18", "abort.grace_s=30"],
    "spike-quick": ["load.stages.crowd.hold_s=25"],
    "token-storm-quick": ["load.stages.calm.hold_s=10", "load.stages.rise.over_s=5", "load.stages.storm.hold_s=15"],
}
CHOSEN = [
    Case("capacity-quick", "forty-slots"),
    Case("soak-quick", "leaky", "target_memory_growth < 900 MB/h"),
    Case("chaos-quick", "outage"),
    Case("ramp-up-quick", "slows-down", "e2e_latency p50 in top < 120 % of first"),
    Case("call-centre-quick", "demo"),
    Case("spike-quick", "demo"),
    Case("token-storm-quick", "rate-limited-tokens", "token_success in storm > 99 %"),
    Case("listeners-quick", "stays-silent", "false_alarm_resume > 98 %"),
    Case("sustained-quick", "demo"),
    Case("interrupters-quick", "slow-reaction", "barge_in_latency p95 < 320 ms"),
    Case("baseline-quick", "slow-stage", "e2e_latency p50 < 800 ms"),
]
"""The longest first."""


def shorter(scenario: str) -> list[str]:
    """The options that have a scenario end sooner."""
    return [part for change in SHORTER.get(scenario, []) for part in ("--set", change)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Outcome]]]:
    """All of them, four at a time."""
    folder = tmp_path_factory.mktemp("verdicts")
    with ThreadPoolExecutor(4) as at_once:
        yield {case.scenario: at_once.submit(run, case, 3, Path(folder), *shorter(case.scenario)) for case in CHOSEN}


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: f"{case.scenario} against {case.profile}")
def test_the_verdict_is_right(case: Case, outcomes: dict[str, Future[Outcome]]) -> None:
    done = outcomes[case.scenario].result()
    assert done.run is not None, done.out
    assert done.missed == [] if case.missed is None else case.missed in done.missed, done.out
    assert done.run["ended"] == "complete"
    if done.valid:
        assert done.code == (0 if case.missed is None else 1)
        assert case.missed is None or case.missed in done.verdict
    else:
        assert done.code == 1, "others took the machine: nothing is promised then"


def test_the_capacity_is_found(outcomes: dict[str, Future[Outcome]]) -> None:
    found = outcomes["capacity-quick"].result().run
    assert found is not None
    if not found["valid"]:
        pytest.skip("others took the machine: a search among them finds theirs")
    assert 38 <= found["capacity"]["holds"] <= 42
    assert found["capacity"]["fails"] <= 45
    steps = found["capacity"]["steps"]
    spans = [instant for step in steps for instant in (step["begins_s"], step["ends_s"])]
    assert spans == sorted(spans), "one after the other"
    search = found["scenario"]["load"]["search"]
    assert all(step["ends_s"] - step["begins_s"] >= search["measure_s"] for step in steps)
    assert 0 < spans[0] < spans[-1] < found["duration_s"]
    tried = [step["talkers"] for step in steps]
    assert tried[0] == search["least"]
    assert found["talkers_max"] == max(tried)


def test_stages_are_in_the_run_files(outcomes: dict[str, Future[Outcome]]) -> None:
    done = outcomes["ramp-up-quick"].result()
    assert "## Stages" in done.out
    for stage in ("| first ", "| rise ", "| top "):
        assert stage in done.out


def test_every_scenario_has_a_case_that_it_passes_and_one_that_it_does_not() -> None:
    quick = {name for name in names() if name.endswith("-quick")}
    assert {case.scenario for case in CASES if case.missed is None} == quick
    assert {case.scenario for case in CASES if case.missed is not None} == quick
    assert {case.scenario for case in CHOSEN} == quick
    for name in sorted(quick):
        long, short = load_scenario(name.removesuffix("-quick")), load_scenario(name)
        assert short.load.length_s <= 120
        assert {c.split()[0] for c in short.criteria} == {c.split()[0] for c in long.criteria}
