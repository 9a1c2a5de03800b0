"""Change points: where a brute search finds them too, and seldom where there are none."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.changes import LEAST_SEGMENT, chance, changes, outliers, split
from analysis.statistics.estimate import Floats


def brute(values: Floats, number: int) -> tuple[int, ...]:
    """The places of `number` changes that leave the least squared error."""

    def error(places: tuple[int, ...]) -> float:
        edges = [0, *places, len(values)]
        return sum(float(np.square(values[a:b] - values[a:b].mean()).sum()) for a, b in pairwise(edges))

    fit = (p for p in combinations(range(1, len(values)), number) if min(np.diff([0, *p, len(values)])) >= LEAST_SEGMENT)
    return min(fit, key=error)


def test_places_are_those_of_the_best_segmentation() -> None:
    two = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.normal(0, 1, 24) + np.repeat([0.0, 6.0, 2.0], [8, 9, 7])
        found = [one.at for one in changes(values)]
        assert tuple(found) == brute(values, len(found))
        two += found == [8, 17]
        at, statistic = split(values)
        assert (at,) == brute(values, 1)
        assert statistic == pytest.approx(abs(stats.ttest_ind(values[:at], values[at:]).statistic))
    assert two >= 36


def test_a_history_without_change_has_none_in_nearly_all_cases() -> None:
    rng = np.random.default_rng(7)
    for n in (6, 12, 30):
        assert sum(bool(changes(rng.normal(100, 5, n))) for _ in range(400)) <= 30


def test_the_chance_of_a_statistic_is_what_it_is_said_to_be() -> None:
    rng = np.random.default_rng(11)
    drawn = [chance(15, split(rng.normal(size=15))[1]) for _ in range(600)]
    assert stats.kstest(drawn, "uniform").pvalue > 0.01


def test_a_step_is_found_where_it_is_with_its_size() -> None:
    rng = np.random.default_rng(4)
    right, covered = 0, 0
    for _ in range(100):
        values = rng.normal(0.8, 0.02, 20) + np.where(np.arange(20) >= 13, 0.08, 0.0)
        found = changes(values, 0.001)
        right += [one.at for one in found] == [13]
        covered += any(one.low is not None and one.high is not None and one.low <= 0.08 <= one.high for one in found)
    assert right >= 90
    assert covered >= 88


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ([1.0] * 8 + [2.0] * 3, [8]),
        ([1.0] * 12, []),
        ([1.0, 1.0, 1.0, 9.0, 9.0], []),  # too short a history
        ([1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 5.0], []),  # one run that stands out is no change yet
        ([1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 5.0, 5.1], [7]),
    ],
)
def test_changes_of_small_histories(values: list[float], at: list[int]) -> None:
    found = changes(np.array(values))
    assert [one.at for one in found] == at
    if values[0] == values[1] and at:
        assert (found[0].before, found[0].after, found[0].low) == (1.0, 2.0, None)


def test_outliers_are_rare_where_there_are_none_and_found_where_there_is_one() -> None:
    rng = np.random.default_rng(5)
    for n in (10, 30):
        assert sum(bool(outliers(rng.normal(size=n))) for _ in range(500)) <= 45
    values = rng.normal(0.8, 0.02, 30)
    values[17] = 1.2
    assert list(outliers(values)) == [17]
    assert list(outliers(np.ones(10))) == []
