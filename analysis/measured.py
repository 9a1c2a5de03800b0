"""The values of a metric of the catalogue, one per record, and what they come to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.load import Loaded
from analysis.statistics import estimate
from analysis.statistics.estimate import Estimate
from metrics.aggregate import columns_of, uncolumned
from metrics.catalog import METRICS
from metrics.metric import Metric, Shape
from metrics.records import SampleRecord, SessionRecord, TokenRecord, TurnRecord

TABLE = {TurnRecord: "turns", SessionRecord: "sessions", TokenRecord: "tokens", SampleRecord: "timeline"}
"""The table that the records of a type are in."""


def values(run: Loaded, name: str, where: pd.Series | None = None) -> pd.DataFrame:
    """The values of a metric: a row per record of which it is asked, with the index of the record in its table.

    Columns: `value` (of a distribution, in the metric's unit) or `numerator` and `denominator` (of a ratio), and `session`: the sampling
    unit, -1 - row where a record belongs to no session (a second, a token). `where`: which records, by their table's index; None: all.
    Raises KeyError for a name that the catalogue does not have, ValueError for a trend.
    """
    metric = METRICS[name]
    if metric.shape is Shape.TREND:
        raise ValueError(f"{name} is a growth over time: run.histograms has it, with its interval")
    found = _read_off(run, metric) if metric in uncolumned(metric.record) else _column(run, metric)
    return found if where is None else found[where.reindex(found.index, fill_value=False)]


def of(run: Loaded, name: str, aggregate: str, where: pd.Series | None = None) -> Estimate:
    """What a metric comes to, with its interval: `mean`, `pN`, or `value` of a share or a rate. Arguments and errors as `values`."""
    found = values(run, name, where)
    sessions = found["session"].to_numpy(np.int64)
    if METRICS[name].shape is Shape.RATIO:
        return estimate.ratio(found["numerator"].to_numpy(float), found["denominator"].to_numpy(float), sessions)
    measured = found["value"].to_numpy(float)
    if aggregate == "mean":
        return estimate.mean(measured, sessions)
    return estimate.quantile(measured, sessions, float(aggregate.removeprefix("p")) / 100.0)


def _column(run: Loaded, metric: Metric) -> pd.DataFrame:
    """Of a metric that is a column of its table."""
    table: pd.DataFrame = getattr(run, TABLE[metric.record])
    column = next(c for c, m in columns_of(metric.record).items() if m is metric)
    known = table[table[column].notna()]
    measured = known[column].astype(float)
    made = {"numerator": measured, "denominator": 1.0} if metric.shape is Shape.RATIO else {"value": measured}
    return pd.DataFrame({**made, "session": _sessions(known)})


def _read_off(run: Loaded, metric: Metric) -> pd.DataFrame:
    """Of a metric that no column has."""
    table = TABLE[metric.record]
    rows, measured = run.read_off(table)[metric.name]
    columns = ("numerator", "denominator") if metric.shape is Shape.RATIO else ("value",)
    made = pd.DataFrame(np.reshape(measured, (len(rows), len(columns))), index=rows, columns=list(columns), dtype=float)
    return made.assign(session=_sessions(getattr(run, table).loc[rows]))


def _sessions(rows: pd.DataFrame) -> pd.Series:
    return rows["session"] if "session" in rows else pd.Series(-1 - np.arange(len(rows)), index=rows.index)
