"""The generated part of docs/prometheus.md: every name that Prometheus is told, made from the tables that tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metrics.catalog import METRICS, TABLES
from metrics.metric import Metric, Shape
from reporting import run_families
from reporting.exposition import RUN_LABELS, Family, Kind, families_of, histogram_of, quotient_of

_OWN = (
    ("The run", run_families.RUN),
    ("What was done", run_families.LOAD),
    ("The tester's own health", run_families.HEALTH),
    ("Workers", run_families.WORKER),
)


def tables() -> str:
    """All names as Markdown: those of the run, its load, the tester and the workers, then the catalogue's metrics, table by table."""
    parts = [_section(title, _own(families)) for title, families in _OWN]
    parts += [_section(table.capitalize(), _catalogue(table)) for table in TABLES]
    return "\n\n".join(parts) + "\n"


def _own(families: Iterable[Family]) -> str:
    rows = [(f"`{f.name}`", f.kind.value, _labels(f), f"{f.help}{_bounds(f)}") for f in families]
    return _markdown(("name", "kind", "labels besides", "is"), rows)


def _catalogue(table: str) -> str:
    return _markdown(("metric", "name", "kind", "value, or bounds"), [_row(m) for m in METRICS.values() if m.table == table])


def _row(metric: Metric) -> tuple[str, ...]:
    if metric.shape is Shape.DISTRIBUTION:
        family = histogram_of(metric)
        return f"`{metric.name}`", f"`{family.name}`", family.kind.value, ", ".join(f"{bound:g}" for bound in family.buckets)
    if metric.shape is Shape.TREND:
        names = ", ".join(f"`{family.name}`" for family in families_of(metric))
        return f"`{metric.name}`", names, "three gauges", "value, and the ends of its interval; absent where the samples are too few"
    quotient = quotient_of(metric)
    times = f" × {quotient.factor:g}" if quotient.factor != 1.0 else ""
    return (
        f"`{metric.name}`",
        f"`{quotient.numerator.name}`, `{quotient.denominator.name}`",
        "two counters",
        f"first / second{times}, in {metric.unit.value}" if times else "first / second",
    )


def _labels(family: Family) -> str:
    return ", ".join(f"`{label}`" for label in family.labels if label not in RUN_LABELS)


def _bounds(family: Family) -> str:
    return f"; bounds {', '.join(f'{bound:g}' for bound in family.buckets)}" if family.kind is Kind.HISTOGRAM else ""


def _section(title: str, table: str) -> str:
    return f"### {title}\n\n{table}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in line) + " |" for line in lines)
