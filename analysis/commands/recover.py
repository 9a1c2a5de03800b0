"""`python -m analysis recover RUN`: a run of what a killed process left behind."""

from __future__ import annotations

import argparse

from analysis.recover import recover


def arguments(parser: argparse.ArgumentParser) -> None:
    """A run's folder."""
    parser.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")


def run(chosen: argparse.Namespace) -> int:
    """0: it is a run now."""
    print(recover(chosen.run), end="")
    return 0
