"""Runs an experiment: the runs of both variants in turn, each a process of its own, and each ended here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from analysis.experiments.model import Experiment, Variant, changes, options, seeds, turns
from analysis.files import RunError
from analysis.load import Loaded, load
from analysis.sweep import processes

_SPARE_S = 120.0
"""For making ready and for ending the last turns, besides a run's length."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to come: its number, from 1, whose it is, and its seed."""

    number: int
    is_b: bool
    variant: Variant
    seed: int


def planned(made: Experiment) -> list[Planned]:
    """The runs, in their order."""
    each = enumerate(zip(turns(made), seeds(made), strict=True), start=1)
    return [Planned(number, is_b, made.variant_b if is_b else made.variant_a, seed) for number, (is_b, seed) in each]


def check(made: Experiment) -> float:
    """Whether the scenario takes the changes of both variants; returns how long a run takes, in seconds. Raises RunError: what is wrong."""
    lengths = []
    for variant in (made.variant_a, made.variant_b):
        line = [sys.executable, "-m", "scenarios", "check", "--json", made.scenario]
        asked = [*line, *(word for change in changes(made, variant) for word in ("--set", change))]
        told = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SPARE_S, check=False)
        if told.returncode:
            lines = [one.strip() for one in (told.stderr or told.stdout).splitlines() if one.strip()]
            raise RunError(f"{variant.name}: {(lines or ['the scenario cannot be read'])[-1].removeprefix('scenarios: ')}")
        lengths.append(float(json.loads(told.stdout)["length_s"]))
    return made.duration_s if made.duration_s is not None else max(lengths)


def run(made: Experiment, folder: Path, length_s: float, told: Callable[[Planned, Loaded], None]) -> tuple[list[Loaded], list[Loaded]]:
    """Make all runs below `folder`; `told` hears of each. Returns those of A and those of B. Raises RunError where one cannot be started,
    takes too long, or nothing comes of it; those before it are in the folder."""
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: something is there already; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    sides: tuple[list[Loaded], list[Loaded]] = ([], [])
    every_s, began_s = made.duration_days * 86_400.0 / made.runs, time.monotonic()
    with processes.ended_in_order():
        for one in planned(made):
            time.sleep(max(0.0, began_s + (one.number - 1) * every_s - time.monotonic()))
            loaded = _one(made, one, folder, made.limit_s or length_s + _SPARE_S)
            sides[one.is_b].append(loaded)
            told(one, loaded)
    return sides


def _one(made: Experiment, one: Planned, folder: Path, limit_s: float) -> Loaded:
    variant = one.variant
    place = folder / f"{one.number:02d}-{'b' if one.is_b else 'a'}"
    place.mkdir()
    host: str | None = variant.host
    target: AbstractContextManager[None] = nullcontext()
    if variant.start is not None:
        port = processes.free_port()
        host = f"http://127.0.0.1:{port}"
        command = variant.start.replace("{port}", str(port))
        target = processes.assistant(command, host, variant.ready_s, variant.env, place / "target.log")
    line = [sys.executable, "-m", "locust", "--headless", "--scenario", made.scenario, "--seed", str(one.seed), "--runs", str(place)]
    line += ["--no-report", *(("--host", host) if host else ()), *options(made, variant)]
    log = place / "locust.log"
    try:
        with target:
            processes.finish(line, log, limit_s, variant.env)
    except RunError as error:
        raise RunError(f"run {one.number} ({variant.name}): {str(error).replace('assistant.command', 'start')}") from None
    runs = sorted(place.glob("*/run.json"))
    if not runs:
        raise RunError(f"run {one.number} ({variant.name}): no run came of it: {processes.last_words(log)}")
    return load(runs[-1].parent)
