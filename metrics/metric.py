"""What a metric is: a name, a definition, a target, and how to read it off one record."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from metrics.histogram import Histogram, Ratio
from metrics.trend import CONFIDENCE, Trend

Value = Histogram | Ratio | Trend
"""What a metric's values are put together in: one class for each shape."""


class Shape(StrEnum):
    """How a metric's values are put together."""

    DISTRIBUTION = "distribution"
    """One value per record: mean, percentiles, extremes."""
    RATIO = "ratio"
    """One sum over another: a share or a rate."""
    TREND = "trend"
    """How fast a value grows, with its confidence interval."""


class Unit(StrEnum):
    """Unit of a metric's values as they are kept; screens show seconds as milliseconds, shares as per cent, bytes as
    megabytes (10^6)."""

    SECONDS = "s"
    SHARE = "share"
    PER_MINUTE = "/min"
    PER_HOUR = "/h"
    FACTOR = "x"
    INDEX = "index"
    BYTES = "B"
    BYTES_PER_HOUR = "B/h"


OPS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
"""How a value may be compared with a bound."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a metric should reach: `aggregate` (mean, p50, p95, ..., or value for a ratio) `op` (<, <= or >) `bound`, in the metric's unit.

    `source` is the document that says so; `grade` is target, good or excellent.
    """

    aggregate: str
    op: str
    bound: float
    source: str
    grade: str = "target"

    def met_by(self, value: float) -> bool:
        """Whether `value` of the aggregate reaches it."""
        return OPS[self.op](value, self.bound)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the catalogue.

    `measure` takes a record of type `record` and returns a float for a distribution, a pair (numerator, denominator) for a ratio, a pair
    (instant in seconds, value) for a trend, or None where the record has nothing to say. `begins`, `ends`: from which instant to which.
    `absent` says when, and why, it is None.
    `min_count`: with fewer values than this a percentile is not worth a verdict.
    """

    name: str
    title: str
    table: str
    shape: Shape
    unit: Unit
    record: type
    measure: Callable[[Any], Any]
    begins: str
    ends: str
    absent: str
    better: str = "lower"
    targets: tuple[Target, ...] = ()
    code: str = ""
    """Identifier in the system design: E2E, L1 to L9, B1 to B4; empty where it has none."""
    min_count: int = 10
    summed: bool = False
    """A ratio that means something over many records only: the numerator comes with one record, the denominator with another, or is time.
    It has no column in run files."""
    weighed: bool = False
    """A ratio whose denominator is not one per record but time: its column is a share within the record."""
    whole: str = ""
    """Name of the share that tells which of its values exist: where not all do, those missing count as infinite in criteria."""


def aggregate_of(value: Value, aggregate: str) -> float | None:
    """The number that `aggregate` names: mean, min, max, count, sum, value (a ratio's or a trend's), low and high (the ends of a trend's
    confidence interval), or pN with N from 0 to 100.

    None while there is nothing to aggregate. Raises ValueError for a name that does not suit the shape.
    """
    if aggregate == "count":
        return float(value.count)
    if isinstance(value, Ratio):
        if aggregate == "value":
            return value.value
        raise ValueError(f"a share or a rate has no {aggregate}: use value or count")
    if isinstance(value, Trend):
        if aggregate == "value":
            return value.slope
        if aggregate not in ("low", "high"):
            raise ValueError(f"a growth has no {aggregate}: use value, low, high or count")
        return value.interval[aggregate == "high"] if value.interval else None
    match aggregate:
        case "mean":
            return value.mean
        case "min":
            return value.low
        case "max":
            return value.high
        case "sum":
            return value.total
    if aggregate[:1] == "p":
        try:
            percent = float(aggregate[1:])
        except ValueError:
            percent = -1.0
        if 0.0 <= percent <= 100.0:
            return value.quantile(percent / 100.0)
    raise ValueError(f"unknown aggregate {aggregate!r}: use mean, min, max, count, sum or p0 to p100")


def why_absent(metric: Metric, info: Mapping[str, Any]) -> str:
    """Why a run has no value of a metric. `info`: what its `run.json` holds; what its wire cannot tell comes before the catalogue's word,
    which is about runs that could have had one. Folders of older runs have no `untold`."""
    told: str = info.get("untold", {}).get(metric.name, metric.absent)
    return told


def show(value: float | None, unit: Unit) -> str:
    """A value as screens show it: `612 ms`, `1820 ms`, `12.3 s` (from 10 s on), `96.0 %`, `0.40 /min`; a dash where there is none.

    A share that is not quite all is never shown as 100 %, and one that is not quite none never as 0 %.
    """
    if value is None:
        return "-"
    match unit:
        case Unit.SECONDS:
            ms = value * 1000.0
            if abs(ms) >= 10_000:
                return f"{value:.1f} s"
            return f"{ms:.0f} ms" if abs(ms) >= 100 else (f"{ms:.1f} ms" if abs(ms) >= 1 else f"{ms:.3f} ms")
        case Unit.SHARE:
            if 0.9995 <= value < 1.0:
                return f"{math.floor(value * 1e4) / 100:.2f} %"
            return f"{math.ceil(value * 1e4) / 100:.2f} %" if 0.0 < value < 0.0005 else f"{value * 100:.1f} %"
        case Unit.PER_MINUTE | Unit.PER_HOUR:
            return f"{value:.2f} {unit.value}"
        case Unit.FACTOR:
            return f"{value:.2f} x"
        case Unit.INDEX:
            return f"{value:.3f}"
        case Unit.BYTES:
            megabytes = value / 1e6
            return f"{megabytes:.0f} MB" if abs(megabytes) >= 100 else f"{megabytes:.{1 if abs(megabytes) >= 1 else 3}f} MB"
        case Unit.BYTES_PER_HOUR:
            return f"{_growth(value)} MB/h"


def show_interval(value: float | None, interval: tuple[float, float] | None, unit: Unit) -> str:
    """A growth as screens show it, with its confidence interval: `3.20 MB/h (95 %: 1.10 to 5.30)`; says where there is none."""
    told = show(value, unit)
    if value is None:
        return told
    if interval is None:
        return f"{told} (too few samples for an interval)"
    return f"{told} ({CONFIDENCE * 100:.0f} %: {_growth(interval[0])} to {_growth(interval[1])})"


def _growth(bytes_per_hour: float) -> str:
    """In megabytes an hour; never `-0.00`."""
    megabytes = bytes_per_hour / 1e6
    return f"{megabytes:.0f}" if abs(megabytes) >= 100 else f"{round(megabytes, 2) + 0.0:.2f}"


def show_target(target: Target, unit: Unit) -> str:
    """A target as screens show it: `p95 < 1200 ms`, `> 98 %`."""
    match unit:
        case Unit.SECONDS:
            bound = f"{target.bound:g} s" if target.bound >= 10.0 else f"{target.bound * 1000:g} ms"
        case Unit.SHARE:
            bound = f"{target.bound * 100:g} %"
        case Unit.INDEX:
            bound = f"{target.bound:g}"
        case Unit.BYTES | Unit.BYTES_PER_HOUR:
            bound = f"{target.bound / 1e6:g} M{unit.value}"
        case _:
            bound = f"{target.bound:g} {unit.value}"
    name = "" if target.aggregate == "value" else f"{target.aggregate} "
    return f"{name}{target.op} {bound}"
