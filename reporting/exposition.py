"""The catalogue as Prometheus sees it: one family of samples per distribution, two counters per share or rate.

Names that the monitoring guide and the system design fix are kept, so that their PromQL works as it stands; every other metric is
`doubletalk_<name>_<unit>`, in Prometheus's base units.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from metrics.metric import Metric, Shape, Unit

RUN_LABELS = ("scenario", "dialect")
"""On every family of a run."""


class Kind(StrEnum):
    """Prometheus's type of a family."""

    HISTOGRAM = "histogram"
    """Classic: `_bucket`, `_sum` and `_count` behind its name."""
    COUNTER = "counter"
    """Begins at 0 with each run."""
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Family:
    """All samples under one name. `name` as it is written in PromQL, `_total` of a counter included; `labels` in their order.

    `buckets`: a histogram's upper bounds (`le`) in the unit of its name, rising, without +Inf; empty for other kinds. `scale`: units of the
    name in one unit of what is counted: 1000 where seconds are shown as milliseconds.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = RUN_LABELS
    buckets: tuple[float, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Quotient:
    """A share or a rate: its value in the metric's unit is `numerator / denominator * factor`, of totals and of rates alike."""

    numerator: Family
    denominator: Family
    factor: float


@dataclass(frozen=True, slots=True)
class Growth:
    """A trend, and the ends of its confidence interval, in the metric's unit."""

    value: Family
    low: Family
    high: Family


FIXED = {
    "e2e_latency": "e2e_latency_client_milliseconds",
    "barge_in_latency": "barge_in_latency_milliseconds",
    "asr_processing": "asr_processing_milliseconds",
    "llm_ttft": "llm_ttft_milliseconds",
    "tts_processing": "tts_processing_milliseconds",
    "jitter": "jitter_milliseconds",
    "network_quality_index": "network_quality_index",
    "token_mint_latency": "token_mint_latency_seconds",
    "chunk_drop_rate": "packet_loss_rate",
}
"""Metrics whose name the reference documents fix, with the unit that they give it; of a share, what stands before `_numerator_total`."""
FIXED_NUMERATORS = {"reconnects_per_hour": "streaming_reconnections_total"}
FIXED_DENOMINATORS = {"token_success": "api_requests_total"}
"""Sums of a share or a rate that the reference documents know as counters of their own."""

ALERTS = {"e2e_latency": (1.0, 1.5, 2.0), "barge_in_latency": (0.5,), "token_mint_latency": (1.0,), "audio_processing": (0.15,)}
"""Bounds of the reference documents' alerts, in seconds: each is a bucket's bound, beside those of the targets."""

LONG = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0)
"""Bounds in seconds of what takes an assistant's time. What is not above 0 came before it was due: the assistant overlapped."""
SHORT = (0.0, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Bounds in seconds of what takes a network's or a computer's time: every metric with a target of SHORT_TARGET_S or less."""
SHORT_TARGET_S = 0.05
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 5.0)
"""Bounds of the real-time factor: 1 is playback's pace."""
INDICES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
"""Bounds of an index from 0 to 1."""

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
"""Bounds of a share of a core, of which a process may take several."""
MEMORY = tuple(float(digit * 10**power) for power in range(6, 11) for digit in (1, 2, 5))
"""Bounds of memory, 1 MB to 50 GB."""

_SUFFIXES = {Unit.SECONDS: "_seconds", Unit.FACTOR: "_ratio", Unit.INDEX: "", Unit.SHARE: "_ratio", Unit.BYTES: "_bytes"}
_SECONDS_IN = {Unit.PER_MINUTE: 60.0, Unit.PER_HOUR: 3600.0}


def histogram_of(metric: Metric) -> Family:
    """The histogram that shows a distribution. Raises ValueError for a share or a rate."""
    if metric.shape is not Shape.DISTRIBUTION:
        raise ValueError(f"{metric.name} is no distribution")
    name = FIXED.get(metric.name) or f"doubletalk_{metric.name}{_SUFFIXES[metric.unit]}"
    scale = 1000.0 if name.endswith("_milliseconds") else 1.0
    buckets = tuple(round(bound * scale, 9) for bound in _bounds(metric))
    return Family(name, Kind.HISTOGRAM, f"{metric.title}: from {metric.begins} to {metric.ends}", buckets=buckets, scale=scale)


def quotient_of(metric: Metric) -> Quotient:
    """The two counters that show a share or a rate; time below the line is in seconds. Raises ValueError for another shape."""
    if metric.shape is not Shape.RATIO:
        raise ValueError(f"{metric.name} is no share and no rate")
    base = FIXED.get(metric.name) or f"doubletalk_{metric.name}"
    seconds = _SECONDS_IN.get(metric.unit)
    below = f"{base}_denominator{'_seconds' if seconds else ''}_total"
    numerator = FIXED_NUMERATORS.get(metric.name) or f"{base}_numerator_total"
    denominator = FIXED_DENOMINATORS.get(metric.name) or below
    return Quotient(
        Family(numerator, Kind.COUNTER, f"{metric.title}, above the line: {metric.ends}"),
        Family(denominator, Kind.COUNTER, f"{metric.title}, below the line: {metric.begins}", scale=seconds or 1.0),
        seconds or 1.0,
    )


def growth_of(metric: Metric) -> Growth:
    """The three gauges that show a trend. Raises ValueError for another shape."""
    if metric.shape is not Shape.TREND:
        raise ValueError(f"{metric.name} is no trend")
    made = []
    for part, told in (("", ""), ("_low", ", lower end of its 95 % interval"), ("_high", ", upper end of its 95 % interval")):
        made.append(Family(f"doubletalk_{metric.name}{part}_bytes_per_hour", Kind.GAUGE, f"{metric.title} of the run so far{told}"))
    return Growth(*made)


def families_of(metric: Metric) -> tuple[Family, ...]:
    """All that shows a metric: one histogram, numerator and denominator, or a growth and its interval."""
    if metric.shape is Shape.DISTRIBUTION:
        return (histogram_of(metric),)
    if metric.shape is Shape.TREND:
        growth = growth_of(metric)
        return (growth.value, growth.low, growth.high)
    quotient = quotient_of(metric)
    return (quotient.numerator, quotient.denominator)


def _bounds(metric: Metric) -> tuple[float, ...]:
    """The buckets' bounds in the metric's unit: those of its kind, of its targets and of the alerts on it."""
    wanted = {target.bound for target in metric.targets} | set(ALERTS.get(metric.name, ()))
    match metric.unit:
        case Unit.SECONDS:
            short = any(target.bound <= SHORT_TARGET_S for target in metric.targets)
            return tuple(sorted(wanted | set(SHORT if short else LONG)))
        case Unit.FACTOR:
            return tuple(sorted(wanted | set(FACTORS)))
        case Unit.INDEX:
            return tuple(sorted(wanted | set(INDICES)))
        case Unit.SHARE:
            return tuple(sorted(wanted | set(SHARES)))
        case Unit.BYTES:
            return tuple(sorted(wanted | set(MEMORY)))
    raise ValueError(f"{metric.name}: no buckets for {metric.unit}")
