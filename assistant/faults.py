"""Faults on a timetable: while one is under way, parts of the profile are replaced. What was drawn before stays as it was drawn."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Any

from assistant.hub import Hub
from assistant.timetable import active, next_change
from assistant.truth import FaultTruth

SECOND_NS = 1_000_000_000


async def keep_timetable(hub: Hub, start_ns: int) -> None:
    """Puts the faults of the hub's profile into force and out of it, until none is to come. Times count from `start_ns`
    (monotonic). The truth of each is written when it ends; of those under way when this is cancelled, then."""
    faults = hub.whole_profile.faults
    begun: dict[int, int] = {}
    try:
        while True:
            now_ns = monotonic_ns()
            now_s = (now_ns - start_ns) / SECOND_NS
            under_way = active(faults, now_s)
            hub.put_into_force(under_way)
            for number in [number for number in begun if number not in under_way]:
                hub.truth.write(FaultTruth(number, begun.pop(number), now_ns, _changes(hub, number)))
            begun.update({number: now_ns for number in under_way if number not in begun})
            coming_s = next_change(faults, now_s)
            if coming_s is None:
                return
            await asyncio.sleep((start_ns + coming_s * SECOND_NS - monotonic_ns()) / SECOND_NS)
    finally:
        for number, begun_ns in begun.items():
            hub.truth.write(FaultTruth(number, begun_ns, monotonic_ns(), _changes(hub, number)))


def _changes(hub: Hub, number: int) -> dict[str, Any]:
    return hub.whole_profile.faults[number].profile.model_dump(mode="json", exclude_unset=True)
