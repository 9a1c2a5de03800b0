"""Runs a sweep: each run in its turn, those done already left out."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from analysis.files import RunError, info
from analysis.sweep import manifest, processes
from analysis.sweep.manifest import Cell, Manifest
from analysis.sweep.plan import ASSISTANT, Plan, cells, filled, locust_options, profile, scenario_changes

_REFUSED = 2
"""Exit code of what cannot be started."""
_UNREACHED = "cannot be called"
"""What locust says where everything but the assistant is there."""
_SPARE_S = 120.0
"""For making ready and for ending the last turns, besides a scenario's length."""


def check(plan: Plan) -> dict[str, float]:
    """Whether all runs could start; returns each set of changes with the scenario's length in seconds. Raises RunError: the first that
    could not, and why."""
    if find_spec("locust") is None:
        raise RunError("a sweep starts locust, which is not installed here: pip install -e . in Doubletalk's folder")
    planned = cells(plan)
    lengths: dict[str, float] = {}
    for cell in planned:
        changes = scenario_changes(plan, cell.settings)
        if json.dumps(changes) not in lengths:
            line = [sys.executable, "-m", "scenarios", "check", "--json", plan.scenario]
            told = _asked([*line, *(word for change in changes for word in ("--set", change)), *_corpus(plan, cell)])
            if told.returncode:
                raise RunError(f"{cell.told}: {_said(told)}")
            lengths[json.dumps(changes)] = float(json.loads(told.stdout)["length_s"])
    tried = set()
    for cell in planned:
        options = locust_options(plan.model_copy(update={"set": {}}), _options_of(cell))
        if json.dumps(options) not in tried:
            tried.add(json.dumps(options))
            _try(plan, cell)
    return lengths


def begin(plan: Plan, folder: Path, again: bool = False) -> Manifest:
    """The sweep in this folder: the one that is there already, where it is of the same plan, or all of it to be done. `again`: runs that
    are not valid are to be done once more. Raises RunError where another is there."""
    kept = plan.model_dump(mode="json", exclude={"assistant": {"env"}})  # what is in an environment may be secret
    if not (folder / manifest.FILE).exists():
        return Manifest(plan.name, plan.scenario, plan.over, kept, cells(plan))
    found = manifest.read(folder)
    if found.plan != kept:
        changed = next(key for key in {**kept, **found.plan} if kept.get(key) != found.plan.get(key))
        raise RunError(f"{folder}: a sweep with another {changed} is there; choose another --out")
    if not again:
        return found
    redone = (replace(cell, folder=None, code=None, valid=None) if cell.valid is False else cell for cell in found.cells)
    return replace(found, cells=tuple(redone))


def run(plan: Plan, begun: Manifest, folder: Path, lengths: dict[str, float], told: Callable[[Cell], None]) -> Manifest:
    """Run what has not been run; `told` hears of each run that was. The list in `sweep.json` is true at any time. Raises RunError where a
    run cannot be started, or nothing comes of it."""
    found = begun
    manifest.write(folder, found)
    with processes.ended_in_order():
        for at, cell in enumerate(found.cells):
            if cell.folder is not None:
                continue
            done = _one(plan, cell, folder, lengths[json.dumps(scenario_changes(plan, cell.settings))])
            found = replace(found, cells=(*found.cells[:at], done, *found.cells[at + 1 :]))
            manifest.write(folder, found)
            told(done)
    return found


def _one(plan: Plan, cell: Cell, folder: Path, length_s: float) -> Cell:
    place = folder / f"{cell.number:03d}"
    place.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "port": processes.free_port(),
        "seed": cell.seed,
        "profile": _profile(plan, cell, place),
        **{
            key.removeprefix(ASSISTANT): value
            for key, value in cell.settings.items()
            if key.startswith(ASSISTANT) and key != f"{ASSISTANT}profile"
        },
    }
    limit_s = plan.limit_s or length_s + _SPARE_S
    log = place / "locust.log"
    if plan.assistant is None:
        code = processes.finish(_line(plan, cell, plan.host, place), log, limit_s)
    else:
        host = filled(plan.assistant.host, values)
        env = {name: filled(value, values) for name, value in plan.assistant.env.items()}
        with processes.assistant(filled(plan.assistant.command, values), host, plan.assistant.ready_s, env, place / "assistant.log"):
            code = processes.finish(_line(plan, cell, host, place), log, limit_s)
    made = sorted(place.glob("*/run.json"))
    if not made:
        raise RunError(f"{cell.told}: no run came of it: {processes.last_words(log)}")
    facts = info(made[-1].parent)
    return replace(cell, folder=str(made[-1].parent.relative_to(folder)), code=code, valid=bool(facts["valid"]))


def _line(plan: Plan, cell: Cell, host: str | None, place: Path) -> list[str]:
    line = [sys.executable, "-m", "locust", "--headless", "--scenario", plan.scenario, "--seed", str(cell.seed), "--runs", str(place)]
    return [*line, "--no-report", *(("--host", host) if host else ()), *locust_options(plan, cell.settings)]


def _profile(plan: Plan, cell: Cell, place: Path) -> str:
    """Name of the bundled assistant's profile, or the file that holds it."""
    made = profile(plan, cell.settings)
    if isinstance(made, str):
        return made
    path = place / "profile.yml"
    path.write_text(yaml.safe_dump(made), encoding="utf-8")
    return str(path)


def _try(plan: Plan, cell: Cell) -> None:
    """Whether locust takes its options: with an assistant that is surely not there, that is all it may find wrong."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        host = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        told = _asked(_line(plan, cell, host, Path("unused")))
    if told.returncode != _REFUSED or _UNREACHED not in told.stderr:
        raise RunError(f"{cell.told}: {_said(told)}")


def _options_of(cell: Cell) -> dict[str, Any]:
    return {key: value for key, value in cell.settings.items() if key.startswith("options.")}


def _corpus(plan: Plan, cell: Cell) -> list[str]:
    folder = cell.settings.get("options.corpus", plan.options.get("corpus"))
    return ["--corpus", str(folder)] if folder else []


def _asked(line: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SPARE_S, check=False)


def _said(told: subprocess.CompletedProcess[str]) -> str:
    """The last line of what a process printed, without the name in front of it."""
    lines = [line.strip() for line in (told.stderr or told.stdout).splitlines() if line.strip()]
    said = lines[-1] if lines else f"exit code {told.returncode}"
    return said.removeprefix("doubletalk: ").removeprefix("scenarios: ")
