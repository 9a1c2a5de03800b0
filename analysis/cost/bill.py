"""Prices times usage: what it comes to per call, per 1,000 requests, per hour and per month, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.cost.prices import Price, Prices
from analysis.cost.usage import Usage
from analysis.statistics import estimate
from analysis.statistics.estimate import Estimate

DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Line:
    """One price of the file. `used`: how much of its unit in the run; `cost`: of the run; `unheard`: of that, for audio that nobody heard.
    All None, and `why`, where the usage was not told; `part`: the share of answers that told it, 1 where it is no matter of theirs."""

    price: Price
    used: float | None
    cost: float | None
    unheard: float | None
    per_call: Estimate
    per_1000_requests: Estimate
    per_hour: Estimate
    part: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """`total`: of the lines that are known, not known where none is; its price is of no unit."""

    lines: Sequence[Line]
    total: Line

    @property
    def whole(self) -> bool:
        """Whether all lines are known."""
        return all(line.cost is not None and line.part == 1.0 for line in self.lines)


def bill(prices: Prices, used: Usage) -> Bill:
    """What the run cost by these prices."""
    lines = [_line(price, used, used.calls[price.per] * price.price, used.unheard[price.per] * price.price) for price in prices.prices]
    known = [line.price for line in lines if line.cost is not None]
    zero = pd.Series(0.0 if known else np.nan, index=used.calls.index)
    cost = sum((used.calls[p.per].fillna(0.0) * p.price for p in known), zero)
    unheard = sum((used.unheard[p.per].fillna(0.0) * p.price for p in known), zero)
    return Bill(lines, _line(Price(component="Total", price=0.0, per="call"), used, cost, unheard))


def per_month(calls_per_day: float | None, minutes_per_day: float | None, total: Line) -> list[tuple[str, Estimate]]:
    """What a month of that load costs; `minutes_per_day` are of connected calls."""
    found = []
    if calls_per_day is not None:
        found.append((f"{calls_per_day:,g} calls a day", scaled(total.per_call, calls_per_day * DAYS_PER_MONTH)))
    if minutes_per_day is not None:
        found.append((f"{minutes_per_day:,g} minutes of calls a day", scaled(total.per_hour, minutes_per_day / 60.0 * DAYS_PER_MONTH)))
    return found


def scaled(one: Estimate, factor: float) -> Estimate:
    """So many times as much."""
    value, low, high = (None if end is None else end * factor for end in (one.value, one.low, one.high))
    return replace(one, value=value, low=low, high=high)


def _line(price: Price, used: Usage, cost: pd.Series, unheard: pd.Series) -> Line:
    told = cost.notna()
    if not told.any():
        nothing = Estimate(None, None, None, 0, 0, "the assistant told no such usage")
        return Line(price, None, None, None, nothing, nothing, nothing, 0.0, nothing.why)
    cost, unheard = cost.fillna(0.0), unheard.fillna(0.0)
    calls = cost.index.to_numpy(np.int64)
    ended = used.ended.reindex(cost.index).to_numpy(bool)
    values, requests, hours = cost.to_numpy(float), used.calls["request"].to_numpy(float), used.calls["session_hour"].to_numpy(float)
    per_call = estimate.mean(values[ended], calls[ended])
    if not ended.any():
        per_call = replace(per_call, why="the run ended before any call did")
    per_request = estimate.amount(values, requests, calls)
    quantity = float(used.calls[price.per].sum())
    return Line(
        price, quantity, float(cost.sum()), float(unheard.sum()), per_call, scaled(per_request, 1000.0),
        estimate.amount(values, hours, calls), _part(price.per, used),
    )  # fmt: skip


def _part(per: str, used: Usage) -> float:
    if "tokens" not in per or not used.responses:
        return 1.0
    needed = {"million_input_tokens": "input_tokens", "million_output_tokens": "output_tokens"}.get(per)
    if needed is None:
        needed = "cached_tokens" if "cached" in per else "input_audio_tokens" if "input" in per else "output_audio_tokens"
    return used.told[needed] / used.responses
