"""A run of several workers: each report counts once and in its turn, and what they add up to is what is in the run's files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk
from reporting_local import Player, collecting, timeline, travelled, who
from reporting_records import FACTS, any_record, turn

from analysis import load
from analysis.recover import recover
from metrics.aggregate import Aggregate
from metrics.health import Health
from metrics.records import ErrorKind, Record
from reporting.collector import Collector
from reporting.live import WorkerState


@pytest.fixture
def crew(tmp_path: Path) -> Any:
    """A run with two workers that take part, and nobody in its process."""
    with collecting(tmp_path, here=False) as (collector, world):
        players = [Player(f"worker-{n}") for n in range(2)]
        for player in players:
            collector.join(player.facts)
        yield collector, world, players


def killed(collector: Collector) -> Path:
    """Its process is gone; what it leaves behind."""
    collector._ticking.kill()
    collector.folder.leave()
    return collector.folder.path


Step = tuple[int, list[Record], list[float]]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(any_record(), max_size=3), st.lists(st.floats(0, 5), max_size=2)), max_size=8),
    st.lists(st.integers(0, 50), max_size=12),
)
def test_totals_are_those_of_the_files_whatever_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], again: list[int]
) -> None:
    with collecting(tmp_path_factory.mktemp("runs"), here=False) as (collector, world):
        players = [Player(f"worker-{n}") for n in range(3)]
        made: list[tuple[str, dict[str, Any]]] = []
        known = {player.facts.name: Health() for player in players}
        for player in players:
            collector.join(player.facts)
            collector.join(player.facts)
        for t_s, (number, records, lateness) in enumerate(steps, 1):
            player = players[number]
            for value in lateness:
                player.state.send_lateness.add(value)
            player.state.cpu_s += 0.25
            player.state.wall_s += 1.0
            plain = player.plain(*records)
            made.append((player.facts.name, plain))
            known[player.facts.name].advance(Health.from_plain(plain["health"]))
            assert collector.take(player.facts.name, plain) == plain["seq"]
            for i in again[:t_s]:
                name, old = made[i % len(made)]
                assert collector.take(name, old) == max(plain["seq"] for told, plain in made if told == name)
            world.second(float(t_s))
        expected = Health()
        for health in known.values():
            expected.merge(health)
        assert collector.health() == expected
        done = collector.finish()
    run = load(done.path)
    assert collector.aggregate.to_plain() == run.aggregate().to_plain()
    assert Aggregate.from_plain(json.loads((done.path / "histograms.json").read_text())["metrics"]) == collector.aggregate
    assert Health.from_plain(json.loads((done.path / "histograms.json").read_text())["health"]) == expected
    of = {name: sum(len(records) for number, records, _ in steps if f"worker-{number}" == name) for name in known}
    rows = [row["worker"] for name in ("turns", "sessions", "tokens") for row in pq.read_table(done.path / f"{name}.parquet").to_pylist()]
    assert {name: rows.count(name) for name in known} == of
    assert sum(row["turns"] for row in timeline(done)) == done.run["totals"]["turns"]
    assert sum(worker["turns"] for worker in done.run["workers"]) == done.run["totals"]["turns"]


def test_a_report_before_its_turn_waits_to_be_sent_anew(crew: Any) -> None:
    collector, _, (first, second) = crew
    one, two, three = (first.plain(turn()) for _ in range(3))
    assert collector.take("worker-0", two) == 0
    assert collector.take("worker-0", one) == 1
    assert collector.take("worker-0", three) == 1
    assert collector.take("worker-1", second.plain(turn())) == 1
    assert [collector.take("worker-0", plain) for plain in (one, two, three, two)] == [1, 2, 3, 3]
    assert collector.aggregate.turns() == 4
    assert collector.faults() == []


def test_a_worker_that_takes_no_part_is_refused(crew: Any) -> None:
    collector, _, (first, _) = crew
    with pytest.raises(KeyError):
        collector.take("worker-7", first.plain())
    collector.lose("worker-7")
    collector.clock("worker-7", 0.1, 0.1)
    assert [view.name for view in collector.workers()] == ["worker-0", "worker-1"]


def test_a_batch_of_another_version_is_refused_and_counts_for_nothing(crew: Any) -> None:
    collector, _, (first, _) = crew
    plain = first.plain(turn())
    other = travelled(plain)
    other["aggregate"]["catalog_version"] += 1
    with pytest.raises(ValueError, match="catalogue version"):
        collector.take("worker-0", other)
    assert collector.take("worker-0", plain) == 1
    assert collector.aggregate.turns() == 1


def test_what_comes_from_a_worker_that_was_lost_counts_again(crew: Any) -> None:
    collector, world, (first, second) = crew
    first.talkers, second.talkers, world.talkers = 3, 4, 7
    collector.take("worker-0", first.plain(turn()))
    collector.take("worker-1", second.plain(turn()))
    world.second(1.0)
    world.t_s = 16.0
    collector.lose("worker-0")
    world.talkers = 4
    world.second(16.0)
    (fault,) = collector.faults()
    assert fault.startswith("worker-0 (process 7 on here) was lost at 0.0 s with 3 talkers")
    assert (collector.talkers, collector.health().workers_lost) == (4, 1)
    world.talkers = 7
    collector.take("worker-0", first.plain(turn()))
    world.second(17.0)
    assert (collector.faults(), collector.talkers, collector.health().workers_lost, collector.aggregate.turns()) == ([], 7, 0, 3)
    assert [(row["talkers"], row["workers"]) for row in collector.timeline] == [(7, 2), (4, 1), (7, 2)]
    for player in (first, second):
        collector.take(player.facts.name, player.plain(last=True))
    done = collector.finish()
    assert (done.run["valid"], done.run["talkers_max"]) == (True, 7)
    assert [worker["state"] for worker in done.run["workers"]] == ["left", "left"]


def test_a_run_may_do_with_fewer_workers_where_its_scenario_says_so(tmp_path: Path) -> None:
    facts = replace(FACTS, lost_workers_allowed=1)
    with collecting(tmp_path, facts, here=False) as (collector, _):
        collector.join(who("worker-0"))
        collector.lose("worker-0")
        assert collector.faults() == []
        done = collector.finish()
    assert (done.run["valid"], done.run["health"]["workers_lost"]) == (True, 1)
    assert [worker["state"] for worker in done.run["workers"]] == ["lost"]


def test_nothing_is_taken_once_it_is_over(crew: Any) -> None:
    collector, _, (first, _) = crew
    assert collector.take("worker-0", first.plain(turn())) == 1
    done = collector.finish()
    assert collector.take("worker-0", first.plain(turn())) == 1
    collector.lose("worker-0")
    assert (collector.aggregate.turns(), done.run["totals"]["turns"]) == (1, 1)
    assert collector.workers()[0].state is WorkerState.RUNNING


def test_the_best_comparison_of_clocks_is_kept(crew: Any) -> None:
    collector, _, _ = crew
    for offset_s, error_s in ((0.5, 0.020), (0.7, 0.005), (0.9, 0.006)):
        collector.clock("worker-1", offset_s, error_s)
    assert [view.clock_offset_s for view in collector.workers()] == [0.0, 0.7]
    told = [(worker["clock_offset_s"], worker["clock_error_s"]) for worker in collector.finish().run["workers"]]
    assert told == [(None, None), (0.7, 0.005)]


def test_failures_of_all_workers_the_last_first(crew: Any) -> None:
    collector, _, (first, second) = crew
    for talker, player in enumerate((first, second, first)):
        plain = player.plain(turn(None, talker=talker, error_kind=ErrorKind.TIMEOUT))
        collector.take(player.facts.name, plain)
    assert [(failure.talker, failure.worker) for failure in collector.failures()] == [(2, "worker-0"), (1, "worker-1"), (0, "worker-0")]


def test_cpu_is_that_of_all_workers_in_the_second(crew: Any) -> None:
    collector, world, players = crew
    for t_s, shares in ((1.0, (0.25, 0.75)), (2.0, (0.5, 1.0))):
        for player, share in zip(players, shares, strict=True):
            player.state.cpu_s, player.state.wall_s = player.state.cpu_s + share, t_s
            collector.take(player.facts.name, player.plain())
        world.second(t_s)
    world.second(3.0)
    assert [row["cpu_share"] for row in collector.timeline] == [0.5, 0.75, None]


def test_where_small_entries_fit_and_large_ones_do_not_it_is_told_once(crew: Any, caplog: pytest.LogCaptureFixture) -> None:
    collector, world, (first, _) = crew
    plain = first.plain(turn())
    for t_s in (1.0, 2.0, 3.0):
        with full_disk(collector.folder._journal):
            assert collector.take("worker-0", plain) == 0
        world.second(t_s)
    assert caplog.text.count("cannot be written to") == 1
    assert collector.take("worker-0", plain) == 1
    with full_disk(collector.folder._journal):
        collector.take("worker-0", first.plain(turn()))
    assert caplog.text.count("cannot be written to") == 2, "there was room in between"


def test_a_worker_that_joined_while_there_was_no_room_can_be_recovered(crew: Any) -> None:
    collector, _, _ = crew
    late = Player("worker-2")
    with full_disk(collector.folder._journal):
        collector.join(late.facts)
    collector.take("worker-2", late.plain(turn()))
    recover(killed(collector))
    info = load(collector.folder.path).info
    assert ([worker["name"] for worker in info["workers"]][-1], info["totals"]["turns"]) == ("worker-2", 1)


def test_a_run_with_a_batch_that_is_not_written_down_is_not_completed(crew: Any) -> None:
    collector, _, (first, second) = crew
    collector.take("worker-1", second.plain(turn()))
    with full_disk(collector.folder._journal):
        collector.take("worker-0", first.plain(turn()))
    with pytest.raises(OSError, match="No space left on device"):
        collector.finish()
    assert not (collector.folder.path / "run.json").exists()
    recover(collector.folder.path)
    assert load(collector.folder.path).info["totals"]["turns"] == 1


def test_one_whose_worker_is_lost_is_completed_without(crew: Any) -> None:
    collector, _, (first, second) = crew
    with full_disk(collector.folder._journal):
        collector.take("worker-0", first.plain(turn()))
    collector.lose("worker-0")
    collector.take("worker-1", second.plain(turn(), last=True))
    done = collector.finish()
    assert (done.run["totals"]["turns"], done.run["valid"]) == (1, False)
