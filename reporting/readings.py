"""What a target's exposition says of its memory, CPU, sessions and latencies: Prometheus's text in, numbers out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_PARTS = ("_bucket", "_sum", "_count")
_SCALES = {"_milliseconds": 1e-3, "_ms": 1e-3, "_microseconds": 1e-6, "_us": 1e-6, "_nanoseconds": 1e-9, "_ns": 1e-9}
"""Seconds in a unit, by the end of a series' name; any other is taken for seconds."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series mean what. `memory`, `cpu`, `sessions`: the first that the target has counts; `latencies`: one each, by our name.

    A series is written as in PromQL, `name` or `name{label="value"}`; all samples that it matches are summed.
    """

    memory: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    latencies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latency:
    """Of what was observed since the reading before, in seconds: `mean_s`, and `p95_s`; None where nothing was, or it cannot be told."""

    mean_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading. None where the target does not tell, or where it takes two readings to tell. `latencies` has each that is wanted."""

    memory_bytes: float | None = None
    cpu_share: float | None = None
    sessions: float | None = None
    latencies: Mapping[str, Latency] = field(default_factory=dict)


class Reader:
    """Reads one exposition after the other; what counts is told as what it gained in between."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises ValueError for a series that is not written as one."""
        self._wanted = wanted
        every = chain(wanted.memory, wanted.cpu, wanted.sessions, wanted.latencies.values())
        self._series = {text: _series(text) for text in every}
        names = "|".join(sorted(re.escape(name) for name, _ in self._series.values())) or "(?!)"
        self._lines = re.compile(rf"^(?:{names})(?:{'|'.join(_PARTS)})?[ \t{{].*$", re.MULTILINE)
        self._types = re.compile(rf"^# TYPE ({names}) ", re.MULTILINE)
        self._earlier: dict[tuple[str, str], float] = {}
        self._earlier_s: float | None = None

    def missing(self, text: str) -> list[str]:
        """Which of `memory`, `cpu`, `sessions` and `latencies.<name>` the exposition has no series for, with those sought."""
        known = {sample.name for sample in self._samples(text)} | set(self._types.findall(text))
        known |= {name.removesuffix(part) for name in known for part in _PARTS}
        sought = {"memory": self._wanted.memory, "cpu": self._wanted.cpu, "sessions": self._wanted.sessions}
        sought |= {f"latencies.{name}": (series,) for name, series in self._wanted.latencies.items()}
        found = {what: [self._series[text][0] in known for text in texts] for what, texts in sought.items()}
        return [f"{what} ({', '.join(sought[what])})" for what, those in found.items() if those and not any(those)]

    def read(self, text: str, now_s: float) -> Reading:
        """What it says at the instant `now_s`. Raises ValueError where it is no exposition."""
        samples = self._samples(text)
        earlier, earlier_s = self._earlier, self._earlier_s
        self._earlier, self._earlier_s = {}, now_s
        passed_s = now_s - earlier_s if earlier_s is not None else 0.0
        return Reading(
            memory_bytes=self._value(samples, self._wanted.memory)[1],
            cpu_share=self._cpu(samples, earlier, passed_s),
            sessions=self._value(samples, self._wanted.sessions)[1],
            latencies={name: self._latency(samples, series, earlier, earlier_s) for name, series in self._wanted.latencies.items()},
        )

    def _samples(self, text: str) -> list[Sample]:
        """Those that are wanted: an exposition may have ten thousand others, which are passed over by one regular expression."""
        lines = "\n".join(match.group() for match in self._lines.finditer(text))
        try:
            found = [s for family in text_string_to_metric_families(lines + "\n") for s in family.samples]
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(f"a line is no sample of Prometheus's text format: {str(error)[:80] or type(error).__name__}") from None
        return [sample for sample in found if math.isfinite(sample.value)]

    def _matched(self, samples: Iterable[Sample], series: str, part: str = "") -> list[Sample]:
        name, labels = self._series[series]
        return [s for s in samples if s.name == name + part and labels.items() <= s.labels.items()]

    def _value(self, samples: list[Sample], wanted: Iterable[str]) -> tuple[str, float | None]:
        """The first series of `wanted` that is there, and the sum of its samples."""
        for series in wanted:
            found = self._matched(samples, series)
            if found:
                return series, sum(sample.value for sample in found)
        return "", None

    def _cpu(self, samples: list[Sample], earlier: Mapping[tuple[str, str], float], passed_s: float) -> float | None:
        series, value = self._value(samples, self._wanted.cpu)
        if value is None:
            return None
        name = self._series[series][0]
        if not name.endswith("_total"):
            return value / 100.0 if name.endswith("_percent") else value
        gained = self._gained(earlier, (series, ""), value, None)
        return gained / passed_s if gained is not None and passed_s > 0 else None

    def _latency(self, samples: list[Sample], series: str, earlier: Mapping[tuple[str, str], float], earlier_s: float | None) -> Latency:
        """What has no samples until something is observed began at zero, where there was a reading before."""
        scale = next((scale for end, scale in _SCALES.items() if self._series[series][0].endswith(end)), 1.0)
        counts = self._matched(samples, series, "_count")
        if not counts:
            value = self._value(samples, [series])[1]
            return Latency(None if value is None else value * scale, None)
        none_yet = 0.0 if earlier_s is not None else None
        count = self._gained(earlier, (series, "count"), sum(s.value for s in counts), none_yet)
        total = self._gained(earlier, (series, "sum"), sum(s.value for s in self._matched(samples, series, "_sum")), none_yet)
        below: dict[str, float] = {}
        for sample in self._matched(samples, series, "_bucket"):
            below[sample.labels.get("le", "")] = below.get(sample.labels.get("le", ""), 0.0) + sample.value
        buckets = [(_bound(le), self._gained(earlier, (series, le), n, none_yet)) for le, n in below.items()]
        if not count or count < 0 or total is None:
            return Latency(None, None)
        if buckets:
            p95 = _quantile(0.95, [(bound, n) for bound, n in buckets if n is not None])
        else:
            p95 = next((s.value for s in self._matched(samples, series) if s.labels.get("quantile") == "0.95"), None)
        return Latency(total / count * scale, None if p95 is None else p95 * scale)

    def _gained(self, earlier: Mapping[tuple[str, str], float], key: tuple[str, str], value: float, none_yet: float | None) -> float | None:
        """What a counter gained; None where it began anew. `none_yet`: what it had before its first value; None: that is not known."""
        self._earlier[key] = value
        before = earlier.get(key, none_yet)
        return None if before is None or value < before else value - before


def _series(text: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a series. Raises ValueError."""
    try:
        families = list(text_string_to_metric_families(f"{text} 0\n"))
        (sample,) = families[0].samples
    except (ValueError, IndexError, KeyError):
        raise ValueError(f'{text!r} is no series: write name or name{{label="value"}}') from None
    return sample.name, dict(sample.labels)


def _bound(le: str) -> float:
    return math.inf if le == "+Inf" else float(le or "nan")


def _quantile(q: float, buckets: list[tuple[float, float]]) -> float | None:
    """As PromQL's histogram_quantile: evenly spread within a bucket; above the last finite bound, that bound. None where nothing is."""
    rising = sorted(buckets)
    if len(rising) < 2 or rising[-1][1] <= 0:
        return None
    rank = q * rising[-1][1]
    lowest, n = rising[0]
    if n >= rank:
        return lowest * rank / n if lowest > 0 else lowest
    for (low, before), (high, upto) in pairwise(rising):
        if upto >= rank:
            return low if math.isinf(high) else low + (high - low) * (rank - before) / (upto - before)
    return None
