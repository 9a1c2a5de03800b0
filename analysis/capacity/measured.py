"""Metrics of turns against concurrency, of one run or of several of the same target and scenario together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis import measured
from analysis.load import Loaded
from analysis.statistics.curve import Curve, Draws, Ints, binned, draws, of_quantile, of_ratio
from analysis.statistics.estimate import Floats
from metrics.catalog import METRICS
from metrics.criteria import Criterion, parse
from metrics.metric import Shape, show_target
from metrics.records import TurnRecord
from metrics.stages import WHOLE

_APART = 10**13
"""Added to the numbers of the sessions of each further run: those of one are below it."""
_WITHOUT_CRITERIA = ("success", "e2e_latency")
"""Whose targets are held against a run that has no criterion which could be."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """Runs whose turns are looked at together: `drawn` are resamples of all of their sessions."""

    runs: Sequence[Loaded]
    drawn: Draws
    least: int
    most: int
    turns: int
    _bins: dict[str, Curve] = field(default_factory=dict)

    def curve(self, name: str, aggregate: str) -> Curve | None:
        """A metric of turns in bins of concurrency; `aggregate`: mean, pN, or value of a share. None where there is not one value."""
        key = f"{name} {aggregate}"
        if key not in self._bins:
            found = self.values(name)
            if not len(found):
                return None
            x, sessions = found["concurrency"].to_numpy(float), found["session"].to_numpy(np.int64)
            self._bins[key] = _curve(name, aggregate, found, x, sessions, self.drawn)
        return self._bins[key]

    def values(self, name: str) -> pd.DataFrame:
        """What `measured.values` has of a metric of turns, with `concurrency`, of all runs; sessions are numbered apart."""
        parts = []
        for number, run in enumerate(self.runs):
            found = measured.values(run, name)
            parts.append(
                found.assign(session=found["session"] + number * _APART, concurrency=run.turns["concurrency"].reindex(found.index))
            )
        return pd.concat(parts, ignore_index=True)

    def column(self, name: str) -> tuple[Floats, Floats, Ints]:
        """Concurrency, values and sessions of the turns that have a value in this column."""
        parts = [run.turns.loc[run.turns[name].notna(), ["concurrency", name, "session"]] for run in self.runs]
        numbered = [part.assign(session=part["session"] + number * _APART) for number, part in enumerate(parts)]
        table = pd.concat(numbered, ignore_index=True)
        return table["concurrency"].to_numpy(float), table[name].to_numpy(float), table["session"].to_numpy(np.int64)


def pool(runs: Sequence[Loaded]) -> Pooled:
    """These runs together; all have turns."""
    sessions = np.concatenate([run.turns["session"].to_numpy(np.int64) + number * _APART for number, run in enumerate(runs)])
    seen = np.concatenate([run.turns["concurrency"].to_numpy(np.int64) for run in runs])
    return Pooled(runs, draws(sessions), int(seen.min()), int(seen.max()), len(seen))


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


def _curve(name: str, aggregate: str, found: pd.DataFrame, x: Floats, sessions: Ints, drawn: Draws) -> Curve:
    bins = binned(x)
    if METRICS[name].shape is Shape.RATIO:
        return of_ratio(x, bins, found["numerator"].to_numpy(float), found["denominator"].to_numpy(float), sessions, drawn)
    values = found["value"].to_numpy(float)
    if aggregate == "mean":
        return of_ratio(x, bins, values, np.ones_like(values), sessions, drawn)
    return of_quantile(x, bins, values, float(aggregate.removeprefix("p")) / 100.0, sessions, drawn)
