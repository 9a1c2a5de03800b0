"""Distributions that a person writes in a scenario, and seeded draws from them.

Everything a talker does is drawn from a generator made of the run's seed and names alone, so a plan depends neither on timing
nor on how many workers there are.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

from pydantic import model_validator

from scenarios.parts import NotNegative, Part, Positive

_Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


def generator(*names: int | str) -> Random:
    """A random generator that depends on `names` alone: the same on every machine, version and worker."""
    return Random("/".join(str(n) for n in names))


class Lognormal(Part):
    """Median and 95th percentile of a lognormal distribution."""

    median: Positive
    p95: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Lognormal:
        if self.p95 < self.median:
            raise ValueError("p95 is below the median")
        return self


class Draw(Part):
    """One of `fixed: 2`, `uniform: [1, 3]`, `exponential: 2` (its mean), `lognormal: {median: 1.5, p95: 4}`; a bare number is fixed."""

    fixed: NotNegative | None = None
    uniform: tuple[NotNegative, NotNegative] | None = None
    exponential: Positive | None = None
    lognormal: Lognormal | None = None

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return {"fixed": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one(self) -> Draw:
        given = [k for k in ("fixed", "uniform", "exponential", "lognormal") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of fixed, uniform, exponential, lognormal")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform goes from the lower to the higher bound")
        return self

    def draw(self, rng: Random) -> float:
        """One value, in the unit of the field that holds the distribution."""
        if self.fixed is not None:
            return self.fixed
        if self.uniform is not None:
            return rng.uniform(*self.uniform)
        if self.exponential is not None:
            return rng.expovariate(1.0 / self.exponential)
        if self.lognormal is None:
            raise AssertionError("a validated draw has one distribution")
        sigma = math.log(self.lognormal.p95 / self.lognormal.median) / _Z95
        return rng.lognormvariate(math.log(self.lognormal.median), sigma)
