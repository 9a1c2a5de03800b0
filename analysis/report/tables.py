"""Tables of a report: metrics with n, interval and how they stand to their targets."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.document import Table
from analysis.report.facts import MOODS, Facts, Standing, cell, wanted
from metrics.catalog import METRICS
from metrics.metric import Metric, Shape

_WHICH = ("mean", "p50", "p95", "p99")
INTERVALS = "In brackets: the 95 % interval, with the session as the sampling unit."


def metrics(facts: Facts, names: Sequence[str], caption: str = "", note: str = "") -> Table:
    """What metrics come to. Those without a value have a dash, and the note says why."""
    rows: list[tuple[str, ...]] = []
    moods: dict[int, str] = {}
    why = []
    which = _WHICH if any(METRICS[name].shape is Shape.DISTRIBUTION for name in names) else _WHICH[:1]
    for name in names:
        metric = METRICS[name]
        worst = worst_of(facts, name)
        moods[len(rows)] = MOODS[worst] if worst else "plain"
        rows.append(_row(facts, metric, which, worst))
        if not facts.count(name):
            why.append(f"{metric.title}: {facts.absent(name)}.")
    few = [METRICS[name].title for name in names if 0 < facts.count(name) < METRICS[name].min_count]
    told = [bracketed(rows), note, f"Few values: {', '.join(few)}." if few else "", *why]
    header = ("metric", "n", "mean or share" if len(which) > 1 else "value", *which[1:], "target")
    return Table(header, rows, caption, " ".join(part for part in told if part), frozenset(range(1, 2 + len(which))), moods)


def bracketed(rows: Sequence[Sequence[str]]) -> str:
    """What the brackets behind values say; empty where no value has an interval. The first and the last column are words."""
    return INTERVALS if any(" (" in one for row in rows for one in row[1:-1]) else ""


def worst_of(facts: Facts, name: str) -> Standing | None:
    """How a metric stands to the target that it keeps worst; None where it has none."""
    order = (Standing.MISSED, Standing.ALONE_MISSED, Standing.LIKELY_MISSED, Standing.FEW, Standing.LIKELY_MET, Standing.ALONE_MET,
             Standing.MET, Standing.UNKNOWN)  # fmt: skip
    found = [facts.stands(name, target) for target in METRICS[name].targets if target.grade == "target"]
    return min(found, key=order.index) if found else None


def titled(metric: Metric) -> str:
    """Its title, with its code in the system design where it has one."""
    return f"{metric.title} ({metric.code})" if metric.code else metric.title


def _row(facts: Facts, metric: Metric, which: Sequence[str], worst: Standing | None) -> tuple[str, ...]:
    if metric.shape is Shape.DISTRIBUTION:
        cells = [cell(facts.estimate(metric.name, one), metric) for one in which]
    else:
        cells = [cell(facts.estimate(metric.name, "value"), metric), *[""] * (len(which) - 1)]
    targets = ", ".join(wanted(metric.name, target) for target in metric.targets if target.grade == "target")
    return (titled(metric), str(facts.count(metric.name)), *cells, f"{targets}: {worst}" if worst else "-")
