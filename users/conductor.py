"""The conductor: changes the number of talkers while the run goes on, as the scenario's load has it, and ends the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import gevent

from metrics.capacity import Held
from metrics.stages import WHOLE
from scenarios.capacity import CapacitySearch
from scenarios.load import REPORTED_S, Load
from users.clock import SECOND_NS, now_ns

logger = logging.getLogger(__name__)

_PATIENCE = 3
"""A step in which nothing at all was measured is made so many times as long, at most; then it does not hold."""
_REACHED_S = 60.0
"""How much later than ordered talkers may have come or gone: they end their turns first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One try of a search: the name of its stage, and how many talkers there were."""

    stage: str
    talkers: int


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the conductor acts: `order` has so many talkers come or go at so many a second, `present` tells how many are there, `stage`
    says that one begins, `judge` what it says of its talkers so far, `found` takes the numbers of talkers that hold and that do not, as far
    as they are known, and whether the search is over, `end` ends the run."""

    order: Callable[[int, float], object]
    present: Callable[[], int]
    stage: Callable[[str], object]
    judge: Callable[[Step], Held]
    found: Callable[[int, int | None, bool], object]
    end: Callable[[], object]


class Conductor:
    """Of one run, from the instant `began_ns` on; Locust has given its first order. `over`: the load was brought to its end."""

    def __init__(self, load: Load, began_ns: int, stand: Stand) -> None:
        self._load, self._began_ns, self._stand = load, began_ns, stand
        self.over = False
        self._ordering: Any = None
        self._greenlet = gevent.spawn(self._search if load.search is not None else self._stages)

    def stop(self) -> None:
        """The run ends otherwise."""
        self._greenlet.kill(block=False)

    def _stages(self) -> None:
        for begins_s, talkers, per_s in self._load.orders[1:]:
            self._wait(begins_s)
            self._order(talkers, per_s)
        self._wait(self._load.length_s)
        self._end()

    def _search(self) -> None:
        if self._load.search is None:
            return
        stand, asked, search = self._stand, self._load.search, CapacitySearch(self._load.search)
        number = 0
        while (talkers := search.next()) is not None:
            ramp_s = abs(talkers - stand.present()) / self._load.spawn_per_s
            if self._elapsed_s() + ramp_s + asked.step_s > self._load.length_s:
                logger.warning("the search is out of time (load.duration_s): the interval is wider than asked for")
                break
            number += 1
            step = Step(f"step-{number}", talkers)
            self._order(talkers, self._load.spawn_per_s)
            if not self._reach(talkers, ramp_s):
                logger.warning("the search ends: %d talkers were asked for, and %d are there", talkers, stand.present())
                break
            gevent.sleep(asked.settle_s)
            held = self._look(step, asked.measure_s)
            if held is None:
                logger.warning("the search ends: with %d talkers too little was measured to say, and no time is left", talkers)
                stand.found(search.holds, search.fails, False)
                break
            search.told(talkers, held)
            stand.found(search.holds, search.fails, search.next() is None)
        self._end()

    def _end(self) -> None:
        self.over = True
        gevent.spawn(self._stand.end)

    def _look(self, step: Step, measure_s: float) -> bool | None:
        """Whether all criteria hold in a step, which is made longer while too little was measured in it to say; None: the run has no time
        for that."""
        self._stand.stage(step.stage)
        for looks in count(1):
            gevent.sleep(measure_s)
            gevent.sleep(REPORTED_S)
            said = self._stand.judge(step)
            missing = said is Held.NOTHING and looks == _PATIENCE
            known = said in (Held.HOLDS, Held.MISSED) or missing
            if known or self._elapsed_s() + measure_s + REPORTED_S > self._load.length_s:
                break
        self._stand.stage(WHOLE)
        return said is Held.HOLDS if known else None

    def _elapsed_s(self) -> float:
        return (now_ns() - self._began_ns) / SECOND_NS

    def _wait(self, t_s: float) -> None:
        gevent.sleep(max(0.0, t_s - self._elapsed_s()))

    def _order(self, talkers: int, per_s: float) -> None:
        """One after the other: Locust's master gives its talkers out in the greenlet that orders them."""
        if self._ordering is not None:
            self._ordering.join()
        self._ordering = gevent.spawn(self._stand.order, talkers, per_s)

    def _reach(self, talkers: int, ramp_s: float) -> bool:
        """Wait until so many are there, which takes `ramp_s` at the rate at which they come; False where they never are."""
        until_s = self._elapsed_s() + ramp_s + _REACHED_S
        while self._stand.present() != talkers and self._elapsed_s() < until_s:
            gevent.sleep(0.05)
        return self._stand.present() == talkers
