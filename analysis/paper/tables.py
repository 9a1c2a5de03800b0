"""What the tables of a paper hold, before they are LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.measured import sampled_of
from analysis.pool import LATENCIES, Pool
from analysis.statistics.difference import Difference, between
from analysis.statistics.sampled import Estimate, Sampled
from analysis.statistics.several import holm
from analysis.words import rate as word_errors
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
    """A group against the one it is compared with: of the mean, the share or the rate. `n`: values of both, the other's first; `result`:
    None where there are few; `adjusted`: its p-value with all others of the table corrected for; `why`: why there is none."""

    group: str
    level: str
    against: str
    metric: Named
    n: tuple[int, int]
    result: Difference | None
    adjusted: float | None = None
    why: str = ""


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
    """Each level of a column against the first, of each metric. Sessions that are in both count as pairs; p-values are corrected for all of
    them (Holm)."""
    levels = pool.levels(column)
    made = []
    for name in names:
        values = _values(pool, name)
        of = pool.turns.loc[values.index, column]
        parts = {level: values[of == level] for level in levels}
        for level in levels[1:]:
            n = (len(parts[levels[0]]), len(parts[level]))
            test = Test(column, level, levels[0], named(name), n, None, why="few values")
            if min(n) >= test.metric.least:
                result = between(_sampled(parts[levels[0]], name), _sampled(parts[level], name), paired=True)
                test = replace(test, result=result, why=result.why)
            made.append(test)
    told = [i for i, test in enumerate(made) if test.result is not None and test.result.p is not None]
    ps = [p for test in made if test.result is not None and (p := test.result.p) is not None]
    for i, adjusted in zip(told, holm(ps), strict=True):
        made[i] = replace(made[i], adjusted=adjusted)
    return made


def measured_of(pool: Pool, names: Sequence[str]) -> list[str]:
    """Those of the metrics that have a value at all."""
    return [name for name in names if len(_values(pool, name))]


def _values(pool: Pool, name: str) -> pd.DataFrame:
    return pool.words() if name == WORDS else pool.values(name)


def _estimates(part: pd.DataFrame, name: str) -> dict[str, Estimate]:
    if name == WORDS or METRICS[name].shape is Shape.RATIO:
        return {"value": _sampled(part, name).estimate}
    return {which: sampled_of(METRICS[name], part, which).estimate for which in AGGREGATES}


def _sampled(part: pd.DataFrame, name: str) -> Sampled:
    """The mean, the share or the rate."""
    return word_errors(part) if name == WORDS else sampled_of(METRICS[name], part, AGGREGATES[0])
