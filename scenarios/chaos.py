"""Chaos: what the tester does to its own sessions, or to the assistant by a command, when, and to which talkers. A part of the scenario.

Everything here derives from (run seed, action, n) and talker numbers alone, so that every worker knows which of its talkers are hit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import count
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from scenarios.draws import generator
from scenarios.errors import ScenarioError
from scenarios.parts import NotNegative, Part, Period, Positive

HAND = "hand"
"""Stands where the number of an action stands, for what is done by hand."""


class Do(StrEnum):
    """What is done to the sessions that are hit."""

    DROP = "drop"
    RESET = "reset"
    STALL = "stall"
    STORM = "reconnect_storm"
    GARBAGE = "garbage"
    COMMAND = "command"


class Garbage(StrEnum):
    """What garbage is made of."""

    FRAMES = "frames"
    """No WebSocket frame: bits that RFC 6455 reserves are set."""
    JSON = "json"
    """A text message that is JSON, but no event of the dialect."""
    BYTES = "bytes"
    """A text message of random bytes, which are no UTF-8."""


class Action(Part):
    """One chaos action, done once, at regular times or at random."""

    do: Do = Field(
        description="`drop`: connections end without a close frame (FIN); `reset`: they are reset (RST); `stall`: nothing is read or sent "
        "on them; `reconnect_storm`: talkers hang up and call again at once; `garbage`: they send what is not allowed; "
        "`command`: a program runs"
    )
    at_s: NotNegative | None = Field(None, description="done once, at this second of the run")
    every_s: Period | None = Field(None, description="done again and again, so many seconds apart")
    per_min: Annotated[float, Field(gt=0, le=60, strict=True)] | None = Field(
        None, description="done at random, so often a minute on average"
    )
    until_s: Positive | None = Field(None, description="with every_s or per_min: not after this second of the run")
    share: Annotated[float, Field(gt=0, le=1, strict=True)] = Field(1.0, description="share of the talkers that are hit")
    for_s: Positive | None = Field(None, description="stall: how long")
    kind: Garbage | None = Field(
        None,
        description="garbage: `frames` (no WebSocket frame), `json` (no event of the dialect) or `bytes` (a text message that is no UTF-8)",
    )
    run: tuple[Annotated[str, Field(strict=True, min_length=1)], ...] | None = Field(
        None, description="command: the program and its arguments, a list; no shell reads it. Needs the option `--chaos-commands`"
    )

    @model_validator(mode="after")
    def _whole(self) -> Action:
        given = [name for name in ("at_s", "every_s", "per_min") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of at_s, every_s, per_min")
        if self.until_s is not None and self.at_s is not None:
            raise ValueError("until_s goes with every_s or per_min")
        for name, do in (("for_s", Do.STALL), ("kind", Do.GARBAGE), ("run", Do.COMMAND)):
            if (getattr(self, name) is not None) != (self.do is do):
                raise ValueError(f"{name} goes with do: {do}, and with nothing else")
        if self.run == ():
            raise ValueError("run names a program, such as [docker, compose, kill, assistant]")
        if self.do is Do.COMMAND and self.share != 1.0:
            raise ValueError("share goes with what is done to sessions: a command hits what it hits")
        return self

    @property
    def random(self) -> bool:
        """Whether it is done at random instants."""
        return self.per_min is not None


def action_from(plain: Mapping[str, Any]) -> Action:
    """The action in plain data that is no scenario file. Raises ScenarioError with one line."""
    try:
        return Action.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}") from None


@dataclass(frozen=True, slots=True)
class Planned:
    """An action is due: `number` is its place in the scenario's list, `n` is how often it was done before, `at_s` seconds of the run."""

    at_s: float
    number: int
    n: int
    action: Action


def timetable(actions: Sequence[Action], seed: int) -> Iterator[Planned]:
    """What is due in a run, in order; without end where an action has none."""
    return heapq.merge(*(_of(number, action, seed) for number, action in enumerate(actions)), key=lambda planned: planned.at_s)


def _of(number: int, action: Action, seed: int) -> Iterator[Planned]:
    at_s = 0.0
    for n in count():
        if action.at_s is not None:
            at_s = action.at_s
        elif action.every_s is not None:
            at_s = action.every_s * (n + 1)
        elif action.per_min is not None:
            at_s += generator(seed, "chaos", number, "gap", n).expovariate(action.per_min / 60.0)
        if action.until_s is not None and at_s > action.until_s:
            return
        yield Planned(at_s, number, n, action)
        if action.at_s is not None:
            return


def hit(seed: int, number: int | str, n: int, share: float, talker: int) -> bool:
    """Whether a talker is among the share that action `number` (or HAND) hits when it is done for the `n`-th time, counted from 0.

    Of talkers 0 to m-1, m x `share` are hit, rounded up or down: numbers are cut into groups of 1 / `share` in a row, and one of each group
    is drawn; above a half, those that are spared are drawn so.
    """
    exact = Fraction(share).limit_denominator(1_000_000)
    if exact >= 1:
        return True
    drawn = min(exact, 1 - exact)
    group = math.floor(talker * drawn)
    while math.ceil((group + 1) / drawn) <= talker:
        group += 1
    first, after = math.ceil(group / drawn), math.ceil((group + 1) / drawn)
    chosen = first + int(generator(seed, "chaos", number, n, "group", group).random() * (after - first))
    return (talker == chosen) == (drawn == exact)


def garbage(kind: Garbage, seed: int, number: int | str, n: int, talker: int) -> bytes:
    """What a talker sends: the bytes of the wire for FRAMES, else those of a text message."""
    rng = generator(seed, "chaos", number, n, "garbage", talker)
    if kind is Garbage.FRAMES:
        return bytes([0xF0 | rng.randrange(16), *rng.randbytes(rng.randrange(7, 64))])  # FIN and all three reserved bits
    if kind is Garbage.BYTES:
        return b"\xff" + rng.randbytes(rng.randrange(15, 256))
    return f'{{"type": "chaos.{rng.randrange(10**9)}", "value": [{rng.random()}, null]}}'.encode()
