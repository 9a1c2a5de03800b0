"""Criteria: `e2e_latency p95 < 1200 ms`. Checked for sense before a run, judged after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.histogram import Histogram
from metrics.metric import OPS, Metric, Shape, Unit, aggregate_of, show, show_interval
from metrics.trend import Trend

_FORM = re.compile(
    r"^\s*(?P<metric>[\w-]+)(?:\s+(?P<aggregate>[a-z][\w.]*))?\s*(?P<op><=|>=|<|>)\s*(?P<bound>-?\d+(?:\.\d+)?)\s*(?P<unit>\S+)?\s*$"
)
_SCALE: dict[Unit, dict[str, str]] = {
    Unit.SECONDS: {"ms": "0.001", "s": "1"},
    Unit.SHARE: {"%": "0.01"},
    Unit.PER_MINUTE: {"/min": "1"},
    Unit.PER_HOUR: {"/h": "1"},
    Unit.FACTOR: {"x": "1", "": "1"},
    Unit.INDEX: {"": "1"},
    Unit.BYTES: {"MB": "1000000", "GB": "1000000000", "kB": "1000"},
    Unit.BYTES_PER_HOUR: {"MB/h": "1000000", "GB/h": "1000000000", "kB/h": "1000"},
}


class CriterionError(ValueError):
    """A criterion that cannot be judged; the text says which, why, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A threshold on one aggregate of one metric. `bound` is in the metric's own unit, `text` as the user wrote it."""

    text: str
    metric: str
    aggregate: str
    op: str
    bound: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a criterion. `value` in the metric's unit, None where nothing was measured: then it does not hold. `interval`: of a
    growth, None where there is none: then it does not hold either."""

    criterion: Criterion
    value: float | None
    count: int
    holds: bool
    interval: tuple[float, float] | None = None

    @property
    def measured(self) -> str:
        """The measured value as screens show it."""
        if self.value is not None and self.criterion.aggregate == "count":
            return f"{self.value:.0f}"
        metric = METRICS[self.criterion.metric]
        if self.value is not None and metric.shape is Shape.TREND and self.criterion.aggregate == "value":
            return show_interval(self.value, self.interval, metric.unit)
        return show(self.value, metric.unit) if self.value is not None else "nothing measured"


def parse(text: str) -> Criterion:
    """The criterion in `text`: metric, aggregate (optional for a share or a rate), operator, number, unit.

    Raises CriterionError for one that has another form, or names a metric, an aggregate or a unit that does not exist or does not suit it.
    """
    found = _FORM.match(text)
    if not found:
        raise CriterionError(f"criterion {text!r}: write it as 'e2e_latency p95 < 1200 ms' (metric, aggregate, < <= > or >=, number, unit)")
    metric = METRICS.get(found["metric"])
    if metric is None:
        near = get_close_matches(found["metric"], METRICS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(METRICS)}"
        raise CriterionError(f"criterion {text!r}: no metric {found['metric']!r}; {hint}")
    aggregate = found["aggregate"] or ("" if metric.shape is Shape.DISTRIBUTION else "value")
    if not aggregate:
        raise CriterionError(f"criterion {text!r}: {metric.name} has many values; say which: mean, min, max, count, p50, p95, ...")
    _check_aggregate(text, metric, aggregate)
    units = {"": "1"} if aggregate == "count" else _SCALE[metric.unit]
    unit = found["unit"] or ""
    if unit not in units:
        allowed = " or ".join(u or "no unit" for u in units)
        raise CriterionError(f"criterion {text!r}: unit {unit or 'missing'}; {metric.name} {aggregate} takes {allowed}")
    bound = float(Decimal(found["bound"]) * Decimal(units[unit]))
    if metric.unit is Unit.SHARE and metric.shape is Shape.RATIO and aggregate != "count" and not 0.0 <= bound <= 1.0:
        raise CriterionError(f"criterion {text!r}: a share lies between 0 % and 100 %")
    return Criterion(text.strip(), metric.name, aggregate, found["op"], bound)


def judge(criterion: Criterion, aggregate: Aggregate) -> Verdict:
    """Whether the criterion holds of what was measured. Nothing measured: it does not hold. A growth is held to the end of its confidence
    interval that is the nearer one to the bound."""
    measured = aggregate.values[criterion.metric]
    value = aggregate_of(measured, criterion.aggregate)
    if isinstance(measured, Trend) and criterion.aggregate == "value":
        interval = measured.interval
        decisive = interval[criterion.op.startswith("<")] if interval else None
        holds = decisive is not None and OPS[criterion.op](decisive, criterion.bound)
        return Verdict(criterion, value, measured.count, holds, interval)
    holds = value is not None and OPS[criterion.op](value, criterion.bound)
    return Verdict(criterion, value, measured.count, holds)


def _check_aggregate(text: str, metric: Metric, aggregate: str) -> None:
    if metric.shape is Shape.RATIO and aggregate not in ("value", "count"):
        raise CriterionError(
            f"criterion {text!r}: {metric.name} is a {'share' if metric.unit is Unit.SHARE else 'rate'}; it has no {aggregate}"
        )
    if metric.shape is not Shape.RATIO:
        try:
            aggregate_of(Histogram() if metric.shape is Shape.DISTRIBUTION else Trend(), aggregate)
        except ValueError as error:
            raise CriterionError(f"criterion {text!r}: {error}") from None
