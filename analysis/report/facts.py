"""What all sections of a report draw from: a run, what its metrics come to, and how these stand to their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import pandas as pd

from analysis import measured, shown
from analysis.load import Loaded
from analysis.statistics.estimate import Estimate
from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.metric import Metric, Shape, Target, aggregate_of, show, show_target, why_absent


class Standing(StrEnum):
    """How what was measured stands to what is wanted."""

    MET = "met"
    """It is so, and its interval is, too."""
    MISSED = "MISSED"
    """It is not so, and neither is any of its interval."""
    LIKELY_MET = "met, may be chance"
    """It is so; its interval reaches beyond."""
    LIKELY_MISSED = "missed, may be chance"
    """It is not so; its interval reaches what is wanted."""
    ALONE_MET = "met, no interval"
    ALONE_MISSED = "missed, no interval"
    """The data cannot tell how sure it is."""
    FEW = "too few to judge"
    """Fewer values than the metric's least."""
    UNKNOWN = "not measured"


MOODS = {
    Standing.MET: "good",
    Standing.LIKELY_MET: "plain",
    Standing.MISSED: "bad",
    Standing.LIKELY_MISSED: "warning",
    Standing.ALONE_MET: "plain",
    Standing.ALONE_MISSED: "warning",
    Standing.FEW: "warning",
    Standing.UNKNOWN: "plain",
}


@dataclass(frozen=True)
class Facts:
    """A run and what is worked out of it, once. `step` is called after each estimate: of a progress bar."""

    run: Loaded
    step: Callable[[], object] = lambda: None
    _known: dict[tuple[str, str], Estimate] = field(default_factory=dict)

    @property
    def info(self) -> dict[str, Any]:
        """What `run.json` holds."""
        return self.run.info

    @property
    def scenario(self) -> dict[str, Any]:
        """As it was resolved."""
        made: dict[str, Any] = self.run.info["scenario"]
        return made

    @cached_property
    def aggregate(self) -> Aggregate:
        """All metrics as the run added them up."""
        return self.run.histograms

    @cached_property
    def turns(self) -> pd.DataFrame:
        """Utterances and barge-ins."""
        return self.run.turns[self.run.turns["kind"] != "false_alarm"]

    def count(self, name: str) -> int:
        """How many values a metric has."""
        return self.aggregate.values[name].count

    def absent(self, name: str) -> str:
        """Why a metric has no value."""
        return why_absent(METRICS[name], self.info)

    def estimate(self, name: str, aggregate: str, where: pd.Series | None = None) -> Estimate:
        """What a metric comes to (`mean`, `pN`, `max`, `value`) with its interval. `where`: of which records, by their table's index."""
        if where is not None:
            self.step()
            return measured.of(self.run, name, aggregate, where)
        key = (name, aggregate)
        if key not in self._known:
            self._known[key] = self._estimate(name, aggregate)
            self.step()
        return self._known[key]

    def _estimate(self, name: str, aggregate: str) -> Estimate:
        value = self.aggregate.values[name]
        if METRICS[name].shape is Shape.TREND:
            low, high = (aggregate_of(value, end) for end in ("low", "high"))
            told = aggregate_of(value, "value")
            why = self.absent(name) if told is None else "" if low is not None else "too few samples for an interval"
            return Estimate(told, low, high, value.count, 0, why)
        if not value.count:
            return Estimate(None, None, None, 0, 0, self.absent(name))
        if aggregate in ("min", "max"):
            return Estimate(aggregate_of(value, aggregate), None, None, value.count, 0, "an extreme has no interval")
        return measured.of(self.run, name, aggregate)

    def stands(self, name: str, target: Target) -> Standing:
        """How a metric stands to a target, its interval considered."""
        metric, found = METRICS[name], self.estimate(name, target.aggregate)
        if metric.whole and target.aggregate == "max":
            share = self.aggregate.ratio(metric.whole).value
            if share is not None and share < 1.0:  # one that never came counts as infinite
                return Standing.MISSED
        return standing(found, target, metric)

    def target(self, name: str, aggregate: str, grade: str = "target") -> Target | None:
        """A metric's target for this aggregate; None where it has none."""
        return next((t for t in METRICS[name].targets if t.aggregate == aggregate and t.grade == grade), None)

    def missed(self, name: str) -> list[Target]:
        """The targets that a metric misses, by more than chance."""
        return [t for t in METRICS[name].targets if t.grade == "target" and self.stands(name, t) is Standing.MISSED]


def standing(found: Estimate, target: Target, metric: Metric) -> Standing:
    """How an estimate stands to a target. The interval decides: what lies in it may be so of all callers."""
    if found.value is None:
        return Standing.UNKNOWN
    if found.n < metric.min_count:
        return Standing.FEW
    met = target.met_by(found.value)
    if target.aggregate == "max":
        return Standing.MET if met else Standing.MISSED
    if found.low is None or found.high is None:
        return Standing.ALONE_MET if met else Standing.ALONE_MISSED
    sure = target.met_by(found.low) == met == target.met_by(found.high)
    if met:
        return Standing.MET if sure else Standing.LIKELY_MET
    return Standing.MISSED if sure else Standing.LIKELY_MISSED


def cell(found: Estimate, metric: Metric) -> str:
    """An estimate in a table's cell: `612 ms (590 to 640)`, or with what is known of it."""
    if found.value is None:
        return "-"
    if found.low is None:
        return shown.value(found, metric.unit)
    value, interval = shown.value(found, metric.unit), shown.interval(found, metric.unit)
    return f"{value} ({interval.removesuffix(' ' + value.partition(' ')[2])})"


def told(name: str, found: Estimate, aggregate: str = "") -> str:
    """An estimate in running text, with its metric: `End-to-end latency p95 612 ms (590 to 640 ms, n 430)`."""
    metric = METRICS[name]
    which = "" if aggregate in ("", "value") else f" {aggregate}"
    return f"{metric.title}{which} {shown.full(found, metric.unit)}"


def wanted(name: str, target: Target) -> str:
    """A target and where it comes from: `p95 < 1200 ms (SD)`."""
    return f"{show_target(target, METRICS[name].unit)} ({target.source})"


def number(value: float | None, name: str) -> str:
    """A value of a metric as screens show it."""
    return show(value, METRICS[name].unit)
