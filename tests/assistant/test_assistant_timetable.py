"""When outages and faults happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.timetable import Changes, Fault, Outage, active, next_change, next_outage


def fault(**when: float) -> Fault:
    return Fault(profile=Changes(), **when)


ONCE, EACH, LATER = fault(at_s=5, for_s=2), fault(every_s=10, for_s=3), fault(at_s=1, every_s=10, for_s=3)


@pytest.mark.parametrize(
    ("now_s", "under_way", "then_s"),
    [
        (0.0, (), 1.0),
        (1.0, (2,), 4.0),
        (3.9, (2,), 4.0),
        (4.0, (), 5.0),
        (5.0, (0,), 7.0),
        (7.0, (), 10.0),
        (10.0, (1,), 11.0),
        (11.5, (1, 2), 13.0),
        (13.0, (2,), 14.0),
        (42.0, (1, 2), 43.0),
    ],
)
def test_which_faults_are_under_way_and_what_comes_next(now_s: float, under_way: tuple[int, ...], then_s: float) -> None:
    faults = ONCE, EACH, LATER
    assert active(faults, now_s) == under_way
    assert next_change(faults, now_s) == then_s


def test_after_the_last_nothing_comes() -> None:
    assert next_change((ONCE,), 7.0) is None
    assert next_change((), 0.0) is None
    assert next_outage((Outage(at_s=3, down_s=1),), 3.0) is None


@given(st.floats(0, 1e5), st.floats(0, 1e3), st.floats(0.01, 1e3), st.floats(0.01, 1e3))
def test_a_beginning_is_always_to_come_and_each_is_under_way(now_s: float, at_s: float, for_s: float, rest_s: float) -> None:
    recurring = fault(at_s=at_s, for_s=for_s, every_s=for_s + rest_s)
    begin_s = recurring.begins_after(now_s)
    assert begin_s is not None
    assert begin_s > now_s
    assert active((recurring,), begin_s + for_s / 2) == (0,)
    assert active((recurring,), begin_s + for_s + rest_s / 2) == ()


def test_of_two_outages_at_once_the_longer_is_taken_and_what_falls_into_one_is_passed_over() -> None:
    outages = Outage(at_s=20, down_s=5), Outage(every_s=10, down_s=6), Outage(at_s=22, down_s=1)
    assert next_outage(outages, 0.0) == (10.0, 6.0)
    assert next_outage(outages, 16.0) == (20.0, 6.0)
    assert next_outage(outages, 26.0) == (30.0, 6.0)
