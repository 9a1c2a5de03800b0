"""What gives in first as callers become more: the signature of a bottleneck, from the records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import shown
from analysis.capacity.measured import Pooled
from analysis.frames import APART, open_at
from analysis.statistics import estimate
from analysis.statistics.estimate import Estimate
from analysis.statistics.knee import Knee, knee
from analysis.statistics.slope import slope
from metrics.catalog import METRICS
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.outcomes import SELF_MADE

STAGES = ("endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "stage_residual")
"""The stages of an answer that the target has a hand in; together with constants of the talker's own they are its latency."""
BENT = (("e2e_latency", "p50"), ("success", "value"))
"""Whose bends are looked for, by metric and aggregate: latency, and failures."""
RISE = 0.10
"""A latency that rises by less of what it is with the fewest callers has not given in."""
LOST = 0.01
"""So many more failures at the most callers are a bend of their own."""
MAJORITY = 0.5
BUSY = 0.85
"""A worker that takes more of a core is late before it says so: docs/performance.md."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Of a stage: seconds that each caller more brings, the mean in the least and the most crowded fifth of turns, whether it `grows`
    beyond chance and RISE."""

    metric: str
    per_caller: Estimate
    calm: float
    crowded: float
    grows: bool


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one kind: the share of all turns, of all failures, from how many callers on, and None where it is no turn's."""

    kind: str
    count: int
    share: Estimate
    of_all: float
    begins: int


@dataclass(frozen=True, slots=True)
class OwnHealth:
    """The tester's own, medians over the calmest and the most crowded fifth of seconds. `limit_s`: of the send lateness."""

    lateness_s: tuple[float, float]
    lag_s: tuple[float, float]
    cpu_share: tuple[float, float]
    limit_s: float
    workers: int
    seconds: int

    @property
    def busy(self) -> bool:
        """Whether it is at its own limit with the most callers."""
        return self.lateness_s[1] > self.limit_s or self.lag_s[1] > LOOP_LAG_LIMIT_S or self.cpu_share[1] > BUSY * self.workers


@dataclass(frozen=True, slots=True)
class Signature:
    """`latency`, `failures`: where each bends upwards. `more_fail`: how much the share that fails rises with each caller, over all loads.
    `refused`: sessions that never became ready, of how many, and at how many callers the first."""

    latency: Knee | None
    failures: Knee | None
    more_fail: Estimate
    growths: Sequence[Growth]
    kinds: Sequence[Failures]
    refused: tuple[int, int, int | None]
    tester: OwnHealth | None

    @property
    def fails(self) -> bool:
        """Whether failures become more with the callers, beyond chance and LOST."""
        return self.failures is not None or (self.more_fail.low is not None and self.more_fail.low > 0)

    @property
    def slowest(self) -> Growth | None:
        """The stage that grows most; None where none does."""
        return max((g for g in self.growths if g.grows), key=lambda g: g.per_caller.value or 0.0, default=None)


def signature(pooled: Pooled) -> Signature:
    """Of these runs."""
    latency, failures = (_bend(pooled, name, aggregate) for name, aggregate in BENT)
    asked = pooled.values("success")
    failed = (asked["denominator"] - asked["numerator"]).to_numpy(float)
    more_fail = slope(asked["concurrency"].to_numpy(float), failed, asked["session"].to_numpy(np.int64))
    return Signature(latency, failures, more_fail, _growths(pooled), _kinds(pooled), _refused(pooled), _tester(pooled))


def _bend(pooled: Pooled, name: str, aggregate: str) -> Knee | None:
    curve = pooled.curve(name, aggregate)
    if curve is None:
        return None
    if name != "success":
        return knee(curve, RISE * float(np.abs(curve.y[0])))
    failed = type(curve)(curve.x, 1.0 - curve.y, curve.n, curve.sessions, 1.0 - curve.drawn)
    return knee(failed, LOST)


def _growths(pooled: Pooled) -> list[Growth]:
    found = []
    for name in STAGES:
        table = pooled.values(name)
        if table.empty:
            continue
        x, y, sessions = table["concurrency"].to_numpy(float), table["value"].to_numpy(float), table["session"].to_numpy(np.int64)
        per_caller = slope(x, y, sessions, len(STAGES))
        low, high = np.quantile(x, [0.2, 0.8])
        calm, crowded = float(y[x <= low].mean()), float(y[x >= high].mean())
        more = (per_caller.value or 0.0) * float(np.ptp(x))
        grows = per_caller.low is not None and per_caller.low > 0 and more > RISE * abs(calm)
        found.append(Growth(name, per_caller, calm, crowded, grows))
    return found


