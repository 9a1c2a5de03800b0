"""Error bars: those of the least calibrated load that is not below the run's."""

from __future__ import annotations

from typing import Any

import pytest

from metrics.accuracy import error_bars


def row(talkers: int, median: float, clock: str = "kernel", metric: str = "ttft", frame_ms: float = 40) -> dict[str, Any]:
    errors = {"median_ms": median, "p99_ms": 2 * median, "max_ms": 3 * median}
    return {"talkers": talkers, "frame_ms": frame_ms, "metric": metric, "clock": clock, "count": 7, **errors}


CALIBRATION = {
    "rows": [
        *(row(talkers, talkers / 1000) for talkers in (1, 100, 1000)),
        row(100, 50.0, clock="user"),
        row(100, 2.0, metric="underruns"),
    ]
}


@pytest.mark.parametrize(
    ("talkers", "frame_ms", "chosen"),
    [(1, 40, 1), (2, 40, 100), (100, 40, 100), (101, 40, 1000), (50, 20, 100), (51, 20, 1000), (250, 100, 100), (1000, 40, 1000)],
)
def test_the_load_is_frames_a_second(talkers: int, frame_ms: float, chosen: int) -> None:
    bars = error_bars(CALIBRATION, talkers, frame_ms, "kernel")
    assert bars is not None
    assert (bars["talkers"], bars["frame_ms"], bars["clock"]) == (chosen, 40, "kernel")
    assert bars["metrics"]["ttft"]["median_s"] == pytest.approx(chosen / 1e6)


def test_units_and_the_clock() -> None:
    bars = error_bars(CALIBRATION, 100, 40, "kernel")
    assert bars is not None
    assert bars["metrics"] == {
        "ttft": {"count": 7, "median_s": pytest.approx(1e-4), "p99_s": pytest.approx(2e-4), "max_s": pytest.approx(3e-4)},
        "underruns": {"count": 7, "median": 2.0, "p99": 4.0, "max": 6.0},
    }
    by_user = error_bars(CALIBRATION, 1, 40, "user")
    assert by_user is not None
    assert by_user["metrics"]["ttft"]["max_s"] == pytest.approx(0.15)


def test_beyond_what_was_calibrated_nothing_is_claimed() -> None:
    assert error_bars(CALIBRATION, 1001, 40, "kernel") is None
    assert error_bars(CALIBRATION, 1000, 20, "kernel") is None
    assert error_bars(CALIBRATION, 101, 40, "user") is None
