"""Reports of runs with known truth, and what they say, for the tests of reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.document import Block, Chart, Document, Figures, Part, Section, Table, Text
from analysis.load import Loaded, load
from analysis.report.build import report
from analysis.report.facts import Facts
from benchmarks.made import make
from benchmarks.made_truth import LATENCIES, Truth

HEALTHY = {"success": 0.995, "yield_rate": 0.99, "resume_rate": 1.0, "spurious_response": 0.0, "token_success": 1.0}


def truth(shares: dict[str, float] | None = None, **more: Any) -> Truth:
    """Callers of an assistant that keeps all targets, but for what is given."""
    medians = {**LATENCIES, "endpointing_delay": 0.2, "stop_by_byte": 0.1}
    return Truth(medians=medians, underruns=0.005, shares={**HEALTHY, **(shares or {})}, **more)


def made(folder: Path, turns: int = 600, of: Truth | None = None, **more: Any) -> Loaded:
    """A run of it."""
    return load(make(folder, turns, truth=of or truth(), **more))


def retold(run: Loaded, **told: Any) -> Loaded:
    """The run with other facts in its `run.json`."""
    path = run.path / "run.json"
    path.write_text(json.dumps({**run.info, **told}))
    return load(run.path)


def facts_of(turns: Iterable[dict[str, Any]], info: dict[str, Any] | None = None) -> Facts:
    """Of a run that has these turns only."""
    run = Loaded(Path("nowhere"), info or {})
    run.__dict__["turns"] = pd.DataFrame(turns)
    return Facts(run)


def said(run: Loaded) -> Document:
    return report(run)


def section(document: Document, anchor: str) -> Section:
    return next(one for one in document.sections if one.anchor == anchor)


def blocks(of: Document | Section | Part) -> Iterator[Block]:
    """All of them, those within parts too."""
    if isinstance(of, Document):
        yield from (b for b in of.lead)
        for one in of.sections:
            yield from blocks(one)
        return
    for block in of.blocks:
        yield block
        if isinstance(block, Part):
            yield from blocks(block)


def tables(of: Document | Section | Part) -> dict[str, Table]:
    return {b.caption: b for b in blocks(of) if isinstance(b, Table)}


def charts(of: Document | Section | Part) -> dict[str, Chart]:
    """By their titles up to the unit."""
    return {b.title.partition(" (")[0]: b for b in blocks(of) if isinstance(b, Chart)}


def texts(of: Document | Section | Part) -> str:
    return "\n".join("\n".join([b.text, *b.items]) for b in blocks(of) if isinstance(b, Text))


def column(table: Table, name: str) -> dict[str, str]:
    """The cells of a column by the first cell of their row."""
    at = list(table.header).index(name)
    return {row[0]: row[at] for row in table.rows}


def figures(of: Document | Section) -> dict[str, tuple[str, str, str]]:
    return {f.title: (f.shown, f.detail, f.mood) for b in blocks(of) if isinstance(b, Figures) for f in b.items}
