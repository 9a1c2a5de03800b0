"""`python -m analysis compare A B`: is B worse than A?"""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.compare.comparison import Comparison, compare
from analysis.compare.told import document
from analysis.compare.tolerance import DEFAULT, tolerance
from analysis.files import RunError
from analysis.load import load
from analysis.markdown import markdown
from analysis.page import html
from analysis.put import put
from metrics.catalog import METRICS


def arguments(parser: argparse.ArgumentParser) -> None:
    """Two runs, or several against several."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two run folders, A and B; or several A, then --with and several B")
    parser.add_argument("--with", dest="others", nargs="+", default=[], metavar="RUN", help="the runs B, where there are several on a side")
    options(parser)


def options(parser: argparse.ArgumentParser) -> None:
    """What a comparison can be told, whatever it compares."""
    parser.add_argument(
        "--tolerance",
        action="append",
        metavar="AMOUNTS",
        help="how much worse is no regression: 5%%, 20ms, 1pp (of shares), e2e_latency=10%%, with commas between "
        f"(default {DEFAULT.replace('%', '%%')})",
    )
    parser.add_argument("--only", metavar="METRICS", help="judge these metrics alone, with commas between")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")


def only(text: str | None) -> list[str]:
    """The metrics that `--only` names. Raises RunError."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in METRICS:
            raise RunError(f"--only {name}: no such metric; docs/metrics.md has them all")
    return names


def tell(made: Comparison, page: Path | None, title: str = "") -> int:
    """Print a comparison, write it as a page where one is asked for, and return its exit code. Raises RunError."""
    told = document(made, title)
    print(markdown(told), end="")
    if page is not None:
        put(page, html(told))
    return made.code


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where B is worse beyond the tolerance; 2 where nothing can be decided: a run is invalid, or all have too few values."""
    of_a, of_b = (chosen.runs, chosen.others) if chosen.others else (chosen.runs[:1], chosen.runs[1:])
    if not chosen.others and len(chosen.runs) != 2:
        raise RunError(f"{len(chosen.runs)} runs: name two, A and B; or several: compare A1 A2 --with B1 B2")
    allowed = tolerance(",".join(chosen.tolerance or []))
    return tell(compare([load(a) for a in of_a], [load(b) for b in of_b], allowed, only(chosen.only)), chosen.html)
