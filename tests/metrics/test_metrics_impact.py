"""The impact of faults, on stories of a few talkers whose numbers were worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from metrics.faults import FaultRecord
from metrics.impact import BURST_S, HORIZON_S, Sessions, Window, failed_turn, impact, lost_turn, windows

END_S = 100.0


def fault(t_s: float, name: str = "0.0", for_s: float = 0.0, present: int = 4, **facts: Any) -> FaultRecord:
    return FaultRecord(**{"fault": name, "what": "drop", "by": "scenario", "t_s": t_s, "for_s": for_s, "present": present, **facts})


def story(*sessions: tuple[int, float, float | None, float, str]) -> Sessions:
    """Sessions as (talker, started, ready, closed, how): how is `hung up`, `lost`, `refused` or `cut`; who was down says so by itself."""
    made, since = Sessions(), dict[int, float]()
    for talker, started_s, ready_s, closed_s, how in sessions:
        over_s = closed_s if ready_s is None else ready_s
        down_s = over_s - since.pop(talker, started_s if how == "refused" else over_s)
        made.add(talker, started_s, ready_s, closed_s, how == "lost", down_s)
        if how in ("lost", "refused"):
            since[talker] = closed_s
    return made


def four(*changed: tuple[int, float, float | None, float, str]) -> Sessions:
    """Four talkers all along, but for those with a story of their own."""
    whole = [(talker, 0.0, 0.1, END_S, "cut") for talker in range(4) if talker not in {session[0] for session in changed}]
    return story(*changed, *whole)


def of(found: list[Window], **named: Any) -> list[dict[str, Any]]:
    return [impact(window, END_S) for window in found]


def test_two_of_four_are_dropped_and_come_back() -> None:
    sessions = four(
        (0, 0.0, 0.1, 10.0, "lost"), (0, 10.5, 11.0, END_S, "cut"),
        (1, 0.0, 0.1, 10.0, "lost"), (1, 10.5, None, 10.6, "refused"), (1, 11.5, 12.0, END_S, "cut"),
    )  # fmt: skip
    (told,) = of(windows([fault(10.0, hit=2, share=0.5)], sessions, END_S))
    assert (told["fault"], told["hit"], told["share"], told["present"]) == ("0.0", 2, 0.5, 4)
    assert (told["noticed"], told["blast_radius"], told["sessions_lost"]) == (2, 0.5, 2)
    assert (told["recovered"], told["automatic_recovery_rate"]) == (2, 1.0)
    assert told["time_to_recover_s"] == pytest.approx(2.0)
    assert told["availability"] == pytest.approx(1 - (1.0 + 2.0) / (4 * 2.0))


def test_who_never_comes_back_has_not_recovered() -> None:
    sessions = four(
        (0, 0.0, 0.1, 90.0, "lost"), (0, 91.0, None, END_S, "cut"),
        (1, 0.0, 0.1, 90.0, "lost"), (1, 91.0, 92.0, END_S, "cut"),
    )  # fmt: skip
    (told,) = of(windows([fault(90.0)], sessions, END_S))
    assert (told["noticed"], told["recovered"], told["automatic_recovery_rate"]) == (2, 1, 0.5)
    assert told["time_to_recover_s"] is None
    assert told["availability"] == pytest.approx(1 - (10.0 + 2.0) / (4 * 10.0))
    assert sessions.still_down() == {0}


def test_nobody_notices() -> None:
    (told,) = of(windows([fault(10.0, for_s=3.0)], four(), END_S))
    assert (told["noticed"], told["blast_radius"], told["automatic_recovery_rate"], told["time_to_recover_s"]) == (0, 0.0, None, 0.0)
    assert told["availability"] == 1.0


def test_nobody_is_there() -> None:
    (told,) = of(windows([fault(10.0, present=0)], Sessions(), END_S))
    assert (told["blast_radius"], told["availability"]) == (None, None)


@pytest.mark.parametrize(("lost_s", "counts"), [(9.96, True), (9.9, False), (13 + HORIZON_S, True), (13.1 + HORIZON_S, False)])
def test_what_is_lost_belongs_to_a_fault_no_later_than_the_horizon(lost_s: float, counts: bool) -> None:
    sessions = four((0, 0.0, 0.1, lost_s, "lost"), (0, lost_s, lost_s + 1, END_S, "cut"))
    (told,) = of(windows([fault(10.0, for_s=3.0)], sessions, END_S))
    assert told["sessions_lost"] == int(counts)


def test_what_is_lost_belongs_to_the_last_fault_before_it() -> None:
    sessions = four((0, 0.0, 0.1, 10.0, "lost"), (0, 10.5, 14.5, END_S, "cut"), (1, 0.0, 0.1, 14.0, "lost"), (1, 14.0, 15.0, END_S, "cut"))
    first, second = of(windows([fault(10.0), fault(14.0, "1.0")], sessions, END_S))
    assert (first["sessions_lost"], first["time_to_recover_s"]) == (1, pytest.approx(4.5))
    assert (second["sessions_lost"], second["time_to_recover_s"]) == (1, pytest.approx(1.0))


def lost(talker: int, t_s: float) -> tuple[tuple[int, float, float | None, float, str], ...]:
    """A talker that loses its session, and has another after a second."""
    return (talker, 0.0, 0.1, t_s, "lost"), (talker, t_s, t_s + 1.0, END_S, "cut")


@pytest.mark.parametrize(
    ("faults", "losses", "owned"),
    [
        ([fault(10.0, talkers=(1, 2))], [(1, 12.0), (0, 14.0)], [("0.0", 1)]),
        ([fault(10.0, talkers=(1,))], [(0, 14.0), (2, 14.5)], [("0.0", 0), ("outage.0", 2)]),
        ([fault(5.0, what="command"), fault(8.0, "1.0", talkers=(1,))], [(0, 12.0), (1, 12.0)], [("0.0", 1), ("1.0", 1)]),
        ([fault(8.0, talkers=(0,)), fault(9.0, "1.0", talkers=(1,))], [(0, 12.0), (3, 12.0)], [("0.0", 1), ("1.0", 0)]),
        ([fault(8.0, talkers=(0,)), fault(20.0, "1.0", talkers=(1,))], [(0, 21.0)], [("0.0", 0), ("1.0", 0)]),
        ([fault(8.0, talkers=())], [(0, 9.0)], [("0.0", 0)]),
    ],
)
def test_a_fault_takes_no_blame_for_talkers_that_it_has_not_hit(
    faults: list[FaultRecord], losses: list[tuple[int, float]], owned: list[tuple[str, int]]
) -> None:
    sessions = four(*(session for talker, t_s in losses for session in lost(talker, t_s)))
    told = of(windows(faults, sessions, END_S))
    assert [(each["fault"], each["sessions_lost"]) for each in told] == owned
    assert all("talkers" not in each for each in told)


def test_a_turn_that_failed_counts_with_the_last_fault_that_hit_its_talker() -> None:
    found = windows([fault(10.0, what="command"), fault(11.0, "1.0", for_s=9.0, talkers=(1,))], four(), END_S)
    failed_turn(found, 1, 9.0, 15.0)
    failed_turn(found, 2, 9.0, 15.0)
    failed_turn(found, 2, 13.0, 15.0)  # after the command, amid a stall of somebody else
    assert [each["turns_failed"] for each in of(found)] == [1, 1]


def test_a_long_fault_is_noticed_for_as_long_as_somebody_is_down() -> None:
    """A talker that calls for the first time, and is refused, has noticed it too."""
    sessions = four(
        (0, 0.0, 0.1, 10.0, "lost"), (0, 10.5, 70.0, END_S, "cut"),
        (1, 0.0, 0.1, 30.0, "hung up"), (1, 60.0, None, 60.1, "refused"), (1, 65.0, 72.0, END_S, "cut"),
    )  # fmt: skip
    (told,) = of(windows([fault(10.0, what="command")], sessions, END_S))
    assert (told["noticed"], told["sessions_lost"], told["recovered"]) == (2, 1, 2)
    assert told["time_to_recover_s"] == pytest.approx(62.0)


def test_an_outage_that_nobody_planned_is_found() -> None:
    sessions = four(
        (0, 0.0, 0.1, 20.0, "lost"), (0, 21.0, 26.0, END_S, "cut"),
        (1, 0.0, 0.1, 20.0 + BURST_S, "lost"), (1, 23.0, 25.0, END_S, "cut"),
        (2, 0.0, 0.1, 50.0, "lost"), (2, 51.0, 52.0, END_S, "cut"),
    )  # fmt: skip
    found = windows([], sessions, END_S)
    (told,) = of(found)
    assert (told["fault"], told["what"], told["by"], told["t_s"]) == ("outage.0", "outage", "detected", 20.0)
    assert (told["hit"], told["present"], told["noticed"], told["sessions_lost"]) == (2, 4, 2, 2)
    assert told["time_to_recover_s"] == pytest.approx(6.0)


def test_a_few_losses_among_many_talkers_are_no_outage() -> None:
    sessions = story(*((talker, 0.0, 0.1, 20.0 if talker < 2 else END_S, "lost" if talker < 2 else "cut") for talker in range(9)))
    assert windows([], sessions, END_S) == []
    sessions = story(*((talker, 0.0, 0.1, 20.0 if talker < 2 else END_S, "lost" if talker < 2 else "cut") for talker in range(8)))
    assert len(windows([], sessions, END_S)) == 1


def test_what_a_fault_explains_is_no_outage() -> None:
    sessions = four(*((talker, 0.0, 0.1, 10.0, "lost") for talker in range(4)))
    assert [window.fault.fault for window in windows([fault(10.0)], sessions, END_S)] == ["0.0"]


def test_a_command_counts_the_talkers_that_were_there() -> None:
    sessions = story((0, 0.0, 0.1, 50.0, "hung up"), (1, 20.0, 20.1, 50.0, "hung up"))
    (told,) = of(windows([fault(10.0, present=0, what="command")], sessions, END_S))
    assert told["present"] == 1


def test_failed_turns_count_once_with_what_made_them_fail() -> None:
    sessions = four((0, 0.0, 0.1, 10.0, "lost"), (0, 10.5, 12.0, END_S, "cut"))
    found = windows([fault(10.0), fault(20.0, "1.0", for_s=5.0)], sessions, END_S)
    assert sessions.lost_after(0, 8.0) == 10.0
    assert sessions.lost_after(0, 10.5) is None
    assert sessions.lost_after(3, 0.0) is None
    lost_turn(found, 0, 10.0)
    lost_turn(found, 1, 10.0)  # whose session was not lost then
    failed_turn(found, 1, 11.0, 21.0)  # overlaps both
    failed_turn(found, 2, 24.0, 40.0)
    failed_turn(found, 3, 26.0, 40.0)  # after the second
    failed_turn(found, 3, 2.0, 9.0)  # before the first
    first, second = of(found)
    assert (first["turns_failed"], first["noticed"]) == (1, 1)
    assert (second["turns_failed"], second["noticed"], second["recovered"], second["time_to_recover_s"]) == (2, 2, 2, 0.0)


def test_a_talker_that_is_heard_again_has_a_session() -> None:
    sessions = four((0, 0.0, 0.1, 10.0, "lost"))
    sessions.heard(0, 9.0)
    assert sessions.still_down() == {0}
    sessions.heard(0, 15.0)
    assert sessions.still_down() == set()
    (told,) = of(windows([fault(10.0)], sessions, END_S))
    assert (told["recovered"], told["time_to_recover_s"]) == (1, pytest.approx(5.0))
