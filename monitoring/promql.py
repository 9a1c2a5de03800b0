"""PromQL for the catalogue's metrics: one expression per metric and aggregate, by the names that the exporter uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metrics.catalog import METRICS
from metrics.metric import Metric, Shape, Target
from reporting.exposition import Family, Quotient, growth_of, histogram_of, quotient_of

RUN = ("job", "scenario", "dialect")
"""What tells one run's series from another's."""


def selector(*matchers: str) -> str:
    """`{a="b", c="d"}`; empty where there is no matcher."""
    return f"{{{', '.join(matchers)}}}" if matchers else ""


def rate(name: str, window: str, matchers: Sequence[str] = (), by: Sequence[str] = RUN) -> str:
    """What a counter gains a second, summed over all labels but `by`."""
    return f"sum by ({', '.join(by)}) (rate({name}{selector(*matchers)}[{window}]))"


def quantile(family: Family, q: float, window: str, matchers: Sequence[str] = (), by: Sequence[str] = RUN) -> str:
    """A quantile of a histogram, 0 <= q <= 1, in the unit of its name."""
    return f"histogram_quantile({q:g}, {rate(f'{family.name}_bucket', window, matchers, ('le', *by))})"


def mean(family: Family, window: str, matchers: Sequence[str] = (), by: Sequence[str] = RUN) -> str:
    """The mean of a histogram, in the unit of its name."""
    return f"{rate(f'{family.name}_sum', window, matchers, by)} / {rate(f'{family.name}_count', window, matchers, by)}"


def quotient(of: Quotient, window: str, matchers: Sequence[str] = (), by: Sequence[str] = RUN) -> str:
    """A share or a rate, in the unit of its metric."""
    value = f"{rate(of.numerator.name, window, matchers, by)} / {rate(of.denominator.name, window, matchers, by)}"
    return value if of.factor == 1.0 else f"{of.factor:g} * {value}"


def value(metric: Metric, aggregate: str, window: str, matchers: Sequence[str] = (), by: Sequence[str] = RUN) -> str:
    """An aggregate of a metric (mean, max, pN; a share, a rate or a growth has one value), in its family's unit. Raises ValueError for any
    other."""
    if metric.shape is Shape.RATIO:
        return quotient(quotient_of(metric), window, matchers, by)
    if metric.shape is Shape.TREND:
        return f"max by ({', '.join(by)}) ({growth_of(metric).value.name}{selector(*matchers)})"
    family = histogram_of(metric)
    if aggregate == "mean":
        return mean(family, window, matchers, by)
    if aggregate == "max":
        return quantile(family, 1.0, window, matchers, by)
    if aggregate[:1] == "p":
        return quantile(family, float(aggregate[1:]) / 100.0, window, matchers, by)
    raise ValueError(f"{metric.name}: no expression for {aggregate}")


def scale(metric: Metric) -> float:
    """What `value` gives for 1 in the metric's unit: 1000 where seconds are shown as milliseconds, else 1."""
    return histogram_of(metric).scale if metric.shape is Shape.DISTRIBUTION else 1.0


def bound(metric: Metric, target: Target) -> float:
    """A target's bound in the unit that `value` has."""
    return round(target.bound * scale(metric), 9)


def recorded_name(metric: Metric, aggregate: str) -> str:
    """The name of the recording rule that holds this aggregate over the last five minutes."""
    if metric.shape is Shape.DISTRIBUTION:
        return f"scenario:{histogram_of(metric).name}:{aggregate}_5m"
    return f"scenario:{metric.name}:ratio_5m"


def recorded() -> Iterator[tuple[str, str]]:
    """Name and expression of each recording rule: every aggregate of which the catalogue has a target."""
    for metric in METRICS.values():
        for aggregate in dict.fromkeys(target.aggregate for target in metric.targets):
            yield recorded_name(metric, aggregate), value(metric, aggregate, "5m")