def _kinds(pooled: Pooled) -> list[Failures]:
    rows = []
    for number, run in enumerate(pooled.runs):
        turns = run.turns[run.turns["success"].notna()]
        rows.append(turns[["concurrency", "success", "error_kind"]].assign(session=turns["session"] + number * APART))
    turns = pd.concat(rows, ignore_index=True)
    failed = turns[turns["success"] == 0.0]
    found = []
    for kind, of_it in failed.groupby(failed["error_kind"].fillna("no error was told")):
        if kind in SELF_MADE:
            continue
        counts = turns.index.isin(of_it.index).astype(float)
        share = estimate.share(counts, np.ones(len(turns)), turns["session"].to_numpy(np.int64))
        found.append(Failures(str(kind), len(of_it), share, len(of_it) / len(failed), int(of_it["concurrency"].min())))
    return sorted(found, key=lambda one: -one.count)


def _refused(pooled: Pooled) -> tuple[int, int, int | None]:
    count, whole, first = 0, 0, []
    for run in pooled.runs:
        sessions = run.sessions
        refused = sessions[(sessions["outcome"] == "refused") & ~sessions["error_kind"].isin(list(SELF_MADE))]
        count, whole = count + len(refused), whole + len(sessions)
        first += list(open_at(refused["t_s"].to_numpy(float), sessions))
    return count, whole, int(min(first)) if first else None


def _tester(pooled: Pooled) -> OwnHealth | None:
    columns = ["talkers", "send_lateness_p99_s", "loop_lag_p99_s", "cpu_share", "workers"]
    seconds = pd.concat([run.timeline[columns] for run in pooled.runs], ignore_index=True)
    seconds = seconds[(seconds["talkers"] > 0) & seconds[columns[1:4]].notna().all(axis=1)]
    if seconds.empty:
        return None
    low, high = np.quantile(seconds["talkers"], [0.2, 0.8])
    calm, crowded = seconds[seconds["talkers"] <= low].median(), seconds[seconds["talkers"] >= high].median()
    lateness_s, lag_s, cpu_share = ((float(calm[name]), float(crowded[name])) for name in columns[1:4])
    limit_s = min(run.info["frame_ms"] for run in pooled.runs) / 2000.0
    return OwnHealth(lateness_s, lag_s, cpu_share, limit_s, max(1, int(seconds["workers"].max())), len(seconds))


def verdict(signed: Signature, most_callers: int) -> str:
    """What it comes to, in a sentence: the first rule that holds, in the order in which one hides the next."""
    latency, failures, tester = signed.latency, signed.failures, signed.tester
    most = next((kind for kind in signed.kinds if kind.of_all > MAJORITY), None) if signed.fails else None
    if tester is not None and tester.busy:
        return "**The tester itself** is at its limit with the most callers: give it more workers before you blame the target."
    if most is not None and most.kind == "rate_limited":
        return f"**Rate limits**: {shown.part(most.of_all)} of the failures, from {most.begins} callers on."
    count, whole, first = signed.refused
    if count > LOST * whole:
        return f"**Sessions are refused**: {count} of {whole}, from {first} callers on: a limit on connections."
    slowest = signed.slowest
    if slowest is not None and (latency is None or failures is None or latency.low <= failures.high):
        where = f", most of all {METRICS[slowest.metric].title} (`{slowest.metric}`)"
        before = ", before anything fails" if not signed.fails or (latency and failures and latency.high < failures.low) else ""
        return f"**Queueing**: answers become slower as callers become more{before}{where}."
    if not signed.fails:
        return f"None was seen up to {most_callers} callers at a time: neither latency nor failures rise beyond what chance explains."
    begins = f"the first with {min(kind.begins for kind in signed.kinds)} callers"
    if most is not None and most.kind == "timeout":
        return (
            f"**A limit on how many are served at a time**: latency does not rise, but more and more answers never come, {begins}. Those "
            "that are served are served as quickly as before; the rest wait."
        )
    kinds = f"of kind {most.kind}, {shown.part(most.of_all)} of them" if most else "of several kinds"
    return f"**Failures** {kinds}, {begins}; latency does not rise."
