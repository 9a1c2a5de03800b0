"""`python -m analysis experiment FILE.yml`: runs of two variants in turn, and what differs."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from analysis.commands.compare import tell
from analysis.compare.comparison import compare
from analysis.compare.tolerance import tolerance
from analysis.experiments.model import Experiment
from analysis.experiments.run import Planned, check, planned
from analysis.experiments.run import run as run_all
from analysis.files import RunError
from analysis.load import Loaded
from analysis.written import read


def arguments(parser: argparse.ArgumentParser) -> None:
    """A file."""
    parser.add_argument("file", type=Path, metavar="FILE.yml", help="the experiment: docs/comparing.md has its keys")
    parser.add_argument("--out", type=Path, help="folder for runs and page; default: experiments/NAME")
    parser.add_argument("--check", action="store_true", help="say what would be run, and start nothing")


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where B is worse beyond the tolerance; 2 where a side has no valid run."""
    made = read(chosen.file, Experiment, {"name": re.sub(r"[^\w.-]", "-", chosen.file.stem)[:60]})
    folder: Path = chosen.out or Path("experiments") / made.name
    length_s = check(made)
    order = " ".join("AB"[one.is_b] for one in planned(made))
    print(f"{made.name}: A {made.variant_a.name}, B {made.variant_b.name}; {made.runs} runs of {length_s:.0f} s: {order}", flush=True)
    if chosen.check:
        return 0
    with tqdm(total=made.runs, unit="run", disable=None) as bar:

        def told(one: Planned, loaded: Loaded) -> None:
            bar.update()
            state = "" if loaded.info["valid"] else "; INVALID: the tester was not fit to measure"
            bar.write(f"{one.number} of {made.runs}: {'AB'[one.is_b]}, seed {one.seed}: {loaded.path}{state}", file=sys.stdout)

        try:
            sides = run_all(made, folder, length_s, told)
        except KeyboardInterrupt:
            raise RunError(f"broken off; the runs that were made are in {folder}") from None
    return _decide(made, sides, folder)


def _decide(made: Experiment, sides: Sequence[list[Loaded]], folder: Path) -> int:
    """Compare what is valid; with a side of none, all that there is, which decides nothing."""
    fit = [[one for one in side if one.info["valid"]] for side in sides]
    left_out = [one.name for side in sides for one in side if not one.info["valid"]]
    used = fit if all(fit) else sides
    if left_out and used is fit:
        print(f"left out, as invalid: {', '.join(left_out)}")
    title = f"{made.name}: {made.variant_b.name} (B) against {made.variant_a.name} (A)"
    print()
    compared = compare(used[0], used[1], tolerance(made.tolerance), made.metrics)
    return tell(compared, folder / "experiment.html", title)
