"""python -m benchmarks.reference: the figures of the reference documents, as runs against their profiles show them.

    python -m benchmarks.reference                       # all of them, some twelve minutes; writes docs/reference-systems.md
    python -m benchmarks.reference --only livekitex      # those whose name begins so; writes no page

Each run is the load tester as a user runs it, against `python -m assistant` with the profile. Several go on at once, as many as their
talkers allow. A run that is not valid, because the machine was too busy, counts for nothing and is made again. Writes reference.json and
reference.md, too. Exit code 1: a figure did not come back; 2: something given cannot be used, or no valid run could be made.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import RunError, load
from benchmarks import rig
from benchmarks.publish import page
from benchmarks.stated import STUDIES, Shown, Study, shown
from metrics.metric import Unit, show
from metrics.records import TurnRecord

ROOT = Path(__file__).parent.parent
SCENARIOS = Path(__file__).with_name("references")
PAGE = ROOT / "docs" / "reference-systems.md"
LEVEL = 0.99
SECONDS = 110
AT_ONCE = 110
"""Talkers at a time, whatever the number of runs."""
ATTEMPTS = 3
SPAWN_PER_S = 50
_PATIENCE_S = 120
_STARTING = threading.Lock()  # one at a time: what starting takes would disturb those that measure


class ReferenceError(Exception):
    """No run that counts could be made; the text is one line."""


class Room:
    """So many talkers at a time; whose run needs more waits."""

    def __init__(self, talkers: int) -> None:
        self._left = talkers
        self._changed = threading.Condition()

    def take(self, talkers: int) -> None:
        """Returns once there is room."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= talkers)
            self._left -= talkers

    def give_back(self, talkers: int) -> None:
        """They have hung up."""
        with self._changed:
            self._left += talkers
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Measured:
    """A study with the turns of its runs, and what they show."""

    study: Study
    turns: tuple[TurnRecord, ...]
    figures: tuple[Shown, ...]


