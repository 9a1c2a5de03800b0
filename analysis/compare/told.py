"""What a comparison has to say, as a document: what moved first, then each metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.compare import drawn, shown
from analysis.compare.causes import Cause
from analysis.compare.comparison import Comparison
from analysis.compare.judge import Row, Verdict
from analysis.document import Block, Document, Section, Table, Text
from metrics.catalog import TABLES
from metrics.metric import show

_MOODS = {Verdict.WORSE: "bad", Verdict.BETTER: "good", Verdict.CANNOT: "warning"}
_TELLING = (("e2e_latency", "p50"), ("success", "value"))
_HEADER = ("metric", "", "A", "n", "B", "n", "B less A", "95 % interval", "of A", "would have seen", "verdict")


def document(comparison: Comparison, title: str = "") -> Document:
    """The page; `title`: other than which runs are compared."""
    lead: list[Block] = []
    if comparison.unfit:
        lead.append(Text("**INVALID: nothing is decided.** The tester was not fit to measure:", comparison.unfit, "bad"))
    lead.append(_verdict(comparison))
    lead += [_cause(cause, sure=not comparison.unfit) for cause in comparison.causes]
    own = [f"{shown.title(row.metric)}: {shown.moved(row)}" for row in comparison.own]
    if own:
        lead.append(Text("The talkers themselves differ: these are the tester's, not the assistant's.", tuple(own), "warning"))
    if comparison.warnings:
        lead.append(Text("The runs differ in what they were made with:", comparison.warnings, "warning"))
    lead.append(Text(f"A: {comparison.name_a}. B: {comparison.name_b}. {comparison.pairing}"))
    lead.append(Text(f"Tolerance: {comparison.tolerance.told()}."))
    sections = [Section("What moved", "moved", drawn.chart(comparison.rows))]
    for table in TABLES:
        of_table = [row for row in comparison.rows if row.metric.table == table]
        sections.append(Section(table.capitalize(), table.replace(" ", "-"), [_table(of_table)] if of_table else []))
    sections.append(Section("How to read this", "reading", [Text(_READING)]))
    return Document(title or f"{comparison.name_b} against {comparison.name_a}", lead, sections)


_READING = (
    "The interval is of B less A, with the session as the sampling unit. A verdict holds beside all others of its table: with a chance "
    "of at most 0.05 is any of them called where there is nothing (Holm). **would have seen**: the smallest difference that such runs "
    "show, beside those others, with a probability of 80 %. **told**: neither good nor bad, or of the talkers themselves, or not asked for."
)


def _verdict(comparison: Comparison) -> Text:
    regressed = {row.metric.name for row in comparison.regressions}
    judged = comparison.judged
    if comparison.unfit:
        return Text(f"Of {len(judged)} metrics {len(regressed)} would be worse beyond the tolerance.", mood="warning")
    if regressed:
        return Text(f"**WORSE: {len(regressed)} of {len(judged)} metrics are worse beyond the tolerance.**", mood="bad")
    if not judged:
        return Text("**CANNOT TELL: no metric has enough values on both sides.**", mood="warning")
    return Text(f"**No regression seen in {len(judged)} metrics.** {_sight(comparison)}", mood="good")


def _sight(comparison: Comparison) -> str:
    """What a regression would have had to be, to be seen: by the metrics that tell most; and what smaller ones take."""
    seen, times = [], 1.0
    for row in comparison.rows:
        if (row.metric.name, row.aggregate) in _TELLING and row.verdict is Verdict.NONE and row.least is not None:
            seen.append(f"{row.metric.title} {row.aggregate} by {shown.least(row)}".replace(" value", ""))
            allowed = comparison.tolerance.allowed(row.metric, row.difference.a.value or 0.0)
            times = max(times, (row.least / allowed) ** 2 if allowed > 0.0 else 1.0)
    if not seen:
        return ""
    more = f" To see any that is beyond the tolerance takes about {math.ceil(times)} times as many sessions." if times > 1.0 else ""
    return f"These runs would have shown: {', '.join(seen)}.{more}"


def _cause(cause: Cause, sure: bool) -> Text:
    text = f"**{shown.title(cause.row.metric)}** is {cause.verdict.value}, {shown.way(cause.row)}: {shown.moved(cause.row)}."
    if cause.follow:
        names = ", ".join(metric.title for metric in cause.follow)
        text += f" From it {'follow' if len(cause.follow) > 1 else 'follows'}: {names}."
    if cause.unasked:
        others = ", ".join(metric.title for metric in cause.unasked)
        text += f" Not from it alone: {others} {'differ' if len(cause.unasked) > 1 else 'differs'}, too, not asked for."
    return Text(text, mood=_MOODS[cause.verdict] if sure else "plain")


def _table(rows: Sequence[Row]) -> Table:
    cells = []
    for row in rows:
        unit, told = row.metric.unit, row.difference
        name = row.metric.name if row.aggregate == "value" else f"{row.metric.name} {row.aggregate}"
        values = (show(told.a.value, unit), str(told.a.n), show(told.b.value, unit), str(told.b.n), shown.amount(told.value, unit))
        rest = (shown.interval(told.low, told.high, unit), shown.percent(row), shown.least(row), shown.verdict(row))
        cells.append((name, row.metric.code, *values, *rest))
    moods = {i: _MOODS[row.verdict] for i, row in enumerate(rows) if row.verdict in _MOODS and (row.matters or row.why)}
    return Table(_HEADER, cells, numeric=frozenset({2, 3, 4, 5, 6, 7, 8, 9}), moods=moods)
