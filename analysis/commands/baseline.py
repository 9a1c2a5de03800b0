"""`python -m analysis baseline set|check RUN --file FILE`: is a run worse than what was agreed on?"""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.commands import compare
from analysis.compare.baseline import baseline, check, read, write
from analysis.compare.tolerance import tolerance
from analysis.load import load


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, runs and the file."""
    parser.add_argument("what", choices=("set", "check"), help="set: write the file anew; check: compare with it")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run; several count as one")
    parser.add_argument("--file", type=Path, default=Path("baseline.json"), help="the baseline (default %(default)s)")
    compare.options(parser)


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where the runs are worse beyond the tolerance; 2 where nothing can be decided: one is invalid, or all have too few values."""
    allowed, only = tolerance(",".join(chosen.tolerance or [])), compare.only(chosen.only)
    if chosen.what == "set":
        made = baseline([load(folder) for folder in chosen.runs])
        write(made, chosen.file)
        print(f"{chosen.file}: {len(made.aggregates)} figures of {' and '.join(made.runs)}")
        return 0
    return compare.tell(check(read(chosen.file), [load(folder) for folder in chosen.runs], allowed, only), chosen.html)
