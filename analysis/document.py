"""What a command has to say, before it is a page, Markdown or lines of a terminal: sections of texts, figures, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, or a list where `items` are given; Markdown's `code`, **strong** and [links](#x) within. `mood`: plain, good, warning or
    bad: how it is shown."""

    text: str
    items: tuple[str, ...] = ()
    mood: str = "plain"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is, as it is shown with its unit, and what a reader must know of it (n, interval, target)."""

    title: str
    shown: str
    detail: str
    mood: str = "plain"


@dataclass(frozen=True, slots=True)
class Figures:
    """Some numbers beside one another, each in a box."""

    items: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are texts as they are shown, with their unit. `caption`: what it is, above it; `note`: what a reader must know, below it.
    `numeric`: columns that are set to the right; `moods`: of rows, by index: good, warning or bad."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    note: str = ""
    numeric: frozenset[int] = frozenset()
    moods: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chart:
    """A plotly figure as plain data (`data` and `layout`, without colours of its own: the page's theme has them), its title with the unit,
    what it shows in a sentence with its n (which Markdown and a reader without scripts get in its place), and its height in pixels.

    Where a line or a bar must have a certain colour, its name in the page's theme stands in the figure: `--blue`, `--orange`, `--green`,
    `--violet`, `--yellow`, `--grey`, `--good`, `--bad`, `--text`, `--soft`; `--blue/0.2` lets the rest shine through.
    """

    title: str
    figure: dict[str, Any]
    says: str
    height: int = 320


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks of a section that belong together, under a heading of their own."""

    title: str
    blocks: Sequence[Block]
    mood: str = "plain"


Block = Text | Figures | Table | Chart | Part


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, its anchor in the page, and what is below it; without blocks it is left out."""

    title: str
    anchor: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A page or a text: its title, what comes before all sections, and these."""

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section]
