"""Latency and success against concurrency, drawn and as tables."""

from __future__ import annotations

from typing import Any

from analysis import shown
from analysis.capacity.bottleneck import Signature
from analysis.capacity.measured import Pooled
from analysis.document import Block, Chart, Table, Text
from analysis.report import charts
from analysis.statistics.curve import LEAST_TURNS, Curve
from analysis.statistics.estimate import Estimate
from analysis.statistics.knee import LEAST_BINS, Knee
from metrics.catalog import METRICS
from metrics.metric import Unit

CURVES = (("e2e_latency", "p50"), ("e2e_latency", "p95"), ("success", "value"))


def curves(pooled: Pooled, signed: Signature) -> list[Block]:
    """Charts first, then their tables."""
    known = [(name, which, curve, pooled.bins(name, which)) for name, which in CURVES if (curve := pooled.curve(name, which)) is not None]
    blocks: list[Block] = []
    latencies = [(f"{METRICS[name].title} {which}", curve, bins) for name, which, curve, bins in known if name != "success"]
    if latencies:
        blocks.append(_chart("End-to-end latency against callers at a time (ms)", latencies, signed.latency, 1000.0, "ms"))
    shares = [(METRICS[name].title, curve, bins) for name, _, curve, bins in known if name == "success"]
    if shares:
        blocks.append(_chart("Success against callers at a time (%)", shares, signed.failures, 100.0, "%"))
    for name, which, curve, bins in known:
        metric = METRICS[name]
        title = metric.title if which == "value" else f"{metric.title} {which}"
        rows = [_row(x, one, metric.unit, metric.min_count) for x, one in zip(curve.x, bins, strict=True)]
        blocks.append(Table(("callers", "n", title, "95 %"), rows, title, numeric=frozenset({0, 1, 2, 3})))
    if any(len(curve.x) < LEAST_BINS for _, _, curve, _ in known):
        words = f"A knee is looked for where there are {LEAST_BINS} different loads at least, of {LEAST_TURNS} turns each."
        blocks.append(Text(words, mood="warning"))
    return blocks


def _row(x: float, one: Estimate, unit: Unit, min_count: int) -> tuple[str, ...]:
    few = " (few)" if one.n < min_count else ""
    return f"{x:.1f}".removesuffix(".0"), str(one.n), shown.value(one, unit) + few, shown.interval(one, unit)


def _chart(title: str, lines: list[tuple[str, Curve, list[Estimate]]], bend: Knee | None, scale: float, unit: str) -> Chart:
    data: list[dict[str, Any]] = []
    for name, curve, bins in lines:
        y = [scale * (one.value or 0.0) for one in bins]
        highs = [0.0 if one.high is None else scale * one.high - at for one, at in zip(bins, y, strict=True)]
        lows = [0.0 if one.low is None else at - scale * one.low for one, at in zip(bins, y, strict=True)]
        hover = f"%{{x:.1f}} callers: %{{y:.1f}} {unit}, n %{{customdata}}"
        line = {"type": "scatter", "mode": "lines+markers", "name": name, "x": curve.x.tolist(), "y": y, "hovertemplate": hover}
        bars = {"type": "data", "symmetric": False, "array": highs, "arrayminus": lows}
        data.append({**line, "error_y": bars, "customdata": [one.n for one in bins]})
    layout: dict[str, Any] = {"xaxis": {"title": {"text": "callers at a time"}}, "yaxis": {"title": {"text": unit}}}
    first = lines[0][1]
    says = f"{int(first.n.sum())} turns in {len(first.x)} bins, with 95 % intervals"
    if bend is not None:
        layout["shapes"] = [charts.mark(bend.at, "knee")]
        says += f"; the knee is at {bend.at:.0f} callers ({bend.low:.0f} to {bend.high:.0f})"
    return Chart(title, {"data": data, "layout": layout}, says + ".")
