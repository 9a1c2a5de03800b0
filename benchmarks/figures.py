"""The benchmark's figures: what a run told, whether it held, the search for the most talkers, medians and rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, median_low
from typing import Any

LATENESS_LIMIT_MS = 5.0
PEER_LIMIT = 0.9
"""A peer that was busier than this in any second may be what kept the client from doing better."""
LIMIT = 9000
"""Talkers that the search stops at: descriptors and ports of one machine are finite."""
_GROWTH, _WITHIN = 1.4, 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one way. None: it could not be measured, or the way does not tell it.

    `cpu_percent`: of one core, in the steady window. `memory_kib`: resident, at most, there. `send_lateness_p99_ms`: over the whole run,
    ramp included (C: in the window). `frames_missed`: never sent, or sent more than a frame's duration late. `turns`: that ended in the
    window. `reply_share`: share of the window in which replies were streamed to a talker. `peer_busy_share`: of the peer's core, in its
    busiest second. `failed`: sessions, turns and tokens. `fault`: why the run counts for nothing, empty where it does.
    """

    talkers: int
    frame_ms: float
    cpu_percent: float | None = None
    memory_kib: float | None = None
    send_lateness_p99_ms: float | None = None
    frames_missed: int = 0
    turns: int | None = None
    peer_busy_share: float | None = None
    reply_share: float | None = None
    failed: int = 0
    fault: str = ""

    @property
    def short(self) -> str:
        """Why it did not hold: late, missed or failed; empty where it held."""
        if self.fault:
            return self.fault
        late_ms = self.send_lateness_p99_ms
        if late_ms is None or late_ms > LATENESS_LIMIT_MS:
            return f"send lateness p99 {number(late_ms)} ms"
        if self.failed:
            return f"{self.failed} failed"
        return f"{self.frames_missed} frames missed" if self.frames_missed else ""

    @property
    def stalled(self) -> bool:
        """Whether nothing but single frames fell short, as where the machine was busy with something else for a moment."""
        return bool(self.short) and self.short == f"{self.frames_missed} frames missed"

    @property
    def peer_was_the_limit(self) -> bool:
        """Whether the peer was too busy to judge the client."""
        return self.peer_busy_share is not None and self.peer_busy_share > PEER_LIMIT

    def told(self) -> str:
        """In a line, for whoever waits."""
        held = f"falls short: {self.short}" if self.short else "holds"
        return (
            f"{held}; p99 {number(self.send_lateness_p99_ms)} ms, CPU {number(self.cpu_percent)} %, {number(self.memory_kib)} KiB, "
            f"replies {percent(self.reply_share)} of the time, peer busy {percent(self.peer_busy_share)}"
        )


def most(holds: Callable[[int], bool], start: int, limit: int = LIMIT) -> int:
    """The most talkers, at most `limit`, for which `holds`, within 5 %: by growing (or shrinking) from `start` by a factor, then bisecting.
    0 where not even one holds. It relies on no more holding where fewer do not."""
    low, high = 0, min(start, limit)
    if holds(high):
        low, high = high, limit + 1
        while low < limit and high > limit:
            more = min(limit, max(low + 1, round(low * _GROWTH)))
            low, high = (more, high) if holds(more) else (low, more)
        if low == limit:
            return low
    else:
        low = int(high / _GROWTH)
        while low >= 1 and not holds(low):
            low, high = int(low / _GROWTH), low
    while low >= 1 and high - low > max(1.0, _WITHIN * low):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def again(holds: Callable[[int], bool], start: int, limit: int = LIMIT) -> int:
    """As `most`, in single steps of 5 % from `start`, where the end is expected to be near."""
    talkers = min(start, limit)
    if not holds(talkers):
        while talkers := int(talkers / (1 + _WITHIN)):
            if holds(talkers):
                break
        return talkers
    while talkers < limit:
        more = min(limit, max(talkers + 1, int(talkers * (1 + _WITHIN))))
        if not holds(more):
            break
        talkers = more
    return talkers


def spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Median, least and greatest of what was measured; all None where nothing was."""
    known = [value for value in values if value is not None]
    return {"median": median(known), "min": min(known), "max": max(known)} if known else {"median": None, "min": None, "max": None}


def row(
    way: str,
    frame_ms: float,
    found: Sequence[int],
    tried: Sequence[Measured],
    many: Sequence[Measured],
    few: Sequence[Measured],
    note: str = "",
) -> dict[str, Any]:
    """One row of `bench.json`. Keys without a unit are counts or shares; None: not measured, or the way does not tell it.

    `found`: the most talkers of each search, whose median is `talkers_max`; none where it was not searched for. `tried`: the runs of these
    searches. `many`, `few`: the rounds at two fixed numbers of
    talkers, whose difference tells the memory per talker. `short_because`: of the least number above `talkers_max` that was
    tried; None where none was, which makes `talkers_max` a floor.
    """
    talkers_max = median_low(found) if found else None
    cpu, cpu_few = spread([_each(run) for run in many]), spread([_each(run) for run in few])
    base_kib = spread([run.memory_kib for run in few])["median"]
    memory = spread([_grown(run, base_kib, few[0].talkers) for run in many] if few else [])
    above = sorted((run for run in tried if run.short and run.talkers > (talkers_max or 0)), key=lambda run: run.talkers)
    deciding = [*many, *few, *(run for run in tried if not run.short), *above[:1]]
    busy = [run.peer_busy_share for run in deciding if run.peer_busy_share is not None]
    limit = "peer" if any(run.peer_was_the_limit for run in deciding) else "client"
    return {
        "way": way,
        "frame_ms": frame_ms,
        "talkers_max": talkers_max,
        "talkers_max_min": min(found, default=None),
        "talkers_max_max": max(found, default=None),
        "cpu_percent_per_talker": cpu["median"],
        "memory_kib_per_talker": memory["median"],
        "send_lateness_p99_ms": spread([run.send_lateness_p99_ms for run in many])["median"],
        "limited_by": limit if deciding else None,
        "short_because": above[0].short if above else None,
        "talkers": many[0].talkers if many else None,
        "talkers_few": few[0].talkers if few else None,
        "cpu_percent_per_talker_min": cpu["min"],
        "cpu_percent_per_talker_max": cpu["max"],
        "cpu_percent_per_talker_few": cpu_few["median"],
        "cpu_growth": cpu["median"] / cpu_few["median"] - 1 if cpu["median"] and cpu_few["median"] else None,
        "memory_kib_per_talker_min": memory["min"],
        "memory_kib_per_talker_max": memory["max"],
        "frames_missed": max((run.frames_missed for run in many), default=None),
        "reply_share": spread([run.reply_share for run in many])["median"],
        "peer_busy_share": max(busy, default=None),
        "note": note,
        "rounds": [asdict(run) for run in (*many, *few)],
        "search": [asdict(run) for run in tried],
    }


def _grown(run: Measured, base_kib: float | None, base_talkers: int) -> float | None:
    """Memory in KiB that came with each talker beyond `base_talkers`."""
    more = run.talkers - base_talkers
    return (run.memory_kib - base_kib) / more if run.memory_kib is not None and base_kib is not None and more > 0 else None


def _each(run: Measured) -> float | None:
    return None if run.cpu_percent is None else run.cpu_percent / run.talkers


def number(value: float | None) -> str:
    """Three significant digits; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
