"""A part of `python -m benchmarks.comparing`: what is there is found, and nothing else."""

from __future__ import annotations

import pytest

from analysis.compare.comparison import Comparison
from benchmarks.comparing import CASES, Case, comparisons, tally

PAIRS = 4


@pytest.fixture(scope="module")
def alike() -> list[Comparison]:
    return comparisons(Case("no difference", 400), PAIRS)


def test_where_there_is_no_difference_next_to_nothing_is_called(alike: list[Comparison]) -> None:
    found = tally(alike)
    assert found.pairs == PAIRS
    assert found.regressed == 0.0
    assert found.called <= 0.05


def test_a_stage_that_is_a_tenth_slower_is_found_and_named_alone() -> None:
    case = next(case for case in CASES if case.shift == 1.1 and case.paired)
    found = tally(comparisons(case, PAIRS))
    assert (found.found, found.failed) == (1.0, 1.0)
    assert found.named >= 0.8


def test_the_tally_counts_what_is_called() -> None:
    found = tally(comparisons(Case("far slower", 400, 2.0), 1))
    assert found.failed == found.found == found.named == 1.0
    assert 0.02 < found.regressed < 0.15
