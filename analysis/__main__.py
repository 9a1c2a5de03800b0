"""`python -m analysis COMMAND`: what can be done with run folders afterwards. `--help` lists the commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from analysis.commands import COMMANDS
from analysis.files import RunError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 where all is well, 1 where the answer is no (a run that did not pass, a regression) or is not read to its end, 2 for
    what cannot be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Post-run analysis of run folders.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in given if not word.startswith("-")), None)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        if name == asked:
            import_module(f"analysis.commands.{name}").arguments(command)
    chosen = parser.parse_args(given)
    try:
        code: int = import_module(f"analysis.commands.{chosen.command}").run(chosen)
        sys.stdout.flush()
    except RunError as error:
        print(f"doubletalk: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as of `| head`, which has read enough; what Python still holds would raise it again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
