"""python -m benchmarks.wires: how far talkers are off on each wire, against what the reference assistant knows to be true.

    python -m benchmarks.wires                    # every dialect that the assistant answers, a good minute each
    python -m benchmarks.wires --only raw-pcm     # these alone
    python -m benchmarks.wires --write            # and the table of docs/accuracy.md, of all that was measured here

The same scenario, seed and profile on each wire, as a user runs it: `python -m assistant` with `locust` as the command that it serves.
Writes wires.json, in which a wire's row stays until it is measured anew; run folder, truth file and output of each are kept beside it. A
run that is not valid, because the machine was too busy, is made again. Exit code 1: an answer is unaccounted for; 2: something given cannot
be used, or no valid run could be made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from analysis import RunError, load
from analysis.load import Loaded
from assistant.wires import WIRES
from audio import ClipKind, FirstSound, decode, encode, load_corpus
from benchmarks import rig
from benchmarks.publish import page
from benchmarks.wire_truth import UNTOLD, Compared, Truth, compare
from metrics.records import TurnRecord
from protocol import DIALECTS, Opcode, SessionSettings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- wires: begin -->", "<!-- wires: end -->"
SCENARIO, PROFILE = Path(__file__).with_name("wires.yml"), Path(__file__).with_name("wires.profile.yml")
HEAD = ("wire", "turns", "answered", "`e2e_latency` p50, p95, ms", "`e2e_latency` off by, ms: median, p99",
        "`stop_by_ear` n, off by, ms: median, p99", "`underruns` n, wrong", "barge-ins n, wrong",
        "false alarms n, wrong, untold")  # fmt: skip
_WIRES = {wire.name: wire for wire in WIRES}
_ATTEMPTS = 3
_KEY = "WIRES_KEY"
"""Environment variable of the key that both sides have for a run."""
_PATIENCE_S = 120
_SETTLING_NS = 5_000_000_000
"""Of a run: in its first seconds the assistant makes the sounds of a wire whose client says late how it writes them, and hears late."""


def names() -> list[str]:
    """Every dialect that the assistant answers."""
    return sorted(set(DIALECTS) & set(_WIRES))


def below(name: str) -> str:
    """What the assistant's address lacks for this dialect: the way to its wire, where the dialect has none, or shares its path."""
    path = urlsplit(DIALECTS[name]().endpoint("http://host", None)).path.rstrip("/")
    first = _WIRES[name].paths[0]
    return first.removesuffix(path) if first.endswith(path) else ""


def clears(name: str) -> bool:
    """Whether a talker on this wire empties its speaker when the assistant says so."""
    wire, dialect = _WIRES[name].opened("probe", {}, {}, []), DIALECTS[name]()
    for message in dialect.configure(SessionSettings()):
        wire.received(message.decode() if dialect.control_opcode is Opcode.TEXT else message)
    return bool(wire.event("output_audio_buffer.cleared", response_id="resp_probe")) and not dialect.flushes


def leads_s(name: str, corpus: Path | None = None) -> dict[str, float]:
    """The silence that each answer of the corpus (None: the built-in one) begins with, as this wire sounds: at 8 kHz a hiss is none."""
    spoken, found = DIALECTS[name](), {}
    for clip in load_corpus(corpus, rate=spoken.output_rate).of(ClipKind.ANSWER):
        passed = decode(spoken.output_encoding, encode(spoken.output_encoding, clip.pcm.astype("<i2").tobytes()))
        first = FirstSound(spoken.output_rate).feed(passed)
        found[clip.name] = (clip.onset_sample if first is None else first) / spoken.output_rate
    return found


