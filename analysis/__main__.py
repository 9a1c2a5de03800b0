"""`python -m analysis`: `summary RUN` says what the run's summary says, computed anew from its files; `recover RUN` makes a run of what a
killed process left behind."""

from __future__ import annotations

import argparse
import sys

from analysis.load import RunError, load
from analysis.recover import recover
from metrics.summary import summary
from metrics.verdicts import passed


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 where the run passed, or was recovered; 1 where it did not pass; 2 for a folder that is no such run."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Post-run analysis of run folders.")
    commands = parser.add_subparsers(dest="command", required=True)
    does = {"summary": "print the run's summary", "recover": "make a run of what a killed one left behind, and print its summary"}
    for name, what in does.items():
        command = commands.add_parser(name, help=what, description=what.capitalize() + ".")
        command.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "recover":
            print(recover(chosen.run), end="")
            return 0
        run = load(chosen.run)
        aggregate = run.aggregate()
    except RunError as error:
        print(f"doubletalk: {error}", file=sys.stderr)
        return 2
    print(summary(run.info, aggregate), end="")
    return 0 if passed(run.info, aggregate) else 1


if __name__ == "__main__":
    sys.exit(main())
