"""python -m benchmarks.reference: the figures of the reference documents, as runs against their profiles show them.

    python -m benchmarks.reference                       # all of them, some twelve minutes
    python -m benchmarks.reference --only livekitex      # those whose name begins so, anew

Each run is the load tester as a user runs it, against `python -m assistant` with the profile. Several go on at once, as many as their
talkers allow. A run that is not valid, because the machine was too busy, counts for nothing and is made again. Writes reference.json, in
which the rows of earlier calls stay until they are measured anew, and, once all are there, docs/reference-systems.md. Exit code 1: a
figure did not come back; 2: something given cannot be used, or no valid run could be made.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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

    @contextmanager
    def of(self, talkers: int) -> Iterator[None]:
        """Room for so many, once there is, until they have hung up."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= talkers)
            self._left -= talkers
        try:
            yield
        finally:
            with self._changed:
                self._left += talkers
                self._changed.notify_all()


def run(study: Study, seed: int, seconds: int, place: Path) -> list[TurnRecord]:
    """The turns of one run, assistant and talkers with that seed; its folder goes into `place`. Raises ReferenceError where it is not
    valid or leaves none."""
    runs = place / f"{study.name.replace(', ', '-').replace(' ', '-')}-{seed}"
    runs.mkdir(parents=True, exist_ok=True)
    before = set(runs.glob("*/run.json"))
    assistant = [sys.executable, "-m", "assistant", "--port", 0, "--profile", study.profile, "--seed", seed]
    locust = [sys.executable, "-m", "locust", "--headless", "--scenario", SCENARIOS / f"{study.scenario}.yml", "--seed", seed,
              "--users", study.talkers, "--spawn-rate", SPAWN_PER_S, "--run-time", f"{seconds}s", "--runs", runs,
              "--no-report"]  # fmt: skip
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


def measure(studies: Sequence[Study], seconds: int, place: Path) -> Iterator[tuple[Study, list[TurnRecord] | ReferenceError]]:
    """The turns of all runs of each study, as many runs at once as there is room; or why there are none. Raises RunError, OSError."""
    room = Room(AT_ONCE)

    def attempts(study: Study, number: int) -> list[TurnRecord]:
        with room.of(study.talkers):
            for attempt in range(ATTEMPTS):
                seed = 1 + number + 100 * attempt
                print(f"{study.name}, seed {seed}, {seconds} s...\n", end="", flush=True)  # in one piece: other threads print too
                try:
                    return run(study, seed, seconds, place)
                except ReferenceError as error:
                    if attempt == ATTEMPTS - 1:
                        raise
                    print(f"{error}; once more\n", end="", flush=True)
        raise AssertionError("the last attempt returns or raises")

    with ThreadPoolExecutor(sum(study.runs for study in studies)) as at_once:
        jobs = {study: [at_once.submit(attempts, study, number) for number in range(study.runs)] for study in studies}
        for study, made in jobs.items():
            try:
                yield study, [turn for job in made for turn in job.result()]
            except ReferenceError as error:
                yield study, error


def rows(study: Study, turns: Sequence[TurnRecord], seconds: int) -> list[dict[str, Any]]:
    """What the turns of a study show, a row per figure: seconds and shares; an open end of an interval is None. Raises ValueError."""
    facts = {key: getattr(study, key) for key in ("document", "profile", "scenario", "talkers", "runs")}
    return [{"study": study.name, **facts, "run_s": seconds, **_row(shown(figure, turns, LEVEL))} for figure in study.figures]


def _row(found: Shown) -> dict[str, Any]:
    figure = found.figure
    low, high = (end if math.isfinite(end) else None for end in (found.low, found.high))
    told = {"figure": figure.what, "kind": figure.kind, "stated": figure.stated, "limit": figure.below, "value": found.value}
    return {**told, "count": found.count, "low": low, "high": high, "within": found.within}


def table(measured: Iterable[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = ("document", "profile", "runs", "figure", "stated", "measured", "n", f"{LEVEL * 100:g} % interval", "came back")
    lines: list[tuple[str, ...]] = [head, ("---",) * 4 + ("---:",) * 4 + ("---",), *map(_cells, measured)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    unit = Unit.SHARE if row["kind"] == "share" else Unit.SECONDS
    runs = f"`{row['scenario']}`, {row['talkers']} talkers" + (f", {row['runs']} runs" if row["runs"] > 1 else "")
    low, high = ("open" if end is None else show(end, unit) for end in (row["low"], row["high"]))
    stated = ("< " if row["limit"] else "") + show(row["stated"], unit)
    came_back = "yes" if row["within"] else "**no**"
    what = row["document"], f"`{row['profile']}`", runs, row["figure"]
    return *what, stated, show(row["value"], unit), str(row["count"]), f"{low} to {high}", came_back


def main(arguments: Sequence[str]) -> int:
    """Exit code: see above."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.reference", description="The reference documents' figures, measured.")
    options.add_argument("--only", default="", metavar="NAME", help="studies whose name begins so")
    options.add_argument("--seconds", type=int, default=SECONDS, help=f"length of a run (default: {SECONDS})")
    options.add_argument("--out", type=Path, default=ROOT / "runs" / "reference", help="folder to write to (default: runs/reference)")
    given = options.parse_args(arguments)
    chosen = [study for study in STUDIES if study.name.startswith(given.only)]
    if not chosen or given.seconds < 1:
        names = "; ".join(study.name for study in STUDIES)
        return _refuse(f"no study begins with {given.only!r}: {names}" if not chosen else "--seconds must be 1 or more")
    out, missing, made = given.out.resolve(), 0, []
    try:
        for study, turns in measure(chosen, given.seconds, out):
            if isinstance(turns, ReferenceError):
                missing = _refuse(str(turns))
            else:
                found = rows(study, turns, given.seconds)
                made += found
                _keep(out / "reference.json", study, found)
        _publish(out / "reference.json")
    except (RunError, OSError, ValueError) as error:
        return _refuse(str(error))
    print(f"\n{table(made)}")
    return missing or (0 if all(row["within"] for row in made) else 1)


def _keep(path: Path, study: Study, found: list[dict[str, Any]]) -> None:
    """Puts the rows of a study in the place of those that it had."""
    kept = [row for row in _kept(path) if row["study"] != study.name]
    path.write_text(json.dumps(kept + found, indent=2) + "\n", encoding="utf-8")


def _kept(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def _publish(path: Path) -> None:
    """Writes the page, once every study has rows."""
    of = {study.name: [row for row in _kept(path) if row["study"] == study.name] for study in STUDIES}
    if all(of.values()):
        machine, found = rig.machine(), [row for kept in of.values() for row in kept]
        lengths = " and ".join(f"{seconds} s" for seconds in sorted({row["run_s"] for row in found}))
        told = f"Measured on {machine['cpu']}, {machine['cores']} cores, runs of {lengths}."
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), f"{told}\n\n{table(found)}"), encoding="utf-8")


def _refuse(text: str) -> int:
    print(f"reference: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
