"""`python -m analysis paper RUNS.. --out DIR`: tables and figures for a paper."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from analysis import shown
from analysis.files import RunError
from analysis.paper.write import steps, write
from analysis.pool import members, pool


def arguments(parser: argparse.ArgumentParser) -> None:
    """Runs and a folder."""
    parser.add_argument(
        "runs", nargs="+", metavar="[SYSTEM=]RUN", help="a run's folder, a sweep's, or a folder of runs; those named alike are pooled"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write paper.tex, tables/ and figures/ into")
    parser.add_argument("--invalid", action="store_true", help="use runs that are not valid, too, and say so")


def run(chosen: argparse.Namespace) -> int:
    """0: it is written."""
    pooled = pool(members(chosen.runs), chosen.invalid)
    if pooled.turns.empty:
        raise RunError(f"{pooled.members[0].run.path}: no turn was measured: there is nothing to write")
    for member in pooled.left_out:
        print(f"{member.run.path}: left out: the run is not valid", file=sys.stderr)
    with tqdm(total=steps(pooled), unit="metric", disable=None) as bar:
        path = write(pooled, chosen.out, bar.update)
    count = f"{shown.counted(len(pooled.members), 'run')}, {shown.counted(len(pooled.turns), 'turn')} and false alarms"
    print(f"{path}: {count}; compile it with: cd {path.parent} && pdflatex {path.name}")
    return 0
