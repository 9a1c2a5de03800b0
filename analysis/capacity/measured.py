"""Metrics of turns against concurrency, of one run or of several of the same target and scenario together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis import measured
from analysis.frames import APART
from analysis.load import Loaded
from analysis.statistics.curve import Curve, Draws, binned, draws, of_quantile, of_ratio
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.criteria import Criterion, parse
from metrics.metric import Shape, show_target
from metrics.records import TurnRecord
from metrics.stages import WHOLE

_WITHOUT_CRITERIA = ("success", "e2e_latency")
"""Whose targets are held against a run that has no criterion which could be."""


@dataclass(frozen=True)
class Pooled:
    """Runs whose turns are looked at together: `drawn` are resamples of all of their sessions; `least`, `most` callers at a time.
    `step` is called after each metric that is read and each curve that is made: of a progress bar."""

    runs: Sequence[Loaded]
    drawn: Draws
    least: int
    most: int
    turns: int
    step: Callable[[], object] = lambda: None
    _values: dict[str, pd.DataFrame] = field(default_factory=dict)
    _curves: dict[tuple[str, str], Curve] = field(default_factory=dict)

    def values(self, name: str) -> pd.DataFrame:
        """What `measured.values` has of a metric of turns, with `concurrency` and `bin`, of all runs; sessions are numbered apart."""
        if name not in self._values:
            parts = []
            for number, run in enumerate(self.runs):
                found = measured.values(run, name)
                more = {"session": found["session"] + number * APART, "concurrency": run.turns["concurrency"].reindex(found.index)}
                parts.append(found.assign(**more))
            whole = pd.concat(parts, ignore_index=True)
            self._values[name] = whole.assign(bin=binned(whole["concurrency"].to_numpy(float)))
            self.step()
        return self._values[name]

    def curve(self, name: str, aggregate: str) -> Curve | None:
        """A metric of turns in bins of concurrency; `aggregate`: mean, pN, or value of a share. None where there is not one value."""
        if self.values(name).empty:
            return None
        if (name, aggregate) not in self._curves:
            self._curves[name, aggregate] = _curve(name, aggregate, self.values(name), self.drawn)
            self.step()
        return self._curves[name, aggregate]

    def bins(self, name: str, aggregate: str) -> list[Estimate]:
        """The points of a curve with the intervals of each bin alone."""
        return [measured.sampled_of(METRICS[name], found, aggregate).estimate for _, found in self.values(name).groupby("bin")]

    def up_to(self, name: str, aggregate: str, most: float) -> Estimate:
        """The aggregate over all turns with so many callers or fewer."""
        found = self.values(name)
        return measured.sampled_of(METRICS[name], found[found["concurrency"] <= most], aggregate).estimate


def pool(runs: Sequence[Loaded], step: Callable[[], object] = lambda: None) -> Pooled:
    """These runs together; all have turns. `step`: as Pooled has it."""
    sessions = np.concatenate([run.turns["session"].to_numpy(np.int64) + number * APART for number, run in enumerate(runs)])
    seen = np.concatenate([run.turns["concurrency"].to_numpy(np.int64) for run in runs])
    return Pooled(runs, draws(sessions), int(seen.min()), int(seen.max()), len(seen), step)


def judged(run: Loaded) -> tuple[list[Criterion], list[str], bool]:
    """What is held against each bin: criteria of the run's scenario; those that cannot be, in words; and whether they are the run's own
    and not the catalogue's targets, which stand in where it has none that could be."""
    fit, unfit = [], []
    for text in run.info["scenario"]["criteria"]:
        criterion = parse(text)
        metric = METRICS[criterion.metric]
        plain = criterion.stage == WHOLE and criterion.base is None and criterion.aggregate not in ("count", "min", "max", "sum")
        if metric.record is TurnRecord and metric.shape is not Shape.TREND and plain:
            fit.append(criterion)
        else:
            unfit.append(text)
    if fit:
        return fit, unfit, True
    targets = [(METRICS[name], t) for name in _WITHOUT_CRITERIA for t in METRICS[name].targets if t.grade == "target"]
    return [parse(f"{m.name} {show_target(t, m.unit)}") for m, t in targets], unfit, False


def _curve(name: str, aggregate: str, found: pd.DataFrame, drawn: Draws) -> Curve:
    x, bins, sessions = found["concurrency"].to_numpy(float), found["bin"].to_numpy(np.int64), found["session"].to_numpy(np.int64)
    if METRICS[name].shape is Shape.RATIO:
        return of_ratio(x, bins, found["numerator"].to_numpy(float), found["denominator"].to_numpy(float), sessions, drawn)
    values = found["value"].to_numpy(float)
    if aggregate == "mean":
        return of_ratio(x, bins, values, np.ones_like(values), sessions, drawn)
    return of_quantile(x, bins, values, float(aggregate.removeprefix("p")) / 100.0, sessions, drawn)
