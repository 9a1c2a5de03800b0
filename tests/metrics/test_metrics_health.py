"""The tester's own health: what makes a run invalid, at the limits."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.health import LOOP_LAG_LIMIT_S, Health


def health(lateness: float = 0.001, lag: float = 0.001, **counts: int) -> Health:
    """A hundred frames and timers, two of each as late as given, so that p99 is exactly that."""
    made = Health(**counts)
    for i in range(100):
        made.send_lateness.add(lateness if i < 2 else 0.0)
        made.loop_lag.add(lag if i < 2 else 0.0)
    return made


def test_a_healthy_run_and_one_that_sent_nothing() -> None:
    assert health().faults(0.020) == []
    assert Health().faults(0.020) == []


@pytest.mark.parametrize("frame_s", [0.020, 0.040, 0.100])
def test_send_lateness_up_to_half_a_frame(frame_s: float) -> None:
    assert health(lateness=frame_s / 2).faults(frame_s) == []
    (fault,) = health(lateness=frame_s / 2 * 1.006).faults(frame_s)
    assert fault.startswith("send_lateness p99 ")
    assert f" ms is over half a frame ({frame_s * 500:g} ms): use more workers" in fault


def test_loop_lag_up_to_its_limit() -> None:
    assert health(lag=LOOP_LAG_LIMIT_S).faults(0.020) == []
    (fault,) = health(lag=LOOP_LAG_LIMIT_S * 1.006).faults(0.020)
    assert fault.startswith("loop_lag p99 ") and "ms is over 20 ms: use more workers" in fault


def test_one_in_a_hundred_may_be_late() -> None:
    made = Health()
    for i in range(100):
        made.send_lateness.add(5.0 if i == 0 else 0.0)
    assert made.faults(0.020) == []


def test_losses() -> None:
    faults = health(records_lost=2, local_faults=3).faults(0.020)
    told = ["2 record(s) lost between worker and run files", "3 fault(s) of the load tester itself"]
    assert [f.split(":")[0] for f in faults] == told
    assert health(frames_dropped=9).faults(0.020) == [], "it is told, and is no reason to distrust the rest"
    assert health(workers_lost=1).faults(0.020) == [], "how many may be lost is the run's to say (reporting.workers)"


def test_merging_and_travelling() -> None:
    a = health(0.001, 0.002, workers_lost=1, missed_starts=1, unsent_bytes=10, unsent_bytes_max=70)
    b = health(0.5, 0.6, frames_dropped=2, records_lost=3, missed_starts=4, unsent_bytes=5, unsent_bytes_max=50)
    a.cpu_s, a.wall_s, b.cpu_s, b.wall_s = 1.0, 10.0, 2.0, 10.0
    a.merge(Health.from_plain(json.loads(json.dumps(b.to_plain()))))
    assert (a.cpu_s, a.wall_s, a.frames_dropped, a.workers_lost, a.records_lost) == (3.0, 20.0, 2, 1, 3)
    assert (a.missed_starts, a.unsent_bytes, a.unsent_bytes_max) == (5, 15, 70)
    assert (a.send_lateness.count, a.send_lateness.high, a.loop_lag.high) == (200, 0.5, 0.6)
    assert Health.from_plain(a.to_plain()) == a


def test_frames_are_late_once_the_next_was_due() -> None:
    made = Health(missed_starts=3)
    for lateness_s in (0.0, 0.019, 0.021, 0.5):
        made.send_lateness.add(lateness_s)
    told = made.told(0.020)
    assert told["frames_late"] == 2
    assert told["missed_starts"] == 3
    assert told["send_lateness"] == {"count": 4, "p50_s": pytest.approx(0.019, rel=0.005), "p99_s": 0.5, "max_s": 0.5}


COUNTS = [f.name for f in fields(Health) if f.name not in ("send_lateness", "loop_lag")]


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(0, 10), max_size=3),
            st.lists(st.floats(0, 10), max_size=3),
            st.fixed_dictionaries({name: st.integers(0, 1000) for name in COUNTS}),
        ),
        max_size=5,
    )
)
def test_a_worker_that_tells_what_came_since_is_known_as_it_is(reports: list[tuple[list[float], list[float], dict[str, int]]]) -> None:
    """Histograms add up; all else is what was told last."""
    known, whole = Health(), Health()
    for lateness, lag, counts in reports:
        told = Health(**counts)
        for value in lateness:
            told.send_lateness.add(value)
            whole.send_lateness.add(value)
        for value in lag:
            told.loop_lag.add(value)
            whole.loop_lag.add(value)
        before = told.to_plain()
        known.advance(told)
        assert told.to_plain() == before
    for name, value in (reports[-1][2] if reports else {}).items():
        setattr(whole, name, value)
    assert known == whole
