"""A history of runs as a document."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis import shown
from analysis.document import Block, Chart, Document, Section, Table, Text
from analysis.history import Kin
from analysis.load import Loaded
from analysis.report import charts
from analysis.statistics.changes import LEAST_RUNS, Change
from analysis.trend.series import Series, Tolerance
from analysis.trend.within import Anomaly
from metrics.metric import Unit, show

_SCALE = {Unit.SECONDS: (1000.0, "ms"), Unit.SHARE: (100.0, "%"), Unit.PER_MINUTE: (1.0, "/min")}


@dataclass(frozen=True, slots=True)
class History:
    """Valid runs of one kind in their order, what they tell, and what stood out in the last one (None: too few turns)."""

    kin: Kin
    runs: Sequence[Loaded]
    series: Sequence[Series]
    window_s: float | None
    anomalies: Sequence[Anomaly]


def document(histories: Sequence[History], left_out: Sequence[str], tolerance: Tolerance) -> Document:
    """The whole of it; `left_out`: why runs that were named are in no history."""
    lead: list[Block] = []
    for one in histories:
        bad = [_line(s, one.runs) for s in one.series if s.regressed(tolerance)]
        where = f"Scenario {one.kin}: {shown.counted(len(one.runs), 'valid run')}"
        if len(one.runs) < LEAST_RUNS:
            lead.append(Text(f"{where}: too few to look for changes; {LEAST_RUNS} are needed.", mood="warning"))
        elif bad:
            lead.append(Text(f"**Worse** than tolerated. {where}:", tuple(bad), "bad"))
        else:
            lead.append(Text(f"Nothing is worse than tolerated. {where}.", mood="good"))
    words = f"Tolerated: {shown.part(tolerance.share)} of a time or a rate, {tolerance.points * 100:g} pp (percentage points) of a share."
    lead.append(Text(f"{words} A change is told where the chance of any in a history without is 5 %, all metrics together."))
    if left_out:
        lead.append(Text("Left out:", tuple(left_out), "warning"))
    sections = []
    for number, one in enumerate(histories, 1):
        among = f" ({one.kin})" if len(histories) > 1 else ""
        sections += [
            Section(f"What changed{among}", f"changes-{number}", _changes(one, tolerance)),
            Section(f"Metrics over runs{among}", f"series-{number}", [_chart(s, one.runs) for s in one.series]),
            Section(f"Within the last run{among}", f"within-{number}", _within(one)),
            Section(f"The runs{among}", f"runs-{number}", _runs(one.runs)),
        ]
    return Document("Trend", lead, sections)


def _line(series: Series, runs: Sequence[Loaded]) -> str:
    last = series.changes[-1]
    return f"**{series.title}** (`{series.metric.name}`): {_sizes(series, last)}, since {runs[last.at].name}"


def _sizes(series: Series, change: Change) -> str:
    unit = series.metric.unit
    told = f"{show(change.before, unit)} to {show(change.after, unit)}"
    return told if unit is Unit.SHARE or not change.before else f"{told} ({shown.part(change.after / change.before - 1.0, sign='+')})"


def _changes(one: History, tolerance: Tolerance) -> list[Block]:
    rows: list[tuple[str, ...]] = []
    moods = {}
    for series in one.series:
        for change in series.changes:
            moods[len(rows)], verdict = _verdict(series, change, tolerance)
            rows.append((series.title, one.runs[change.at].name, *_shown(series, change), str(len(series.points)), verdict))
    if not rows:
        return [Text("No metric changed." if len(one.runs) >= LEAST_RUNS else "Too few runs to say.")]
    header = ("metric", "first run after", "before", "after", "difference (95 %)", "chance", "n runs", "verdict")
    note = "Before, after: means of the runs on either side, up to the next change. Chance: of such a split in a series without change."
    return [Table(header, rows, note=note, numeric=frozenset({2, 3, 4, 5, 6}), moods=moods)]


def _verdict(series: Series, change: Change, tolerance: Tolerance) -> tuple[str, str]:
    """Of a change: its mood, and in words."""
    worse = series.worse(change)
    if worse <= 0:
        return ("good", "better") if worse < 0 else ("plain", "moved")
    if change is not series.changes[-1]:
        return "warning", "worse, and changed since"
    return ("bad", "worse") if series.regressed(tolerance) else ("warning", "worse, within tolerance")


def _shown(series: Series, change: Change) -> tuple[str, str, str, str]:
    scale, name = _scale(series)
    unit = series.metric.unit
    name = "pp" if unit is Unit.SHARE else name
    ends = "-" if change.low is None or change.high is None else f"{change.low * scale:+.1f} to {change.high * scale:+.1f} {name}"
    return show(change.before, unit), show(change.after, unit), ends, "< 0.0001" if change.p < 1e-4 else f"{change.p:.4f}"


def _scale(series: Series) -> tuple[float, str]:
    return _SCALE.get(series.metric.unit, (1.0, series.metric.unit.value))


def _chart(series: Series, runs: Sequence[Loaded]) -> Chart:
    scale, unit = _scale(series)
    y = [scale * (point.value or 0.0) for point in series.points]
    highs = [0.0 if p.high is None else scale * p.high - at for p, at in zip(series.points, y, strict=True)]
    lows = [0.0 if p.low is None else at - scale * p.low for p, at in zip(series.points, y, strict=True)]
    bars = {"type": "data", "symmetric": False, "array": highs, "arrayminus": lows}
    points = {"type": "scatter", "mode": "markers", "name": "run", "showlegend": False, "x": [at + 1 for at in series.runs], "y": y}
    data: list[dict[str, Any]] = [{**points, "error_y": bars, "text": [runs[at].name for at in series.runs]}]
    places = [change.at for change in series.changes]
    means = [change.before for change in series.changes[:1]] + [change.after for change in series.changes]
    for begin, end, mean in zip([0, *places], [*places, len(runs)], means, strict=False):
        line = {"type": "scatter", "mode": "lines", "name": "mean", "showlegend": False}
        data.append({**line, "x": [begin + 1, end], "y": [scale * mean] * 2})
    lines = [charts.mark(at + 0.5, "") for at in places]
    layout = {"xaxis": {"title": {"text": "run"}}, "yaxis": {"title": {"text": unit}}, "shapes": lines}
    said = "; ".join(f"{_sizes(series, change)} since {runs[change.at].name}" for change in series.changes) or "no change"
    says = f"{len(series.points)} runs: {said}; the last {shown.full(series.points[-1], series.metric.unit)}."
    return Chart(f"{series.title} ({unit})", {"data": data, "layout": layout}, says, 220)


def _within(one: History) -> list[Block]:
    last = one.runs[-1]
    if one.window_s is None:
        return [Text(f"{last.name} has too few turns for windows that could be compared.")]
    if not one.anomalies:
        return [Text(f"In {last.name} nothing stood out, in windows of {one.window_s:g} s.", mood="good")]
    rows = []
    for found in one.anomalies:
        values = show(found.value, found.unit), show(found.usual, found.unit), str(found.n)
        meanwhile = "; ".join(found.meanwhile) or "nothing that was recorded"
        rows.append((f"{found.begins_s:.0f} to {found.ends_s:.0f} s", found.what, *values, meanwhile))
    note = f"In windows of {one.window_s:g} s: median end-to-end latency against the median window, failures against the other windows."
    return [Table(("when", "what", "at worst", "usually", "n turns", "meanwhile"), rows, f"In {last.name}", note, frozenset({2, 3, 4}))]


def _runs(runs: Sequence[Loaded]) -> list[Block]:
    rows = []
    for number, run in enumerate(runs, 1):
        began = datetime.datetime.fromtimestamp(run.info["started_epoch_s"], datetime.UTC)
        told = str(run.info["totals"]["turns"]), run.info["ended"], run.info["versions"]["doubletalk"]
        rows.append((str(number), run.name, f"{began:%Y-%m-%d %H:%M}", *told))
    return [Table(("run", "name", "began (UTC)", "turns", "ended", "Doubletalk"), rows, numeric=frozenset({0, 3}))]
