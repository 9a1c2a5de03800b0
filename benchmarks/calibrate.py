"""python -m benchmarks.calibrate: how far each metric is off, against a peer whose delays, gaps, stops and losses are known.

    python -m benchmarks.calibrate --talkers 1,100,500,1000 --clocks kernel,user --seconds 30

For each load and clock the scripted peer (`peer.c`) runs on one core and the load tester, as a user runs it, on another. What both wrote
down is compared turn by turn (`truth.py`). Writes calibration.json and calibration.md, and keeps run folder, truth file and the load
tester's output in a folder per load and clock. Exit code 1: a run was invalid or a response is unaccounted for; the rows are written all
the same. Exit code 2: something given or needed is missing; one line on stderr says what.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from analysis import RunError, load
from analysis.load import Loaded
from audio import frame_samples, load_corpus
from benchmarks import rig
from benchmarks.sent import read_truth, spoken
from benchmarks.truth import COUNTS, Comparison, compare, rows
from metrics.records import TurnRecord

ROOT = Path(__file__).parent.parent
SCENARIO = Path(__file__).with_name("calibrate.yml")
CLOCKS = ("kernel", "user")
SPAWN_PER_S = 50
PEER: dict[str, Any] = {
    "seed": 1,
    "delay_ms": 300,
    "delay_max_ms": 900,
    "reply_ms": 2500,
    "reply_max_ms": 5000,
    "stop_ms": 60,
    "stop_max_ms": 400,
    "late_deltas": 3,
    "gap_share": 0.3,
    "early_share": 0.02,
    "lost_share": 0.01,
}
"""What is injected: options of `peer.c`."""
_PATIENCE_S = 120
_SHOWN = 10


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(_refuse(f"{message} (see --help)"))


def parser() -> argparse.ArgumentParser:
    options = Parser(
        prog="python -m benchmarks.calibrate", description="Measures how far each metric is off, against a peer with known truth."
    )
    options.add_argument("--talkers", type=_numbers, default=[1, 100, 500, 1000], metavar="N,...", help="loads (default: 1,100,500,1000)")
    options.add_argument("--clocks", type=_clocks, default=list(CLOCKS), metavar="CLOCK,...", help="arrival times (default: kernel,user)")
    options.add_argument("--seconds", type=_number, default=30, help="length of a run, after its ramp (default: 30)")
    options.add_argument("--frame-ms", type=_number, default=40, help="duration of a microphone frame (default: 40)")
    options.add_argument("--out", type=Path, default=ROOT / "runs" / "calibration", help="folder to write to (default: runs/calibration)")
    return options


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    found: dict[str, Any] = {"frame_ms": options.frame_ms, "rows": [], "runs": []}
    out = options.out.resolve()
    try:
        frame_samples(24000, options.frame_ms)
        rig.check_machine()
        found = {"machine": rig.machine(), **found}
        out.mkdir(parents=True, exist_ok=True)
        for talkers in options.talkers:
            for clock in options.clocks:
                _measure(found, talkers, clock, options.seconds, options.frame_ms, out / f"{talkers}-{clock}")
                _write(out, found)
    except (rig.RigError, RunError, OSError, ValueError) as error:
        return _refuse(str(error))
    print(f"\n{table(found['rows'])}\n\nWritten: {out / 'calibration.json'}, calibration.md")
    bad = [run for run in found["runs"] if not run["valid"] or run["unaccounted"]]
    for run in bad:
        _complain(run)
    return 1 if bad else 0


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of calibration.json as Markdown: a table per load, metrics as rows, the clocks side by side.

    Errors are in ms, those of COUNTS are counts; a dash where nothing was compared with that clock.
    """
    return "\n\n".join(_table_of(talkers, list(of_load)) for talkers, of_load in groupby(rows, key=lambda row: row["talkers"]))


