"""LaTeX that needs nothing but the article class and graphicx. Pure: texts in, texts out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analysis.statistics.estimate import Estimate
from metrics.metric import Unit

ROWS = 40
"""Of a table, at most: so many fit a page."""
_FLOATS = 6
"""Tables between which LaTeX is told to make a page of those that wait: it holds 18."""
_LAST_LETTER = 0x17F
"""Last character that LaTeX's `utf8` input knows without packages (Latin Extended-A). What is beyond is shown as a question mark."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$", "\"": r"''",
}  # fmt: skip
_FACTOR = {Unit.SECONDS: 1000.0, Unit.SHARE: 100.0}
_WORD = {Unit.SECONDS: "ms", Unit.SHARE: "%", Unit.FACTOR: "", Unit.INDEX: ""}


def escaped(text: str) -> str:
    """The text as LaTeX shows it."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text)
    return "".join(_SPECIAL.get(c, c if ord(c) <= _LAST_LETTER and c not in "\u00ad" else "?") for c in plain)


def unit(of: Unit) -> str:
    """The unit that `number` shows values in; empty for none. Not escaped."""
    return _WORD.get(of, of.value)


def number(value: float | None, of: Unit) -> str:
    """A value in the unit of tables, milliseconds or per cent, with three digits or more; a dash where there is none."""
    if value is None:
        return "--"
    shown = value * _FACTOR.get(of, 1.0)
    size = float(f"{abs(shown):.3g}")  # else 9.999 would have a digit more than 10
    digits = 0 if size >= 100 else 1 if size >= 10 or of is Unit.SHARE else 2 if size >= 1 else 3
    return f"{shown:.{digits}f}".replace("-", "$-$")


def cell(estimate: Estimate, of: Unit, mark: str = "") -> str:
    """`753 [731, 775]`; the interval is left out where there is none."""
    value = number(estimate.value, of) + mark
    if estimate.low is None or estimate.high is None:
        return value
    return rf"{value} {{\scriptsize [{number(estimate.low, of)}, {number(estimate.high, of)}]}}"


def tables(header: Sequence[str], rows: Sequence[Sequence[str]], align: str, caption: str, label: str, rules: Sequence[int] = ()) -> str:
    """A table, or several where there are more rows than a page takes. Header and cells are LaTeX already; `caption` is plain text.
    `rules`: rows before which there is a line, and where tables are cut if they must be."""
    parts = _parts(len(rows), set(rules))
    made = []
    for i, (begin, end) in enumerate(parts, start=1):
        lines = [rf"\hline{chr(10)}{_row(row)}" if begin + k in rules and k else _row(row) for k, row in enumerate(rows[begin:end])]
        which = f" ({i} of {len(parts)})" if len(parts) > 1 else ""
        made += [
            r"\begin{table}[htbp]\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escaped(caption)}{which}}}\smallskip",
            *([rf"\label{{{label}}}"] if i == 1 else []),
            rf"\begin{{tabular}}{{{align}}}",
            r"\hline",
            _row(header),
            r"\hline",
            *lines,
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
            *([r"\clearpage"] if i % _FLOATS == 0 else []),
        ]
    return "\n".join(made) + "\n"


def figure(path: str, caption: str, label: str) -> str:
    """A figure as wide as the text."""
    return "\n".join(
        [
            r"\begin{figure}[htbp]\centering",
            rf"\includegraphics[width=\textwidth]{{{path}}}",
            rf"\caption{{{escaped(caption)}}}\label{{{label}}}",
            r"\end{figure}",
            "",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _parts(count: int, rules: set[int]) -> list[tuple[int, int]]:
    """Where the rows are cut: before a rule, where there is one on the page."""
    parts, begin = [], 0
    while count - begin > ROWS:
        cut = max((rule for rule in rules if begin < rule <= begin + ROWS), default=begin + ROWS)
        parts.append((begin, cut))
        begin = cut
    return [*parts, (begin, count)]
