"""What the tables of a paper hold, before they are LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.paper.significance import Difference, Sample, difference, holm
from analysis.pool import LATENCIES, Pool
from analysis.statistics import estimate
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.metric import Shape, Unit

AGGREGATES = ("mean", "p50", "p95", "p99")
"""Of each latency."""
WORDS = "word_error_rate"
"""Not in the catalogue: it is counted afterwards, from `spoken` and `transcript`."""
EFFECTS = (
    "success", "barge_in_latency", "stop_by_ear", "interruption_success", "false_stop_rate", "spurious_response", "false_alarm_resume",
    "continuity", "underruns", WORDS,
)  # fmt: skip
"""What is shown besides the latencies of what a setting changes: of distributions the mean."""
ALL = ""
"""The group of all turns."""


@dataclass(frozen=True, slots=True)
class Named:
    """How a row is called: the metric's name, its code (L1 to L9, E2E; else empty), title, unit, and fewest values worth a verdict."""

    name: str
    code: str
    title: str
    unit: Unit
    least: int


@dataclass(frozen=True, slots=True)
class Row:
    """A metric of a group of turns: an estimate for each aggregate; `value` where it is a share or a rate."""

    group: str
    level: str
    metric: Named
    estimates: dict[str, Estimate]

    @property
    def n(self) -> int:
        return next(iter(self.estimates.values())).n

    @property
    def sessions(self) -> int:
        return next(iter(self.estimates.values())).sessions

    @property
    def few(self) -> bool:
        """Whether there are fewer values than a verdict needs."""
        return self.n < self.metric.least


@dataclass(frozen=True, slots=True)
class Test:
    """A group against the one it is compared with: of the mean, the share or the rate."""

    group: str
    level: str
    against: str
    metric: Named
    n: tuple[int, int]
    result: Difference


def named(name: str) -> Named:
    """How a metric is called."""
    if name == WORDS:
        return Named(WORDS, "WER", "Word error rate", Unit.SHARE, 10)
    metric = METRICS[name]
    return Named(name, metric.code, metric.title, metric.unit, metric.min_count)


def latencies() -> list[str]:
    """Their names, end-to-end first."""
    return [metric.name for metric in LATENCIES]


def rows(pool: Pool, column: str, names: Sequence[str], done: Callable[[], object] = lambda: None) -> list[Row]:
    """The metrics of each level of a column, or of all turns for `ALL`; `done` is called after each metric."""
    found = {}
    for name in names:
        values = _values(pool, name)
        for level in pool.levels(column) if column else [ALL]:
            part = values[pool.turns.loc[values.index, column] == level] if column else values
            found[level, name] = Row(column, level, named(name), _estimates(part, name))
        done()
    levels = pool.levels(column) if column else [ALL]
    return [found[level, name] for level in levels for name in names]


def tests(pool: Pool, column: str, names: Sequence[str]) -> list[Test]:
    """Each level of a column against the first, of each metric; p-values adjusted for all of them."""
    levels = pool.levels(column)
    made = []
    for name in names:
        values = _values(pool, name)
        of = pool.turns.loc[values.index, column]
        first = values[of == levels[0]]
        for level in levels[1:]:
            second = values[of == level]
            n = (len(first), len(second))
            few = min(n) < named(name).least
            result = Difference(None, why="few values") if few else difference(_sample(first), _sample(second))
            made.append(Test(column, level, levels[0], named(name), n, result))
    told = [i for i, test in enumerate(made) if test.result.p is not None]
    for i, adjusted in zip(told, holm([made[i].result.p or 0.0 for i in told]), strict=True):
        made[i] = replace(made[i], result=replace(made[i].result, adjusted=adjusted))
    return made


def measured_of(pool: Pool, names: Sequence[str]) -> list[str]:
    """Those of the metrics that have a value at all."""
    return [name for name in names if len(_values(pool, name))]


def _values(pool: Pool, name: str) -> pd.DataFrame:
    return pool.words() if name == WORDS else pool.values(name)


def _estimates(part: pd.DataFrame, name: str) -> dict[str, Estimate]:
    sessions = part["session"].to_numpy(np.int64)
    if name == WORDS or METRICS[name].shape is Shape.RATIO:
        return {"value": estimate.ratio(part["numerator"].to_numpy(float), part["denominator"].to_numpy(float), sessions)}
    values = part["value"].to_numpy(float)
    made = {"mean": estimate.mean(values, sessions)}
    return made | {which: estimate.quantile(values, sessions, float(which[1:]) / 100.0) for which in AGGREGATES[1:]}


def _sample(part: pd.DataFrame) -> Sample:
    sessions = part["session"].to_numpy(np.int64)
    if "value" in part:
        return Sample(part["value"].to_numpy(float), np.ones(len(part)), sessions)
    return Sample(part["numerator"].to_numpy(float), part["denominator"].to_numpy(float), sessions)
