"""The values of a metric of the catalogue, one per record, and what they come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.load import Loaded
from analysis.statistics import sampled
from analysis.statistics.estimate import Estimate
from analysis.statistics.sampled import Sampled
from metrics.aggregate import columns_of, uncolumned
from metrics.catalog import METRICS
from metrics.metric import Metric, Shape, Unit
from metrics.records import SampleRecord, SessionRecord, TokenRecord, TurnRecord
from reporting.tables import PER_SESSION

TABLE = {TurnRecord: "turns", SessionRecord: "sessions", TokenRecord: "tokens", SampleRecord: "timeline"}
"""The table that the records of a type are in."""
_TIMELINE = {"target_memory_per_session": PER_SESSION}
"""Columns of the timeline that carry their unit."""


def values(run: Loaded, name: str, where: pd.Series | None = None) -> pd.DataFrame:
    """The values of a metric: a row per record of which it is asked, with the index of the record in its table.

    Columns: `value` (of a distribution, in the metric's unit) or `numerator` and `denominator` (of a ratio), `session`: the sampling
    unit, and `talker`; -1 - row where a record belongs to none (a second, a token). `where`: which records, by their table's index; None:
    all. Raises KeyError for a name that the catalogue does not have, ValueError for a trend.
    """
    metric = METRICS[name]
    if metric.shape is Shape.TREND:
        raise ValueError(f"{name} is a growth over time: run.histograms has it, with its interval")
    found = _read_off(run, metric) if metric in uncolumned(metric.record) else _column(run, metric)
    return found if where is None else found[where.reindex(found.index, fill_value=False)]


def of(run: Loaded, name: str, aggregate: str, where: pd.Series | None = None, unit: str = "session") -> Estimate:
    """What a metric comes to, with its interval: `mean`, `pN`, or `value` of a share or a rate. Arguments and errors as `values` and
    `sampled_of`. Seconds of the timeline resemble their neighbours: what is read off these has no interval."""
    estimate = sampled_of(METRICS[name], values(run, name, where), aggregate, unit).estimate
    if METRICS[name].record is SampleRecord and estimate.value is not None:
        return replace(estimate, low=None, high=None, why="seconds that follow one another are too alike for an interval")
    return estimate


def sampled_of(metric: Metric, found: pd.DataFrame, aggregate: str, unit: str = "session") -> Sampled:
    """What such values of a metric come to, as two runs can be held against one another: `found` as `values` gives them. `unit`: the column
    with the sampling unit, `session` or `talker`."""
    units = found[unit].to_numpy(np.int64)
    if metric.shape is Shape.RATIO:
        numerators, denominators = found["numerator"].to_numpy(float), found["denominator"].to_numpy(float)
        kind = sampled.share if metric.unit is Unit.SHARE else sampled.rate
        return kind(numerators, denominators, units)
    measured = found["value"].to_numpy(float)
    if aggregate == "mean":
        return sampled.mean(measured, units)
    return sampled.quantile(measured, units, float(aggregate.removeprefix("p")) / 100.0)


def _column(run: Loaded, metric: Metric) -> pd.DataFrame:
    """Of a metric that is a column of its table."""
    table: pd.DataFrame = getattr(run, TABLE[metric.record])
    column = next(c for c, m in columns_of(metric.record).items() if m is metric)
    column = _TIMELINE.get(column, column)
    wanted = [name for name in (column, "session", "talker") if name in table]
    known = table.loc[table[column].notna(), wanted]
    measured = known[column].astype(float)
    made = {"numerator": measured, "denominator": 1.0} if metric.shape is Shape.RATIO else {"value": measured}
    return pd.DataFrame({**made, "session": _units(known, "session"), "talker": _units(known, "talker")})


def _read_off(run: Loaded, metric: Metric) -> pd.DataFrame:
    """Of a metric that no column has."""
    table = TABLE[metric.record]
    rows, measured = run.read_off(table)[metric.name]
    columns = ("numerator", "denominator") if metric.shape is Shape.RATIO else ("value",)
    made = pd.DataFrame(np.reshape(measured, (len(rows), len(columns))), index=rows, columns=list(columns), dtype=float)
    told = getattr(run, table).loc[rows]
    return made.assign(session=_units(told, "session"), talker=_units(told, "talker"))


def _units(rows: pd.DataFrame, name: str) -> pd.Series:
    alone = pd.Series(-1 - np.arange(len(rows)), index=rows.index)
    return rows[name].fillna(alone).astype(np.int64) if name in rows else alone
