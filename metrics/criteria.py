"""Criteria: `e2e_latency p95 < 1200 ms`. Checked for sense before a run, judged after it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.histogram import Histogram
from metrics.metric import OPS, Metric, Shape, Unit, aggregate_of, show

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
    """What became of a criterion. `value` in the metric's unit, None where nothing was measured: then it does not hold. `missing`: so many
    values never came about and count as infinite; `value` is that of the others."""

    criterion: Criterion
    value: float | None
    count: int
    holds: bool
    missing: int = 0

    @property
    def measured(self) -> str:
        """The measured value as screens show it."""
        if self.value is not None and self.criterion.aggregate == "count":
            return f"{self.value:.0f}"
        if self.missing:
            others = f", the others {show(self.value, METRICS[self.criterion.metric].unit)}" if self.value is not None else ""
            return f"{self.missing} never{others}"
        return show(self.value, METRICS[self.criterion.metric].unit) if self.value is not None else "nothing measured"


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
    aggregate = found["aggregate"] or ("value" if metric.shape is Shape.RATIO else "")
    if not aggregate:
        raise CriterionError(f"criterion {text!r}: {metric.name} has many values; say which: mean, min, max, count, p50, p95, ...")
    _check_aggregate(text, metric, aggregate)
    units = {"": "1"} if aggregate == "count" else _SCALE[metric.unit]
    unit = found["unit"] or ""
    if unit not in units:
        allowed = " or ".join(u or "no unit" for u in units)
        raise CriterionError(f"criterion {text!r}: unit {unit or 'missing'}; {metric.name} {aggregate} takes {allowed}")
    bound = float(Decimal(found["bound"]) * Decimal(units[unit]))
    if metric.unit is Unit.SHARE and aggregate != "count" and not 0.0 <= bound <= 1.0:
        raise CriterionError(f"criterion {text!r}: a share lies between 0 % and 100 %")
    return Criterion(text.strip(), metric.name, aggregate, found["op"], bound)


def judge(criterion: Criterion, aggregate: Aggregate) -> Verdict:
    """Whether the criterion holds of what was measured. Nothing measured: it does not hold."""
    measured = aggregate.values[criterion.metric]
    value = aggregate_of(measured, criterion.aggregate)
    missing = _missing(criterion, aggregate)
    holds = (value is not None or missing > 0) and OPS[criterion.op](math.inf if missing or value is None else value, criterion.bound)
    return Verdict(criterion, value, measured.count, holds, missing)


def _missing(criterion: Criterion, aggregate: Aggregate) -> int:
    """How many values never came about (`Metric.whole`), where they make the aggregate infinite; else 0."""
    whole = METRICS[criterion.metric].whole
    share = aggregate.ratio(whole).value if whole else None
    if share is None or share >= 1.0 or criterion.aggregate in ("min", "count"):
        return 0
    if criterion.aggregate[0] == "p" and float(criterion.aggregate[1:]) / 100.0 <= share:
        return 0
    return round(aggregate.ratio(whole).denominator * (1.0 - share))


def _check_aggregate(text: str, metric: Metric, aggregate: str) -> None:
    if metric.shape is Shape.RATIO and aggregate not in ("value", "count"):
        raise CriterionError(
            f"criterion {text!r}: {metric.name} is a {'share' if metric.unit is Unit.SHARE else 'rate'}; it has no {aggregate}"
        )
    if metric.shape is Shape.DISTRIBUTION:
        try:
            aggregate_of(Histogram(), aggregate)
        except ValueError as error:
            raise CriterionError(f"criterion {text!r}: {error}") from None
