"""Points of charts: each second one, or several seconds one; a page that asks for what is new gets the same as one that asks for all."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting_live import second

from reporting.points import CHUNK, NAMES, POINTS_MAX, points, step_of
from reporting.tables import TIMELINE


def run(seconds: int) -> list[dict[str, Any]]:
    return [second(n + 1, turns=n % 5, e2e_latency_p95_s=None if n % 3 else 0.001 * n) for n in range(seconds)]


def test_every_name_is_a_column_of_the_timeline() -> None:
    assert set(NAMES) - {"target_down"} <= set(TIMELINE.names)


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(0, 1), (1, 1), (POINTS_MAX, 1), (POINTS_MAX + 1, 2), (2 * POINTS_MAX, 2), (2 * POINTS_MAX + 1, 4), (36_000, 64)],
)
def test_how_many_seconds_a_point_stands_for(seconds: int, step: int) -> None:
    assert step_of(seconds) == step


def test_a_second_is_a_point() -> None:
    rows = [second(1, turns=3, e2e_latency_p50_s=0.7654321987, cpu_share=None), second(2, talkers=21, underruns=2)]
    made = points(rows, 2, 1, 0, False)
    assert set(made) == set(NAMES)
    assert made["t_s"] == [1.0, 2.0]
    assert made["talkers"] == [20, 21]
    assert made["turns"] == [3, 0]
    assert made["underruns"] == [0, 2]
    assert made["e2e_latency_p50_s"] == [0.765432, None]
    assert made["cpu_share"] == [None, 0.1]


def test_a_target_that_is_down_for_a_second_is_seen_in_a_point_of_several() -> None:
    ups = [True, False, True, True, None, None, None, True]
    rows = [second(n, target_up=up, target_memory_bytes=n * 10**6) for n, up in enumerate(ups, 1)]
    assert points(rows, 8, 1, 0, False)["target_down"] == [0, 1, 0, 0, None, None, None, 0]
    made = points(rows, 8, 2, 0, False)
    assert made["target_down"] == [1, 0, None, 0]
    assert made["target_memory_bytes"] == [2e6, 4e6, 6e6, 8e6]


def test_seconds_are_put_together() -> None:
    fast, slow = ({"e2e_latency_p50_s": v, "e2e_latency_p95_s": v} for v in (0.5, 0.9))
    rows = [second(1, turns=3, **fast), second(2, turns=4, talkers=25, **slow), second(3, **fast), second(4), *map(second, range(5, 9))]
    rows[7]["turns"] = 1
    made = points(rows, 8, 4, 0, False)
    assert made["t_s"] == [4.0, 8.0]
    assert made["turns"] == [1.75, 0.25]
    assert made["talkers"] == [25, 20]
    assert made["e2e_latency_p50_s"] == [0.5, None]
    assert made["e2e_latency_p95_s"] == [0.9, None]


def test_a_part_of_a_point_waits_until_the_run_is_over() -> None:
    rows = [second(n, turns=2) for n in (1, 2, 3)]
    assert points(rows, 3, 2, 0, False)["t_s"] == [2.0]
    assert points(rows, 3, 2, 0, True)["t_s"] == [2.0, 3.0]
    assert points(rows, 3, 2, 0, True)["turns"] == [2, 2]


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([1, 2, 4]), st.booleans())
def test_what_is_new_completes_what_was_known(seconds: int, since: int, step: int, whole: bool) -> None:
    rows = run(60)
    everything, new = points(rows, seconds, step, 0, whole), points(rows, seconds, step, since, whole)
    for name in NAMES:
        assert everything[name][:since] + new[name] == everything[name]


def test_an_hour_is_quick_to_load_and_lets_others_in_between() -> None:
    rows, pauses = run(3600), []
    made = points(rows, 3600, step_of(3600), 0, True, lambda: pauses.append(1))
    assert len(made["t_s"]) == 450
    assert len(pauses) == 450 // math.ceil(CHUNK / 8)
    assert sum(made["turns"]) * 8 == sum(row["turns"] for row in rows)
