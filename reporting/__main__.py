"""`python -m reporting [PAGE]`: the column tables of the run files, printed, or written between the markers of PAGE."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reporting.docs import page, tables


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 2 for a page that cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reporting", description="The column tables of docs/run-files.md.")
    parser.add_argument("page", nargs="?", type=Path, help="file to write them into; without it they are printed")
    path: Path | None = parser.parse_args(arguments).page
    if path is None:
        print(tables(), end="")
        return 0
    try:
        text = page(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"doubletalk: {path}: {error}", file=sys.stderr)
        return 2
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
