"""What each fault of a run did to the talkers: a pure function of sessions, failed turns and the faults themselves.

A talker is **down** from the instant at which its session is lost, or its first attempt at one fails, until it has a session again. That
belongs to the last fault before it that may be why: one that has hit this talker, or everybody, and is over for no longer than HORIZON_S,
or from which not everybody had recovered. What belongs to no fault may be an **outage**: within BURST_S at least BURST_SHARE of the talkers
present, and two at least, lose their sessions.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from metrics.faults import DETECTED, OUTAGE, FaultRecord

HORIZON_S = 10.0
BURST_S = 2.0
BURST_SHARE = 0.25
_SAME_S = 0.05
"""Two clocks may differ by so much: what goes down so long before a fault belongs to it."""


@dataclass(slots=True)
class Down:
    """A talker without a session: from `begin_s` of the run to `end_s`, None where it never had one again. `lost`: it had one before."""

    talker: int
    begin_s: float
    lost: bool
    end_s: float | None = None


@dataclass(slots=True)
class Window:
    """A fault, and the time from it until everybody has recovered: `end_s`, at the latest the end of the run. `whom`: those that it has
    hit; None: everybody."""

    fault: FaultRecord
    present: int
    end_s: float
    whom: frozenset[int] | None = None
    downs: list[Down] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    turns_failed: int = 0

    def take(self, down: Down, duration_s: float) -> None:
        """This belongs to the fault."""
        self.downs.append(down)
        self.end_s = max(self.end_s, duration_s if down.end_s is None else down.end_s)

    def concerns(self, talker: int) -> bool:
        """Whether the fault has hit this talker."""
        return self.whom is None or talker in self.whom

    def reaches(self, down: Down) -> bool:
        """Whether the fault, which came before, may be why a talker goes down."""
        return self.concerns(down.talker) and down.begin_s <= max(self.fault.t_s + self.fault.for_s + HORIZON_S, self.end_s)


class Sessions:
    """Takes the sessions of a run, those of a talker in their order; keeps when talkers were down, and when they were there."""

    def __init__(self) -> None:
        self.downs: list[Down] = []
        self._down: dict[int, Down] = {}
        self._there: dict[int, tuple[float, float]] = {}
        self._lost: dict[int, list[float]] = {}

    def add(self, talker: int, started_s: float, ready_s: float | None, closed_s: float, lost: bool, down_s: float) -> None:
        """One session; times in seconds of the run, `ready_s` None where it never was; `lost`, `down_s` as in a SessionRecord."""
        first, last = self._there.get(talker, (math.inf, -math.inf))
        self._there[talker] = (min(first, started_s - down_s), max(last, closed_s))
        if down_s > 0 and talker not in self._down:
            self._goes_down(talker, (closed_s if ready_s is None else ready_s) - down_s, False)
        if ready_s is not None:
            self.heard(talker, ready_s)
        if lost:
            self._lost.setdefault(talker, []).append(closed_s)
            self._goes_down(talker, closed_s, True)

    def heard(self, talker: int, t_s: float) -> None:
        """The talker has a session at `t_s`."""
        down = self._down.get(talker)
        if down is not None and t_s >= down.begin_s:
            del self._down[talker]
            down.end_s = t_s

    def still_down(self) -> set[int]:
        """Talkers of whom it is not known that they have a session again."""
        return set(self._down)

    def lost_after(self, talker: int, t_s: float) -> float | None:
        """When the talker next lost its session, from `t_s` on; None where it did not."""
        lost = self._lost.get(talker, [])
        index = bisect_left(lost, t_s)
        return lost[index] if index < len(lost) else None

    def present(self, t_s: float) -> int:
        """How many talkers were there."""
        return sum(first <= t_s <= last for first, last in self._there.values())

    def _goes_down(self, talker: int, begin_s: float, lost: bool) -> None:
        if talker not in self._down:
            self._down[talker] = Down(talker, begin_s, lost)
            self.downs.append(self._down[talker])


def windows(faults: Sequence[FaultRecord], sessions: Sessions, duration_s: float) -> list[Window]:
    """The faults of a run and the outages that were found besides, in order, with what went down by each. `faults` in order."""
    made = []
    for fault in faults:  # who only runs a command has no talkers to count
        present, whom = fault.present or sessions.present(fault.t_s), None if fault.talkers is None else frozenset(fault.talkers)
        made.append(Window(fault, present, min(fault.t_s + fault.for_s, duration_s), whom))
    left = _shared_out(made, sorted(sessions.downs, key=lambda down: down.begin_s), duration_s)
    outages = [Window(fault, fault.present, fault.t_s) for fault in _outages(left, sessions)]
    _shared_out(outages, left, duration_s)
    return sorted([*made, *outages], key=lambda window: window.fault.t_s)


def _shared_out(made: Sequence[Window], downs: Sequence[Down], duration_s: float) -> list[Down]:
    """Give each to the last window before it that reaches it; returns those that belong to none."""
    left = []
    for down in downs:
        before = bisect_right(made, down.begin_s, key=lambda window: window.fault.t_s - _SAME_S)
        window = next((made[index] for index in range(before - 1, -1, -1) if made[index].reaches(down)), None)
        if window is not None:
            window.take(down, duration_s)
        else:
            left.append(down)
    return left


def _outages(downs: Sequence[Down], sessions: Sessions) -> list[FaultRecord]:
    lost = [down for down in downs if down.lost]
    found: list[FaultRecord] = []
    index = 0
    while index < len(lost):
        begin_s = lost[index].begin_s
        after = bisect_right(lost, begin_s + BURST_S, key=lambda down: down.begin_s)
        talkers = {down.talker for down in lost[index:after]}
        present = sessions.present(begin_s) if len(talkers) > 1 else 0
        if len(talkers) > 1 and len(talkers) >= BURST_SHARE * present:
            name = f"{OUTAGE}.{len(found)}"
            found.append(FaultRecord(fault=name, what=OUTAGE, by=DETECTED, t_s=begin_s, hit=len(talkers), present=present))
            index = after
        else:
            index += 1
    return found


def lost_turn(found: Iterable[Window], talker: int, lost_s: float) -> None:
    """A turn that failed as its session was lost at `lost_s`: it counts with that."""
    for window in found:
        if any(down.lost and down.talker == talker and down.begin_s == lost_s for down in window.downs):
            window.turns_failed += 1
            return


def failed_turn(found: Sequence[Window], talker: int, begin_s: float, end_s: float) -> None:
    """A turn that failed otherwise, from its speech's onset to its end: it counts with the last fault that concerns its talker, and whose
    window it overlaps."""
    for window in reversed(found):
        if window.concerns(talker) and begin_s <= window.end_s and end_s >= window.fault.t_s:
            window.failed.add(talker)
            window.turns_failed += 1
            return


def impact(window: Window, duration_s: float) -> dict[str, Any]:
    """What `run.json` holds of a fault: its record's fields but for `talkers`, and

    - `noticed`: talkers that were down or had a failed turn in the window; `blast_radius`: their share of those present, None for nobody;
    - `sessions_lost`, `turns_failed`: what was lost;
    - `recovered`: of those that noticed, who had a session again by themselves; `automatic_recovery_rate`: their share, None for none;
    - `time_to_recover_s`: from the fault until every talker that noticed had a session; 0 where nobody was down, None where one never had;
    - `availability`: share of the talkers' time in the window in which they were not down; None where nobody was present.
    """
    fault, begin_s = window.fault, window.fault.t_s
    noticed = {down.talker for down in window.downs} | window.failed
    never = {down.talker for down in window.downs if down.end_s is None}
    ends = [down.end_s for down in window.downs if down.end_s is not None]
    present, span_s = max(window.present, len(noticed)), window.end_s - begin_s
    down_s = sum(min(_end(d, duration_s), window.end_s) - max(d.begin_s, begin_s) for d in window.downs if _end(d, duration_s) > begin_s)
    availability = (1.0 - down_s / (present * span_s) if span_s > 0 else 1.0) if present else None
    return {
        **{name: value for name, value in asdict(fault).items() if name != "talkers"},
        "present": present,
        "noticed": len(noticed),
        "blast_radius": len(noticed) / present if present else None,
        "sessions_lost": sum(down.lost for down in window.downs),
        "turns_failed": window.turns_failed,
        "recovered": len(noticed - never),
        "automatic_recovery_rate": len(noticed - never) / len(noticed) if noticed else None,
        "time_to_recover_s": None if never else max(ends, default=begin_s) - begin_s,
        "availability": availability,
    }


def _end(down: Down, duration_s: float) -> float:
    return duration_s if down.end_s is None else down.end_s
