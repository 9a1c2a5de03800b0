"""What a scrape reads: the run that is shown and the tester's health, as families of `prometheus_client`, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Samples

from metrics.catalog import CATALOG_VERSION, METRICS
from metrics.health import Health
from metrics.histogram import Histogram, Ratio
from metrics.records import ErrorKind, Outcome, SessionOutcome, TurnKind
from metrics.stages import timetable
from metrics.trend import Trend
from metrics.verdicts import verdicts
from reporting import run_families as families
from reporting.exposition import Family, Kind, families_of, histogram_of, quotient_of
from reporting.live import Live, WorkerState

Labels = Mapping[str, str]
_MADE: dict[Kind, Callable[..., Any]] = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}


class RunCollector:
    """The run that `shown` gives: everything of it, nothing while that is None. `pause` is called after each family, so that a scrape holds
    nobody up; what one family shows is of one instant."""

    def __init__(self, shown: Callable[[], Live | None], pause: Callable[[], None]) -> None:
        self._shown = shown
        self._pause = pause

    def collect(self) -> Iterator[Samples]:
        """All families. Where the run is told to be over, what follows is how it ended."""
        live = self._shown()
        if live is None:
            return
        labels = {"scenario": str(live.facts.scenario["name"]), "dialect": live.facts.dialect}
        for part in (run_samples, load_samples, metric_samples, worker_samples):
            for samples in part(live, labels):
                yield samples
                self._pause()
        for samples in health_samples(live.health(), labels):
            yield samples
            self._pause()


class HealthCollector:
    """A process's own health: what a worker shows. `health` None: nothing yet. `labels` are on every sample."""

    def __init__(self, health: Callable[[], Health | None], labels: Labels) -> None:
        self._health = health
        self._labels = labels

    def collect(self) -> Iterator[Samples]:
        """The families of health."""
        health = self._health()
        if health is not None:
            yield from health_samples(health, self._labels)


def run_samples(live: Live, labels: Labels) -> Iterator[Samples]:
    """The run as such: which it is, whether it goes on and is valid, and whether its criteria hold."""
    facts, under_way = live.facts, live.under_way
    info = {
        "run_id": live.run_id,
        **labels,
        "version": _version(),
        "catalog_version": str(CATALOG_VERSION),
        "seed": str(facts.seed),
        "frame_ms": f"{facts.frame_ms:g}",
        "host": facts.host,
    }
    yield _of(families.RUN_UNDER_WAY, labels, float(under_way))
    yield _of(families.RUN_INFO, info, 1.0)
    yield _of(families.RUN_VALID, labels, float(not live.faults()))
    yield _of(families.RUN_ELAPSED, labels, live.elapsed_s)
    yield _of(families.RUN_STARTED, labels, facts.started_epoch_s)
    judged = {v.criterion.text: float(v.holds) for v in verdicts({"scenario": facts.scenario}, live.aggregate)}
    if judged:
        yield _by(families.CRITERION, labels, judged)
    stages = dict.fromkeys([*(name for _, name in timetable(facts.scenario)), *filter(None, [live.stage])], 0.0)
    if stages:
        yield _by(families.STAGE, labels, stages | ({live.stage: 1.0} if live.stage else {}))


def load_samples(live: Live, labels: Labels) -> Iterator[Samples]:
    """What was done and what came of it, each kind and outcome from the start."""
    aggregate = live.aggregate
    counts, tokens = aggregate.counts, aggregate.ratio("token_success")
    turns = _family(families.TURNS)
    for kind in TurnKind:
        for outcome in Outcome:
            turns.add_metric([*labels.values(), kind.value, outcome.value], float(counts[f"turns.{kind}.{outcome}"]))
    yield turns
    yield _of(families.INTERRUPTIONS, labels, float(aggregate.turns(TurnKind.BARGE_IN)))
    yield _by(families.SESSIONS, labels, {o.value: float(counts[f"sessions.{o}"]) for o in SessionOutcome})
    yield _by(families.ERRORS, labels, {k.value: float(counts[f"errors.{k}"]) for k in ErrorKind})
    yield _of(families.HTTP_ERRORS, labels, tokens.denominator - tokens.numerator)
    yield _of(families.TALKERS, labels, float(live.talkers))
    up = live.timeline[-1].get("target_up") if live.timeline else None
    yield _of(families.TARGET_UP, labels, None if up is None else float(up))


