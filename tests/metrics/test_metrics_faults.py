"""Faults of several workers are one."""

from __future__ import annotations

from metrics.faults import FaultRecord, merged


def fault(name: str, t_s: float, hit: int = 0, present: int = 0) -> FaultRecord:
    return FaultRecord(fault=name, what="drop", by="scenario", t_s=t_s, hit=hit, present=present, share=0.5)


def test_what_workers_did_is_added_up_and_put_in_order() -> None:
    told = [fault("1.0", 9.01, 1, 2), fault("0.0", 5.0, 2, 4), fault("1.0", 9.0, 2, 3), fault("0.0", 5.002, 1, 4)]
    assert merged(told) == [fault("0.0", 5.0, 3, 8), fault("1.0", 9.0, 3, 5)]
    assert merged([]) == []
