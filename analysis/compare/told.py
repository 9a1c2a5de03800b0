"""What a comparison has to say, as a document: what moved first, then each metric."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.compare import shown
from analysis.compare.causes import Cause
from analysis.compare.comparison import Comparison
from analysis.compare.judge import Row, Verdict
from analysis.document import Block, Chart, Document, Section, Table, Text
from metrics.catalog import TABLES
from metrics.metric import show

_MOODS = {Verdict.WORSE: "bad", Verdict.BETTER: "good", Verdict.CANNOT: "warning"}
_HEADER = ("metric", "", "A", "n", "B", "n", "B less A", "95 % interval", "of A", "would have seen", "verdict")


def document(comparison: Comparison, title: str = "") -> Document:
    """The page; `title`: other than which runs are compared."""
    lead: list[Block] = []
    if comparison.unfit:
        lead.append(Text("**INVALID: nothing is decided.** The tester was not fit to measure:", comparison.unfit, "bad"))
    lead.append(_verdict(comparison))
    lead += [_cause(cause) for cause in comparison.causes]
    own = [f"{shown.title(row.metric)}: {shown.moved(row)}" for row in comparison.own]
    if own:
        lead.append(Text("The talkers themselves differ: these are the tester's, not the assistant's.", tuple(own), "warning"))
    if comparison.warnings:
        lead.append(Text("The runs differ in more than the assistant:", comparison.warnings, "warning"))
    lead.append(Text(f"A: {comparison.name_a}. B: {comparison.name_b}. {comparison.pairing}"))
    lead.append(Text(f"Tolerance: {comparison.tolerance.told()}."))
    sections = [Section("What moved", "moved", _chart(comparison))]
    for table in TABLES:
        of_table = [row for row in comparison.rows if row.metric.table == table]
        sections.append(Section(table.capitalize(), table.replace(" ", "-"), [_table(of_table)] if of_table else []))
    sections.append(Section("How to read this", "reading", [Text(_READING)]))
    return Document(title or f"{comparison.name_b} against {comparison.name_a}", lead, sections)


_READING = (
    "The interval is of B less A, with the session as the sampling unit. A verdict holds beside all others of its table: with the chance of "
    "0.05 that any of them is called where there is none (Holm). *would have seen*: the smallest difference that such runs show with a "
    "probability of 80 %. Percentiles are judged from five values beyond them on, all else from the catalogue's least number on."
).replace("*", "**")


def _verdict(comparison: Comparison) -> Text:
    regressed = {row.metric.name for row in comparison.regressions}
    judged = {row.metric.name for row in comparison.rows if row.verdict in (Verdict.WORSE, Verdict.BETTER, Verdict.NONE)}
    if comparison.unfit:
        return Text(f"Of {len(judged)} metrics {len(regressed)} would be worse beyond the tolerance.", mood="warning")
    if regressed:
        return Text(f"**WORSE: {len(regressed)} of {len(judged)} metrics are worse beyond the tolerance.**", mood="bad")
    if not judged:
        return Text("**CANNOT TELL: no metric has enough values on both sides.**", mood="warning")
    return Text(f"**No regression seen in {len(judged)} metrics.** {_sight(comparison)}", mood="good")


def _sight(comparison: Comparison) -> str:
    """What a regression would have had to be, to be seen: by the metrics that tell most."""
    seen = [
        f"{row.metric.title} {row.aggregate} {shown.least(row)}"
        for row in comparison.rows
        if (row.metric.name, row.aggregate) in (("e2e_latency", "p50"), ("success", "value")) and row.verdict is Verdict.NONE
    ]
    return f"These runs would have shown: {', '.join(seen).replace(' value', '')}." if seen else ""


def _cause(cause: Cause) -> Text:
    text = f"**{shown.title(cause.row.metric)}** is {cause.verdict.value}, {shown.way(cause.row)}: {shown.moved(cause.row)}."
    if cause.follow:
        names = ", ".join(metric.title for metric in cause.follow)
        text += f" From it {'follow' if len(cause.follow) > 1 else 'follows'}: {names}."
    return Text(text, mood=_MOODS[cause.verdict])


def _table(rows: Sequence[Row]) -> Table:
    cells = []
    for row in rows:
        unit, told = row.metric.unit, row.difference
        name = row.metric.name if row.aggregate == "value" else f"{row.metric.name} {row.aggregate}"
        cells.append((
            name, row.metric.code, show(row.difference.a.value, unit), str(row.difference.a.n), show(row.difference.b.value, unit), str(row.difference.b.n),
            shown.amount(told.value, unit), shown.interval(told.low, told.high, unit), shown.percent(row), shown.least(row),
            shown.verdict(row),
        ))  # fmt: skip
    moods = {i: _MOODS[row.verdict] for i, row in enumerate(rows) if row.verdict in _MOODS and (row.matters or row.why)}
    return Table(_HEADER, cells, numeric=frozenset({2, 3, 4, 5, 6, 7, 8, 9}), moods=moods)


def _chart(comparison: Comparison) -> list[Block]:
    """Differences as shares of A with their intervals, of what is judged and has one."""
    rows = [
        row
        for row in comparison.rows
        if row.difference.part is not None and row.difference.part_low is not None and row.verdict in (Verdict.WORSE, Verdict.BETTER, Verdict.NONE)
    ]  # fmt: skip
    if not rows:
        return []
    percents = [(100 * (d.part or 0.0), 100 * (d.part_low or 0.0), 100 * (d.part_high or 0.0)) for d in (row.difference for row in rows)]
    names = [f"{row.metric.title} {row.aggregate}".removesuffix(" value") for row in rows]
    trace = {
        "type": "scatter", "mode": "markers", "x": [p[0] for p in percents], "y": names,
        "error_x": {"type": "data", "symmetric": False, "array": [p[2] - p[0] for p in percents], "arrayminus": [p[0] - p[1] for p in percents]},
    }  # fmt: skip
    zero = {"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "line": {"width": 1, "dash": "dot"}}
    layout = {
        "xaxis": {"title": {"text": "B less A, % of A"}},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "shapes": [zero],
        "margin": {"l": 220},
    }
    least = min(min(row.difference.a.n, row.difference.b.n) for row in rows)
    most = max(max(row.difference.a.n, row.difference.b.n) for row in rows)
    says = f"Each metric's difference as a share of its value in A, with its 95 % interval (n {least} to {most} values a side)."
    return [Chart("Difference of B from A (% of A)", {"data": [trace], "layout": layout}, says, height=120 + 22 * len(rows))]
