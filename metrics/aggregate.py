"""All metrics of a stream of records, in a form that merges: what a worker ships, a master adds up and a summary reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from metrics import catalog
from metrics.histogram import Histogram, Ratio
from metrics.metric import Metric, Shape, Unit, Value
from metrics.records import Outcome, Record, SampleRecord, SessionRecord, TokenRecord, TurnKind, TurnRecord
from metrics.stages import WHOLE
from metrics.trend import Trend

_BY_RECORD = {kind: catalog.of(kind) for kind in (TurnRecord, SessionRecord, TokenRecord, SampleRecord)}
_MEASURES = {kind: [(m.name, m.measure) for m in metrics] for kind, metrics in _BY_RECORD.items()}

Measured = dict[str, Any]
"""Metrics of one record by name."""


_VALUES: dict[Shape, type[Value]] = {Shape.DISTRIBUTION: Histogram, Shape.RATIO: Ratio, Shape.TREND: Trend}


def _empty() -> dict[str, Value]:
    return {m.name: _VALUES[m.shape]() for m in catalog.METRICS.values()}


@dataclass(slots=True)
class Aggregate:
    """One histogram, ratio or trend per metric of the catalogue, and counts.

    `counts` has `turns.<kind>.<outcome>`, `sessions.<outcome>`, `tokens`, `samples` and `errors.<kind>` (error kinds of all records).
    `stages`: the same of each of the run's stages alone, by name; what belongs to no stage is in the whole only.
    """

    values: dict[str, Value] = field(default_factory=_empty)
    counts: Counter[str] = field(default_factory=Counter)
    stages: dict[str, Aggregate] = field(default_factory=dict)

    def add(self, record: Record, measured: Measured | None = None, stage: str = WHOLE) -> None:
        """Count one record; `measured`: its metrics where they are known already, as `measure` gives them."""
        known = measure(record) if measured is None else measured
        if stage != WHOLE:
            self._part(stage).add(record, known)
        for name, value in known.items():
            mine = self.values[name]
            if isinstance(mine, Histogram):
                mine.add(value)
            else:
                mine.add(*value)
        if isinstance(record, TurnRecord):
            self.counts[f"turns.{record.kind}.{record.outcome}"] += 1
        elif isinstance(record, SessionRecord):
            self.counts[f"sessions.{record.outcome}"] += 1
        elif isinstance(record, SampleRecord):
            self.counts["samples"] += 1
            return
        else:
            self.counts["tokens"] += 1
        if record.error_kind is not None:
            self.counts[f"errors.{record.error_kind}"] += 1

    def merge(self, other: Aggregate) -> None:
        """Count all that `other` has counted."""
        for name, metric in catalog.METRICS.items():
            if metric.shape is Shape.DISTRIBUTION:
                self.histogram(name).merge(other.histogram(name))
            elif metric.shape is Shape.RATIO:
                self.ratio(name).merge(other.ratio(name))
            else:
                self.trend(name).merge(other.trend(name))
        self.counts.update(other.counts)
        for name, part in other.stages.items():
            self._part(name).merge(part)

    def _part(self, stage: str) -> Aggregate:
        return self.stages.setdefault(stage, Aggregate())

    def stage(self, name: str) -> Aggregate:
        """Of one stage; `WHOLE`: of all. Empty where nothing belongs to it yet."""
        return self if name == WHOLE else self.stages.get(name) or Aggregate()

    def histogram(self, name: str) -> Histogram:
        """The histogram of a distribution. Raises KeyError or TypeError for any other name."""
        value = self.values[name]
        if not isinstance(value, Histogram):
            raise TypeError(f"{name} is a {catalog.METRICS[name].shape}")
        return value

    def ratio(self, name: str) -> Ratio:
        """The sums of a share or a rate. Raises KeyError or TypeError for any other name."""
        value = self.values[name]
        if not isinstance(value, Ratio):
            raise TypeError(f"{name} is a {catalog.METRICS[name].shape}")
        return value

    def trend(self, name: str) -> Trend:
        """The sums of a growth. Raises KeyError or TypeError for any other name."""
        value = self.values[name]
        if not isinstance(value, Trend):
            raise TypeError(f"{name} is a {catalog.METRICS[name].shape}")
        return value

    def turns(self, kind: TurnKind | None = None, outcome: Outcome | None = None) -> int:
        """How many turns there were of this kind and outcome; None: of any. Any kind leaves false alarms out: they are owed no answer."""
        kinds = [kind] if kind else [TurnKind.UTTERANCE, TurnKind.BARGE_IN]
        outcomes = [outcome] if outcome else list(Outcome)
        return sum(self.counts[f"turns.{k}.{o}"] for k in kinds for o in outcomes)

    def errors(self) -> dict[str, int]:
        """Errors by kind, most frequent first."""
        found = {k.removeprefix("errors."): n for k, n in self.counts.items() if k.startswith("errors.")}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON and msgpack carry; metrics without a value are left out."""
        return {
            "catalog_version": catalog.CATALOG_VERSION,
            "values": {name: value.to_plain() for name, value in self.values.items() if value.count},
            "counts": dict(self.counts),
            "stages": {name: part.to_plain() for name, part in self.stages.items()},
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Aggregate:
        """The aggregate that `to_plain` wrote. Raises ValueError where it was written by another version of the catalogue."""
        if plain["catalog_version"] != catalog.CATALOG_VERSION:
            raise ValueError(f"metrics of catalogue version {plain['catalog_version']}; this is version {catalog.CATALOG_VERSION}")
        made = cls(counts=Counter(plain["counts"]))
        for name, value in plain["values"].items():
            made.values[name] = _VALUES[catalog.METRICS[name].shape].from_plain(value)
        made.stages = {name: cls.from_plain(part) for name, part in plain["stages"].items()}
        return made


def measure(record: Record) -> Measured:
    """The metrics of one record that apply to it, by name: a float of a distribution, a pair (numerator, denominator) of a ratio, a pair
    (instant, value) of a trend."""
    found = {}
    for name, of in _MEASURES[type(record)]:
        value = of(record)
        if value is not None:
            found[name] = value
    return found


def metric_columns(record: Record, measured: Measured | None = None) -> dict[str, float | None]:
    """The metrics of one record as columns of a run file, a share as such; None where it does not apply. `measured`: as `measure` gives
    them, where that is known already."""
    known = measure(record) if measured is None else measured
    columns: dict[str, float | None] = {}
    for column, metric in _COLUMNS[type(record)]:
        value = known.get(metric)
        if type(value) is tuple:
            numerator, denominator = value
            value = numerator / denominator if denominator else None
        columns[column] = value
    return columns


def columns_of(record_type: type[Record]) -> dict[str, Metric]:
    """The metrics that are columns of a run file for such records, by the column's name: seconds end in `_s`, everything else carries the
    metric's own name. Left out are metrics that only mean something over many records, and those that would repeat a field."""
    named = {f"{m.name}_s" if m.unit is Unit.SECONDS else m.name: m for m in _BY_RECORD[record_type] if not m.summed}
    return {name: metric for name, metric in named.items() if name not in record_type.__dataclass_fields__}


def uncolumned(record_type: type[Record]) -> tuple[Metric, ...]:
    """The metrics of such records whose values no column of a run file has: they are to be measured anew. Where a metric repeats a field,
    the field may have values that the metric has not."""
    if record_type is SampleRecord:  # a second has none
        return tuple(metric for metric in _BY_RECORD[record_type] if metric.shape is not Shape.TREND)
    columns = {metric.name for metric in columns_of(record_type).values() if not metric.weighed}
    return tuple(metric for metric in _BY_RECORD[record_type] if metric.shape is not Shape.TREND and metric.name not in columns)


_COLUMNS = {kind: [(column, metric.name) for column, metric in columns_of(kind).items()] for kind in _BY_RECORD}
