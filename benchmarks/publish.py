"""`python -m benchmarks.publish`: what was measured here goes into the documentation and into the package.

`runs/calibration/calibration.json` becomes `reporting/calibration.json`, whose error bars every run carries, and the tables of
`docs/accuracy.md`; `runs/bench/bench.md` becomes the tables of `docs/performance.md`. What was not measured is left as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.calibrate import table

ROOT = Path(__file__).parent.parent
CALIBRATION = ROOT / "reporting" / "calibration.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def page(text: str, measured: str, first: str = BEGIN, last: str = END) -> str:
    """`text` with `measured` between its two markers. Raises ValueError where one is missing."""
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page must hold the lines {first} and {last}")
    return f"{before}{first}\n\n{measured.strip()}\n\n{last}{after}"


def accuracy(calibration: dict[str, Any]) -> str:
    """The tables of docs/accuracy.md: what it was measured on, how the tester was, and the errors per load."""
    machine = calibration["machine"]
    told = f"Measured on {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}."
    head = ("talkers", "clock", "valid", "CPU of the talkers' core", "send lateness p99, ms", "peer's busiest second")
    rows = [
        (
            str(run["talkers"]),
            run["clock"],
            "yes" if run["valid"] else "NO",
            f"{run['cpu_percent']:.0f} %",
            f"{run['send_lateness_p99_ms']:.2f}",
            f"{run['peer_busy_share'] * 100:.0f} %",
        )
        for run in calibration["runs"]
    ]
    lines = [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
    return "\n\n".join([told, "\n".join(lines), table(calibration["rows"])])


def main() -> int:
    """Exit code: 0, or 2 where nothing was measured or a page has no place for it."""
    calibrated, benched = ROOT / "runs" / "calibration" / "calibration.json", ROOT / "runs" / "bench" / "bench.md"
    if not calibrated.exists() and not benched.exists():
        print("benchmarks.publish: nothing was measured here: run make calibrate or make bench", file=sys.stderr)
        return 2
    try:
        if calibrated.exists():
            found = json.loads(calibrated.read_text())
            CALIBRATION.write_text(json.dumps(found, indent=1) + "\n")
            _write(ROOT / "docs" / "accuracy.md", accuracy(found))
        if benched.exists():
            _write(ROOT / "docs" / "performance.md", benched.read_text().removeprefix("# Benchmark\n"))
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.publish: {error}", file=sys.stderr)
        return 2
    return 0


def _write(path: Path, measured: str) -> None:
    path.write_text(page(path.read_text(encoding="utf-8"), measured), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
