"""The search for the capacity: what it tries, and what it believes."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.capacity import CapacitySearch
from scenarios.load import Search


def run(search: Search, holds: object, most_tries: int = 200) -> tuple[CapacitySearch, list[int]]:
    found, tried = CapacitySearch(search), []
    while (talkers := found.next()) is not None:
        assert len(tried) < most_tries, "it does not end"
        tried.append(talkers)
        found.told(talkers, holds(talkers))  # type: ignore[operator]
    return found, tried


def test_forty_slots() -> None:
    found, tried = run(Search(least=10, most=200, growth=2, within=0.05, repeats=2), lambda n: n <= 40)
    assert (found.holds, found.fails) == (40, 42)
    assert tried == [10, 20, 40, 80, 60, 50, 45, 42, 40, 42]


@given(st.integers(0, 500), st.integers(1, 20), st.floats(1.1, 4), st.floats(0.01, 0.3), st.integers(1, 3))
def test_the_interval_holds_the_capacity(capacity: int, least: int, growth: float, within: float, repeats: int) -> None:
    search = Search(least=least, most=400, growth=growth, within=within, repeats=repeats)
    found, tried = run(search, lambda n: n <= capacity)
    assert max(tried) <= 400
    if capacity >= 400:
        assert (found.holds, found.fails) == (400, None)
        return
    assert found.fails is not None
    assert found.holds <= capacity < found.fails
    assert found.fails - found.holds <= max(1, within * found.fails)
    for edge in (found.holds, found.fails):
        assert edge == 0 or tried.count(edge) >= repeats


@pytest.mark.parametrize("seed", range(20))
def test_chance_at_the_edge_does_not_lead_far_away(seed: int) -> None:
    """From 36 to 44 talkers it is a matter of chance, the more so in the middle."""
    rng = Random(seed)
    found, tried = run(Search(least=8, most=200, growth=1.5, within=0.05, repeats=3), lambda n: rng.random() < (44 - n) / 8)
    assert 34 <= found.holds <= 44
    assert found.fails is not None
    assert found.fails <= 46
    assert len(tried) < 60


def test_one_bad_try_at_the_edge_is_not_the_last_word() -> None:
    found = CapacitySearch(Search(least=10, most=12, growth=1.2, within=0.1, repeats=3))
    assert found.next() == 10
    found.told(10, True)
    assert found.next() == 12
    found.told(12, False)
    assert (found.holds, found.fails, found.next()) == (10, 12, 11)
    found.told(11, True)
    assert (found.holds, found.next()) == (11, 11), "an edge is tried again"
    found.told(11, False)
    assert found.next() == 11, "as many say so as not"
    found.told(11, True)
    assert (found.holds, found.fails, found.next()) == (11, 12, 12)


def test_a_bad_moment_at_the_first_step_is_mended() -> None:
    glitches = iter([False])
    found, tried = run(Search(least=20, most=120, growth=2, within=0.05, repeats=2), lambda n: next(glitches, n <= 40))
    assert tried[0] == 20
    assert (found.holds, found.fails) == (40, 42)
