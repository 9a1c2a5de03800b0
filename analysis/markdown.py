"""A document as Markdown that also reads well in a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analysis.document import Block, Chart, Document, Figures, Part, Table, Text
from metrics.grid import markdown as grid

_MARKS = {"plain": "", "good": "✓ ", "warning": "⚠ ", "bad": "✗ "}
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def markdown(document: Document) -> str:
    """The whole text; in the place of a chart what it says."""
    parts = [f"# {document.title}", *(_block(block) for block in document.lead)]
    for section in document.sections:
        if section.blocks:
            parts += [f"## {section.title}", *(_block(block) for block in section.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    match block:
        case Text():
            between = [""] if block.text and block.items else []
            return "\n".join([_MARKS[block.mood] + _tagless(block.text), *between, *(f"- {_tagless(one)}" for one in block.items)]).strip()
        case Figures():
            rows = [(_MARKS[one.mood].strip() or "-", one.title, one.shown, one.detail) for one in block.items]
            return "```\n" + _columns(rows) + "\n```"
        case Table():
            return _table(block)
        case Chart():
            return f"**{block.title}.** {_tagless(block.says)}"
        case Part():
            return "\n\n".join([f"### {_tagless(block.title)}", *(_block(one) for one in block.blocks)])


def _table(table: Table) -> str:
    shown = grid([_cell(c) for c in table.header], [[_cell(c) for c in row] for row in table.rows])
    return "\n\n".join(part for part in (f"**{table.caption}**" if table.caption else "", shown, table.note) if part)


def _cell(text: str) -> str:
    """A text that stays in its cell."""
    return _tagless(" ".join(text.split()).replace("|", "\\|"))


def _tagless(text: str) -> str:
    """What an assistant said may hold HTML: it is no tag here."""
    return _TAG.sub("&lt;", text)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
