"""`python -m analysis report RUN`: what a run came to, as a page and as Markdown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from analysis.load import load
from analysis.markdown import markdown
from analysis.page import html
from analysis.put import put
from analysis.report.build import report


def arguments(parser: argparse.ArgumentParser) -> None:
    """A run's folder, and where the report goes."""
    parser.add_argument("run", help="folder of the run, such as runs/20261120-115112-demo")
    parser.add_argument("--html", metavar="FILE", help="write the page there (default: report.html in the run's folder)")
    parser.add_argument("--markdown", metavar="FILE", help="write the text there; - prints it (default: report.md in the run's folder)")


def run(chosen: argparse.Namespace) -> int:
    """0: it is written. Says where."""
    loaded = load(chosen.run)
    with tqdm(desc="report", unit=" estimates", disable=not sys.stderr.isatty(), leave=False) as bar:
        document = report(loaded, bar.update)
    neither = chosen.html is None and chosen.markdown is None
    if chosen.html or neither:
        _tell(Path(chosen.html or loaded.path / "report.html"), html(document))
    if chosen.markdown == "-":
        print(markdown(document), end="")
    elif chosen.markdown or neither:
        _tell(Path(chosen.markdown or loaded.path / "report.md"), markdown(document))
    return 0


def _tell(path: Path, text: str) -> None:
    put(path, text)
    print(f"Report: {path}")
