"""A document as one HTML page that needs nothing but itself: no request to any host; it reads without scripts, in light, dark, on paper."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from analysis.document import Block, Chart, Document, Figures, Part, Table, Text

_FOLDER = Path(__file__).parent / "templates"
_WITHIN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((#[\w-]+)\)")
_KINDS: dict[type, str] = {Text: "text", Figures: "figures", Table: "table", Chart: "chart", Part: "part"}


def html(document: Document) -> str:
    """The page. It holds the charts' script once, and only where there is a chart: 4.9 MB."""
    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"inline": inline, "plain": _plain}
    environment.tests["kind"] = lambda block, kind: _KINDS[type(block)] == kind
    numbers = count(1)
    environment.globals["number"] = lambda: next(numbers)
    sections = [section for section in document.sections if section.blocks]
    shown: str = environment.get_template("page.html").render(
        document=document,
        sections=sections,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")) if _charted(document) else "",
        plotly=Markup(get_plotlyjs()) if _charted(document) else "",
    )
    return shown


def inline(text: str) -> Markup:
    """A text with its `code`, **strong** and [links](#x) as HTML; all else in it is text."""
    made, end = Markup(""), 0
    for found in _WITHIN.finditer(text):
        made += escape(text[end : found.start()])
        code, strong, link, to = found.groups()
        if code:
            made += Markup("<code>{}</code>").format(code)
        elif strong:
            made += Markup("<strong>{}</strong>").format(strong)
        else:
            made += Markup('<a href="{}">{}</a>').format(to, link)
        end = found.end()
    return made + escape(text[end:])


def _charted(document: Document) -> bool:
    def charted(block: Block) -> bool:
        return isinstance(block, Chart) or (isinstance(block, Part) and any(map(charted, block.blocks)))

    return any(map(charted, [*document.lead, *(block for section in document.sections for block in section.blocks)]))


def _plain(figure: dict[str, Any]) -> Markup:
    """A figure as JSON that cannot end the script element it stands in."""
    return Markup(json.dumps(_finite(figure), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def _finite(value: Any) -> Any:
    """Plain data as JSON has it: arrays as lists, no number for NaN and the infinite, floats in six digits."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) or hasattr(value, "to_numpy"):
        return _finite(np.asarray(value).tolist())
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