def _table_of(talkers: int, rows: list[dict[str, Any]]) -> str:
    clocks = list(dict.fromkeys(row["clock"] for row in rows))
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    by_key = {(row["metric"], row["clock"]): row for row in rows}
    lines = [["off by, ms", *(f"{clock} {name}" for clock in clocks for name in ("n", "median", "p99", "most"))]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for metric in metrics:
        name = f"`{metric}`" + (" (count)" if metric in COUNTS else "")
        lines.append([name, *(cell for clock in clocks for cell in _cells(by_key.get((metric, clock))))])
    return "\n".join([f"### {talkers:,} talker{'s' if talkers > 1 else ''}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _cells(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return ["-"] * 4
    form = ".0f" if row["metric"] in COUNTS else ".3f"
    return [str(row["count"]), *(format(row[key], form) for key in ("median_ms", "p99_ms", "max_ms"))]


def _measure(found: dict[str, Any], talkers: int, clock: str, seconds: int, frame_ms: int, place: Path) -> None:
    """One run: its rows and its own account are added to `found`. Raises RigError, RunError, OSError, ValueError."""
    run_s = -(-talkers // SPAWN_PER_S) + seconds
    print(f"{talkers} talkers, {clock} times, {run_s} s...", flush=True)
    place.mkdir(parents=True, exist_ok=True)
    truth = place / "truth.tsv"
    with rig.peer(truth=truth, **PEER) as peer:
        run = _talk(peer.url, talkers, clock, run_s, frame_ms, place)
    if not peer.stats:
        raise rig.RigError(f"the peer broke off at {talkers} talkers: it left no account of itself")
    comparison = _compared(run, clock, truth, frame_ms)
    found["rows"] += rows(comparison, talkers, frame_ms, clock)
    health = run.info["health"]
    found["runs"].append(
        {
            "talkers": talkers,
            "clock": clock,
            "valid": run.info["valid"],
            "faults": run.info["faults"],
            "cpu_percent": round(100 * health["cpu_s"] / health["wall_s"], 1),
            "send_lateness_p50_ms": round(1000 * health["send_lateness"]["p50_s"], 3),
            "send_lateness_p99_ms": round(1000 * health["send_lateness"]["p99_s"], 3),
            "peer_busy_share": peer.stats["busy_share"],
            "peer_send_lateness_p99_ms": peer.stats["send_lateness_p99_ms"],
            "unaccounted": comparison.problems,
            "left_out": dict(comparison.left_out),
        }
    )


def _talk(url: str, talkers: int, clock: str, run_s: int, frame_ms: int, place: Path) -> Loaded:
    """Run the load tester on its core; returns the run it wrote. Raises RigError where there is none."""
    command = [sys.executable, "-m", "locust", "--headless", "--scenario", SCENARIO, "--host", url, "--users", talkers,
               "--spawn-rate", SPAWN_PER_S, "--run-time", f"{run_s}s", "--frame-ms", frame_ms, "--stop-timeout", 0,
               "--arrivals", clock, "--seed", 1, "--runs", place, "--no-report"]  # fmt: skip
    before = set(place.glob("*/run.json"))
    log = place / "locust.log"
    with log.open("w") as output:
        client = rig.pinned([str(part) for part in command], rig.CLIENT_CORE, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            client.wait(run_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise rig.RigError(f"the load test of {run_s} s did not end within {run_s + _PATIENCE_S} s: see {log}") from None
        finally:
            client.kill()
            client.wait()
    written = set(place.glob("*/run.json")) - before
    if len(written) != 1:
        said = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
        raise rig.RigError(f"the load test wrote no run: {last} (all of its output: {log})")
    return load(written.pop().parent)


def _compared(run: Loaded, clock: str, truth: Path, frame_ms: int) -> Comparison:
    turns = [record for record in run.records() if isinstance(record, TurnRecord)]
    corpus = load_corpus()
    clips = {name: spoken(corpus.get(name), frame_ms) for name in {turn.clip for turn in turns}}
    made = compare(turns, read_truth(truth), clips, run.info["scenario"]["speaker"]["playout_delay_s"])
    others = Counter(turn.clock for turn in turns if turn.clock != clock)
    made.problems += [f"{count} turns have {other} times" for other, count in others.items()]
    return made


def _write(out: Path, found: dict[str, Any]) -> None:
    (out / "calibration.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / "calibration.md").write_text(table(found["rows"]) + "\n", encoding="utf-8")


def _complain(run: dict[str, Any]) -> None:
    what = [f"the run is invalid: {fault}" for fault in run["faults"]] + [f"unaccounted for: {line}" for line in run["unaccounted"]]
    hidden = len(what) - _SHOWN
    for line in [*what[:_SHOWN], *([f"and {hidden} more: see calibration.json"] if hidden > 0 else [])]:
        print(f"calibrate: {run['talkers']} talkers, {run['clock']} times: {line}", file=sys.stderr)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _numbers(text: str) -> list[int]:
    return [_number(part) for part in text.split(",")]


def _clocks(text: str) -> list[str]:
    for part in text.split(","):
        if part not in CLOCKS:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(CLOCKS)}")
    return text.split(",")


def _refuse(text: str) -> int:
    print(f"calibrate: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