def run(study: Study, seed: int, seconds: int, place: Path) -> list[TurnRecord]:
    """The turns of one run, assistant and talkers with that seed; its folder goes into `place`. Raises ReferenceError where it is not
    valid or leaves none."""
    runs = place / f"{study.name.replace(', ', '-').replace(' ', '-')}-{seed}"
    runs.mkdir(parents=True, exist_ok=True)
    before = set(runs.glob("*/run.json"))
    assistant = [sys.executable, "-m", "assistant", "--port", 0, "--profile", study.profile, "--seed", seed]
    locust = [sys.executable, "-m", "locust", "--headless", "--scenario", SCENARIOS / f"{study.scenario}.yml", "--seed", seed,
              "--users", study.talkers, "--spawn-rate", SPAWN_PER_S, "--run-time", f"{seconds}s", "--runs", runs]  # fmt: skip
    log = runs / "locust.log"
    command = [str(part) for part in (*assistant, "--", *locust)]
    with log.open("w") as output:
        with _STARTING:
            running = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
            _await_talkers(running, log)
        try:
            running.wait(seconds + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise ReferenceError(f"{study.name}: the run of {seconds} s did not end within {seconds + _PATIENCE_S} s: see {log}") from None
        finally:
            running.terminate()
            running.wait()
    written = set(runs.glob("*/run.json")) - before
    if len(written) != 1:
        raise ReferenceError(f"{study.name}: the load tester wrote no run: see {log}")
    found = load(written.pop().parent)
    if not found.info["valid"]:
        raise ReferenceError(f"{study.name}: the run is not valid: {'; '.join(found.info['faults'])}")
    return [record for record in found.records() if isinstance(record, TurnRecord)]


def _await_talkers(running: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once the talkers of a run have started, or it has ended."""
    while running.poll() is None and "All users spawned" not in log.read_text(encoding="utf-8", errors="replace"):
        time.sleep(0.1)


def measure(studies: Sequence[Study], seconds: int, place: Path, level: float = LEVEL) -> list[Measured]:
    """All runs of these studies, as many at once as there is room. Raises ReferenceError, RunError, OSError, ValueError."""
    room = Room(AT_ONCE)

    def attempts(job: tuple[Study, int]) -> list[TurnRecord]:
        study, number = job
        room.take(study.talkers)
        try:
            for attempt in range(ATTEMPTS):
                seed = 1 + number + 100 * attempt
                print(f"{study.name}, seed {seed}, {seconds} s...\n", end="", flush=True)  # in one piece: other threads print too
                try:
                    return run(study, seed, seconds, place)
                except ReferenceError as error:
                    if attempt == ATTEMPTS - 1:
                        raise
                    print(f"{error}; once more\n", end="", flush=True)
        finally:
            room.give_back(study.talkers)
        raise AssertionError("the last attempt returns or raises")

    jobs = [(study, number) for study in studies for number in range(study.runs)]
    with ThreadPoolExecutor(len(jobs)) as at_once:
        made = list(at_once.map(attempts, jobs))
    return [
        _judged(study, [turn for job, turns in zip(jobs, made, strict=True) if job[0] is study for turn in turns], level)
        for study in studies
    ]


def _judged(study: Study, turns: Iterable[TurnRecord], level: float) -> Measured:
    kept = tuple(turns)
    return Measured(study, kept, tuple(shown(figure, kept, level) for figure in study.figures))


def table(measured: Sequence[Measured]) -> str:
    """The figures as Markdown."""
    head = ("document", "runs", "figure", "stated", "measured", "n", f"{LEVEL * 100:g} % interval", "came back")
    lines: list[tuple[str, ...]] = [head, ("---",) * 3 + ("---:",) * 4 + ("---",)]
    for one in measured:
        study = one.study
        runs = f"`{study.scenario}`, {study.talkers} talkers" + (f", {study.runs} runs" if study.runs > 1 else "")
        lines += [(study.document, runs, *_cells(figure)) for figure in one.figures]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(found: Shown) -> tuple[str, ...]:
    unit = Unit.SHARE if found.figure.kind == "share" else Unit.SECONDS
    low, high = (show(end, unit) if math.isfinite(end) else "open" for end in (found.low, found.high))
    stated = show(found.figure.stated, unit)
    limit = f"< {stated}" if found.figure.below else stated
    return found.figure.what, limit, show(found.value, unit), str(found.count), f"{low} to {high}", "yes" if found.within else "**no**"


def _rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    return [
        {
            "study": one.study.name,
            "document": one.study.document,
            "profile": one.study.profile,
            "figure": found.figure.what,
            "stated": found.figure.stated,
            "limit": found.figure.below,
            "value": found.value,
            "count": found.count,
            "low": found.low if math.isfinite(found.low) else None,
            "high": found.high if math.isfinite(found.high) else None,
            "within": found.within,
        }
        for one in measured
        for found in one.figures
    ]


def main(arguments: Sequence[str]) -> int:
    """Exit code: see above."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.reference", description="The reference documents' figures, measured.")
    options.add_argument("--only", default="", metavar="NAME", help="studies whose name begins so")
    options.add_argument("--seconds", type=int, default=SECONDS, help=f"length of a run (default: {SECONDS})")
    options.add_argument("--out", type=Path, default=ROOT / "runs" / "reference", help="folder to write to (default: runs/reference)")
    given = options.parse_args(arguments)
    chosen = [study for study in STUDIES if study.name.startswith(given.only)]
    if not chosen or given.seconds < 1:
        names = ", ".join(study.name for study in STUDIES)
        return _refuse(f"no study begins with {given.only!r}: {names}" if not chosen else "--seconds must be 1 or more")
    out = given.out.resolve()
    try:
        measured = measure(chosen, given.seconds, out)
        (out / "reference.json").write_text(json.dumps(_rows(measured), indent=2) + "\n", encoding="utf-8")
        (out / "reference.md").write_text(table(measured) + "\n", encoding="utf-8")
        if chosen == list(STUDIES):
            machine = rig.machine()
            told = f"Measured on {machine['cpu']}, {machine['cores']} cores, runs of {given.seconds} s."
            PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), f"{told}\n\n{table(measured)}"), encoding="utf-8")
    except (ReferenceError, RunError, OSError, ValueError) as error:
        return _refuse(str(error))
    print(f"\n{table(measured)}")
    return 0 if all(found.within for one in measured for found in one.figures) else 1


def _refuse(text: str) -> int:
    print(f"reference: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
