"""`python -m analysis trend RUNS..`: since which run a metric is better or worse, and what stood out within the last one."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from analysis import history
from analysis.load import Loaded, RunError, load
from analysis.markdown import markdown
from analysis.page import html
from analysis.put import put
from analysis.trend import series, within
from analysis.trend.series import Tolerance
from analysis.trend.told import History, document


def arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, and what is tolerated."""
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="folders of runs, or folders with runs in them")
    parser.add_argument(
        "--tolerance", type=_percent, default=0.10, metavar="PERCENT", help="how much worse a time or a rate may have become (default: 10)"
    )
    parser.add_argument(
        "--tolerance-points",
        type=_percent,
        default=0.01,
        metavar="POINTS",
        help="how many points worse a share may have become (default: 1)",
    )
    parser.add_argument("--html", metavar="FILE", help="write it as a page, too")


def run(chosen: argparse.Namespace) -> int:
    """0 where nothing is worse than tolerated, 1 where something is."""
    found, broken = history.read(chosen.runs)
    left_out = [*broken, *(f"{one.name}: invalid: {'; '.join(one.info['faults'])}" for one in found if not one.info["valid"])]
    together: defaultdict[history.Kin, list[Loaded]] = defaultdict(list)
    for one in found:
        if one.info["valid"]:
            together[history.kin(one)].append(one)
    if not together:
        raise RunError(f"none of {len(found) + len(broken)} runs can be used: {'; '.join(left_out)}")
    tolerance = Tolerance(chosen.tolerance, chosen.tolerance_points)
    histories = []
    with tqdm(total=sum(map(len, together.values())), unit="run", file=sys.stderr, disable=None, leave=False) as bar:
        for kin, runs in sorted(together.items()):
            stood_out = within.anomalies(runs[-1])
            told = series.history(_each(runs, bar))
            histories.append(History(kin, runs, told, *stood_out))
    made = document(histories, left_out, tolerance)
    print(markdown(made), end="")
    if chosen.html:
        put(Path(chosen.html), html(made))
        print(f"written: {chosen.html}")
    return int(any(one.regressed(tolerance) for kept in histories for one in kept.series))


def _each(runs: list[Loaded], bar: tqdm) -> Iterator[Loaded]:
    """Each run read anew, so that its tables go when the next one comes."""
    for one in runs:
        yield load(one.path)
        bar.update()


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return percent / 100.0
