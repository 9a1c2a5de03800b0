"""`python -m analysis cost RUN --prices FILE`: what calls cost, by component."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.cost.prices import read
from analysis.cost.told import document
from analysis.load import RunError, load
from analysis.markdown import markdown
from analysis.page import html
from analysis.put import put


def arguments(parser: argparse.ArgumentParser) -> None:
    """A run, prices, and the load of which a month's cost is told."""
    parser.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")
    parser.add_argument("--prices", required=True, metavar="FILE", help="YAML file of prices; docs/prices/ has examples")
    parser.add_argument("--calls-per-day", type=_amount, metavar="N", help="tell what a month of so many calls a day costs")
    parser.add_argument("--minutes-per-day", type=_amount, metavar="N", help="tell what a month of so many minutes of calls a day costs")
    parser.add_argument("--html", metavar="FILE", help="write it as a page, too")


def run(chosen: argparse.Namespace) -> int:
    """0: it has been said."""
    prices, loaded = read(Path(chosen.prices)), load(chosen.run)
    if loaded.sessions.empty:
        raise RunError(f"{loaded.path}: no session has ended; there is nothing to pay for")
    made = document(loaded, prices, chosen.calls_per_day, chosen.minutes_per_day)
    print(markdown(made), end="")
    if chosen.html:
        put(Path(chosen.html), html(made))
        print(f"written: {chosen.html}")
    return 0


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 < amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return amount
