"""Rules about latency: which stage it comes from, and whether it rises with the load."""

from __future__ import annotations

from collections.abc import Iterator

from analysis import shown
from analysis.report import latency
from analysis.report.facts import Facts, told
from analysis.report.finding import Finding, proof
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.metric import Target, Unit, show

SLOW_P95_S = 2.0
"""End-to-end latency beyond this at p95 is critical: the system design's alert."""
CARRIES = 0.5
"""A stage carries the latency where it is beyond its own target by at least this part of what the whole is beyond its target by."""
RISE = 1.25
"""Latency that is so many times as high with the most sessions as with the fewest rises with the load."""


def slow(facts: Facts) -> Iterator[Finding]:
    """Latency beyond its targets, and the stage that it comes from."""
    missed = [("e2e_latency", t) for t in facts.missed("e2e_latency")] + [("ttft", t) for t in facts.missed("ttft")]
    if not missed:
        return
    lows = [facts.estimate("e2e_latency", which).low for which in ("p50", "p95")]  # where half of all wait so long, p95 is beyond that too
    priority = "P0" if any(low is not None and low > SLOW_P95_S for low in lows) else "P1"
    beyond = max(_excess(facts, name, target) for name, target in missed)
    evidence = [proof(facts, name, t) for name, t in missed]
    impact = (
        f"Callers wait {show(facts.estimate('e2e_latency', 'p50').value, Unit.SECONDS)} for an answer to be heard, at the median; "
        "people answer one another after 236 ms (LG)."
    )
    network = facts.estimate("network_delay", "mean")
    if network.value is not None and network.value >= CARRIES * beyond:
        yield Finding(
            "P2", "The talkers' network profile carries the latency, not the assistant",
            f"Of what callers wait, {show(network.value, Unit.SECONDS)} are the network profile's own delay.", impact,
            (*evidence, told("network_delay", network, "mean"),
             told("assistant_latency", facts.estimate("assistant_latency", "mean"), "mean")),
            "Judge the assistant by `assistant_latency`; the profile is the scenario's `networks`.", "network",
        )  # fmt: skip
        return
    over = _beyond(facts)
    carrying = [stage for stage in over if stage[0] >= CARRIES * beyond]
    if carrying:
        excess, name, target = carrying[0]
        metric = METRICS[name]
        share = f"{(facts.estimate(name, 'mean').value or 0.0) / (facts.estimate('e2e_latency', 'mean').value or 1.0) * 100:.0f} %"
        yield Finding(
            priority, f"Slow stage: {metric.title} ({metric.code}) carries the latency",
            f"{metric.title} is {show(excess, metric.unit)} beyond its target and makes {share} of the end-to-end latency; no other "
            "stage is so far off.",
            impact, (*evidence, proof(facts, name, target),
                     f"{told(name, facts.estimate(name, 'mean'), 'mean')}, {share} of the mean end-to-end latency"),
            f"What happens between: {metric.begins}, and: {metric.ends}.", "latency",
        )  # fmt: skip
        return
    shares = {name: facts.estimate(name, "mean") for name in latency.ON_PATH}
    widest = max(shares, key=lambda name: shares[name].value or -1.0)
    parts = [proof(facts, name, t) for _, name, t in over[:3]]
    yield Finding(
        priority, f"Slow, and no stage alone carries it; the longest is {METRICS[widest].title}",
        "The end-to-end latency is beyond its target, and no stage is beyond its own by half as much.", impact,
        (*evidence, told(widest, shares[widest], "mean"), *parts),
        "The endpointing delay is mostly the silence that the assistant waits for (`session.silence_duration_ms`); the residual holds "
        "what no event tells.", "latency",
    )  # fmt: skip


def _excess(facts: Facts, name: str, target: Target) -> float:
    value = facts.estimate(name, target.aggregate).value
    return 0.0 if value is None else value - target.bound


def _beyond(facts: Facts) -> list[tuple[float, str, Target]]:
    """Stages that surely miss their median's target: by how much, the most first."""
    made = []
    for metric in METRICS.values():
        if metric.code[:1] == "L" and metric.name != "mic_capture":  # a frame's own duration, which the tester chose
            made += [(_excess(facts, metric.name, t), metric.name, t) for t in facts.missed(metric.name) if t.aggregate == "p50"]
    return sorted(made, reverse=True, key=lambda one: one[0])


def rises(facts: Facts) -> Iterator[Finding]:
    """Latency that goes up with the number of callers."""
    found = latency.levels(facts.turns, 3, 30)
    if not found or found[-1][0] < 1.5 * found[0][0]:
        return
    first, last = (facts.estimate("e2e_latency", "p50", where) for _, where in (found[0], found[-1]))
    if not _above(last, first):
        return
    few, many = found[0][0], found[-1][0]
    yield Finding(
        "P1" if facts.missed("e2e_latency") else "P2", "Latency rises with concurrency",
        f"At the median callers wait {(last.value or 0.0) / (first.value or 1.0):.1f} times as long with {many:.0f} sessions open as "
        f"with {few:.0f}.", "The more callers, the slower for all.",
        (f"p50 with {few:.0f} sessions: {shown.full(first, Unit.SECONDS)}",
        f"p50 with {many:.0f} sessions: {shown.full(last, Unit.SECONDS)}"),
        "What is shared by all calls: a queue, a pool, a quota, a core. `python -m analysis capacity` tells which stage grows, and "
        "from where on.",
        "latency",
    )  # fmt: skip


def _above(last: Estimate, first: Estimate) -> bool:
    """Surely, and by more than a little."""
    if last.value is None or first.value is None or last.low is None or first.high is None:
        return False
    return last.low > first.high and last.value > RISE * first.value
