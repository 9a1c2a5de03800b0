"""Chaos in one process: does the scenario's actions, and those of somebody's hand, to the talkers that are here, and tells of each.

The timetable and who is hit come from `scenarios/chaos.py`; all workers act at the same instant of the run. A talker without an open
session at that instant (between two calls, or with one that is still opening) is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gevent

from metrics.faults import BY_HAND, RANDOM, SCENARIO, FaultRecord
from metrics.records import ErrorKind
from protocol import Opcode, encode
from scenarios import HAND, Action, Do, Garbage, Planned, ScenarioError, action_from, garbage, hit, timetable
from users.clock import SECOND_NS, now_ns
from users.command import run_command
from users.errors import RemoteError
from users.line import KEYS
from users.link import Link
from users.run import Run
from users.session import Session

_LATE_S = 1.0
"""What was due so long ago is not done any more: the worker has joined late."""
_LEAD_S = 0.2
"""How long after an order by hand all workers act on it."""
_ASKED = ("do", "share", "for_s", "kind")
"""What may be asked for by hand: a command's program is not among it."""

Tell = Callable[[FaultRecord], None]


class Chaos:
    """Of one process and run. `tell` is called with each fault; `talkers`: it has talkers; `commands`: it runs the scenario's commands;
    `send`: orders by hand go to others through it, None where there are none."""

    def __init__(
        self, run: Run, tell: Tell, talkers: bool = True, commands: bool = True, send: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self._run = run
        self._tell = tell
        self._talkers, self._commands = talkers, commands
        self._send = send
        self._by_hand = 0
        self._greenlets = [gevent.spawn(self._follow)] if run.scenario.chaos else []
        self._over = False

    def stop(self) -> None:
        """The run is to end: nothing is done any more, stalls are over, and a command that still runs is ended. Again does nothing."""
        self._over = True
        alive = [greenlet for greenlet in self._greenlets if not greenlet.dead]
        if alive:  # else do not wait: whoever stops may be interrupted while it does
            gevent.killall(alive)

    def by_hand(self, asked: Mapping[str, Any]) -> None:
        """Do now what somebody asks for: an action's `do`, `share`, `for_s` and `kind`, or the `number` of a command of the scenario's.
        Raises ValueError with one line for what is no such action, or may not be."""
        action = self._asked(asked)
        n, self._by_hand = self._by_hand, self._by_hand + 1
        at_s = self._elapsed_s() + (_LEAD_S if self._send else 0.0)
        order = {"action": action.model_dump(mode="json"), "n": n, "at_s": at_s}
        if self._send is not None and action.run is None:
            self._send(order)
        self.ordered(order)

    def ordered(self, order: Mapping[str, Any]) -> None:
        """Do what was asked for by hand, here or at the master."""
        action = Action.model_validate(order["action"])
        self._later(Planned(order["at_s"], -1, order["n"], action), BY_HAND)

    def _asked(self, asked: Mapping[str, Any]) -> Action:
        if self._over:
            raise ScenarioError("the run is over, or about to end")
        number = asked.get("number")
        if number is None:
            return action_from({**{name: asked[name] for name in _ASKED if asked.get(name) is not None}, "at_s": 0.0})
        commands = {place: action for place, action in enumerate(self._run.scenario.chaos) if action.run is not None}
        if not isinstance(number, int) or number not in commands:
            raise ScenarioError(f"number: the scenario has no command {number!r}")
        return commands[number]

    def _elapsed_s(self) -> float:
        return (now_ns() - self._run.began_ns) / SECOND_NS

    def _follow(self) -> None:
        for planned in timetable(self._run.scenario.chaos, self._run.options.seed):
            late_s = self._elapsed_s() - planned.at_s
            if late_s <= _LATE_S:
                gevent.sleep(max(0.0, -late_s))
                self._later(planned, RANDOM if planned.action.random else SCENARIO)

    def _later(self, planned: Planned, by: str) -> None:
        """Do it when it is due, unless it is others' to do."""
        mine = self._commands if planned.action.run is not None else self._talkers
        if mine and not self._over:
            self._greenlets = [greenlet for greenlet in self._greenlets if not greenlet.dead]
            self._greenlets.append(gevent.spawn_later(max(0.0, planned.at_s - self._elapsed_s()), self._do, planned, by))

    def _do(self, planned: Planned, by: str) -> None:
        action = planned.action
        number: int | str = HAND if by == BY_HAND else planned.number
        name, here = f"{number}.{planned.n}", self._run.roster.present() if self._talkers else 0
        fault = FaultRecord(fault=name, what=action.do.value, by=by, t_s=self._elapsed_s(), present=here, detail=action.kind)
        if action.run is not None:
            how = "not over at the end of the run"
            try:
                how = run_command(action.run, self._run.secrets)
            finally:
                self._tell(replace(fault, for_s=self._elapsed_s() - fault.t_s, detail=f"{action.run[0]}: {how}"))
            return
        seed, share = self._run.options.seed, action.share
        victims = [(talker, s) for talker, s in sorted(self._run.sessions.items()) if hit(seed, number, planned.n, share, talker)]
        stalled: list[Link] = []
        done = tuple(talker for talker, session in victims if self._hit(planned, number, name, talker, session, stalled))
        told = replace(fault, for_s=action.for_s or 0.0, share=share, hit=len(done), talkers=done)
        self._tell(told)
        if stalled:
            self._greenlets.append(gevent.spawn(self._stall, told, stalled))

    def _stall(self, told: FaultRecord, links: list[Link]) -> None:
        """Wait, and have the links go on: after `told.for_s`, or when the run is to end; then say that the stall was shorter."""
        lasted_s = told.for_s
        try:
            gevent.sleep(told.for_s)
        except gevent.GreenletExit:
            lasted_s = min(lasted_s, self._elapsed_s() - told.t_s)
            self._tell(replace(told, for_s=lasted_s, hit=0, present=0, talkers=()))
        finally:
            for link in links:
                link.go_on()

    def _hit(self, planned: Planned, number: int | str, name: str, talker: int, session: Session, stalled: list[Link]) -> bool:
        """Do it to one talker; whether it could be done."""
        action, link = planned.action, session.link
        match action.do:
            case Do.DROP | Do.RESET:
                return link.drop(RemoteError(ErrorKind.CHAOS, f"chaos {name}: {action.do}"), action.do is Do.RESET)
            case Do.STALL:
                if not link.stall():
                    return False
                stalled.append(link)
            case Do.STORM:
                if not link.open:
                    return False
                session.break_off(RemoteError(ErrorKind.CHAOS, f"chaos {name}: {action.do}", at_once=True))
            case Do.GARBAGE if action.kind is not None:
                made = garbage(action.kind, self._run.options.seed, number, planned.n, talker)
                return link.spoil(made if action.kind is Garbage.FRAMES else encode(Opcode.TEXT, made, next(KEYS).tobytes()))
        return True
