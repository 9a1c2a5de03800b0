"""The catalogue as a table of what was measured: for the web tab, its CSV file and the live page. A pure function of an aggregate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.metric import Metric, Shape, Target, Value, aggregate_of, show, show_interval, show_target

QUANTILES = ("p50", "p95", "p99", "max")
"""What a distribution shows besides its mean."""
_AGGREGATES = {Shape.DISTRIBUTION: ("mean", *QUANTILES), Shape.RATIO: ("value",), Shape.TREND: ("value", "low", "high")}


class Standing(StrEnum):
    """Whether what is wanted of a metric is so."""

    HOLDS = "holds"
    MISSED = "missed"
    UNKNOWN = "unknown"
    """It has no target, or nothing was measured yet."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric. `values`: mean, p50, p95, p99 and max (of a distribution), value (of a ratio), or value, low and high (of a trend) by
    these names, in the metric's unit; None where there is none. `targets`: all of them as screens show them, each with a mark once it can
    be judged, good and excellent too.
    `standing`: of those of grade target together; `few`: judged on fewer values than its minimum."""

    metric: Metric
    count: int
    values: dict[str, float | None]
    targets: str
    standing: Standing
    few: bool

    @property
    def verdict(self) -> str:
        """The standing as screens show it: `holds`, `MISSED`, either with `(few)`; a dash where it is unknown."""
        return told(self.standing, self.few)

    def shown(self, which: str) -> str:
        """A value as screens show it; `first` is the mean or the value. A dash where there is none."""
        if which == "first" and self.metric.shape is Shape.TREND:
            low, high = self.values["low"], self.values["high"]
            return show_interval(self.values["value"], None if low is None or high is None else (low, high), self.metric.unit)
        if which == "first":
            which = _AGGREGATES[self.metric.shape][0]
        return show(self.values.get(which), self.metric.unit)


def told(standing: Standing, few: bool) -> str:
    """A standing as screens show it."""
    if standing is Standing.UNKNOWN:
        return "-"
    return ("MISSED" if standing is Standing.MISSED else "holds") + (" (few)" if few else "")


def rows(aggregate: Aggregate) -> list[Row]:
    """Every metric of the catalogue, in its order, measured or not."""
    return [_row(metric, aggregate.values[metric.name]) for metric in METRICS.values()]


def _row(metric: Metric, value: Value) -> Row:
    values = {name: aggregate_of(value, name) for name in _AGGREGATES[metric.shape]}
    judged = [(target, standing(target, value)) for target in metric.targets]
    decisive = [found for target, found in judged if target.grade == "target" and found is not Standing.UNKNOWN]
    if not decisive:
        whole = Standing.UNKNOWN
    else:
        whole = Standing.MISSED if Standing.MISSED in decisive else Standing.HOLDS
    targets = ", ".join(_target(target, found, metric) for target, found in judged)
    return Row(metric, value.count, values, targets, whole, 0 < value.count < metric.min_count)


def standing(target: Target, value: Value) -> Standing:
    """Whether `value` reaches the target."""
    measured = aggregate_of(value, target.aggregate)
    if measured is None:
        return Standing.UNKNOWN
    return Standing.HOLDS if target.met_by(measured) else Standing.MISSED


def _target(target: Target, found: Standing, metric: Metric) -> str:
    mark = {Standing.HOLDS: "✓ ", Standing.MISSED: "✗ ", Standing.UNKNOWN: ""}[found]
    grade = "" if target.grade == "target" else f"{target.grade} "
    return f"{mark}{grade}{show_target(target, metric.unit)}"
