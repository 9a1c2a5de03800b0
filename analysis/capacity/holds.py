"""Up to how many callers the criteria are kept, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis import shown
from analysis.capacity.measured import Pooled
from analysis.document import Block, Table, Text
from analysis.statistics.estimate import Estimate, Floats
from analysis.statistics.knee import Limit, crossings, limit
from analysis.statistics.sampled import MIN_UNITS
from metrics.catalog import METRICS
from metrics.criteria import Criterion
from metrics.metric import OPS

SPREAD = 1.5
"""Where the most callers are fewer than so many times the fewest, a run says little of what more of them do."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Up to how many callers each criterion is kept (None: nothing was measured), and all of them together."""

    criteria: Sequence[tuple[Criterion, Limit | None]]
    together: Limit | None


def holds(pooled: Pooled, criteria: Sequence[Criterion]) -> Holds:
    """Each resample of the sessions holds as many as the first of its criteria to be missed lets it."""
    found: list[tuple[Criterion, Limit | None]] = []
    crossed: list[Floats] = []
    for criterion in criteria:
        curve = pooled.curve(criterion.metric, criterion.aggregate)
        if curve is None:
            found.append((criterion, None))
            continue
        crossed.append(crossings(curve, criterion.op, criterion.bound))
        found.append((criterion, limit(crossed[-1])))
    return Holds(found, limit(np.min(crossed, axis=0)) if crossed and len(crossed) == len(criteria) else None)


def said(found: Holds, pooled: Pooled) -> str:
    """In a sentence or two."""
    if found.together is None:
        return "How many it holds is not known: a criterion has no value."
    together = found.together
    words = _callers(together, pooled)
    kept = [(c, pooled.up_to(c.metric, c.aggregate, min(together.at, pooled.most))) for c, _ in found.criteria]
    unsure = [c.text for c, there in kept if together.at > -math.inf and not certain(c, there)]
    if unsure:
        words += f" Too few turns to be sure of: {'; '.join(unsure)}."
    if pooled.most < SPREAD * pooled.least:
        words += f" There were never fewer than {pooled.least}: what more would do, this run cannot say (scenario `capacity` searches it)."
    return words


def _callers(found: Limit, pooled: Pooled) -> str:
    if found.at == math.inf:
        low = "" if found.low == math.inf or _few(pooled) else f" (95 %: {_end(found.low, pooled)} or more)"
        return f"Holds all that were tried, {pooled.most} callers{low}."
    if found.at == -math.inf:
        return f"Does not hold even {pooled.least} callers, the fewest that were there ({_range(found, pooled)})."
    return f"Holds **{math.floor(found.at)} callers** ({_range(found, pooled)})."


def _end(end: float, pooled: Pooled) -> str:
    if end == math.inf:
        return f"more than the {pooled.most} that were tried"
    return f"fewer than {pooled.least}" if end == -math.inf else str(math.floor(end))


def _few(pooled: Pooled) -> bool:
    """Whether the calls are too few to tell anything of others: resamples of them are all alike."""
    return len(pooled.drawn.names) < MIN_UNITS


def _range(found: Limit, pooled: Pooled) -> str:
    if _few(pooled):
        return f"95 %: not known from fewer than {MIN_UNITS} calls"
    low, high = _end(found.low, pooled), _end(found.high, pooled)
    return f"95 %: {low}" if low == high else f"95 %: {low} to {high}"


def table(found: Holds, unfit: Sequence[str], own: bool, pooled: Pooled) -> list[Block]:
    """Each criterion, up to how many callers it is kept, and what was measured up to there. `own`: they are the run's own."""
    rows = []
    for criterion, kept in found.criteria:
        if kept is None:
            rows.append((criterion.text, "-", "-", METRICS[criterion.metric].absent, ""))
            continue
        at = f"all {pooled.most}" if kept.at == math.inf else "none" if kept.at == -math.inf else str(math.floor(kept.at))
        there = pooled.up_to(criterion.metric, criterion.aggregate, pooled.most if kept.at == math.inf else kept.at)
        surely = "" if kept.at == -math.inf else "yes" if certain(criterion, there) else "no: too few turns"
        shown_there = shown.full(there, METRICS[criterion.metric].unit)
        rows.append((criterion.text, at, _range(kept, pooled).removeprefix("95 %: "), shown_there, surely))
    note = (
        "Callers: sessions that are open at the turn's onset. More load is taken to make nothing better; between bins lines are straight. "
        "Sure: the interval of all turns up to there keeps the criterion, too."
    )
    whose = "the run's criteria" if own else "the catalogue's targets, as the run has no criteria that could be"
    header = ("criterion", "kept up to", "95 %", "measured up to there", "sure")
    blocks: list[Block] = [Table(header, rows, f"Held against {whose}", note, frozenset({1}))]
    if unfit:
        blocks.append(Text("Not held against concurrency, as they are not of single turns or of one stage only:", tuple(unfit)))
    return blocks


def certain(criterion: Criterion, measured: Estimate) -> bool:
    """Whether the end of the interval that is nearer to the bound keeps it."""
    nearest = measured.high if criterion.op.startswith("<") else measured.low
    return nearest is not None and OPS[criterion.op](nearest, criterion.bound)
