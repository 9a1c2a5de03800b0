"""Timetables are kept to the nanosecond in what is asked for; how late it happens is measured, and only ever bounded from below."""

from __future__ import annotations

import gevent
import pytest
from users_peers import until

from users.clock import SECOND_NS, now_ns
from users.errors import Faults
from users.pacer import Pacer

MS = 1_000_000


class Beat:
    """Due every `period_ns`, `times` times; notes what it was told and when."""

    urgent = False

    def __init__(self, period_ns: int, times: int, slow_s: float = 0.0) -> None:
        self.period_ns = period_ns
        self.times = times
        self.slow_ns = round(slow_s * SECOND_NS)
        self.told: list[int] = []
        self.at: list[int] = []

    def due(self, due_ns: int) -> int | None:
        self.at.append(now_ns())
        self.told.append(due_ns)
        while now_ns() < self.at[-1] + self.slow_ns:
            pass
        return due_ns + self.period_ns if len(self.told) < self.times else None

    @property
    def over(self) -> bool:
        return len(self.told) >= self.times


class Broken(Beat):
    def due(self, due_ns: int) -> int | None:
        super().due(due_ns)
        raise ZeroDivisionError


def check(beat: Beat, first_ns: int) -> None:
    assert beat.told == [first_ns + i * beat.period_ns for i in range(beat.times)]
    assert all(at_ns >= told_ns for at_ns, told_ns in zip(beat.at, beat.told, strict=True))


@pytest.mark.parametrize("slow_s", [0.0, 0.003, 0.012], ids=["quick", "slow", "slower than its period"])
def test_the_timetable_is_absolute(slow_s: float) -> None:
    pacer, beat = Pacer(), Beat(5 * MS, 20, slow_s)
    first_ns = now_ns() + 10 * MS
    pacer.add(beat, first_ns)
    until(lambda: beat.over)
    check(beat, first_ns)


def test_many_are_paced_by_their_own_timetables() -> None:
    pacer = Pacer()
    beats = [Beat((3 + i % 5) * MS, 15) for i in range(40)]
    begins = [now_ns() + (i * 7 % 11) * MS for i in range(40)]
    for beat, first_ns in zip(beats, begins, strict=True):
        pacer.add(beat, first_ns)
    until(lambda: all(b.over for b in beats))
    for beat, first_ns in zip(beats, begins, strict=True):
        check(beat, first_ns)


def test_the_earliest_goes_first_even_if_it_came_last() -> None:
    pacer, order = Pacer(), []

    class Noted(Beat):
        def due(self, due_ns: int) -> int | None:
            order.append(self)
            return super().due(due_ns)

    late, early, same = Noted(MS, 1), Noted(MS, 1), Noted(MS, 1)
    t_ns = now_ns()
    pacer.add(late, t_ns + 60 * MS)
    pacer.add(early, t_ns + 20 * MS)
    pacer.add(same, t_ns + 60 * MS)
    until(lambda: late.over and same.over)
    assert order == [early, late, same]


def test_what_is_overdue_already() -> None:
    pacer, beat = Pacer(), Beat(MS, 10)
    first_ns = now_ns() - SECOND_NS
    pacer.add(beat, first_ns)
    until(lambda: beat.over)
    check(beat, first_ns)


def test_one_that_fails_stops_alone(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    pacer, good, broken = Pacer(faults), Beat(2 * MS, 20), Broken(2 * MS, 20)
    first_ns = now_ns()
    for beat in (broken, good):
        pacer.add(beat, first_ns)
    until(lambda: good.over)
    check(good, first_ns)
    assert broken.told == [first_ns]
    assert faults.count == 1
    assert [r.message.split(":")[0] for r in caplog.records] == ["a talker's timetable failed and is stopped"]


def test_something_is_added_while_something_is_done() -> None:
    pacer, later, sooner = Pacer(), Beat(2 * MS, 5), Beat(2 * MS, 5)
    first_ns = now_ns() + 5 * MS

    class Adding(Beat):
        def due(self, due_ns: int) -> int | None:
            pacer.add(later, first_ns + 8 * MS)
            pacer.add(sooner, first_ns - 8 * MS)  # before what is being done now
            return super().due(due_ns)

    adding = Adding(100 * MS, 1)
    pacer.add(adding, first_ns)
    until(lambda: later.over and sooner.over)
    check(adding, first_ns)
    check(later, first_ns + 8 * MS)
    check(sooner, first_ns - 8 * MS)


def test_an_overloaded_pacer_lets_others_run() -> None:
    """More to do than time: it falls behind without end, yet greenlets get their turn and the run can be stopped."""

    class Endless(Beat):
        def due(self, due_ns: int) -> int | None:
            super().due(due_ns)
            return None if self.stop else due_ns + self.period_ns

        stop = False

    pacer, heavy = Pacer(), [Endless(MS, 1, slow_s=0.001) for _ in range(4)]
    for beat in heavy:
        pacer.add(beat, now_ns())
    turns = 0
    while turns < 20:
        gevent.sleep(0.001)
        turns += 1
    for beat in heavy:
        beat.stop = True
    counts = [len(b.told) for b in heavy]
    until(lambda: [len(b.told) for b in heavy] == [c + 1 for c in counts])
    gevent.sleep(0.02)
    assert [len(b.told) for b in heavy] == [c + 1 for c in counts]


def test_an_idle_pacer_can_be_used_again() -> None:
    pacer = Pacer()
    for _ in range(2):
        beat = Beat(MS, 3)
        first_ns = now_ns()
        pacer.add(beat, first_ns)
        until(lambda beat=beat: beat.over)
        check(beat, first_ns)
        gevent.sleep(0.01)


def test_the_urgent_go_first_of_those_due_at_the_same_instant() -> None:
    pacer, order = Pacer(), []

    class Named(Beat):
        def due(self, due_ns: int) -> int | None:
            order.append(self)
            return super().due(due_ns)

    beats = [Named(20 * MS, 3) for _ in range(4)]
    first_ns = now_ns() + 20 * MS
    for beat in beats:
        pacer.add(beat, first_ns)
    beats[2].urgent = True
    until(lambda: len(order) == 4)
    beats[2].urgent, beats[3].urgent = False, True
    until(lambda: all(beat.over for beat in beats))
    a, b, c, d = beats
    assert order == [a, b, c, d, c, a, b, d, d, c, a, b]
