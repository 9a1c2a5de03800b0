"""`python -m analysis summary RUN`: what the run's summary says, computed anew from its files."""

from __future__ import annotations

import argparse
import sys

from analysis.load import RunError, load
from metrics.summary import passed, summary


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 where the run passed, 1 where it did not, 2 for a folder that is no run."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Post-run analysis of run folders.")
    commands = parser.add_subparsers(dest="command", required=True)
    told = commands.add_parser("summary", help="print the run's summary")
    told.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")
    chosen = parser.parse_args(arguments)
    try:
        run = load(chosen.run)
        aggregate = run.aggregate()
    except RunError as error:
        print(f"doubletalk: {error}", file=sys.stderr)
        return 2
    print(summary(run.info, aggregate), end="")
    return 0 if passed(run.info, aggregate) else 1


if __name__ == "__main__":
    sys.exit(main())
