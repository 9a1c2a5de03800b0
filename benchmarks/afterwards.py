"""How long the commands of `python -m analysis` take, and how much memory, over runs of known size.

`python -m benchmarks.afterwards [--turns 100000 100] [--rounds 3] [--write]` makes two runs of each size and has each command read them;
`--write` puts the table into docs/performance.md. Exit code 1 where a command is beyond its limit or cannot do its work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.made import make
from benchmarks.made_truth import Truth
from metrics.grid import markdown

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- afterwards: begin -->", "<!-- afterwards: end -->"
PRICES = ROOT / "docs" / "prices" / "realtime.yml"
LIMIT_S, LIMIT_BYTES = 60.0, 2 * 2**30
"""Of one command over 100,000 turns."""
LIMIT_OF_FEW_S = 10.0
"""Of one command over a run of a hundred."""
_WAITS = """
import resource, subprocess, sys, time
began_s = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)
"""
"""A small process that waits for a command: a process has its parent's memory until it has begun, and the kernel counts that as its own."""
FEW = 1000
"""Runs with fewer turns are small."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took over runs of so many turns: medians of all rounds. `code`: its exit code, 0 or 1 where it did its work."""

    command: str
    turns: int
    wall_s: float
    memory_bytes: float
    code: int

    @property
    def fine(self) -> bool:
        """Whether it did its work within its limits."""
        limit_s = LIMIT_OF_FEW_S if self.turns < FEW else LIMIT_S
        return self.code in (0, 1) and self.wall_s < limit_s and self.memory_bytes < LIMIT_BYTES


def commands(runs: Sequence[Path], folder: Path) -> Iterator[list[str]]:
    """The commands that are measured, with what each reads; what they write goes to `folder`."""
    first, second = map(str, runs)
    yield ["summary", first]
    yield ["report", first, "--html", str(folder / "report.html"), "--markdown", str(folder / "report.md")]
    yield ["compare", first, second]
    yield ["capacity", first]
    yield ["cost", first, "--prices", str(PRICES)]
    yield ["trend", first, second]
    yield ["words", first]
    yield ["paper", first, "--out", str(folder / "paper")]


def measure(given: Sequence[str]) -> tuple[float, int, int]:
    """How long one command took, in seconds, the most memory that it held, in bytes, and its exit code."""
    line = [sys.executable, "-c", _WAITS, sys.executable, "-m", "analysis", *given]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    wall_s, memory_kib, code = done.stdout.split()
    return float(wall_s), int(memory_kib) * 1024, int(code)


def costs(turns: int, rounds: int) -> Iterator[Cost]:
    """What each command took over two runs of so many turns."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        slower = Truth(shifts={"tts_processing": 1.1})
        runs = [make(folder / "a", turns), make(folder / "b", turns, number=1, truth=slower)]
        for given in commands(runs, folder):
            taken = [measure(given) for _ in range(rounds)]
            wall_s, memory, codes = zip(*taken, strict=True)
            yield Cost(given[0], turns, median(wall_s), median(memory), max(codes))


def table(measured: Sequence[Cost]) -> str:
    """What all took, as Markdown."""
    rows = [
        (f"`{one.command}`", f"{one.turns:,}", f"{one.wall_s:.1f}", f"{one.memory_bytes / 1e6:.0f}", "yes" if one.fine else "NO")
        for one in measured
    ]
    return markdown(("command", "turns a run", "s", "MB", "within its limit"), rows)


def main(arguments: Sequence[str]) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.afterwards", description="What the commands of analysis cost.")
    parser.add_argument("--turns", type=int, nargs="+", default=[100_000, 100], help="of a run")
    parser.add_argument("--rounds", type=int, default=3, help="times each; medians are told")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    chosen = parser.parse_args(arguments)
    measured = [one for turns in chosen.turns for one in costs(turns, chosen.rounds)]
    print(table(measured))
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{table(measured)}\n\n{END}{after}", encoding="utf-8")
    return 0 if all(one.fine for one in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
