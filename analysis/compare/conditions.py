"""Whether runs compare: what is refused, as numbers would be wrong, and what is merely different, as `run.json` has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from analysis.files import RunError
from analysis.load import Loaded
from metrics.verdicts import COMPLETE

Conditions = dict[str, list[str]]
"""By key of `run.json`, with dots between, the values that the runs of a side have."""
_SHOWN = 6
_PASSED_OVER = ("scenario.description", "scenario.criteria", "scenario.abort")
_LOCAL = re.compile(r"(//(?:127\.0\.0\.1|localhost|\[::1\])):\d+")
"""A port of this machine, which says nothing: an assistant that is started for a run takes any that is free."""
CATALOG = "catalog_version"


def of(runs: Sequence[Loaded]) -> Conditions:
    """Under which conditions runs were made: what must be alike for their numbers to compare with others'."""
    found: dict[str, set[str]] = {}
    for run in runs:
        info = run.info
        kept = {key: info[key] for key in (CATALOG, "dialect", "frame_ms", "host", "seed", "scenario")}
        kept["host"] = _LOCAL.sub(r"\1", info["host"])
        kept["tester"] = sorted({worker["host"] for worker in info["workers"]})
        kept["doubletalk"] = info["versions"].get("doubletalk")
        for key, value in _flat("", kept):
            if not key.startswith(_PASSED_OVER):
                found.setdefault(key, set()).add(value)
    return {key: sorted(values) for key, values in found.items()}


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


def refuse_versions(a: Conditions, b: Conditions) -> None:
    """Raises RunError where metrics are defined otherwise."""
    versions = sorted({*a.get(CATALOG, []), *b.get(CATALOG, [])})
    if len(versions) > 1:
        which = " and ".join(versions)
        raise RunError(f"metrics of catalogue versions {which} are defined otherwise: make all runs with one version of Doubletalk")


def unfit(runs: Sequence[Loaded]) -> list[str]:
    """A line for each run that is not valid."""
    return [f"{run.name} is INVALID: {'; '.join(run.info['faults']) or 'the tester was not fit'}" for run in runs if not run.info["valid"]]


def warnings(a: Conditions, b: Conditions) -> list[str]:
    """A line for each condition that differs between A and B, or within both."""
    lines = []
    for key in dict.fromkeys([*a, *b]):
        of_a, of_b = a.get(key, []), b.get(key, [])
        if of_a != of_b:
            lines.append(f"{key}: {_values(of_a)} in A, {_values(of_b)} in B")
        elif len(of_a) > 1:
            lines.append(f"{key}: {_values(of_a)} within each side")
    if len(lines) > _SHOWN:
        return [*lines[: _SHOWN - 1], f"and {len(lines) - _SHOWN + 1} conditions more"]
    return lines


def cut(runs: Sequence[Loaded]) -> list[str]:
    """A line for each run that did not go to its end."""
    return [f"{run.name} is not whole: it was {run.info['ended']}" for run in runs if run.info["ended"] != COMPLETE]


def _values(found: list[str]) -> str:
    return " and ".join(found) or "nothing"


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), below)
    elif value is not None and value != [] and value != {}:
        yield prefix, str(value)
