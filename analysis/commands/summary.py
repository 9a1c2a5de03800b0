"""`python -m analysis summary RUN`: what the run's summary says, computed anew from its files."""

from __future__ import annotations

import argparse

from analysis.load import load
from metrics.summary import summary
from metrics.verdicts import passed


def arguments(parser: argparse.ArgumentParser) -> None:
    """A run."""
    parser.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")


def run(chosen: argparse.Namespace) -> int:
    """0 where the run passed, 1 where it did not."""
    loaded = load(chosen.run)
    aggregate = loaded.aggregate()
    print(summary(loaded.info, aggregate), end="")
    return 0 if passed(loaded.info, aggregate) else 1
