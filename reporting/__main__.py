"""`python -m reporting [--prometheus] [PAGE]`: the generated tables of a page, printed, or written between the markers of PAGE."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reporting import docs, prometheus_docs


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 2 for a page that cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reporting", description="The column tables of docs/run-files.md.")
    parser.add_argument("--prometheus", action="store_true", help="those of docs/prometheus.md instead: what Prometheus is told")
    parser.add_argument("page", nargs="?", type=Path, help="file to write them into; without it they are printed")
    parsed = parser.parse_args(arguments)
    path: Path | None = parsed.page
    made = prometheus_docs.tables() if parsed.prometheus else docs.tables()
    if path is None:
        print(made, end="")
        return 0
    try:
        text = docs.page(path.read_text(encoding="utf-8"), made)
    except (OSError, ValueError) as error:
        print(f"doubletalk: {path}: {error}", file=sys.stderr)
        return 2
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
