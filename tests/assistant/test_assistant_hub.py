"""What all sessions share: the slots for responses, and who waits for one."""

from __future__ import annotations

import asyncio

import pytest
from assistant_harness import profile
from prometheus_client.parser import text_string_to_metric_families

from assistant.hub import Hub, Slots
from assistant.settings import RATE
from assistant.truth import TruthLog
from audio import load_corpus


def shown(hub: Hub) -> float:
    """What /metrics says of those who wait."""
    families = text_string_to_metric_families(hub.exposition.text().decode())
    return float(next(family for family in families if family.name == "responses_waiting").samples[0].value)


async def stand(slots: Slots, free: asyncio.Event) -> None:
    await slots.take()
    try:
        await free.wait()
    finally:
        slots.give_back()


async def settled(count: int, slots: Slots) -> None:
    async with asyncio.timeout(10):
        while slots.waiting != count:
            await asyncio.sleep(0)


def test_who_waits_for_a_slot_is_counted_and_shown() -> None:
    async def queue() -> list[float]:
        hub, free = Hub(profile(capacity={"slots": 1}), 1, load_corpus(rate=RATE), TruthLog(None, seed=1, profile={})), asyncio.Event()
        seen = [shown(hub)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stand(hub.slots, free)) for _ in range(4)]
            await settled(3, hub.slots)
            seen.append(shown(hub))
            tasks[-1].cancel()
            await settled(2, hub.slots)
            seen.append(shown(hub))
            free.set()
        return [*seen, shown(hub)]

    assert asyncio.run(queue()) == [0, 3, 2, 0]


@pytest.mark.parametrize("count", [None, 5])
def test_nobody_waits_where_there_is_room(count: int | None) -> None:
    async def queue() -> int:
        slots, free = Slots(count, kept=False), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(stand(slots, free))
            await asyncio.sleep(0)
            waiting = slots.waiting
            free.set()
        return waiting

    assert asyncio.run(queue()) == 0
