"""Compares runs with runs, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.compare import conditions
from analysis.compare.asked import OWN
from analysis.compare.causes import Cause, causes
from analysis.compare.judge import Row, rows
from analysis.compare.sides import pairing, sides
from analysis.compare.tolerance import Tolerance
from analysis.load import Loaded


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of comparing `name_b` with `name_a`. `unfit`: a line for each invalid run: with one, nothing is decided. `warnings`: what
    else a reader must know; `pairing`: what was paired, in a sentence."""

    name_a: str
    name_b: str
    unfit: tuple[str, ...]
    warnings: tuple[str, ...]
    pairing: str
    tolerance: Tolerance
    rows: tuple[Row, ...]

    @property
    def regressions(self) -> list[Row]:
        """What is worse beyond the tolerance."""
        return [row for row in self.rows if row.regressed]

    @property
    def causes(self) -> list[Cause]:
        """What moved first."""
        return causes(self.rows)

    @property
    def own(self) -> list[Row]:
        """In what the talkers themselves differ beyond the tolerance."""
        return [row for row in self.rows if row.metric.name in OWN and row.differs and row.matters]

    @property
    def code(self) -> int:
        """0; 1 where something is worse beyond the tolerance; 2 where a run is invalid, so that nothing can be decided."""
        return 2 if self.unfit else int(bool(self.regressions))


def compare(
    runs_a: Sequence[Loaded], runs_b: Sequence[Loaded], tolerance: Tolerance, only: Sequence[str] = (), quiet: bool = False
) -> Comparison:
    """How the runs B differ from the runs A. `only`: the metrics that are judged; none: all that can be. Raises RunError where they do not
    compare."""
    runs = [*runs_a, *runs_b]
    conditions.refuse(runs)
    of_a, of_b = conditions.of(runs_a), conditions.of(runs_b)
    conditions.refuse_versions(of_a, of_b)
    pairs = pairing(runs_a, runs_b)
    measured = ((metric, aggregate, both[0], both[1]) for metric, aggregate, both in sides(runs_a, runs_b, pairs, quiet))
    return Comparison(
        name_a=named(runs_a),
        name_b=named(runs_b),
        unfit=tuple(conditions.unfit(runs)),
        warnings=(*conditions.cut(runs), *conditions.warnings(of_a, of_b)),
        pairing=pairs.says,
        tolerance=tolerance,
        rows=tuple(rows(measured, pairs.paired, tolerance, only)),
    )


def named(runs: Sequence[Loaded]) -> str:
    """A side, as texts call it."""
    return runs[0].name if len(runs) == 1 else f"{runs[0].name} and {len(runs) - 1} more"
