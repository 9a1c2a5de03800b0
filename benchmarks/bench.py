"""What a talker costs, and how many fit on a core: full talkers against the usual Locust way, a C loop, and other load testers.

    python -m benchmarks.bench [--ways ...] [--frames 20,40,100] [--rounds 3] [--seconds 10] [--quick] [--out runs/bench]

For each frame duration the most talkers of each way are searched for, at 40 ms in every round anew; then rounds at two fixed numbers of
talkers tell CPU and memory. In rounds the ways take turns, so that a drift of the machine meets all alike. The table is printed and written
to `bench.md`, all of it to `bench.json`.
Exit codes: 0; 2 for bad input or where the machine lacks something, with one line; 130 when interrupted.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any, NoReturn

from benchmarks import rig
from benchmarks.figures import Measured, again, most, row
from benchmarks.shown import TARGET_FRAME_MS, markdown, ratios
from benchmarks.ways import PEER, WAYS

_SEARCH_RUNS = 7
"""Runs that a search takes about, its last with the whole window; for the estimate."""
_AGAIN_RUNS = 2
"""Runs that a search about the end that was found takes about."""
_CONFIRMED = 0.95


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured. `seconds`: of the steady window; `talkers`, `few`: numbers at which the rounds are measured, at most."""

    ways: tuple[str, ...]
    frames: tuple[float, ...]
    rounds: int
    seconds: float
    quick: bool
    out: Path
    talkers: int
    few: int

    @property
    def main_frame_ms(self) -> float:
        """The frame duration at which tools that are not ours are measured, and the only one of a quick run."""
        return TARGET_FRAME_MS if TARGET_FRAME_MS in self.frames else self.frames[0]

    @property
    def search_s(self) -> float:
        """Steady window of the runs of a search: shorter, as there are many; what is found is confirmed with the whole."""
        return max(5.0, 0.4 * self.seconds)

    def ways_at(self, frame_ms: float) -> list[str]:
        """The ways that are measured at this frame duration."""
        return [way for way in self.ways if not WAYS[way].tool or frame_ms == self.main_frame_ms]

    def start(self, way: str, frame_ms: float) -> int:
        """Where the search begins: fewer for shorter frames; what is received, a third of the messages at 40 ms, stays."""
        return max(1, round(WAYS[way].start * 1.5 / (TARGET_FRAME_MS / frame_ms + 0.5)))

    def few_of(self, many: int) -> int:
        """The smaller of the two numbers of talkers of the rounds; 0 where the other is too small to tell them apart."""
        return min(self.few, many // 10)

    def searches(self, frame_ms: float) -> int:
        """How often the most talkers are searched for: once, but where a ratio of them is asked for."""
        return 0 if self.quick else self.rounds if frame_ms == self.main_frame_ms else 1

    def few_rounds(self, way: str, frame_ms: float) -> int:
        """How often the smaller number is measured: once, for the memory, but where the growth of CPU per talker is asked for."""
        return self.rounds if way == "doubletalk" and frame_ms == self.main_frame_ms else 1

    def estimate_s(self) -> float:
        """How long it takes, about."""
        total = 0.0
        for frame_ms in self.frames:
            for way in (name for name in self.ways_at(frame_ms) if WAYS[name].installed):
                start = self.start(way, frame_ms)
                many = min(self.talkers, start)
                few = self.few_of(many)
                spent = [(many, self.seconds, self.rounds), (few, self.seconds, self.few_rounds(way, frame_ms) if few else 0)]
                if not self.quick:
                    runs = _SEARCH_RUNS - 1 + _AGAIN_RUNS * (self.searches(frame_ms) - 1)
                    spent += [(start, self.search_s, runs), (start, self.seconds, 1)]
                total += sum(runs * WAYS[way].run_s(n, window) for n, window, runs in spent)
        return total


class Bench:
    """One benchmark: runs what is asked, tells what comes of it line by line, and writes the result after each frame duration."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._began = time.monotonic()
        self._rows: list[dict[str, Any]] = []
        self._turn_cost_us: float | None = None
        self._better: dict[str, float] = {}
        """How many times more a way held than expected at the frame duration before."""

    def run(self) -> None:
        """Measure everything. Raises RigError."""
        try:
            self.asked.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise rig.RigError(f"--out {self.asked.out}: {error.strerror}") from None
        self._tell(f"about {self.asked.estimate_s() / 60:.0f} minutes; {', '.join(self.asked.ways)}; keep the machine idle meanwhile")
        self._turn_cost_us = turn_cost_us()
        self._tell(f"a turn costs {self._turn_cost_us:.0f} us besides its audio")
        for frame_ms in self.asked.frames:
            self._frame(frame_ms)
            result = self._result()
            (self.asked.out / "bench.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            (self.asked.out / "bench.md").write_text(markdown(result), encoding="utf-8")
        print("\n" + markdown(self._result()), flush=True)

    def _frame(self, frame_ms: float) -> None:
        ways = self.asked.ways_at(frame_ms)
        tried: dict[str, list[Measured]] = {way: [] for way in ways if WAYS[way].installed}
        found: dict[str, list[int]] = {way: [] for way in tried}
        for number in range(self.asked.searches(frame_ms)):
            for way in found:
                near = found[way][0] if number else None
                found[way].append(self._most(way, frame_ms, tried[way], near))
        many: dict[str, list[Measured]] = {way: [] for way in ways}
        few: dict[str, list[Measured]] = {way: [] for way in ways}
        for number in range(self.asked.rounds):
            for way in found:
                n, label = self._fixed(way, frame_ms, found), f"round {number + 1}"
                if n:
                    many[way].append(self._one(way, n, frame_ms, self.asked.seconds, label))
                few_n = self.asked.few_of(n)
                if few_n and number < self.asked.few_rounds(way, frame_ms):
                    few[way].append(self._one(way, few_n, frame_ms, self.asked.seconds, label))
        for way in ways:
            note = "" if way in found else "not installed"
            self._rows.append(row(way, frame_ms, found.get(way, []), tried.get(way, []), many[way], few[way], note))

    def _fixed(self, way: str, frame_ms: float, found: dict[str, list[int]]) -> int:
        """How many talkers the rounds have: no more than full talkers and this way hold; in a quick run, than is sure to hold."""
        if self.asked.quick:
            return min(self.asked.talkers, self.asked.start(way, frame_ms))
        ours = median_low(found["doubletalk"]) if found.get("doubletalk") else 0
        return min(self.asked.talkers, median_low(found[way]), ours or self.asked.talkers)

    def _most(self, way: str, frame_ms: float, tried: list[Measured], near: int | None) -> int:
        """The most talkers that hold; each run is appended to `tried`. `near`: what was found before; None or 0: nothing was, and what is
        found has to hold in the whole window too."""
        holds = self._holding(way, frame_ms, tried)
        if near:
            return again(holds, near)
        found = most(holds, max(1, round(self.asked.start(way, frame_ms) * self._better.get(way, 1.0))))
        while found and not self._holding(way, frame_ms, tried, self.asked.seconds)(found):
            found = int(found * _CONFIRMED)
        self._better[way] = max(found, 1) / self.asked.start(way, frame_ms)
        return found

    def _holding(self, way: str, frame_ms: float, tried: list[Measured], seconds: float | None = None) -> Callable[[int], bool]:
        """Whether so many talkers hold. `seconds`: of the window; None: a search's."""

        def holds(talkers: int) -> bool:
            for _ in range(2):
                tried.append(self._one(way, talkers, frame_ms, seconds or self.asked.search_s, "search"))
                if not tried[-1].stalled:
                    break  # a moment's stall is the machine's more often than the way's: once more
            return not tried[-1].short

        return holds

    def _one(self, way: str, talkers: int, frame_ms: float, seconds: float, why: str) -> Measured:
        measured = WAYS[way].run(talkers, frame_ms, seconds, self.asked.out)
        self._tell(f"{frame_ms:g} ms, {way}, {why}, {talkers:,} talkers: {measured.told()}")
        return measured

    def _result(self) -> dict[str, Any]:
        settings = {"rounds": self.asked.rounds, "seconds": self.asked.seconds, "quick": self.asked.quick, "peer": PEER}
        return {
            "machine": rig.machine(),
            "settings": settings,
            "ratios": ratios(self._rows),
            "turn_cost_us": self._turn_cost_us,
            "took_s": round(time.monotonic() - self._began),
            "rows": self._rows,
        }

    def _tell(self, text: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        print(f"[{minutes:02d}:{seconds:02d}] {text}", flush=True)


def turn_cost_us() -> float:
    """CPU time of a turn's bookkeeping, measured by `turn_cost.py` on the clients' core. Raises RigError."""
    command = [sys.executable, "-m", "benchmarks.turn_cost"]
    with rig.pinned(command, rig.CLIENT_CORE, stdout=subprocess.PIPE, cwd=rig.HERE.parent) as process:
        try:
            out, _ = process.communicate()
        finally:
            process.kill()
    if process.returncode:
        raise rig.RigError("benchmarks.turn_cost failed: see above")
    return float(json.loads(out)["us_per_turn"])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise rig.RigError(message)


def asked(arguments: Sequence[str] | None) -> Asked:
    """The command line. Raises RigError for what cannot be measured."""
    parser = _Parser(prog="python -m benchmarks.bench", description="Measures what a talker costs and how many fit on a core.")
    parser.add_argument("--ways", help=f"some of {','.join(WAYS)} (default: all; with --quick those that need no other tool)")
    parser.add_argument("--frames", default="20,40,100", help="frame durations in ms (default %(default)s)")
    parser.add_argument("--rounds", type=int, help="rounds: of searches at 40 ms, and at fixed numbers of talkers (default 3; --quick: 1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="steady window of a run (default 10)")
    parser.add_argument("--quick", action="store_true", help="one frame duration, no search for the most talkers: about a minute a way")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for the result (default %(default)s)")
    parser.add_argument("--talkers", type=int, default=1000, help="talkers at which CPU and memory are measured (default %(default)s)")
    parser.add_argument("--few", type=int, default=100, help="talkers that they are compared with (default %(default)s)")
    given = parser.parse_args(arguments)
    ways = given.ways.split(",") if given.ways else [name for name, way in WAYS.items() if not (given.quick and way.tool)]
    unknown = [way for way in ways if way not in WAYS]
    if unknown:
        raise rig.RigError(f"--ways {unknown[0]}: there are {', '.join(WAYS)}")
    try:
        frames = tuple(float(text) for text in given.frames.split(","))
    except ValueError:
        raise rig.RigError(f"--frames {given.frames}: durations in ms with commas between them, such as 20,40,100") from None
    if any(frame % 10 or not 10 <= frame <= 200 for frame in frames):
        raise rig.RigError(f"--frames {given.frames}: each is 10 to 200 ms, in steps of 10")
    rounds = given.rounds if given.rounds is not None else 1 if given.quick else 3
    seconds = given.seconds
    if rounds < 1 or not 5 <= seconds <= 600 or given.few < 1 or given.talkers < 1:
        raise rig.RigError("--rounds, --talkers and --few are at least 1, --seconds 5 to 600")
    ways, frames = list(dict.fromkeys(ways)), tuple(dict.fromkeys(frames))
    whole = Asked(tuple(ways), frames, rounds, seconds, given.quick, given.out, given.talkers, given.few)
    return replace(whole, frames=(whole.main_frame_ms,)) if given.quick else whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wanted = asked(arguments)
        rig.check_machine()
        Bench(wanted).run()
    except rig.RigError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