def metric_samples(live: Live, labels: Labels) -> Iterator[Samples]:
    """Every metric of the catalogue, in its order; with zeros where nothing was measured."""
    aggregate = live.aggregate
    for name, metric in METRICS.items():
        value = aggregate.values[name]
        if isinstance(value, Ratio):
            quotient = quotient_of(metric)
            yield _of(quotient.numerator, labels, value.numerator)
            yield _of(quotient.denominator, labels, value.denominator * quotient.denominator.scale)
        elif isinstance(value, Trend):
            for family, number in zip(families_of(metric), (value.slope, *(value.interval or (None, None))), strict=True):
                yield _of(family, labels, number)
        else:
            yield _histogram(histogram_of(metric), labels, value)


def worker_samples(live: Live, labels: Labels) -> Iterator[Samples]:
    """Each worker by itself; a quantile of nothing is left out."""
    workers = live.workers()
    yield _by(families.WORKERS, labels, {s.value: float(sum(w.state is s for w in workers)) for s in WorkerState})
    told: tuple[tuple[Family, Callable[[Any], float | None]], ...] = (
        (families.WORKER_TALKERS, lambda w: w.talkers),
        (families.WORKER_TURNS, lambda w: w.turns),
        (families.WORKER_CPU, lambda w: w.cpu_share),
        (families.WORKER_LATENESS, lambda w: w.send_lateness_p99_s),
        (families.WORKER_LAG, lambda w: w.loop_lag_p99_s),
        (families.WORKER_OFFSET, lambda w: w.clock_offset_s),
        (families.WORKER_SILENT, lambda w: w.silent_s),
    )
    for family, of in told:
        yield _by(family, labels, {w.name: float(value) for w in workers if (value := of(w)) is not None})


def health_samples(health: Health, labels: Labels) -> Iterator[Samples]:
    """The tester's own health."""
    yield _histogram(families.SEND_LATENESS, labels, health.send_lateness)
    yield _histogram(families.LOOP_LAG, labels, health.loop_lag)
    for family, value in (
        (families.CPU, health.cpu_s),
        (families.MEASURED, health.wall_s),
        (families.FRAMES_DROPPED, health.frames_dropped),
        (families.MISSED_STARTS, health.missed_starts),
        (families.UNSENT, health.unsent_bytes),
        (families.UNSENT_MAX, health.unsent_bytes_max),
        (families.WORKERS_LOST, health.workers_lost),
        (families.RECORDS_LOST, health.records_lost),
        (families.LOCAL_FAULTS, health.local_faults),
        (families.MEMORY, health.memory_bytes),
    ):
        yield _of(family, labels, float(value))


def _version() -> str:
    try:
        return version("doubletalk")
    except PackageNotFoundError:
        return "not installed"


def _family(family: Family, labels: tuple[str, ...] | None = None) -> Any:
    return _MADE[family.kind](family.name, family.help, labels=labels or family.labels)


def _of(family: Family, labels: Labels, value: float | None) -> Samples:
    """A family with one sample; without, where the value is None."""
    made = _family(family, tuple(labels))
    if value is not None:
        made.add_metric(list(labels.values()), value)
    return made  # type: ignore[no-any-return]  # its class is chosen at run time


def _by(family: Family, labels: Labels, values: Mapping[str, float]) -> Samples:
    """A family with a sample for each value of its last label."""
    made = _family(family)
    for last, value in values.items():
        made.add_metric([*labels.values(), last], value)
    return made  # type: ignore[no-any-return]  # its class is chosen at run time


def _histogram(family: Family, labels: Labels, values: Histogram) -> Samples:
    counts = values.counts_up_to([bound / family.scale for bound in family.buckets])
    buckets = [(str(bound), float(n)) for bound, n in zip(family.buckets, counts, strict=True)]
    made = HistogramMetricFamily(family.name, family.help, labels=tuple(labels))
    made.add_metric(list(labels.values()), [*buckets, ("+Inf", float(values.count))], values.total * family.scale)
    return made
