"""The conductor, with a stage that the test watches."""

from __future__ import annotations

import gevent
import pytest

from metrics.capacity import Held
from scenarios.load import Load, Search
from scenarios.load import Stage as S
from users import conductor as conductor_module
from users.clock import now_ns
from users.conductor import Conductor, Stand, Step


class Hall:
    """Where it conducts: what was asked for, when, in seconds."""

    def __init__(self, capacity: int = 0) -> None:
        self.began_ns = now_ns()
        self.orders: list[tuple[float, int, float]] = []
        self.stages: list[str] = []
        self.found: list[tuple[int, int | None, bool]] = []
        self.tried: list[int] = []
        self.talkers = 0
        self.ended_s: float | None = None
        self.stand = Stand(
            self.order, lambda: self.talkers, self.stages.append, lambda step: self.judge(step, capacity), self.note, self.end
        )

    @property
    def t_s(self) -> float:
        return (now_ns() - self.began_ns) / 1e9

    def order(self, talkers: int, per_s: float) -> None:
        self.orders.append((self.t_s, talkers, per_s))
        self.talkers = talkers

    def judge(self, step: Step, capacity: int) -> Held:
        assert self.talkers == step.talkers
        self.tried.append(step.talkers)
        return Held.HOLDS if step.talkers <= capacity else Held.MISSED

    def note(self, holds: int, fails: int | None, complete: bool) -> None:
        self.found.append((holds, fails, complete))

    def end(self) -> None:
        self.ended_s = self.t_s

    def wait(self) -> None:
        with gevent.Timeout(60):
            while self.ended_s is None:
                gevent.sleep(0.01)


def test_stages_are_ordered_at_their_instants_and_the_run_ends() -> None:
    hall = Hall()
    load = Load(stages=(S(name="a", talkers=2, hold_s=0.2), S(name="b", talkers=6, over_s=0.4), S(name="c", talkers=1, hold_s=0.2)))
    conductor = Conductor(load, hall.began_ns, hall.stand)
    assert not conductor.over
    hall.wait()
    assert conductor.over
    assert [(talkers, round(per_s, 6)) for _, talkers, per_s in hall.orders] == [(6, 10.0), (1, 5.0)]
    assert hall.ended_s is not None
    for (at_s, *_), due_s in zip([*hall.orders, (hall.ended_s,)], (0.2, 0.6, 0.8), strict=True):
        assert due_s <= at_s < due_s + 5, "never early"


def test_an_order_waits_for_the_one_before() -> None:
    hall = Hall()
    slow = hall.order

    def order(talkers: int, per_s: float) -> None:
        slow(talkers, per_s)
        gevent.sleep(0.3)

    stand = Stand(order, hall.stand.present, hall.stand.stage, hall.stand.judge, hall.stand.found, hall.stand.end)
    load = Load(stages=(S(name="a", talkers=1, hold_s=0.1), S(name="b", talkers=2, hold_s=0.1), S(name="c", talkers=3, hold_s=0.1)))
    Conductor(load, hall.began_ns, stand)
    hall.wait()
    with gevent.Timeout(30):
        while len(hall.orders) < 2:
            gevent.sleep(0.01)
    (first_s, *_), (second_s, *_) = hall.orders
    assert second_s - first_s >= 0.29


def test_a_search() -> None:
    hall = Hall(capacity=5)
    search = Search(least=2, most=50, growth=2, within=0.1, settle_s=0.01, measure_s=0.01, repeats=1)
    Conductor(Load(search=search, duration_s=100, spawn_per_s=7), hall.began_ns, hall.stand)
    hall.wait()
    assert hall.tried == [2, 4, 8, 6, 5]
    assert hall.found[-1] == (5, 6, True)
    assert [complete for *_, complete in hall.found[:-1]] == [False] * 4
    assert hall.stages == [part for number in range(1, 6) for part in (f"step-{number}", "")]
    assert {per_s for *_, per_s in hall.orders} == {7}


