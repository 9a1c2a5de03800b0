"""Faults of a run: what the tester did to its own sessions or to the assistant on purpose, and what was found to have happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

SCENARIO, RANDOM, BY_HAND, DETECTED = "scenario", "random", "hand", "detected"
"""By whom a fault is: the scenario at a planned instant or at random, somebody by hand, or nobody of ours: it was found."""
OUTAGE = "outage"
"""What was done, of a fault that was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecord:
    """One fault, of one worker or, merged, of the run. A worker tells of one that is cut short once more, with nobody hit and what it
    lasted."""

    fault: str
    """Its name in the run: the action's number in the scenario, or `hand`, and how often that was done before; `outage` and a number."""
    what: str
    """What was done: drop, reset, stall, reconnect_storm, garbage or command; outage for one that was found."""
    by: str
    """By whom: scenario, random, hand, or detected."""
    t_s: float
    """When, in seconds of the run."""
    for_s: float = 0.0
    """How long it was kept up: a stall, or a command until it had ended; 0 for what is done in an instant."""
    share: float | None = None
    """The share of the talkers that was to be hit; None where that cannot be said."""
    hit: int = 0
    """How many talkers were hit. A talker without a session at that instant is not; of an outage: who lost a session at its begin."""
    present: int = 0
    """How many talkers were there."""
    detail: str | None = None
    """What else is known of it: the kind of garbage; the command and how it ended."""
    talkers: tuple[int, ...] | None = None
    """Who was hit; None: everybody may have been, as by a command or an outage. It is not in `run.json`."""


def fault_from(plain: Mapping[str, Any]) -> FaultRecord:
    """The record in plain data, as JSON and msgpack carry it; what is not told there has its default. Raises TypeError for a field that a
    record does not have."""
    talkers = plain.get("talkers")
    return FaultRecord(**{**plain, "talkers": None if talkers is None else tuple(talkers)})


def merged(found: Iterable[FaultRecord]) -> list[FaultRecord]:
    """The faults of a run from those of its workers, in their order: a fault has hit all that it has hit anywhere, and lasted no longer
    than anyone tells."""
    whole: dict[str, FaultRecord] = {}
    for one in found:
        so_far = whole.get(one.fault)
        if so_far is None:
            whole[one.fault] = one
        else:
            hit, present = so_far.hit + one.hit, so_far.present + one.present
            talkers = None if so_far.talkers is None or one.talkers is None else so_far.talkers + one.talkers
            t_s, for_s = min(so_far.t_s, one.t_s), min(so_far.for_s, one.for_s)
            whole[one.fault] = replace(so_far, t_s=t_s, for_s=for_s, hit=hit, present=present, talkers=talkers)
    return sorted(whole.values(), key=lambda fault: fault.t_s)
