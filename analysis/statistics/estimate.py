"""An aggregate of a metric with its confidence interval. `units`: the sampling unit of each value, such as its session.

What the intervals are, and how often they hold the truth, is in docs/statistics.md; how they are made, in `sampled`.
"""

from __future__ import annotations

from analysis.statistics import sampled
from analysis.statistics.sampled import Estimate
from analysis.statistics.units import CONFIDENCE, Floats, Units

__all__ = ["CONFIDENCE", "Estimate", "Floats", "Units", "amount", "mean", "quantile", "rate", "share"]


def mean(values: Floats, units: Units) -> Estimate:
    """The mean of values; both of shape (n,)."""
    return sampled.mean(values, units).estimate


def quantile(values: Floats, units: Units, q: float) -> Estimate:
    """The quantile `q` (0 to 1) of values, as numpy's `linear` method has it; both of shape (n,)."""
    return sampled.quantile(values, units, q).estimate


def share(numerators: Floats, denominators: Floats, units: Units) -> Estimate:
    """The part that `numerators` are of `denominators`, from 0 to 1; all of shape (n,)."""
    return sampled.share(numerators, denominators, units).estimate


def rate(events: Floats, spans: Floats, units: Units) -> Estimate:
    """Events per span; all of shape (n,)."""
    return sampled.rate(events, spans, units).estimate


def amount(amounts: Floats, spans: Floats, units: Units) -> Estimate:
    """A sum of amounts, such as money, per span; all of shape (n,)."""
    return sampled.amount(amounts, spans, units).estimate
