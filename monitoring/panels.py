"""Panels of Grafana dashboards: a query, its unit, its thresholds and what it means, put together by Grafana's own builders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as d
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from metrics.metric import Metric, Shape, Target, Unit, show_target
from monitoring import promql
from reporting.exposition import growth_of, histogram_of

WINDOW = "$__rate_interval"
RUN = ('scenario=~"$scenario"', 'dialect=~"$dialect"', 'job="doubletalk"')
"""The series of the runs that the dashboard's variables choose."""
BY = ("scenario",)
SOURCE = d.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, BAD = "green", "red"

Panel = timeseries.Panel | stat.Panel | heatmap.Panel | table.Panel | text.Panel
_UNITS = {
    Unit.SHARE: "percentunit",
    Unit.PER_MINUTE: "suffix: /min",
    Unit.PER_HOUR: "suffix: /h",
    Unit.FACTOR: "suffix: x",
    Unit.INDEX: "none",
    Unit.BYTES: "decbytes",
    Unit.BYTES_PER_HOUR: "suffix: B/h",
}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and how its series are named: Grafana's `{{label}}` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where good turns into bad, in the unit of what is shown. `more_is_better`: which side of it is good."""

    at: float
    more_is_better: bool = False


def lines(title: str, text: str, unit: str, queries: Sequence[Query], bound: Bound | None = None, width: int = 8) -> timeseries.Panel:
    """Values over time; a bound is a dashed line."""
    panel = (
        timeseries.Panel().title(title).description(text).unit(unit).datasource(SOURCE).height(8).span(width)
        .fill_opacity(5).span_nulls(60_000.0).show_points(c.VisibilityMode.AUTO)
        .legend(common.VizLegendOptions().show_legend(True).display_mode(c.LegendDisplayMode.LIST).placement(c.LegendPlacement.BOTTOM).calcs([]))
        .tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING))
    )  # fmt: skip
    for query in queries:
        panel.with_target(_target(query))
    if bound is not None:
        panel.thresholds(_thresholds(bound))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(c.GraphThresholdsStyleMode.DASHED))
    return panel


def number(title: str, text: str, unit: str, query: Query, bound: Bound | None = None, width: int = 4) -> stat.Panel:
    """The latest value, coloured by its bound, with its course behind it."""
    panel = (
        stat.Panel().title(title).description(text).unit(unit).datasource(SOURCE).height(4).span(width)
        .graph_mode(c.BigValueGraphMode.AREA).color_mode(c.BigValueColorMode.VALUE).no_value("-")
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).with_target(_target(query))
    )  # fmt: skip
    return panel.thresholds(_thresholds(bound) if bound else dashboard.ThresholdsConfig().steps([d.Threshold(color="text")]))


def listing(title: str, text: str, queries: Sequence[Query], width: int = 24) -> table.Panel:
    """The series there are now, a row each."""
    panel = table.Panel().title(title).description(text).datasource(SOURCE).height(8).span(width).no_value("none")
    for query in queries:
        panel.with_target(_target(query).format(PromQueryFormat.TABLE).instant())
    hidden = {"Time": True, "__name__": True, "alertstate": True}
    return panel.with_transformation(d.DataTransformerConfig(id_val="organize", options={"excludeByName": hidden}))


def distribution(metric: Metric, width: int = 12) -> heatmap.Panel:
    """How many values fell into which bucket, over time."""
    family = histogram_of(metric)
    expr = promql.rate(f"{family.name}_bucket", WINDOW, RUN, ("le",))
    return (
        heatmap.Panel().title(f"{metric.title}: distribution").description(about(metric)).datasource(SOURCE).height(8).span(width)
        .calculate(False).color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(unit_of(metric)))
        .with_target(_target(Query(expr, "{{le}}")).format(PromQueryFormat.HEATMAP))
    )  # fmt: skip


def note(title: str, markdown: str, width: int = 8, height: int = 4) -> text.Panel:
    """Words."""
    return text.Panel().title(title).mode(TextMode.MARKDOWN).content(markdown).height(height).span(width)


def metric_lines(metric: Metric, width: int = 8) -> timeseries.Panel:
    """A metric of the catalogue over time: median, p95 and p99 of a distribution, a growth with its interval, or the share or rate itself;
    with its first target."""
    if metric.shape is Shape.DISTRIBUTION:
        family = histogram_of(metric)
        queries = [Query(promql.quantile(family, q, WINDOW, RUN, BY), f"p{q * 100:g} {{{{scenario}}}}") for q in (0.5, 0.95, 0.99)]
    elif metric.shape is Shape.TREND:
        growth = growth_of(metric)
        parts = ((growth.value, "growth"), (growth.low, "at least"), (growth.high, "at most"))
        queries = [Query(family.name + promql.selector(*RUN), f"{what} {{{{scenario}}}}") for family, what in parts]
    else:
        queries = [Query(promql.value(metric, "value", WINDOW, RUN, BY), "{{scenario}}")]
    code = f" ({metric.code})" if metric.code else ""
    return lines(f"{metric.title}{code}", about(metric), unit_of(metric), queries, _bound_of(metric), width)


def metric_number(metric: Metric, target: Target, width: int = 4) -> stat.Panel:
    """The aggregate of a metric that its target is about, over five minutes, coloured by the target."""
    name = "" if target.aggregate == "value" else f" {target.aggregate}"
    query = Query(promql.recorded_name(metric, target.aggregate) + promql.selector(*RUN), "{{scenario}}")
    return number(f"{metric.title}{name}", about(metric), unit_of(metric), query, _bound(metric, target), width)


def about(metric: Metric) -> str:
    """What a panel says of its metric: from where to where, its targets, when there is nothing to show."""
    targets = "; ".join(f"{show_target(t, metric.unit)} ({t.source})" for t in metric.targets if t.grade == "target")
    told = f"From: {metric.begins}. To: {metric.ends}."
    return f"{told} {f'Target: {targets}. ' if targets else ''}No value where {metric.absent}."


def unit_of(metric: Metric) -> str:
    """Grafana's name of the unit in which the exporter shows a metric."""
    if metric.unit is Unit.SECONDS:
        return "ms" if histogram_of(metric).scale == 1000.0 else "s"
    return _UNITS[metric.unit]


def _bound_of(metric: Metric) -> Bound | None:
    """Its target; where a distribution has several, that of the highest quantile, since the lines show the tail."""
    targets = [t for t in metric.targets if t.grade == "target" and t.op in ("<", "<=", ">") and metric.better != "neutral"]
    return _bound(metric, max(targets, key=lambda t: t.aggregate)) if targets else None


def _bound(metric: Metric, target: Target) -> Bound:
    return Bound(promql.bound(metric, target), target.op.startswith(">"))


def _target(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(SOURCE)


def _thresholds(bound: Bound) -> dashboard.ThresholdsConfig:
    below, above = (BAD, GOOD) if bound.more_is_better else (GOOD, BAD)
    steps = [d.Threshold(color=below, value=None), d.Threshold(color=above, value=bound.at)]
    return dashboard.ThresholdsConfig().mode(d.ThresholdsMode.ABSOLUTE).steps(steps)
