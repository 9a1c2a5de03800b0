"""What a profile does on a timetable: outages, and faults in which parts of it are replaced. Times are seconds since the start."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from assistant.delays import Section
from assistant.profile_parts import Asr, Endpointing, Failures, FalseAlarm, Gaps, Interruption, Llm, Pace, Sessions, Tokens, Tts

MAX_S = 7 * 86400.0

Instant = Annotated[float, Field(ge=0, le=MAX_S)]
Span = Annotated[float, Field(gt=0, le=MAX_S)]


class Changes(Section):
    """Parts of a profile that are replaced, key by key: what is left out stays as it is."""

    asr: Asr | None = None
    llm: Llm | None = None
    tts: Tts | None = None
    endpointing: Endpointing | None = None
    pace: Pace | None = None
    gaps: Gaps | None = None
    interruption: Interruption | None = None
    false_alarm: FalseAlarm | None = None
    failures: Failures | None = None
    sessions: Sessions | None = None
    tokens: Tokens | None = None


class UnderLoad(Section):
    sessions: Annotated[int, Field(ge=1)] = Field(description="from so many open sessions on")
    profile: Changes = Field(description="parts of the profile that are replaced then")


class _Recurring(Section):
    """Happens at `at_s`, or from `every_s` on where that is left out, and again each `every_s`."""

    at_s: Instant | None = Field(None, description="seconds since the start; where left out: every_s")
    every_s: Span | None = Field(None, description="again after so many seconds; where left out: once")

    @property
    def lasts_s(self) -> float:
        """How long it lasts, seconds."""
        raise NotImplementedError  # each kind says

    @model_validator(mode="after")
    def _planned(self) -> _Recurring:
        if self.at_s is None and self.every_s is None:
            raise ValueError("give at_s, every_s, or both")
        if self.every_s is not None and self.every_s <= self.lasts_s:
            raise ValueError(f"it lasts {self.lasts_s:g} s, so every_s must be more than that")
        return self

    @property
    def first_s(self) -> float:
        """When it happens first."""
        if self.at_s is not None:
            return self.at_s
        assert self.every_s is not None
        return self.every_s

    def begins_after(self, now_s: float) -> float | None:
        """The first beginning that is later than `now_s`; None where there is none."""
        if now_s < self.first_s:
            return self.first_s
        if self.every_s is None:
            return None
        begin_s = self.first_s + (math.floor((now_s - self.first_s) / self.every_s) + 1) * self.every_s
        return begin_s if begin_s > now_s else begin_s + self.every_s

    def ends_s(self, now_s: float) -> float | None:
        """When what is under way at `now_s` ends; None where nothing is under way."""
        if now_s < self.first_s:
            return None
        begin_s = self.first_s
        if self.every_s is not None:
            begin_s += math.floor((now_s - self.first_s) / self.every_s) * self.every_s
        end_s = begin_s + self.lasts_s
        return end_s if now_s < end_s else None


class Outage(_Recurring):
    down_s: Span = Field(description="the serving process is killed (SIGKILL) and started again after so long")

    @property
    def lasts_s(self) -> float:
        return self.down_s


class Fault(_Recurring):
    for_s: Span = Field(description="how long it lasts")
    profile: Changes = Field(description="parts of the profile that are replaced meanwhile")

    @property
    def lasts_s(self) -> float:
        return self.for_s


def next_outage(outages: tuple[Outage, ...], now_s: float) -> tuple[float, float] | None:
    """When the next outage after `now_s` begins and how long it lasts, seconds; of two at once the longer. None: there is none."""
    begins = [(begin_s, outage.down_s) for outage in outages if (begin_s := outage.begins_after(now_s)) is not None]
    return min(begins, key=lambda found: (found[0], -found[1]), default=None)


def active(faults: tuple[Fault, ...], now_s: float) -> tuple[int, ...]:
    """Which faults are under way, by their place in the list."""
    return tuple(number for number, fault in enumerate(faults) if fault.ends_s(now_s) is not None)


def next_change(faults: tuple[Fault, ...], now_s: float) -> float | None:
    """The next instant after `now_s` at which a fault begins or ends; None: never again."""
    ends = [fault.ends_s(now_s) for fault in faults]
    begins = [fault.begins_after(now_s) for fault in faults]
    return min((instant for instant in (*ends, *begins) if instant is not None), default=None)
