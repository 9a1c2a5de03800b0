"""Each metric over a history of runs of one kind, and where it changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis import measured
from analysis.load import Loaded
from analysis.statistics.changes import LEAST_RUNS, Change, changes
from analysis.statistics.estimate import CONFIDENCE, Estimate
from metrics.aggregate import uncolumned
from metrics.catalog import METRICS
from metrics.metric import Metric, Unit, aggregate_of
from metrics.summary import SNAPSHOT

WATCHED = (
    *SNAPSHOT,
    ("endpointing_delay", "p50"),
    ("asr_processing", "p50"),
    ("llm_ttft", "p50"),
    ("tts_processing", "p50"),
    ("stop_by_byte", "p95"),
    ("session_success", "value"),
    ("availability", "value"),
    ("token_mint_latency", "p95"),
)
"""What a history is looked at for, by metric and aggregate: the numbers of the snapshot, the stages, and how sessions fared."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how much the newest segment may be worse than the one before: `share` of what it was, of times and rates; `points` of shares."""

    share: float
    points: float


@dataclass(frozen=True, slots=True)
class Series:
    """`runs`: places in the history of the runs that have enough values, ascending; `points`: their estimates. `changes`: in order, `at` is
    the place in the history of the first run after each."""

    metric: Metric
    aggregate: str
    runs: Sequence[int]
    points: Sequence[Estimate]
    changes: Sequence[Change]

    @property
    def title(self) -> str:
        """As screens name it."""
        return self.metric.title if self.aggregate == "value" else f"{self.metric.title} {self.aggregate}"

    def worse(self, change: Change) -> float:
        """By how much it became worse: in the metric's unit, negative where it became better; 0 where there is no better."""
        if self.metric.better == "neutral":
            return 0.0
        return (change.after - change.before) * (-1.0 if self.metric.better == "higher" else 1.0)

    def regressed(self, tolerance: Tolerance) -> bool:
        """Whether the newest segment is worse than the one before it, by more than is tolerated."""
        if not self.changes:
            return False
        last = self.changes[-1]
        allowed = tolerance.points if self.metric.unit is Unit.SHARE else tolerance.share * abs(last.before)
        return self.worse(last) > allowed


def history(runs: Iterable[Loaded]) -> list[Series]:
    """Of runs of one kind, in their order: what they tell in LEAST_RUNS runs at least. Their chance of a change where there is none is 5 %
    for all metrics together (Bonferroni)."""
    told = [[_point(run, name, aggregate) for name, aggregate in WATCHED] for run in runs]
    found = []
    for number, (name, aggregate) in enumerate(WATCHED):
        metric, points = METRICS[name], [row[number] for row in told]
        places = [at for at, point in enumerate(points) if point.value is not None and point.n >= metric.min_count]
        if places:
            found.append((metric, aggregate, places, [points[at] for at in places]))
    long = sum(len(places) >= LEAST_RUNS for *_, places, _ in found)
    return [Series(*one, _changes(one[2], one[3], (1 - CONFIDENCE) / max(1, long))) for one in found]


def _changes(places: Sequence[int], points: Sequence[Estimate], alpha: float) -> list[Change]:
    values = np.array([point.value for point in points], float)
    return [Change(places[c.at], c.before, c.after, c.low, c.high, c.p) for c in changes(values, alpha)]


def _point(run: Loaded, name: str, aggregate: str) -> Estimate:
    """What is added up already is not measured anew: it has no interval."""
    metric = METRICS[name]
    if metric in uncolumned(metric.record):
        value = run.histograms.values[name]
        return Estimate(aggregate_of(value, aggregate), None, None, value.count, 0, "added up by the run itself")
    return measured.of(run, name, aggregate)