def run(name: str, seconds: int, place: Path) -> Loaded:
    """One run on a wire; its folder goes into `place`, beside truth.jsonl. Raises RigError where it leaves none, or none that is valid."""
    place.mkdir(parents=True, exist_ok=True)
    before = set(place.glob("*/run.json"))
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", PROFILE, "--seed", "1", "--truth", place / "truth.jsonl",
                 "--api-key-env", _KEY]  # fmt: skip
    talkers = [sys.executable, "-m", "locust", "--headless", "--scenario", SCENARIO, "--dialect", name, "--seed", "1",
               "--run-time", f"{seconds}s", "--runs", place, "--no-report", "--api-key-env", _KEY]  # fmt: skip
    shell = f'exec "$@" --host "$LOCUST_HOST{below(name)}"'
    command = [str(part) for part in (*assistant, "--", "sh", "-c", shell, "sh", *talkers)]
    log = place / "output.log"
    with log.open("w") as output:
        try:
            subprocess.run(
                command, cwd=ROOT, env={**os.environ, _KEY: secrets.token_hex(16)}, stdout=output, stderr=subprocess.STDOUT,
                timeout=seconds + _PATIENCE_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise rig.RigError(f"{name}: the run of {seconds} s did not end in time: see {log}") from None
    written = set(place.glob("*/run.json")) - before
    if len(written) != 1:
        raise rig.RigError(f"{name}: the load tester wrote no run: see {log}")
    found = load(written.pop().parent)
    if not found.info["valid"]:
        raise rig.RigError(f"{name}: the run is not valid: {'; '.join(found.info['faults'])}")
    return found


def measured(name: str, seconds: int, place: Path) -> Compared:
    """A valid run on a wire beside its truth. Raises RigError, RunError, OSError, ValueError."""
    for attempt in range(_ATTEMPTS):
        print(f"{name}, {seconds} s...", flush=True)
        try:
            found = run(name, seconds, place)
            break
        except rig.RigError as error:
            if attempt == _ATTEMPTS - 1:
                raise
            print(f"{error}; once more", flush=True)
    turns = [record for record in found.records(["turns"]) if isinstance(record, TurnRecord)]
    settled_ns = min((turn.speech_onset_ns for turn in turns), default=0) + _SETTLING_NS
    return compare(turns, Truth(place / "truth.jsonl"), leads_s(name), clears=clears(name), since_ns=settled_ns)


def row(name: str, made: Compared) -> dict[str, Any]:
    """A wire's row of wires.json: errors in ms, latencies in seconds; None where nothing was compared."""
    measured_s, true_s = (sorted(pair[side] for pair in made.values.get("e2e_latency", [])) for side in (0, 1))
    return {
        "wire": name,
        "by_ear": DIALECTS[name].by_ear,
        "turns": made.turns,
        "answered": made.answered,
        "e2e_s": [[_rank(of, q) for q in (0.5, 0.95)] for of in (measured_s, true_s)],
        "e2e_off_ms": _off(made.errors.get("e2e_latency", [])),
        "stop_n": len(made.errors.get("stop_by_ear", [])),
        "stop_off_ms": _off(made.errors.get("stop_by_ear", [])),
        "underruns_n": len(made.errors.get("underruns", [])),
        "underruns_wrong": sum(error != 0 for error in made.errors.get("underruns", [])),
        "barge_ins": _tally(made.barge_ins),
        "false_alarms": _tally(made.false_alarms),
        "left_out": dict(made.left_out),
        "problems": made.problems,
    }


def _rank(ordered: Sequence[float], q: float) -> float | None:
    """The quantile by nearest rank."""
    return ordered[math.ceil(q * len(ordered)) - 1] if ordered else None


def _off(errors: list[float]) -> list[float | None]:
    """The median with its sign, and p99 of the magnitudes."""
    return [median(errors) if errors else None, _rank(sorted(abs(error) for error in errors), 0.99)]


def _tally(found: Counter[tuple[str, str]]) -> list[list[Any]]:
    return [[true, told, count] for (true, told), count in sorted(found.items())]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown, and what was told wrongly, or not at all, a line each."""
    lines: list[Sequence[str]] = [HEAD, ["---", *["---:"] * (len(HEAD) - 1)], *(_cells(one) for one in rows)]
    wrong = [line for one in rows for what in ("barge-in", "false alarm") for line in _wrong(one, what)]
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([shown, *(["\n".join(wrong)] if wrong else [])])


def _wrong(one: dict[str, Any], what: str) -> list[str]:
    tally = [told for told in one[what.replace("-", "_").replace(" ", "_") + "s"] if told[0] != told[1]]
    return [f"- `{one['wire']}`: {what}, {true}, told as {told}: {count}".replace("_", " ") for true, told, count in tally]


def _cells(one: dict[str, Any]) -> list[str]:
    def ms(values: Sequence[float | None]) -> str:
        return ", ".join("-" if value is None else f"{value:.1f}" for value in values)

    def latency(q: int) -> str:
        told, true = (side[q] for side in one["e2e_s"])
        return "-" if told is None else f"{1000 * told:.0f} (true {1000 * true:.0f})"

    def classes(tally: list[list[Any]]) -> list[int]:
        told = [(count, true != said, said == UNTOLD) for true, said, count in tally]
        return [sum(n for n, *_ in told), sum(n for n, bad, no in told if bad and not no), sum(n for n, _, no in told if no)]

    barge_ins, alarms = classes(one["barge_ins"]), classes(one["false_alarms"])
    return [
        f"`{one['wire']}`" + (" (by ear)" if one["by_ear"] else ""),
        str(one["turns"]),
        f"{100 * one['answered'] / max(1, one['turns']):.1f} %",
        ", ".join(latency(q) for q in (0, 1)),
        ms(one["e2e_off_ms"]),
        f"{one['stop_n']}: {ms(one['stop_off_ms'])}",
        f"{one['underruns_n']}, {one['underruns_wrong']}",
        f"{barge_ins[0]}, {barge_ins[1]}",
        ", ".join(map(str, alarms)),
    ]


def main(arguments: Sequence[str]) -> int:
    """Exit code: see above."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.wires", description="How far talkers are off on each wire.")
    options.add_argument("--only", default=",".join(names()), metavar="NAME,...", help="dialects (default: all that the assistant answers)")
    options.add_argument("--seconds", type=int, default=60, help="length of a run (default: 60)")
    options.add_argument("--out", type=Path, default=ROOT / "runs" / "wires", help="folder to write to (default: runs/wires)")
    options.add_argument("--write", action="store_true", help="write the table into docs/accuracy.md")
    given = options.parse_args(arguments)
    chosen = given.only.split(",")
    unknown = [name for name in chosen if name not in names()]
    if unknown or given.seconds < 1:
        return _refuse(
            f"the assistant answers no {unknown[0]!r}: there are {', '.join(names())}" if unknown else "--seconds must be 1 or more"
        )
    kept, missing = given.out.resolve() / "wires.json", 0
    kept.parent.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {one["wire"]: one for one in json.loads(kept.read_text(encoding="utf-8"))} if kept.exists() else {}
    for name in chosen:
        try:
            rows[name] = row(name, measured(name, given.seconds, kept.parent / name))
            kept.write_text(json.dumps(sorted(rows.values(), key=lambda one: str(one["wire"])), indent=1) + "\n", encoding="utf-8")
        except (rig.RigError, RunError, OSError, ValueError) as error:
            missing = _refuse(str(error))
    found = [rows[name] for name in names() if name in rows]
    if given.write:
        machine = rig.machine()
        told = f"Measured on {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}."
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), f"{told}\n\n{table(found)}", BEGIN, END), encoding="utf-8")
    print(f"\n{table(found)}")
    problems = [f"{one['wire']}: {problem}" for one in found for problem in one["problems"]]
    for problem in problems:
        print(f"wires: {problem}", file=sys.stderr)
    return missing or (1 if problems else 0)


def _refuse(text: str) -> int:
    print(f"wires: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
