"""Which calibration a run's error bars come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reporting import calibration
from reporting.calibration import accuracy

ROW = {"metric": "ttft", "clock": "kernel", "count": 3, "median_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
SHIPPED = {"machine": {"cpu": "theirs"}, "rows": [{**ROW, "talkers": 1000, "frame_ms": 40}]}
OWN = {"machine": {"cpu": "ours"}, "rows": [{**ROW, "talkers": 10, "frame_ms": 40, "median_ms": 5.0}]}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_shipped", lambda: json.dumps(SHIPPED))


def keep(runs: Path, text: str) -> None:
    (runs / "calibration").mkdir()
    (runs / "calibration" / "calibration.json").write_text(text)


def test_the_machines_own_goes_first_as_far_as_it_reaches(tmp_path: Path) -> None:
    keep(tmp_path, json.dumps(OWN))
    near, far = accuracy(tmp_path, 10, 40, "kernel"), accuracy(tmp_path, 11, 40, "kernel")
    assert near is not None
    assert far is not None
    assert (near["own"], near["machine"], near["metrics"]["ttft"]["median_s"]) == (True, {"cpu": "ours"}, 0.005)
    assert (far["own"], far["machine"], far["metrics"]["ttft"]["median_s"]) == (False, {"cpu": "theirs"}, 0.001)


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"rows": [{}]}', '{"rows": 3}'])
def test_one_that_cannot_be_read_is_passed_over(tmp_path: Path, rubbish: str) -> None:
    keep(tmp_path, rubbish)
    found = accuracy(tmp_path, 10, 40, "kernel")
    assert found is not None
    assert not found["own"]


def test_nothing_is_claimed_of_what_was_not_calibrated(tmp_path: Path) -> None:
    assert accuracy(tmp_path, 1001, 40, "kernel") is None
    assert accuracy(tmp_path, 1, 40, "user") is None
    assert accuracy(tmp_path, 1, 40, None) is None


def test_the_one_that_comes_with_it_holds_both_clocks_and_the_loads_that_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for clock in ("kernel", "user"):
        for talkers in (1, 100, 500, 1000):
            found = accuracy(Path("nowhere"), talkers, 40, clock)
            assert found is not None
            assert {"time_to_first_audio", "underruns"} <= set(found["metrics"])
            assert "stop_by_byte" in found["metrics"] or talkers == 1, "one talker hardly interrupts in the time of a calibration"
            assert found["metrics"]["underruns"]["max"] == 0
