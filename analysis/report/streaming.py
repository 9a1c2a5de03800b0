"""Streaming: whether the answer's audio stutters."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from analysis.document import Block, Chart, Section, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts
from metrics.catalog import METRICS

_NAMES = [m.name for m in METRICS.values() if m.table == "streaming"]
_GAPS_MS = (0, 20, 50, 100, 200, 500, 1000, 2000)


def section(facts: Facts) -> Section:
    """Underruns, continuity, gaps, jitter."""
    answered = facts.turns[facts.turns["chunks"] > 0]
    if answered.empty:
        return Section("Streaming", "streaming", [Text(f"Nothing was measured: {facts.absent('continuity')}.")])
    blocks: list[Block] = [tables.metrics(facts, _NAMES, "Streaming"), _gaps(facts, answered["longest_gap_s"].to_numpy(float) * 1000.0)]
    jitter = answered["jitter_s"].dropna().to_numpy(float) * 1000.0
    if len(jitter) > 2:
        blocks.append(_jitter(facts, jitter))
    return Section("Streaming", "streaming", blocks)


def _gaps(facts: Facts, gaps: np.ndarray) -> Chart:
    edges = (*_GAPS_MS, np.inf)
    counts = [
        int((gaps <= 0).sum()),
        *(int(((gaps > low) & (gaps <= high)).sum()) for low, high in pairwise(edges)),
    ]
    labels = ["none", *(f"to {high:g}" if np.isfinite(high) else f"over {_GAPS_MS[-1]}" for high in edges[1:])]
    bars = {"type": "bar", "x": labels, "y": [c / len(gaps) * 100.0 for c in counts], "text": [str(c) for c in counts],
             "textposition": "outside",
            "cliponaxis": False, "marker": {"color": "--blue/0.8"}, "hovertemplate": "%{y:.1f} % (%{text} responses)"}  # fmt: skip
    shares = [facts.estimate(name, "value").value for name in ("c50", "c100", "c200")]
    c = ", ".join(f"C{ms} {share * 100:.1f} %" for ms, share in zip((50, 100, 200), shares, strict=True) if share is not None)
    says = f"Longest silence within each of {len(gaps)} responses; {counts[0]} had none. {c}."
    figure = charts.figure([bars], "longest gap of a response (ms)", "% of responses", showlegend=False, xaxis={"type": "category"})
    return Chart(f"Gaps in the assistant's audio (ms), n {len(gaps)} responses", figure, says)


def _jitter(facts: Facts, jitter: np.ndarray) -> Chart:
    counts, edges = np.histogram(jitter, bins=40, range=(0.0, max(float(np.quantile(jitter, 0.99)), 1e-3)))
    bars = {
        "type": "bar",
        "x": (edges[:-1] + edges[1:]) / 2,
        "y": counts,
        "width": np.diff(edges) * 0.96,
        "marker": {"color": "--blue/0.75"},
    }
    target = facts.target("jitter", "p50")
    shapes = [charts.mark(target.bound * 1000.0, "target of p50")] if target and target.bound * 1000.0 <= edges[-1] * 1.3 else []
    says = (
        f"Standard deviation of the spacing of a response's audio messages; n {len(jitter)} responses with three messages or more, the "
        "top 1 % not drawn."
    )
    return Chart(f"Jitter (ms), n {len(jitter)}", charts.figure([bars], "jitter (ms)", "responses", shapes=shapes, showlegend=False), says)
