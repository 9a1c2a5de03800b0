"""`python -m analysis sweep FILE.yml`: a scenario over a grid of settings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from analysis.files import RunError
from analysis.sweep import plan as plans
from analysis.sweep.manifest import FILE, Cell, done
from analysis.sweep.plan import Plan, cells
from analysis.sweep.run import begin, check
from analysis.sweep.run import run as run_all

_ASSISTANT = "python -m assistant --port {port} --profile {profile} --seed {seed}"


def arguments(parser: argparse.ArgumentParser) -> None:
    """A file, or a scenario and its axes."""
    parser.add_argument(
        "what", metavar="FILE.yml|SCENARIO", help="a sweep's file; or with --over a scenario, against the bundled assistant"
    )
    parser.add_argument("--over", action="append", default=[], metavar="KEY=VALUE,VALUE", help="a setting to vary; may be given again")
    parser.add_argument("--repeats", type=int, default=1, help="with --over: runs of each combination")
    parser.add_argument("--host", help="with --over: the assistant, in place of the bundled one")
    parser.add_argument("--out", type=Path, help="folder for the runs; default: sweeps/NAME")
    parser.add_argument("--again", action="store_true", help="run once more what was not valid")
    parser.add_argument("--check", action="store_true", help="say what would be run, and start nothing")


def run(chosen: argparse.Namespace) -> int:
    """0 where every run is there and valid, 1 where one is not valid."""
    plan = _plan(chosen)
    folder: Path = chosen.out or Path("sweeps") / plan.name
    begun = begin(plan, folder, chosen.again)
    lengths = check(plan)
    left = [cell for cell in begun.cells if cell.folder is None]
    about_min = (sum(lengths.values()) / len(lengths) + 15.0) * len(left) / 60.0
    print(f"{plan.name}: {len(begun.cells)} runs of {plan.scenario}, {len(left)} to do, about {about_min:.0f} min")
    if chosen.check:
        for cell in cells(plan):
            print(f"{cell.number:4d}  {cell.told}")
        return 0
    with tqdm(total=len(begun.cells), initial=len(begun.cells) - len(left), unit="run", disable=None) as bar:

        def told(cell: Cell) -> None:
            bar.update()
            state = "" if cell.valid else "; INVALID: the tester was not fit to measure"
            bar.write(f"{cell.number} of {len(begun.cells)}: {cell.told}: {cell.folder}, exit code {cell.code}{state}", file=sys.stdout)

        try:
            ended = run_all(plan, begun, folder, lengths, told)
        except KeyboardInterrupt:
            raise RunError(f"broken off; the same command goes on where it stopped: {folder / FILE}") from None
    invalid = [cell for cell in done(ended) if not cell.valid]
    print(f"{folder / FILE}: {len(done(ended))} runs, {len(invalid)} of them not valid")
    return 1 if invalid else 0


def _plan(chosen: argparse.Namespace) -> Plan:
    if not chosen.over:
        if Path(chosen.what).suffix not in (".yml", ".yaml"):
            raise RunError(f"{chosen.what}: name a sweep's .yml file, or say what to vary: --over load.talkers=5,10,20")
        return plans.read(Path(chosen.what))
    told = {
        "name": f"{Path(chosen.what).stem}-{'-'.join(text.partition('=')[0] for text in chosen.over)}"[:60],
        "scenario": chosen.what,
        "repeats": chosen.repeats,
        "over": plans.over(chosen.over),
    }
    told |= {"host": chosen.host} if chosen.host else {"assistant": {"command": _ASSISTANT}}
    return plans.plan(told, "the command line")
