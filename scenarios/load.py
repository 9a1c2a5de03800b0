"""The load: how many talkers, or how many calls, when, and for how long."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scenarios.parts import Count, Name, NotNegative, Part, Positive
from scenarios.rate import Piece, Rate

CLOSED, CONSTANT, POISSON = "closed", "constant", "poisson"
MAX_CALLS = 10_000_000
"""Arrivals of one run, at most: they are planned before it starts."""
REPORTED_S = 1.5
"""After so long workers have reported what ended before."""


class Stage(Part):
    """A part of the run that has a name: the load changes evenly for `over_s` seconds, and then stays for `hold_s`."""

    name: Name = Field(description="how criteria and reports call it")
    talkers: Count | None = Field(None, description="talkers that it reaches; `null`: those of the stage before")
    calls_per_s: NotNegative | None = Field(
        None, description="calls per second that it reaches, with open arrivals; `null`: those of the stage before"
    )
    tokens_per_s: NotNegative | None = Field(None, description="rate of the token minter that it reaches; `null`: that of the stage before")
    over_s: NotNegative = Field(0.0, description="seconds in which it is reached")
    hold_s: NotNegative = Field(0.0, description="seconds for which it is kept after that")

    @property
    def length_s(self) -> float:
        """How long it takes."""
        return self.over_s + self.hold_s

    @model_validator(mode="after")
    def _some_time(self) -> Stage:
        if self.length_s <= 0:
            raise ValueError("a stage takes some time: give over_s, hold_s or both")
        return self


class Search(Part):
    """The run looks for the most talkers that keep all criteria: up by steps until one is missed, by bisection, and the edge again."""

    least: Annotated[int, Field(ge=1, strict=True)] = Field(1, description="talkers to begin with")
    most: Annotated[int, Field(ge=1, strict=True)] = Field(100, description="talkers beyond which it does not look")
    wanted: Annotated[int, Field(ge=1, strict=True)] = Field(1, description="talkers that it must find at least, for the run to pass")
    growth: Annotated[float, Field(gt=1, le=10, strict=True)] = Field(1.5, description="factor from one step to the next")
    within: Annotated[float, Field(gt=0, le=0.5, strict=True)] = Field(
        0.05, description="share of the capacity that the interval may be wide; one talker at least"
    )
    settle_s: NotNegative = Field(
        5.0, description="seconds of each step before those that count, once its talkers are there: longer than a turn takes"
    )
    measure_s: Positive = Field(20.0, description="seconds of each step that count")
    repeats: Annotated[int, Field(ge=1, le=9, strict=True)] = Field(2, description="times that each side of the edge is tried at least")

    @property
    def step_s(self) -> float:
        """How long a step takes at least, once its talkers are there."""
        return self.settle_s + self.measure_s + REPORTED_S

    @model_validator(mode="after")
    def _upwards(self) -> Search:
        if self.most < self.least:
            raise ValueError("most is below least")
        if self.wanted > self.most:
            raise ValueError(f"wanted is above most: it looks for no more than {self.most} talkers")
        return self


class Load(Part):
    """How many talkers, for how long."""

    talkers: Annotated[int, Field(ge=1, strict=True)] = Field(
        1, description="virtual talkers that call at the same time; with open arrivals, those that can"
    )
    spawn_per_s: Positive = Field(1.0, description="talkers that start per second")
    duration_s: Positive = Field(60.0, description="length of the run in seconds, ramp included")
    stages: tuple[Stage, ...] = Field(
        (), description="how the load changes; they make up the run, and `spawn_per_s` and `duration_s` do not apply"
    )
    arrivals: Literal["closed", "constant", "poisson"] = Field(
        "closed",
        description="`closed`: who has hung up calls again; `constant`, `poisson`: calls begin at `calls_per_s`, evenly or at random",
    )
    calls_per_s: NotNegative = Field(0.0, description="calls that begin per second, with open arrivals")
    tokens_per_s: NotNegative = Field(
        0.0, description="rate at which a token minter asks for tokens besides those of the talkers, on an open timetable; 0: no minter"
    )
    beside: dict[str, Annotated[int, Field(ge=1, strict=True)]] = Field(
        {}, description="Locust user classes of your own locustfile that run beside the talkers, and how many users of each"
    )
    search: Search | None = Field(None, description="look for the most talkers that keep the criteria; it makes up the run")

    @model_validator(mode="after")
    def _sensible(self) -> Load:
        names = [stage.name for stage in self.stages]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two stages are called {twice}: a name is a stage's own")
        if self.search is not None and (self.stages or self.open):
            raise ValueError("a search makes its own stages: leave out stages and open arrivals")
        needed_s = self.search.least / self.spawn_per_s + self.search.step_s if self.search is not None else 0.0
        if needed_s > self.duration_s:
            raise ValueError(f"duration_s {self.duration_s:g} is too short for a search: its first step alone takes {needed_s:g} s")
        rates = any(stage.calls_per_s is not None for stage in self.stages) or self.calls_per_s > 0
        if rates and not self.open:
            raise ValueError("calls_per_s goes with open arrivals: add arrivals: poisson, or constant")
        if self.open and any(stage.talkers is not None for stage in self.stages):
            raise ValueError("with open arrivals a stage has calls_per_s; load.talkers is how many can call at the same time")
        if self.open and not rates:
            raise ValueError("open arrivals need calls_per_s")
        if self.open and "talkers" not in self.model_fields_set:
            raise ValueError(
                "open arrivals need talkers, as many as can be on the line at the same time: several times calls_per_s times the seconds "
                "that a call takes"
            )
        if self.search is None and not self.stages and not self.open and self.talkers / self.spawn_per_s > self.duration_s:
            ramp_s = self.talkers / self.spawn_per_s
            raise ValueError(
                f"{self.talkers} talkers at {self.spawn_per_s:g} a second (spawn_per_s) need {ramp_s:g} s to start, the run takes "
                f"{self.duration_s:g} s (duration_s)"
            )
        if self.stages and not self.open and self.peak == 0:
            raise ValueError("no stage has a talker")
        if self.stages and self.stages[0].talkers == 0:
            raise ValueError("the first stage has no talker: begin with one")
        if self.calls.until(self.length_s) > MAX_CALLS:
            raise ValueError(f"{self.calls.until(self.length_s):.3g} calls in one run are more than {MAX_CALLS}")
        return self

    @property
    def open(self) -> bool:
        """Whether calls begin on a timetable of their own, whatever became of those before."""
        return self.arrivals != CLOSED

    @property
    def length_s(self) -> float:
        """How long the run takes; a search, at most."""
        if self.search is not None:
            return self.duration_s
        return sum(stage.length_s for stage in self.stages) or self.duration_s

    @property
    def peak(self) -> int:
        """The most talkers at a time."""
        if self.search is not None:
            return self.search.most
        return self.talkers if self.open or not self.stages else max(stage.talkers or 0 for stage in self.stages)

    @property
    def risen_s(self) -> float:
        """When the number of talkers is as high as it ever becomes, in seconds of the run; 0 for a search, which has no plan."""
        if self.search is not None or self.open:
            return 0.0
        if not self.stages:
            return self.talkers / self.spawn_per_s
        begins_s, highest, risen_s = 0.0, 0, 0.0
        for stage in self.stages:
            if stage.talkers is not None and stage.talkers > highest:
                highest, risen_s = stage.talkers, begins_s + stage.over_s
            begins_s += stage.length_s
        return risen_s

    @property
    def timetable(self) -> tuple[tuple[float, str], ...]:
        """When each stage begins, in seconds of the run, and its name."""
        begins_s, found = 0.0, []
        for stage in self.stages:
            found.append((begins_s, stage.name))
            begins_s += stage.length_s
        return tuple(found)

    @property
    def planned(self) -> Rate:
        """The talkers that are to be there over time."""
        if self.open:
            return Rate((Piece(self.length_s, self.talkers, self.talkers),))
        if self.stages:
            return self._along("talkers", 0.0)
        ramp_s = min(self.talkers / self.spawn_per_s, self.duration_s)
        reached = min(float(self.talkers), self.duration_s * self.spawn_per_s)
        return Rate((Piece(ramp_s, 0.0, reached), Piece(self.duration_s - ramp_s, reached, reached)))

    @property
    def calls(self) -> Rate:
        """The calls that begin per second, over time; none where arrivals are not open."""
        return self._along("calls_per_s", self.calls_per_s)

    @property
    def tokens(self) -> Rate:
        """The token minter's requests per second, over time."""
        return self._along("tokens_per_s", self.tokens_per_s)

    @property
    def minting(self) -> bool:
        """Whether there is a token minter."""
        return self.tokens.total > 0

    @property
    def orders(self) -> tuple[tuple[float, int, float], ...]:
        """What is asked of Locust, and when: instant in seconds of the run, talkers, talkers per second at which they come or go."""
        if self.open or not self.stages:
            return ((0.0, self.talkers, max(self.spawn_per_s, float(self.talkers) if self.open else 0.0)),)
        begins_s, before, found = 0.0, 0, []
        for stage in self.stages:
            talkers = before if stage.talkers is None else stage.talkers
            if talkers != before:
                change = abs(talkers - before)
                found.append((begins_s, talkers, change / stage.over_s if stage.over_s else float(max(change, 1))))
            begins_s, before = begins_s + stage.length_s, talkers
        return tuple(found)

    def _along(self, key: str, first: float) -> Rate:
        """A quantity that the stages change evenly."""
        if not self.stages:
            return Rate((Piece(math.inf, first, first),) if first else ())  # a run's end may be put off
        pieces, before = [], first
        for stage in self.stages:
            given = getattr(stage, key)
            reached = before if given is None else float(given)
            pieces += [Piece(stage.over_s, before, reached), Piece(stage.hold_s, reached, reached)]
            before = reached
        return Rate(tuple(piece for piece in pieces if piece.length_s > 0))

    def talkers_at(self, t_s: float) -> int:
        """How many talkers are to be there at an instant of the run."""
        return math.floor(self.planned.at(t_s) + 1e-9)
