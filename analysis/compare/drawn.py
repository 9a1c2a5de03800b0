"""A comparison as a chart: by how much each metric differs, as a share of A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare.judge import Row, Verdict
from analysis.document import Block, Chart
from analysis.report import charts

_COLOURS = {Verdict.WORSE: "bad", Verdict.BETTER: "good", Verdict.NONE: "blue"}
_LEAST_PERCENT = 25.0
"""The axis reaches so far to both sides at least."""


def chart(rows: Sequence[Row]) -> list[Block]:
    """Differences as shares of A with their intervals, of what is judged and has one; nothing where there is none. The axis holds each
    difference that was found; how far the other intervals reach does not widen it, and the sentence names those that go on."""
    found = [(row, *ends) for row in rows if row.p is not None and (ends := _percent(row)) is not None]
    if not found:
        return []
    names = [f"{row.metric.title} {row.aggregate}".removesuffix(" value") for row, *_ in found]
    reach = max([_LEAST_PERCENT, *(1.1 * abs(end) for row, _, *ends in found if row.differs for end in ends)])
    least = max(-reach, min(-_LEAST_PERCENT, *(1.1 * low for _, _, low, _ in found)))
    most = min(reach, max(_LEAST_PERCENT, *(1.1 * high for *_, high in found)))
    data: list[dict[str, Any]] = []
    for verdict, colour in _COLOURS.items():
        drawn = [(name, *ends) for name, (row, *ends) in zip(names, found, strict=True) if row.verdict is verdict]
        if drawn:
            ys, middles, lows, highs = zip(*drawn, strict=True)
            above = [high - middle for high, middle in zip(highs, middles, strict=True)]
            below = [middle - low for low, middle in zip(lows, middles, strict=True)]
            bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": f"--{colour}"}
            points = {"type": "scatter", "mode": "markers", "name": verdict.value, "marker": {"color": f"--{colour}"}}
            data.append({**points, "x": middles, "y": ys, "error_x": bars})
    order = {"categoryorder": "array", "categoryarray": names, "range": [len(names) - 0.5, -0.5], "automargin": True}
    figure = charts.figure(data, "B less A, % of A", "", xaxis={"range": [least, most]}, yaxis=order, shapes=[charts.mark(0.0, "")])
    counts = [n for row, *_ in found for n in (row.difference.a.n, row.difference.b.n)]
    says = (
        f"Each metric's difference as a share of its value in A, with its 95 % interval (n {min(counts)} to {max(counts)} values a side)."
    )
    beyond = [name for name, (_, _, low, high) in zip(names, found, strict=True) if low < least or high > most]
    says += f" Going on beyond the axis: {', '.join(beyond)}." if beyond else ""
    return [Chart("Difference of B from A (% of A)", figure, says, height=120 + 22 * len(names))]


def _percent(row: Row) -> tuple[float, float, float] | None:
    """Of A, with its ends; None where there are none."""
    told = row.difference
    if told.part is None or told.part_low is None or told.part_high is None:
        return None
    return 100.0 * told.part, 100.0 * told.part_low, 100.0 * told.part_high
