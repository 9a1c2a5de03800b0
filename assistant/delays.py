"""Delays as a profile gives them: distributions of seconds to draw from."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_DELAY_S = 3600.0
P95_OF_NORMAL = 1.6448536269514722  # 95th percentile of the standard normal distribution

Seconds = Annotated[float, Field(ge=0, le=MAX_DELAY_S)]


class Section(BaseModel):
    """A mapping of a profile: no key that is not known, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LogNormal(Section):
    """A long-tailed delay, given by two numbers that people quote."""

    median: float = Field(gt=0, le=MAX_DELAY_S)
    p95: float = Field(gt=0, le=MAX_DELAY_S)

    @model_validator(mode="after")
    def _ordered(self) -> LogNormal:
        if self.p95 < self.median:
            raise ValueError("p95 must not be below the median")
        return self


def _percent(name: str) -> float:
    """The share below a quantile called p50, p99.9 and so on. Raises ValueError."""
    try:
        percent = float(name.removeprefix("p")) if name.startswith("p") else math.nan
    except ValueError:
        percent = math.nan
    if not 0 < percent < 100:
        raise ValueError(f"{name!r} is no quantile: expected p50, p95, p99.9 and the like")
    return percent / 100


class Distribution(Section):
    """Seconds to draw: exactly one of fixed, normal [mean, sd], lognormal {median, p95}, uniform [low, high],
    quantiles {p50: .., p90: .., ...}.

    Between two quantiles the logarithm of the delay is straight in the share; beyond the first and the last the line goes on."""

    fixed: Seconds | None = None
    normal: tuple[Seconds, Seconds] | None = None
    lognormal: LogNormal | None = None
    uniform: tuple[Seconds, Seconds] | None = None
    quantiles: dict[str, Annotated[float, Field(gt=0, le=MAX_DELAY_S)]] | None = None

    @field_validator("quantiles")
    @classmethod
    def _rising(cls, quantiles: dict[str, float] | None) -> dict[str, float] | None:
        if quantiles is None:
            return None
        points = sorted((_percent(name), value) for name, value in quantiles.items())
        if len(points) < 2:
            raise ValueError("give two quantiles or more")
        if any(before[0] == after[0] or before[1] > after[1] for before, after in pairwise(points)):
            raise ValueError("a higher quantile cannot be shorter, nor come twice")
        return quantiles

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform is [low, high] with low <= high")
        return self

    def sample(self, rng: random.Random) -> float:
        """One draw in seconds, never negative (a normal draw below zero becomes zero)."""
        if self.fixed is not None:
            return self.fixed
        if self.normal is not None:
            return max(0.0, rng.gauss(*self.normal))
        if self.uniform is not None:
            return rng.uniform(*self.uniform)
        if self.quantiles is not None:
            return at_share(self.quantiles, rng.random())
        assert self.lognormal is not None
        median, p95 = self.lognormal.median, self.lognormal.p95
        return median * math.exp(rng.gauss(0.0, 1.0) * math.log(p95 / median) / P95_OF_NORMAL)


def at_share(quantiles: dict[str, float], share: float) -> float:
    """The delay in seconds that a share (0 to 1) of draws does not exceed: log-linear between the quantiles, which are at least two.

    At its ends the line of the outermost two goes on."""
    points = sorted((_percent(name), math.log(value)) for name, value in quantiles.items())
    after = min(max(bisect_right(points, (share, math.inf)), 1), len(points) - 1)
    (low, begin), (high, end) = points[after - 1], points[after]
    return min(MAX_DELAY_S, math.exp(begin + (share - low) * (end - begin) / (high - low)))


def fixed(seconds: float) -> Distribution:
    """The distribution that always gives `seconds`."""
    return Distribution(fixed=seconds)
