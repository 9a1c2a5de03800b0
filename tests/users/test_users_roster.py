"""Talker numbers: each is held by one talker at a time, the lowest go first, and whoever asks is served once there is room."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from users.roster import Desk, Roster


@given(st.lists(st.none() | st.integers(0, 20), max_size=60))
def test_a_roster_gives_the_lowest_free_number(steps: list[int | None]) -> None:
    """None: a talker comes; a number: the talker who has it leaves, if there is one."""
    roster, held = Roster(), set()
    for step in steps:
        if step is None:
            free = min(set(range(len(held) + 1)) - held)
            assert roster.lowest() == free
            assert roster.take() == free
            held.add(free)
        elif step in held:
            held.remove(step)
            roster.give_back(step)
        assert roster.present() == len(held)


@dataclass
class Office:
    """A desk, who was given what, and who still waits, by the order in which they asked."""

    limit: int = 5
    held: dict[int, str] = field(default_factory=dict)
    waiting: list[tuple[str, int]] = field(default_factory=list)
    given: list[tuple[int, int]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk(lambda: self.limit)

    def ask(self, worker: str) -> None:
        ask = self.asked
        self.asked += 1
        self.waiting.append((worker, ask))

        def give(number: int) -> None:
            assert number not in self.held, "two talkers with one number"
            assert number < self.limit
            assert number == min(set(range(len(self.held) + 1)) - self.held.keys()), "there is a lower one"
            assert self.waiting.pop(0) == (worker, ask), "somebody asked before"
            self.held[number] = worker
            self.given.append((ask, number))

        self.desk.ask(worker, give)

    def give_back(self, worker: str, number: int) -> None:
        if self.held.get(number) == worker:
            del self.held[number]
        self.desk.give_back(worker, number)

    def forget(self, worker: str) -> None:
        self.held = {number: holder for number, holder in self.held.items() if holder != worker}
        self.waiting = [(asker, ask) for asker, ask in self.waiting if asker != worker]
        self.desk.forget(worker)

    def room(self) -> bool:
        """Whether somebody could have a number: the lowest that is free is below the limit."""
        return min(set(range(len(self.held) + 1)) - self.held.keys()) < self.limit


WORKER = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), WORKER, st.just(0)),
        st.tuples(st.just("back"), WORKER, st.integers(0, 8)),
        st.tuples(st.just("forget"), WORKER, st.just(0)),
        st.tuples(st.just("limit"), st.just(""), st.integers(0, 8)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_a_desk_serves_all_who_ask_when_there_is_room(steps: list[tuple[str, str, int]]) -> None:
    office = Office()
    for step, worker, number in steps:
        match step:
            case "ask":
                office.ask(worker)
            case "back":
                office.give_back(worker, number)
            case "forget":
                office.forget(worker)
            case "limit":
                office.limit = number
                office.forget("nobody")  # it is looked at when a worker says something that counts
        assert not (office.waiting and office.room()), "somebody waits though there is room"
    office.limit = office.asked
    office.forget("nobody")
    assert not office.waiting
    assert len({ask for ask, _ in office.given}) == len(office.given), "a talker was given two numbers"


def test_a_talker_waits_until_the_one_whose_place_it_takes_has_left() -> None:
    office = Office(limit=2)
    for worker in "aab":
        office.ask(worker)
    assert office.given == [(0, 0), (1, 1)]
    office.give_back("a", 0)
    assert office.given[2:] == [(2, 0)]


def test_a_number_that_a_worker_does_not_hold_is_none_of_its_business() -> None:
    office = Office(limit=2)
    office.ask("a")
    office.ask("b")
    for worker, number in (("b", 0), ("a", 7), ("c", 1)):
        office.give_back(worker, number)
    office.ask("c")
    assert office.given == [(0, 0), (1, 1)]
    office.forget("a")
    assert office.given[2:] == [(2, 0)]
    office.give_back("a", 0)
    assert office.held == {0: "c", 1: "b"}, "what is heard of it late changes nothing"


def test_who_is_gone_is_served_no_more() -> None:
    office = Office(limit=1)
    for worker in "abc":
        office.ask(worker)
    office.forget("b")
    office.forget("a")
    assert office.given == [(0, 0), (2, 0)]


def test_who_is_called_may_leave_at_once() -> None:
    """As a worker does whose talker was killed while it waited."""
    desk, given = Desk(lambda: 1), []

    def take_and_leave(number: int) -> None:
        given.append(number)
        desk.give_back("a", number)

    desk.ask("b", given.append)
    for _ in range(3):
        desk.ask("a", take_and_leave)
    desk.ask("c", given.append)
    assert given == [0]
    desk.give_back("b", 0)
    assert given == [0, 0, 0, 0, 0]


def test_a_worker_that_comes_back_has_its_talkers_numbers_again_unless_others_have_them() -> None:
    given: list[int] = []
    desk = Desk(lambda: 4)
    for worker in ("a", "a", "b"):
        desk.ask(worker, given.append)
    desk.forget("a")
    assert (given, desk.present()) == ([0, 1, 2], 1)
    assert desk.reclaim("a")
    assert desk.present() == 3
    desk.ask("b", given.append)
    assert given[-1] == 3, "those of the first are taken"
    desk.forget("a")
    desk.ask("c", given.append)
    assert given[-1] == 0
    assert not desk.reclaim("a")
    assert desk.reclaim("nobody")
