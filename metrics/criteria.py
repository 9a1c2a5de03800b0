"""Criteria: `e2e_latency p95 < 1200 ms`. Checked for sense before a run, judged after it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.histogram import Histogram
from metrics.metric import OPS, Metric, Shape, Unit, aggregate_of, show, show_interval
from metrics.stages import WHOLE
from metrics.trend import Trend

_FORM = re.compile(
    r"^\s*(?P<metric>[\w-]+)(?:\s+(?!in\s)(?P<aggregate>[a-z][\w.]*))?(?:\s+in\s+(?P<stage>[\w.-]+))?"
    r"\s*(?P<op><=|>=|<|>)\s*(?P<bound>-?\d+(?:\.\d+)?)\s*(?P<unit>[^\s\d]\S*)?(?:\s+of\s+(?P<base>[\w.-]+))?\s*$"
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
    """A threshold on one aggregate of one metric. `bound` is in the metric's own unit, `text` as the user wrote it. `stage`: the stage of
    the run that it is about, `WHOLE` for all of it. `base`: the stage of whose value `bound` is a multiple; None where it is none."""

    text: str
    metric: str
    aggregate: str
    op: str
    bound: float
    stage: str = WHOLE
    base: str | None = None

    @property
    def table(self) -> str:
        """The catalogue's table that its metric is in."""
        return METRICS[self.metric].table


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a criterion. `value` in the metric's unit, None where nothing was measured: then it does not hold. `bound`: what it
    was held against, None where that was not measured. `count`: of values that it rests on. `interval`: of a growth, None where there is
    none: then it does not hold either. `missing`: so many values never came about and count as infinite; `value` is that of the others."""

    criterion: Criterion
    value: float | None
    bound: float | None
    count: int
    holds: bool
    interval: tuple[float, float] | None = None
    missing: int = 0

    @property
    def measured(self) -> str:
        """The measured value as screens show it, with the bound where that was measured too."""
        if self.missing:
            return f"{self.missing} never" + (f", the others {self._shown(self.value)}" if self.value is not None else "")
        if self.value is None:
            return "nothing measured"
        metric = METRICS[self.criterion.metric]
        if metric.shape is Shape.TREND and self.criterion.aggregate == "value":
            return show_interval(self.value, self.interval, metric.unit)
        if self.criterion.base is None:
            return self._shown(self.value)
        if self.bound is None:
            return f"{self._shown(self.value)}; nothing measured in {self.criterion.base}"
        share = f"{self.value / (self.bound / self.criterion.bound) * 100:.0f} % of " if self.bound and self.criterion.bound else ""
        return f"{self._shown(self.value)}, {share}{self._shown(self.bound / self.criterion.bound) if self.criterion.bound else '-'}"

    @property
    def few(self) -> bool:
        """Whether it rests on so few values that another run may well say otherwise."""
        return self.count < METRICS[self.criterion.metric].min_count

    @property
    def open(self) -> bool:
        """Whether too little was measured to judge it: then it does not hold, but may yet while the run goes on."""
        if self.missing:
            return False
        grows = METRICS[self.criterion.metric].shape is Shape.TREND and self.criterion.aggregate == "value" and self.criterion.base is None
        return self.value is None or self.bound is None or (grows and self.interval is None)

    def _shown(self, value: float) -> str:
        return f"{value:.0f}" if self.criterion.aggregate == "count" else show(value, METRICS[self.criterion.metric].unit)


def parse(text: str, stages: Collection[str] | None = None) -> Criterion:
    """The criterion in `text`: metric, aggregate (optional for a share or a rate), `in` a stage, operator, number, unit, `of` a stage.

    Raises CriterionError for one that has another form, or names a metric, an aggregate, a unit or one of the run's `stages` that does not
    exist or does not suit it; None: any stage may be named.
    """
    found = _FORM.match(text)
    if not found:
        raise CriterionError(
            f"criterion {text!r}: write it as 'e2e_latency p95 < 1200 ms' (metric, aggregate, < <= > or >=, number, unit), or of a "
            "stage as 'success in peak > 95 %', 'e2e_latency p50 in peak < 120 % of first'"
        )
    metric = METRICS.get(found["metric"])
    if metric is None:
        near = get_close_matches(found["metric"], METRICS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(METRICS)}"
        raise CriterionError(f"criterion {text!r}: no metric {found['metric']!r}; {hint}")
    aggregate = found["aggregate"] or ("" if metric.shape is Shape.DISTRIBUTION else "value")
    if not aggregate:
        raise CriterionError(f"criterion {text!r}: {metric.name} has many values; say which: mean, min, max, count, p50, p95, ...")
    _check_aggregate(text, metric, aggregate)
    for stage in (found["stage"], found["base"]):
        if stages is not None and stage is not None and stage not in stages:
            known = f"there are: {', '.join(stages)}" if stages else "the load has no stages"
            raise CriterionError(f"criterion {text!r}: no stage {stage!r}; {known}")
    units = {"%": "0.01", "x": "1"} if found["base"] else {"": "1"} if aggregate == "count" else _SCALE[metric.unit]
    unit = found["unit"] or ""
    if unit not in units:
        allowed = " or ".join(u or "no unit" for u in units)
        raise CriterionError(f"criterion {text!r}: unit {unit or 'missing'}; {metric.name} {aggregate} takes {allowed}")
    bound = float(Decimal(found["bound"]) * Decimal(units[unit]))
    plain = aggregate != "count" and not found["base"]
    if metric.unit is Unit.SHARE and metric.shape is Shape.RATIO and plain and not 0.0 <= bound <= 1.0:
        raise CriterionError(f"criterion {text!r}: a share lies between 0 % and 100 %")
    return Criterion(text.strip(), metric.name, aggregate, found["op"], bound, found["stage"] or WHOLE, found["base"])


def judge(criterion: Criterion, aggregate: Aggregate) -> Verdict:
    """Whether the criterion holds of what was measured. Nothing measured: it does not hold. A growth is held to the end of its confidence
    interval that is the nearer one to the bound."""
    part = aggregate.stage(criterion.stage)
    measured = part.values[criterion.metric]
    value, bound, count = aggregate_of(measured, criterion.aggregate), criterion.bound, measured.count
    if isinstance(measured, Trend) and criterion.aggregate == "value" and criterion.base is None:
        interval = measured.interval
        decisive = interval[criterion.op.startswith("<")] if interval else None
        return Verdict(criterion, value, bound, count, decisive is not None and OPS[criterion.op](decisive, bound), interval)
    if criterion.base is not None:
        other = aggregate.stage(criterion.base).values[criterion.metric]
        base, count = aggregate_of(other, criterion.aggregate), min(count, other.count)
        if base is None:
            return Verdict(criterion, value, None, count, False)
        bound *= base
    missing = _missing(criterion, part)
    if missing:
        return Verdict(criterion, value, bound, count, OPS[criterion.op](math.inf, bound), missing=missing)
    return Verdict(criterion, value, bound, count, value is not None and OPS[criterion.op](value, bound))


def _missing(criterion: Criterion, aggregate: Aggregate) -> int:
    """How many values never came about (`Metric.whole`), where they make the aggregate infinite; else 0."""
    whole = METRICS[criterion.metric].whole
    share = aggregate.ratio(whole).value if whole else None
    if share is None or share >= 1.0 or criterion.aggregate in ("min", "count"):
        return 0
    if criterion.aggregate[0] == "p" and float(criterion.aggregate[1:]) / 100.0 <= share:
        return 0
    return round((aggregate.ratio(whole).denominator if whole else 0.0) * (1.0 - share))


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
