"""Workers: what is known of each, and what makes a run of many invalid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_local import Player, who
from reporting_records import turn

from metrics.health import Health
from metrics.records import ErrorKind, Outcome, TurnKind
from reporting.batch import Batch
from reporting.live import WorkerState
from reporting.workers import SILENT_S, Worker, faults, merged


def worker(number: int, **counts: int) -> Worker:
    return Worker(who(f"worker-{number}"), Health(**counts))


def late(number: int, lateness_s: float) -> Worker:
    made = worker(number)
    made.health.send_lateness.add(lateness_s)
    return made


def lost(number: int, talkers: int, at_s: float) -> Worker:
    made = worker(number)
    made.talkers, made.heard_s = talkers, at_s
    made.lose(at_s + 15.0)
    return made


def test_nobody_and_the_healthy_are_valid() -> None:
    assert faults([], 0.020, 0) == []
    assert faults([worker(0), worker(1, frames_dropped=3), late(2, 0.010)], 0.020, 0) == []


def test_one_worker_is_enough_and_is_named_where_there_are_others() -> None:
    (alone,) = faults([late(0, 0.011)], 0.020, 0)
    assert alone.startswith("send_lateness p99 11.0 ms is over half a frame")
    crowd = [worker(0), late(1, 0.011), worker(2, records_lost=2), *(late(n, 0.001) for n in range(3, 300))]
    assert merged(crowd).faults(0.020) == ["2 record(s) lost between worker and run files"], "it would drown among the others"
    assert faults(crowd, 0.020, 0) == [f"worker-1: {alone}", "worker-2: 2 record(s) lost between worker and run files"]


@pytest.mark.parametrize(("gone", "allowed"), [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 5)])
def test_so_many_workers_may_be_lost(gone: int, allowed: int) -> None:
    valid = gone <= allowed
    workers = [lost(n, 10 + n, 5.0 + n) if n < gone else worker(n) for n in range(3)]
    told = faults(workers, 0.020, allowed)
    assert (told == []) is valid
    if not valid:
        assert told == [
            f"worker-{n} (process 7 on here) was lost at {5 + n}.0 s with {10 + n} talkers: what they did since is missing; look at its log"
            for n in range(gone)
        ]
    assert merged(workers).workers_lost == gone


def test_reports_that_are_missing_are_told() -> None:
    player, one = Player("worker-0"), worker(0)
    one.advance(Batch.from_plain(player.plain()), 1.0)
    for _ in range(2):
        player.plain()
    one.advance(Batch.from_plain(player.plain()), 4.0)
    assert (one.seq, one.missing) == (4, 2)
    told = "2 report(s) are missing, and what they told: is one of its journals elsewhere?"
    assert faults([one], 0.020, 0) == [told]
    assert faults([one, worker(1)], 0.020, 9) == [f"worker-0: {told}"]


def test_its_account_of_a_run() -> None:
    player, one = Player("worker-0"), worker(0)
    player.talkers, player.state.cpu_s, player.state.wall_s = 4, 0.25, 1.0
    first = player.plain(turn(), turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT), turn(kind=TurnKind.FALSE_ALARM))
    assert one.advance(Batch.from_plain(first), 1.1) == (0.25, 1.0)
    player.talkers, player.state.cpu_s, player.state.wall_s = 2, 1.0, 2.0
    player.state.send_lateness.add(0.004)
    assert one.advance(Batch.from_plain(player.plain(turn())), 2.2) == (0.75, 1.0)
    view = one.view(2.5)
    assert (view.name, view.state, view.talkers, view.turns, view.cpu_share) == ("worker-0", WorkerState.RUNNING, 2, 3, 0.75)
    assert (view.send_lateness_p99_s, view.loop_lag_p99_s, view.clock_offset_s, view.lost_at_s) == (0.004, None, 0.0, None)
    assert view.silent_s == pytest.approx(0.3)
    assert (one.talkers_max, one.told(0.020)["talkers_max"]) == (4, 4)
    assert one.told(0.020)["health"]["cpu_s"] == 1.0


def test_a_worker_of_which_nothing_is_heard_is_silent_then_lost_then_back() -> None:
    player, one = Player("worker-0"), worker(0)
    player.talkers = 3
    one.advance(Batch.from_plain(player.plain()), 1.0)
    assert one.view(1.0 + SILENT_S).state is WorkerState.RUNNING
    assert one.view(1.1 + SILENT_S).state is WorkerState.SILENT
    one.lose(16.0)
    one.lose(20.0)
    view = one.view(21.0)
    assert (view.state, view.lost_at_s, view.talkers, one.lost_talkers) == (WorkerState.LOST, 1.0, 0, 3)
    player.talkers = 0
    one.advance(Batch.from_plain(player.plain(turn())), 22.0)
    view = one.view(22.0)
    assert (view.state, view.lost_at_s, view.turns, one.health.workers_lost) == (WorkerState.RUNNING, None, 1, 0)
    assert faults([one], 0.020, 0) == []
    one.lose(30.0)
    assert (one.lost_at_s, one.lost_talkers) == (22.0, 0), "of this time"


def test_a_worker_that_is_lost_holds_no_memory_any_more() -> None:
    workers = [worker(n, memory_bytes=100 + n) for n in range(3)]
    assert merged(workers).memory_bytes == 303
    workers[1].lose(9.0)
    assert merged(workers).memory_bytes == 202


def test_one_that_has_left_is_not_lost() -> None:
    player, one = Player("worker-0"), worker(0)
    one.advance(Batch.from_plain(player.plain(last=True)), 3.0)
    one.lose(4.0)
    assert one.view(100.0).state is WorkerState.LEFT
    assert (faults([one], 0.020, 0), one.health.workers_lost, one.lost_at_s) == ([], 0, None)


TOLD = ("frames_dropped", "missed_starts", "unsent_bytes", "unsent_bytes_max", "records_lost")
HEALTH = st.builds(Health, **{name: st.integers(0, 99) for name in TOLD})


@settings(max_examples=30)
@given(st.lists(st.tuples(HEALTH, st.lists(st.floats(0, 10), max_size=3)), max_size=4))
def test_health_of_all_is_merged_and_of_each_is_left_as_it_was(each: list[tuple[Health, list[float]]]) -> None:
    for health, lateness in each:
        for value in lateness:
            health.send_lateness.add(value)
    before = [health.to_plain() for health, _ in each]
    whole = merged(Worker(who(f"worker-{n}"), health) for n, (health, _) in enumerate(each))
    assert [health.to_plain() for health, _ in each] == before
    assert whole.send_lateness.count == sum(len(lateness) for _, lateness in each)
    assert whole.send_lateness.high == max((value for _, lateness in each for value in lateness), default=None)
    assert whole.missed_starts == sum(health.missed_starts for health, _ in each)
    assert whole.unsent_bytes_max == max((health.unsent_bytes_max for health, _ in each), default=0)
