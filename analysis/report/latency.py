"""Latency: how it is distributed, how it goes over time and with the load, and which stage it comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import shown
from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts, cell, told, wanted
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS, TABLES
from metrics.metric import Unit

LATENCIES = [m.name for m in METRICS.values() if m.table == TABLES[1] and m.name not in ("turn_gap",)]
ON_PATH = ("endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "audio_rendering", "speaker_output", "stage_residual")
"""The stages that add up to the end-to-end latency, as `metrics.answers.stage_residual` has it."""
_WITHIN = ("mic_capture", "audio_processing", "uplink_network", "downlink_network")
"""What the endpointing delay holds."""
_BINS = 60
_SPREAD = 1.2
"""The load has changed where the most sessions are so many times the fewest, at least."""
_PER_WINDOW = 12
"""Turns that a window of time should have, on average."""


def section(facts: Facts) -> Section:
    """All of it."""
    if not facts.count("e2e_latency"):
        return Section("Latency", "latency", [Text(f"No latency was measured: {facts.absent('e2e_latency')}.")])
    blocks: list[Block] = [_distribution(facts), _over_time(facts), *against_concurrency(facts), *_waterfall(facts)]
    names = [name for name in LATENCIES if facts.count(name)]
    absent = "; ".join(f"{METRICS[name].title}: {facts.absent(name)}" for name in LATENCIES if not facts.count(name))
    blocks.append(tables.metrics(facts, names, "All latencies", f"Not there: {absent}." if absent else ""))
    return Section("Latency", "latency", blocks)


def _distribution(facts: Facts) -> Chart:
    values = facts.turns["e2e_latency_s"].dropna().to_numpy(float) * 1000.0
    top = float(np.quantile(values, 0.995)) if len(values) > 200 else float(values.max())
    counts, edges = np.histogram(
        values, bins=min(_BINS, max(5, round(2 * len(values) ** 0.5))), range=(min(0.0, float(values.min())), max(top, 1.0))
    )
    p50, p95 = (facts.estimate("e2e_latency", which) for which in ("p50", "p95"))
    shapes = [charts.mark((e.value or 0.0) * 1000.0, name, "blue", "solid") for e, name in ((p50, "p50"), (p95, "p95"))]
    bars = {"type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": counts, "width": np.diff(edges) * 0.96,
             "marker": {"color": "--blue/0.75"},
            "hovertemplate": "%{x:.0f} ms: %{y} turns", "name": "turns"}  # fmt: skip
    beyond = int((values > edges[-1]).sum())
    figure = charts.figure([bars], "end-to-end latency (ms)", "turns", shapes=shapes, showlegend=False)
    end = f" {beyond} turns beyond {edges[-1]:.0f} ms are not drawn." if beyond else ""
    says = f"{told('e2e_latency', p50, 'p50')}; {told('e2e_latency', p95, 'p95')}.{end}"
    return Chart(f"Distribution of the end-to-end latency (ms), n {len(values)}", figure, says)


def _over_time(facts: Facts) -> Chart:
    turns = facts.turns
    at, found = [], {"p50": [], "p95": []}  # type: tuple[list[float], dict[str, list[Estimate]]]
    for begin, end in charts.windows(facts.info["duration_s"], int(np.clip(len(turns) / _PER_WINDOW, 6, 40))):
        where = (turns["t_s"] >= begin) & (turns["t_s"] < end)
        if where.any():
            at.append((begin + end) / 2)
            for which, series in found.items():
                series.append(facts.estimate("e2e_latency", which, where))
    colours = {"p50": "blue", "p95": "orange"}
    data = [trace for which, series in found.items() for trace in charts.estimated(at, series, which, colours[which])]
    n = facts.count("e2e_latency")
    most, least = (f(e.n for e in found["p50"]) for f in (max, min))
    says = (
        f"By when the talker spoke, {len(at)} windows of {least} to {most} turns each (n {n}); the bands are 95 % intervals, where a "
        "window tells one."
    )
    return Chart(
        f"End-to-end latency over time (ms), n {n}", charts.figure(data, "seconds of the run", "ms", yaxis={"rangemode": "tozero"}), says
    )


def levels(turns: pd.DataFrame, most: int = 8, least: int = 20) -> list[tuple[float, pd.Series]]:
    """Turns by how many sessions were open: at most so many groups of about the same number of turns, of `least` at least; of each the
    median concurrency, and which they are. Empty where there are too few turns, or the load hardly changed."""
    heard = turns[turns["e2e_latency_s"].notna() | (turns["outcome"] != "completed")]
    concurrency = heard["concurrency"]
    groups = min(most, len(heard) // least, concurrency.nunique())
    if groups < 2:
        return []
    cut = pd.qcut(concurrency, groups, duplicates="drop")
    made = [
        (float(part.median()), pd.Series(True, index=part.index))
        for _, part in concurrency.groupby(cut, observed=True)
        if len(part) >= least
    ]
    return made if len(made) > 1 and made[-1][0] >= _SPREAD * made[0][0] else []


def against_concurrency(facts: Facts) -> list[Block]:
    """How latency goes with the number of open sessions."""
    found = levels(facts.turns)
    if not found:
        return [
            Text(
                "Latency against concurrency: the number of open sessions hardly changed, or there are too few turns; a scenario with "
                "stages shows it."
            )
        ]
    x = [level for level, _ in found]
    series = {which: [facts.estimate("e2e_latency", which, where) for _, where in found] for which in ("p50", "p95")}
    data = [t for which, colour in (("p50", "blue"), ("p95", "orange")) for t in charts.estimated(x, series[which], which, colour)]
    first, last = series["p50"][0], series["p50"][-1]
    says = (
        f"p50 is {shown.full(first, Unit.SECONDS)} at {x[0]:.0f} sessions and {shown.full(last, Unit.SECONDS)} at {x[-1]:.0f}. "
        "`python -m analysis capacity` looks for the knee."
    )
    figure = charts.figure(data, "sessions open when the talker spoke", "ms", yaxis={"rangemode": "tozero"})
    return [Chart(f"End-to-end latency against concurrency (ms), n {sum(e.n for e in series['p50'])}", figure, says)]


def _waterfall(facts: Facts) -> list[Block]:
    """Where the time goes, on average, of the turns of which every stage is known: its parts add up."""
    e2e, turns = facts.estimate("e2e_latency", "mean"), facts.turns
    known = turns[turns["stage_residual_s"].notna()]
    if known.empty:
        return [Text(f"Where the time goes cannot be told: {facts.absent('stage_residual')}.")]
    mean = {name: float(known[f"{name}_s"].fillna(0.0).mean()) for name in (*ON_PATH, *_WITHIN, "e2e_latency")}
    mean["asr_processing"] = mean["e2e_latency"] - sum(
        mean[name] for name in ON_PATH if name != "asr_processing"
    )  # as far as it is on the path
    waits = max(0.0, mean["endpointing_delay"] - sum(mean[name] for name in _WITHIN))
    names = {name: tables.titled(METRICS[name]) for name in (*_WITHIN, *ON_PATH)} | {"endpointing_delay": "Waiting for the end of the turn"}
    path = [(names[name], waits if name == "endpointing_delay" else mean[name]) for name in (*_WITHIN, *ON_PATH)]
    length = [value * 1000.0 for _, value in path]
    begins, widest = np.concatenate([[0.0], np.cumsum(length)]), int(np.argmax(length))
    bar = {"type": "bar", "orientation": "h", "y": [label for label, _ in path], "x": length, "base": begins[:-1],
           "marker": {"color": ["--orange" if i == widest else "--blue" for i in range(len(path))]},
           "text": [f"{v:.0f} ms" if abs(v) >= 1 else f"{v:.2f} ms" for v in length], "textposition": "outside", "cliponaxis": False,
           "hovertemplate": "%{y}: %{x:.1f} ms"}  # fmt: skip
    axes = {"yaxis": {"autorange": "reversed"}, "xaxis": {"range": [min(0.0, float(begins.min())), float(begins.max()) * 1.14]}}
    figure = charts.figure([bar], "ms after the end of the talker's speech (means)", "", showlegend=False, **axes)
    says = (
        f"{told('e2e_latency', e2e, 'mean')}. The widest stage is {path[widest][0]} with {length[widest]:.0f} ms, "
        f"{length[widest] / max(float(begins[-1]), 1e-9) * 100:.0f} % of the way."
    )
    parts = [(name, facts.estimate(name, "mean")) for name in (*_WITHIN, *ON_PATH)]
    return [Chart(f"Where the time goes: stages L1 to L9 (means, ms), n {len(known)}", figure, says, 400), _stages(facts, e2e, parts)]


def _stages(facts: Facts, e2e: Estimate, parts: list[tuple[str, Estimate]]) -> Table:
    rows: list[tuple[str, ...]] = []
    moods: dict[int, str] = {}
    for name, found in parts:
        metric, target = METRICS[name], facts.target(name, "p50")
        inner = name in _WITHIN
        share = f"{(found.value or 0.0) / (e2e.value or 1.0) * 100:.0f} %" if found.value is not None and (e2e.value or 0.0) > 0 else "-"
        p50 = facts.estimate(name, "p50")
        stands = facts.stands(name, target) if target else None
        moods[len(rows)] = {"MISSED": "bad"}.get(str(stands), "plain")
        rows.append((f"{tables.titled(metric)}{', within endpointing' if inner else ''}", str(found.n), cell(found, metric), share,
                     cell(p50, metric), wanted(name, target) + f": {stands}" if target else "-"))  # fmt: skip
    metric = METRICS["e2e_latency"]
    rows.append((tables.titled(metric), str(e2e.n), cell(e2e, metric), "100 %", cell(facts.estimate(metric.name, "p50"), metric), ""))
    note = (
        f"{tables.bracketed(rows)} The endpointing delay holds L1, L2, L3 and one L7; the rest of it is waiting for the "
        "talker's silence to last. "
        "The residual is what no stage explains: playout delay, leading silence of the answer, waiting between stages. ASR processing "
        "is on the "
        "path where the response waits for the transcript. Each mean is over the turns that have the stage. "
        f"Microphone capture is the tester's own: a frame of {facts.info['frame_ms']:g} ms takes as long to record (`--frame-ms`)."
    )
    return Table(("stage", "n", "mean", "of E2E", "p50", "target"), rows, "Stages", note, frozenset({1, 2, 3, 4}), moods)
