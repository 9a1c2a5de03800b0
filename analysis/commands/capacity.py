"""`python -m analysis capacity RUN..`: how many callers the target holds, where it bends, and what gives in first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from analysis.capacity.measured import pool
from analysis.capacity.told import document
from analysis.history import kin, read
from analysis.load import Loaded, RunError
from analysis.markdown import markdown
from analysis.page import html
from analysis.put import put


def arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, and where the page goes."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs of one scenario against one target, or a folder of such")
    parser.add_argument("--html", metavar="FILE", help="write it as a page, too")


def run(chosen: argparse.Namespace) -> int:
    """0: it has been said."""
    found, broken = read(chosen.runs)
    fit, left_out = chosen_of(found)
    with tqdm(desc="capacity", unit=" curves", disable=None, leave=False) as bar:
        made = document(pool(fit, bar.update), broken + left_out)
    print(markdown(made), end="")
    if chosen.html:
        put(Path(chosen.html), html(made))
        print(f"written: {chosen.html}")
    return 0


def chosen_of(runs: Sequence[Loaded]) -> tuple[list[Loaded], list[str]]:
    """The runs that are looked at together, and why others are not: they are invalid, or have no turns. One that is alone is looked at
    even where it is invalid. Raises RunError where they are not of one scenario and target, or none has a turn."""
    kinds = {kin(one) for one in runs}
    if len(kinds) > 1:
        raise RunError(f"runs of different scenarios or targets cannot be looked at together: {'; '.join(sorted(map(str, kinds)))}")
    left_out = [f"{one.name}: no turn was measured" for one in runs if one.turns.empty]
    spoken = [one for one in runs if not one.turns.empty]
    if not spoken:
        raise RunError(f"{runs[0].path}: no turn was measured; there is nothing to say of its capacity")
    valid = [one for one in spoken if one.info["valid"]]
    if not valid:
        return spoken, left_out
    return valid, left_out + [f"{one.name}: invalid: {'; '.join(one.info['faults'])}" for one in spoken if not one.info["valid"]]
