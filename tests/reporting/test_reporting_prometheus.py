"""What a scrape reads of a run: every family of the tables, with the numbers of its records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from reporting_local import World, collecting
from reporting_records import FACTS, IN_STAGES, SEARCH, session, token, turn
from reporting_scrape import Samples, samples, value

from metrics.catalog import METRICS
from metrics.health import Health
from metrics.metric import Shape
from metrics.records import ErrorKind, Outcome, SessionOutcome, TurnKind
from reporting import run_families
from reporting.exposition import Kind, families_of
from reporting.prometheus import HealthCollector, RunCollector

E2E_S = (-0.1, 0.45, 0.84, 0.9, 1.3)
FAMILIES = [f for m in METRICS.values() for f in families_of(m)] + [
    *run_families.RUN,
    *run_families.LOAD,
    *run_families.HEALTH,
    *run_families.WORKER,
]


def text(collector: RunCollector | HealthCollector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with collecting(tmp_path) as (_, made):
        made.talkers, made.t_s = 3, 2.0
        yield made


@pytest.fixture
def found(world: World) -> Samples:
    for e2e_s in E2E_S:
        world.add(turn(e2e_s))
    world.add(turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT, underruns=3, span_s=90.0))
    world.add(turn(0.5, kind=TurnKind.BARGE_IN, outcome=Outcome.INTERRUPTED))
    world.add(turn(None, kind=TurnKind.FALSE_ALARM, outcome=Outcome.CONTINUED))
    world.add(session())
    world.add(session(outcome=SessionOutcome.LOST, error_kind=ErrorKind.REMOTE_CLOSE))
    world.add(session(reconnect=True, lost_ns=5 * 10**8))
    world.add(token(0.1))
    world.add(token(0.1))
    world.add(token(0.2, error=ErrorKind.RATE_LIMITED))
    world.second(2.0)
    return samples(text(RunCollector(lambda: world.collector, lambda: None)))


def test_numbers_are_those_of_the_records(found: Samples) -> None:
    told = {
        "conversation_interruptions_total": 1,
        "api_requests_total": 3,
        "http_errors_total": 1,
        "doubletalk_token_success_numerator_total": 2,
        "streaming_reconnections_total": 1,
        "doubletalk_underruns_numerator_total": 3,
        "doubletalk_underruns_denominator_seconds_total": 90,
        "doubletalk_success_numerator_total": 6,
        "doubletalk_success_denominator_total": 7,
        "doubletalk_talkers": 3,
        "doubletalk_run_elapsed_seconds": 2,
        "doubletalk_run_started_timestamp_seconds": FACTS.started_epoch_s,
        "doubletalk_run_valid": 1,
        "doubletalk_run_under_way": 1,
    }
    assert {name: value(found, name) for name in told} == pytest.approx(told)
    assert value(found, "conversation_turns_total", kind="utterance", outcome="completed") == 5
    assert value(found, "conversation_turns_total", kind="utterance", outcome="no_response") == 1
    assert value(found, "conversation_turns_total", kind="barge_in", outcome="interrupted") == 1
    assert value(found, "conversation_turns_total", kind="false_alarm", outcome="continued") == 1
    assert value(found, "doubletalk_sessions_total", outcome="hung_up") == 2
    assert value(found, "doubletalk_errors_total", kind="remote_close") == 1
    assert value(found, "doubletalk_errors_total", kind="auth") == 0


def test_a_distribution_is_counted_at_its_bounds(found: Samples) -> None:
    name = "e2e_latency_client_milliseconds"
    counts = {le: value(found, f"{name}_bucket", le=le) for le in ("0.0", "400.0", "500.0", "840.0", "1200.0", "1500.0", "+Inf")}
    assert counts == {"0.0": 1, "400.0": 1, "500.0": 3, "840.0": 4, "1200.0": 5, "1500.0": 6, "+Inf": 6}
    assert value(found, f"{name}_count") == 6
    assert value(found, f"{name}_sum") == pytest.approx(1000 * (sum(E2E_S) + 0.5))


def test_criteria_have_their_present_verdict(found: Samples) -> None:
    assert value(found, "doubletalk_criterion_holds", criterion="e2e_latency p50 < 800 ms") == 1
    assert value(found, "doubletalk_criterion_holds", criterion="success > 95 %") == 0


def test_the_stage_under_way_and_criteria_about_stages(tmp_path: Path) -> None:
    with collecting(tmp_path, IN_STAGES) as (collector, world):
        found = samples(text(RunCollector(lambda: collector, lambda: None)))
        assert [value(found, "doubletalk_stage_under_way", stage=name) for name in ("few", "many")] == [1, 0]
        criteria = IN_STAGES.scenario["criteria"]
        assert [value(found, "doubletalk_criterion_holds", criterion=one) for one in criteria] == [0, 0]
        for stage, e2e_s in (("few", 0.5), ("many", 0.55)):
            collector.aggregate.add(turn(e2e_s), stage=stage)
        world.t_s = 12.0
        found = samples(text(RunCollector(lambda: collector, lambda: None)))
        assert [value(found, "doubletalk_stage_under_way", stage=name) for name in ("few", "many")] == [0, 1]
        assert [value(found, "doubletalk_criterion_holds", criterion=one) for one in criteria] == [1, 1]


def test_a_search_tells_its_step(tmp_path: Path) -> None:
    with collecting(tmp_path, SEARCH) as (collector, _):
        assert "doubletalk_stage_under_way" not in text(RunCollector(lambda: collector, lambda: None))
        collector.begin_stage("step-3")
        found = samples(text(RunCollector(lambda: collector, lambda: None)))
        assert value(found, "doubletalk_stage_under_way", stage="step-3") == 1


def test_the_run_says_which_it_is(found: Samples, world: World) -> None:
    (labels,) = [dict(own) for name, own in found if name == "doubletalk_run_info"]
    assert set(labels) == set(run_families.RUN_INFO.labels)
    assert (labels["run_id"], labels["seed"], labels["host"]) == (world.collector.run_id, "7", "http://127.0.0.1:8000")
    assert labels["frame_ms"] == "20"


NOTHING_YET = [
    *(run_families.WORKER_CPU, run_families.WORKER_LATENESS, run_families.WORKER_LAG, run_families.TARGET_UP, run_families.STAGE),
    *(family for metric in METRICS.values() if metric.shape is Shape.TREND for family in families_of(metric)),
]


def test_every_family_is_there_before_anything_was_measured(world: World) -> None:
    found = samples(text(RunCollector(lambda: world.collector, lambda: None)))
    for family in FAMILIES:
        names = [family.name + part for part in ("_bucket", "_sum", "_count")] if family.kind is Kind.HISTOGRAM else [family.name]
        for name in names:
            own = [dict(labels) for n, labels in found if n == name]
            if family in NOTHING_YET:
                assert own == [], "nothing was measured yet"
                continue
            assert own, name
            assert all(set(labels) - {"le"} == set(family.labels) for labels in own), name


def test_the_end_of_a_run_is_told_with_all_of_it(world: World) -> None:
    world.add(turn(0.5))
    before = samples(text(RunCollector(lambda: world.collector, lambda: None)))
    world.finish()
    after = samples(text(RunCollector(lambda: world.collector, lambda: None)))
    assert value(before, "conversation_turns_total", kind="utterance", outcome="completed") == 0, "up to the last full second"
    assert value(after, "conversation_turns_total", kind="utterance", outcome="completed") == 1
    assert (value(before, "doubletalk_run_under_way"), value(after, "doubletalk_run_under_way")) == (1, 0)
    assert value(after, "doubletalk_talkers") == 0
    assert value(after, "doubletalk_workers", state="left") == 1


def test_a_run_that_would_be_invalid_says_so(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        world.state.local_faults, world.state.unsent_bytes_max = 1, 7
        world.second(1.0)
        found = samples(text(RunCollector(lambda: collector, lambda: None)))
    assert value(found, "doubletalk_run_valid") == 0
    assert value(found, "doubletalk_local_faults_total") == 1
    assert value(found, "doubletalk_unsent_max_bytes") == 7


def test_before_the_first_run_there_is_nothing() -> None:
    assert text(RunCollector(lambda: None, lambda: None)) == ""


def test_a_scrape_pauses_after_each_family(world: World) -> None:
    pauses: list[None] = []
    made = list(RunCollector(lambda: world.collector, lambda: pauses.append(None)).collect())
    assert len(pauses) == len(made) == len(FAMILIES) - 1, "this load has no stages"


def test_a_worker_shows_its_own_health() -> None:
    health = Health(cpu_s=1.5, wall_s=6.0, frames_dropped=2)
    health.send_lateness.add_all([0.0002, 0.004])
    found = samples(text(HealthCollector(lambda: health, {"worker": "w1"})))
    assert {name for name, _ in found} == {
        *(f.name for f in run_families.HEALTH if f.kind is not Kind.HISTOGRAM),
        *(f.name + part for f in run_families.HEALTH if f.kind is Kind.HISTOGRAM for part in ("_bucket", "_sum", "_count")),
    }
    assert all(dict(labels)["worker"] == "w1" for _, labels in found)
    assert value(found, "doubletalk_send_lateness_seconds_bucket", le="0.001") == 1
    assert value(found, "doubletalk_cpu_seconds_total") == 1.5
    assert text(HealthCollector(lambda: None, {"worker": "w1"})) == ""
