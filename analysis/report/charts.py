"""Charts of a report as plain plotly figures: the page's theme colours them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import Estimate

Figure = dict[str, Any]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title, which names the unit."""
    return {"title": {"text": title}, **more}


def line(x: Sequence[float] | NDArray[Any], y: Sequence[Any] | NDArray[Any], name: str, colour: str, **more: Any) -> dict[str, Any]:
    """A line through points; gaps where there is no value."""
    mode = more.pop("mode", "lines+markers" if len(x) <= 80 else "lines")
    return {"type": "scatter", "x": x, "y": y, "name": name, "mode": mode, "line": {"color": f"--{colour}", "width": 1.8},
            "marker": {"color": f"--{colour}", "size": 4}, **more}  # fmt: skip


def band(
    x: Sequence[float] | NDArray[Any], low: Sequence[Any], high: Sequence[Any], colour: str, shape: str = "linear"
) -> list[dict[str, Any]]:
    """The area between two lines: an interval. What has none is left out."""
    known = [i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a is not None and b is not None and np.isfinite([a, b]).all()]
    at = [x[i] for i in known]
    common = {"type": "scatter", "x": at, "mode": "lines", "line": {"width": 0, "shape": shape}, "hoverinfo": "skip", "showlegend": False}
    return [
        {**common, "y": [low[i] for i in known]},
        {**common, "y": [high[i] for i in known], "fill": "tonexty", "fillcolor": f"--{colour}/0.18"},
    ]


def estimated(x: Sequence[float], found: Sequence[Estimate], name: str, colour: str, scale: float = 1000.0) -> list[dict[str, Any]]:
    """A line through estimates, with their intervals as a band and their n where one points. `scale`: of values to what is drawn."""
    y = [None if e.value is None else e.value * scale for e in found]
    low, high = ([None if v is None else v * scale for v in (getattr(e, end) for e in found)] for end in ("low", "high"))
    hover = [f"n {e.n}" for e in found]
    return [*band(x, low, high, colour), line(x, y, name, colour, text=hover, hovertemplate="%{y:.4~g} (%{text})")]


def limit(value: float, name: str, colour: str = "grey", at: str = "end") -> dict[str, Any]:
    """A horizontal line that something is held against, its name at the `start` or the `end`."""
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": {"color": f"--{colour}", "width": 1.2,
             "dash": "dot"},
            "label": {"text": name, "textposition": at, "font": {"size": 10, "color": "--soft"}, "yanchor": "bottom"}}  # fmt: skip


def mark(value: float, name: str, colour: str = "grey", dash: str = "dot") -> dict[str, Any]:
    """A vertical line at something that is named."""
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": value, "x1": value, "line": {"color": f"--{colour}", "width": 1.2,
             "dash": dash},
            "label": {"text": name, "textposition": "end", "font": {"size": 10, "color": "--soft"}, "textangle": 0,
            "yanchor": "bottom"}}  # fmt: skip


def figure(data: list[dict[str, Any]], x: str, y: str, **layout: Any) -> Figure:
    """Traces with the titles of their axes."""
    over = {key: layout.pop(key) for key in ("xaxis", "yaxis") if key in layout}
    return {"data": data, "layout": {"xaxis": axis(x, **over.get("xaxis", {})), "yaxis": axis(y, **over.get("yaxis", {})), **layout}}


def windows(end_s: float, most: int = 40) -> list[tuple[float, float]]:
    """A run of so many seconds in at most so many windows of a round length."""
    length = next(
        length for length in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400) if end_s / length <= most
    )
    return [(at, at + length) for at in np.arange(0.0, max(end_s, 1e-9), length).tolist()]
