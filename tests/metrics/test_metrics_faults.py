"""Faults of several workers are one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from metrics.faults import FaultRecord, fault_from, merged


def fault(name: str, t_s: float, hit: int = 0, present: int = 0) -> FaultRecord:
    return FaultRecord(fault=name, what="drop", by="scenario", t_s=t_s, hit=hit, present=present, share=0.5)


def test_what_workers_did_is_added_up_and_put_in_order() -> None:
    told = [fault("1.0", 9.01, 1, 2), fault("0.0", 5.0, 2, 4), fault("1.0", 9.0, 2, 3), fault("0.0", 5.002, 1, 4)]
    assert merged(told) == [fault("0.0", 5.0, 3, 8), fault("1.0", 9.0, 3, 5)]
    assert merged([]) == []


def test_a_fault_that_was_cut_short_lasted_as_long_as_it_did() -> None:
    whole = [replace(fault("0.0", t_s, 2, 4), for_s=60.0, talkers=(0, 3)) for t_s in (5.0, 5.001)]
    cut = [replace(one, for_s=7.5 + number, hit=0, present=0, talkers=()) for number, one in enumerate(whole)]
    (told,) = merged([*whole, *cut])
    assert (told.for_s, told.hit, told.present, told.talkers) == (7.5, 4, 8, (0, 3, 0, 3))


def test_whom_workers_have_hit_is_hit() -> None:
    first, second = (replace(fault("0.0", 5.0), talkers=talkers) for talkers in ((0, 3), (5,)))
    assert merged([first, second])[0].talkers == (0, 3, 5)
    assert merged([first, fault("0.0", 5.0)])[0].talkers is None


@pytest.mark.parametrize("talkers", [(0, 3), (), None])
def test_a_fault_travels_with_whom_it_has_hit(talkers: tuple[int, ...] | None) -> None:
    told = replace(fault("0.0", 5.0, 2, 4), talkers=talkers)
    assert fault_from(json.loads(json.dumps(asdict(told)))) == told
