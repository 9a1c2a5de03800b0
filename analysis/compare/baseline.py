"""A baseline: what runs came to, as a small file that lies in a repository, and the comparison of later runs with it.

Of each aggregate it keeps the interval, in which the session is the sampling unit, and its degrees of freedom. That is all that comparing
with other sessions needs; pairs it knows none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.compare import conditions
from analysis.compare.comparison import Comparison, named
from analysis.compare.conditions import Conditions
from analysis.compare.judge import rows
from analysis.compare.sides import Pairing, sides
from analysis.compare.tolerance import Tolerance
from analysis.files import RunError
from analysis.load import Loaded
from analysis.statistics.sampled import Estimate, Sampled
from metrics.catalog import METRICS

VERSION = 1
"""Of the file's layout."""
_UNPAIRED = Pairing(False, "Not paired: a baseline keeps no single sessions. It speaks of the talkers of its own seed.")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a file holds: the runs that it was made of, their conditions, and each aggregate by metric and name (`e2e_latency p50`)."""

    runs: tuple[str, ...]
    conditions: Conditions
    aggregates: dict[tuple[str, str], Sampled]

    @property
    def name(self) -> str:
        """As texts call it."""
        return f"the baseline of {' and '.join(self.runs)}"


def baseline(runs: Sequence[Loaded], quiet: bool = False) -> Baseline:
    """Of these runs. Raises RunError where one is not valid, or they do not compare."""
    conditions.refuse(runs)
    for line in conditions.unfit(runs):
        raise RunError(f"{line}; a baseline needs valid runs")
    of_runs = conditions.of(runs)
    conditions.refuse_versions(of_runs, of_runs)
    kept = {(metric.name, aggregate): both[0] for metric, aggregate, both in sides(runs, None, _UNPAIRED, quiet) if both[0].estimate.n}
    return Baseline(tuple(run.name for run in runs), of_runs, kept)


def write(made: Baseline, path: Path) -> None:
    """The file, a line for each aggregate. Raises RunError."""
    lines = []
    for (name, aggregate), side in made.aggregates.items():
        one = side.estimate
        told = {"value": one.value, "low": one.low, "high": one.high, "n": one.n, "sessions": one.sessions, "freedom": side.freedom}
        lines.append(f"{json.dumps(f'{name} {aggregate}')}: {json.dumps({key: _rounded(value) for key, value in told.items()})}")
    of_runs = [f"{json.dumps(key)}: {json.dumps(values[0] if len(values) == 1 else values)}" for key, values in made.conditions.items()]
    parts = [
        f'  "baseline_version": {VERSION}',
        f'  "runs": {json.dumps(list(made.runs))}',
        '  "conditions": {\n    ' + ",\n    ".join(of_runs) + "\n  }",
        '  "metrics": {\n    ' + ",\n    ".join(lines) + "\n  }",
    ]
    try:
        path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"--file {path}: cannot be written: {error.strerror}") from None


def _rounded(value: float | int | None) -> float | int | None:
    """Six digits: what changes from run to run is far above."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read(path: Path) -> Baseline:
    """What the file holds. Raises RunError: no file, a broken one, or of another version."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["baseline_version"] != VERSION:
            raise RunError(f"{path}: baseline of version {plain['baseline_version']}; this reader knows {VERSION}: set it anew")
        aggregates = {_key(key): _side(told) for key, told in plain["metrics"].items()}
        of_runs = {key: values if isinstance(values, list) else [values] for key, values in plain["conditions"].items()}
        return Baseline(tuple(plain["runs"]), of_runs, aggregates)
    except FileNotFoundError:
        raise RunError(f"{path}: no baseline is there; make one: python -m analysis baseline set RUN --file {path}") from None
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: is no baseline, or broken: {error or type(error).__name__}; set it anew") from None


def _key(text: str) -> tuple[str, str]:
    name, _, aggregate = text.rpartition(" ")
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}")
    return name, aggregate


def _side(told: dict[str, Any]) -> Sampled:
    value, low, high = (None if told[key] is None else float(told[key]) for key in ("value", "low", "high"))
    estimate = Estimate(value, low, high, int(told["n"]), int(told["sessions"]), "" if low is not None else "no interval could be told")
    return Sampled(estimate, np.empty(0, np.int64), np.empty(0), float(told["freedom"]))


def check(kept: Baseline, runs: Sequence[Loaded], tolerance: Tolerance, only: Sequence[str] = (), quiet: bool = False) -> Comparison:
    """How runs differ from a baseline. Raises RunError where they do not compare."""
    conditions.refuse(runs)
    of_runs = conditions.of(runs)
    conditions.refuse_versions(kept.conditions, of_runs)
    nothing = Sampled(Estimate(None, None, None, 0, 0, "nothing was measured"), np.empty(0, np.int64), np.empty(0), 1.0)
    measured = (
        (metric, aggregate, kept.aggregates.get((metric.name, aggregate), nothing), both[0])
        for metric, aggregate, both in sides(runs, None, _UNPAIRED, quiet)
    )
    return Comparison(
        name_a=kept.name,
        name_b=named(runs),
        unfit=tuple(conditions.unfit(runs)),
        warnings=(*conditions.cut(runs), *conditions.warnings(kept.conditions, of_runs)),
        pairing=_UNPAIRED.says,
        tolerance=tolerance,
        rows=tuple(rows(measured, False, tolerance, only)),
    )
