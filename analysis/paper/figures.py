"""The figures of a paper, as PDF. Colours are those of Okabe and Ito, which the colour-blind tell apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from analysis.paper.latex import unit
from analysis.paper.tables import Row
from analysis.pool import Pool
from analysis.statistics.estimate import Estimate
from metrics.metric import Unit

mpl.use("pdf")
from matplotlib import pyplot as plt

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_WIDTH_IN = 6.3
_FACTOR = {Unit.SECONDS: 1000.0, Unit.SHARE: 100.0}
_STYLE: Any = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "lines.linewidth": 1.2,
    "legend.frameon": False, "text.parse_math": False, "pdf.fonttype": 42, "savefig.bbox": "tight",
}  # fmt: skip
_MOST_LINES = len(COLOURS)
_LONGEST = 28


def distribution(pool: Pool, column: str, path: Path) -> None:
    """End-to-end latency: the share of turns answered by then, of all or of each level of a column."""
    values = pool.values("e2e_latency")
    of = pool.turns.loc[values.index, column] if column else None
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(_WIDTH_IN, 2.8))
        for level, colour in zip(pool.levels(column)[:_MOST_LINES] if column else [""], COLOURS, strict=False):
            ordered = np.sort(values["value"].to_numpy(float) if of is None else values["value"][of == level].to_numpy(float)) * 1000.0
            share = np.arange(1, len(ordered) + 1) / max(1, len(ordered)) * 100.0
            axes.step(
                ordered, share, where="post", color=colour, label=f"{_short(level)} (n {len(ordered)})" if level else f"n {len(ordered)}"
            )
        axes.set(xlabel="End-to-end latency (ms)", ylabel="Turns answered (%)", ylim=(0, 101))
        axes.legend(loc="lower right")
        _save(figure, path)


def stages(rows: Sequence[Row], path: Path) -> None:
    """The median of each stage with its interval."""
    shown = [row for row in rows if row.estimates["p50"].value is not None and row.metric.code != "E2E"]
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(_WIDTH_IN, 0.3 * len(shown) + 0.7))
        at = np.arange(len(shown))[::-1]
        medians, errors = _points([row.estimates["p50"] for row in shown], Unit.SECONDS)
        axes.barh(at, medians, xerr=errors, color=COLOURS[0], height=0.6, error_kw={"elinewidth": 0.8, "capsize": 2})
        axes.set_yticks(at, [f"{row.metric.code} {row.metric.title} (n {row.n})" for row in shown])
        axes.set(xlabel="Median (ms), with its 95 % interval")
        _save(figure, path)


def levels(rows: Sequence[Row], aggregates: Sequence[str], path: Path) -> None:
    """What a setting or a group does to each metric: a panel per metric, a line per aggregate, a point with its interval per level.
    `rows`: of one column, level by level."""
    names = list(dict.fromkeys(row.metric.name for row in rows))
    wide = 1 if len(names) == 1 else 2 if len(names) <= 4 else 3
    tall = -(-len(names) // wide)
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(tall, wide, figsize=(_WIDTH_IN, 1.9 * tall + 0.2), squeeze=False, layout="constrained")
        for axes, name in zip(grid.flat, names, strict=False):
            _panel(axes, [row for row in rows if row.metric.name == name], aggregates)
        for axes in grid.flat[len(names) :]:
            axes.remove()
        _save(figure, path)


def _panel(axes: Any, rows: Sequence[Row], aggregates: Sequence[str]) -> None:
    metric = rows[0].metric
    labels = [row.level for row in rows]
    at, numeric = _places(labels)
    told = [which for which in ([*aggregates] if metric.unit is Unit.SECONDS else ["value"]) if which in rows[0].estimates]
    for which, colour in zip(told, COLOURS, strict=False):
        values, errors = _points([row.estimates[which] for row in rows], metric.unit)
        name = {"p50": "median", "value": ""}.get(which, which)
        axes.errorbar(at, values, yerr=errors, color=colour, marker="o", markersize=3, capsize=2, elinewidth=0.8,
                      linestyle="-" if numeric else "none", label=name)  # fmt: skip
    if not numeric:
        axes.set_xticks(at, [_short(label) for label in labels])
        axes.margins(x=0.15)
    axes.set_title(f"{metric.title} (n {min(row.n for row in rows)} to {max(row.n for row in rows)})", fontsize=8)
    axes.set_ylabel(unit(metric.unit))
    if len(told) > 1:
        axes.legend()


def _points(estimates: Sequence[Estimate], of: Unit) -> tuple[Any, Any]:
    """Values of shape (n,) and the lengths of their intervals of shape (2, n); NaN where there is none."""
    factor = _FACTOR.get(of, 1.0)
    known = np.array([[np.nan if x is None else x for x in (e.low, e.value, e.high)] for e in estimates], float).reshape(-1, 3) * factor
    return known[:, 1], np.clip(np.c_[known[:, 1] - known[:, 0], known[:, 2] - known[:, 1]].T, 0.0, None)


def _places(labels: Sequence[str]) -> tuple[Any, bool]:
    try:
        return np.array([float(label) for label in labels]), True
    except ValueError:
        return np.arange(len(labels)), False


def _short(label: str) -> str:
    """As the figures' font can show it."""
    known = re.sub(r"[^\x20-\u017f]", "?", label)
    return known if len(known) <= _LONGEST else f"{known[: _LONGEST - 1]}…"


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, format="pdf", metadata={"CreationDate": None})
    plt.close(figure)
