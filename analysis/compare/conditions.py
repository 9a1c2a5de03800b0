"""Whether runs compare: what is refused, as numbers would be wrong, and what is merely different, as `run.json` has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.files import RunError
from analysis.load import Loaded
from metrics.verdicts import COMPLETE

Conditions = dict[str, Any]
_SHOWN = 6
_UNTOLD = ("scenario.description", "scenario.criteria", "scenario.abort", "options")


def of(info: dict[str, Any]) -> Conditions:
    """Under which conditions a run was made: what must be alike for its numbers to compare with another's."""
    return {
        "catalog_version": info["catalog_version"],
        "scenario": info["scenario"],
        "dialect": info["dialect"],
        "frame_ms": info["frame_ms"],
        "host": info["host"],
        "tester": sorted({worker["host"] for worker in info["workers"]}),
        "doubletalk": info["versions"].get("doubletalk"),
    }


def refuse(runs: Sequence[Loaded]) -> None:
    """Raises RunError for runs whose numbers would be wrong beside others."""
    seen: set[Any] = set()
    for run in runs:
        if run.path.resolve() in seen:
            raise RunError(f"{run.path}: is named twice; name other runs, each once")
        seen.add(run.path.resolve())
        if run.info["scenario"]["load"]["search"]:
            raise RunError(f"{run.path}: a search for the capacity, whose steps are loads of their own: use python -m analysis capacity")
        if not len(run.turns):
            raise RunError(f"{run.path}: no turn was measured: there is nothing to compare")


def refuse_versions(a: Conditions, b: Conditions, name_a: str, name_b: str) -> None:
    """Raises RunError where metrics are defined otherwise."""
    if a["catalog_version"] != b["catalog_version"]:
        versions = f"catalogue version {a['catalog_version']}, {name_b} of {b['catalog_version']}"
        raise RunError(f"{name_a}: metrics of {versions}: they are defined otherwise; make both with one version of Doubletalk")


def unfit(runs: Sequence[Loaded]) -> list[str]:
    """A line for each run that is not valid."""
    return [f"{run.name} is INVALID: {'; '.join(run.info['faults']) or 'the tester was not fit'}" for run in runs if not run.info["valid"]]


def warnings(a: Sequence[Conditions], b: Sequence[Conditions]) -> list[str]:
    """A line for each condition that differs between A and B, or within a side."""
    found: dict[str, list[set[str]]] = {}
    for side, group in enumerate((a, b)):
        for conditions in group:
            for key, value in _flat("", conditions):
                found.setdefault(key, [set(), set()])[side].add(value)
    lines = []
    for key, (of_a, of_b) in found.items():
        if of_a != of_b and not key.startswith(_UNTOLD):
            lines.append(f"{key}: {_values(of_a)} in A, {_values(of_b)} in B")
        elif len(of_a) > 1 and not key.startswith(_UNTOLD):
            lines.append(f"{key}: {_values(of_a)} within each side")
    if len(lines) > _SHOWN:
        return [*lines[: _SHOWN - 1], f"and {len(lines) - _SHOWN + 1} conditions more"]
    return lines


def cut(runs: Sequence[Loaded]) -> list[str]:
    """A line for each run that did not go to its end."""
    return [f"{run.name} is not whole: it was {run.info['ended']}" for run in runs if run.info["ended"] != COMPLETE]


def _values(found: set[str]) -> str:
    return " and ".join(sorted(found)) or "nothing"


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), below)
    elif value is not None and value != [] and value != {}:
        yield prefix, str(value)