def test_a_search_that_has_no_time_left_ends_with_what_it_knows() -> None:
    hall = Hall(capacity=50)
    search = Search(least=1, most=500, growth=2, settle_s=0.1, measure_s=0.1)
    Conductor(Load(search=search, duration_s=4), hall.began_ns, hall.stand)
    hall.wait()
    assert 1 <= len(hall.tried) <= 2
    assert hall.found[-1] == (hall.tried[-1], None, False)


class Sparse(Hall):
    """Says what it is told to, look by look, and from then on what the capacity is."""

    def __init__(self, capacity: int, *says: Held) -> None:
        super().__init__(capacity)
        self.says = list(says)

    def judge(self, step: Step, capacity: int) -> Held:
        said = super().judge(step, capacity)
        return self.says.pop(0) if self.says else said


@pytest.mark.parametrize(
    ("says", "tried", "found"),
    [
        ([Held.FEW] * 5, [2] * 6 + [4, 3], (3, 4, True)),
        ([Held.NOTHING, Held.FEW, Held.HOLDS], [2, 2, 2, 4, 3], (3, 4, True)),
        ([Held.NOTHING] * 3, [2, 2, 2, 1], (1, 2, True)),
    ],
)
def test_a_step_that_says_too_little_is_made_longer(
    monkeypatch: pytest.MonkeyPatch, says: list[Held], tried: list[int], found: tuple[int, int | None, bool]
) -> None:
    monkeypatch.setattr(conductor_module, "REPORTED_S", 0.0)
    hall = Sparse(3, *says)
    Conductor(Load(search=Search(least=2, most=4, growth=2, settle_s=0, measure_s=0.01, repeats=1)), hall.began_ns, hall.stand)
    hall.wait()
    assert hall.tried == tried
    assert hall.found[-1] == found
    assert hall.stages == [part for number in range(1, len(hall.found) + 1) for part in (f"step-{number}", "")], "a longer step is one"


def test_a_search_does_not_decide_by_a_few_values_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(conductor_module, "REPORTED_S", 0.0)
    hall = Sparse(9, Held.HOLDS, *[Held.FEW] * 10_000)
    search = Search(least=2, most=8, growth=2, settle_s=0, measure_s=0.05, repeats=1)
    Conductor(Load(search=search, duration_s=2, spawn_per_s=50), hall.began_ns, hall.stand)
    hall.wait()
    assert hall.found == [(2, None, False), (2, None, False)]
    assert hall.tried[:3] == [2, 4, 4]
    assert "with 4 talkers too little was measured to say" in caplog.text


class Slow(Hall):
    """Talkers come one by one, `late_s` apart."""

    late_s = 0.02

    def order(self, talkers: int, per_s: float) -> None:
        self.orders.append((self.t_s, talkers, per_s))
        while self.talkers < min(talkers, 4):
            gevent.sleep(self.late_s)
            self.talkers += 1


def test_a_step_begins_when_its_talkers_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long they take to come at the rate that the load has."""
    monkeypatch.setattr(conductor_module, "_REACHED_S", 0.2)
    hall = Slow(capacity=9)
    hall.late_s = 0.25
    Conductor(Load(search=Search(least=4, most=4, settle_s=0, measure_s=0.01, repeats=1), spawn_per_s=4), hall.began_ns, hall.stand)
    hall.wait()
    assert hall.tried == [4]
    assert hall.found == [(4, None, True)]


def test_a_search_says_nothing_of_talkers_that_never_came(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(conductor_module, "_REACHED_S", 0.2)
    hall = Slow(capacity=9)
    search = Search(least=2, most=8, growth=4, settle_s=0, measure_s=0.01, repeats=1)
    Conductor(Load(search=search, spawn_per_s=50), hall.began_ns, hall.stand)
    hall.wait()
    assert hall.found == [(2, None, False)]
    assert "8 talkers were asked for, and 4 are there" in caplog.text


def test_it_is_stopped() -> None:
    hall = Hall()
    conductor = Conductor(Load(stages=(S(name="a", talkers=2, hold_s=0.1), S(name="b", talkers=6, hold_s=5))), hall.began_ns, hall.stand)
    conductor.stop()
    gevent.sleep(0.3)
    assert hall.orders == []
    assert hall.ended_s is None
    assert not conductor.over
