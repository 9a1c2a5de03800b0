"""The cast: shares that come out evenly, whoever comes first."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.cast import Cast

SHARES = st.lists(st.one_of(st.integers(1, 100), st.decimals("0.01", "3", places=2).map(float)), min_size=1, max_size=8)


def counts(shares: list[float], talkers: int, seed: int = 1) -> list[int]:
    cast = Cast(shares, seed)
    found = Counter(cast.of(talker)[0] for talker in range(talkers))
    return [found[index] for index in range(len(shares))]


@pytest.mark.parametrize(
    ("shares", "talkers", "expected"),
    [
        ([70, 30], 10, [7, 3]),
        ([70, 30], 200, [140, 60]),
        ([0.7, 0.3], 10, [7, 3]),
        ([1], 5, [5]),
        ([1, 1, 1], 9, [3, 3, 3]),
        ([5, 3, 2], 10, [5, 3, 2]),
        ([97, 1, 1, 1], 100, [97, 1, 1, 1]),
    ],
)
def test_shares(shares: list[float], talkers: int, expected: list[int]) -> None:
    for seed in range(5):
        assert counts(shares, talkers, seed) == expected


@given(SHARES, st.integers(0, 9))
def test_after_any_number_of_talkers_no_persona_is_a_whole_talker_off(shares: list[float], seed: int) -> None:
    cast, found = Cast(shares, seed), [0] * len(shares)
    for talker in range(120):
        index, rank = cast.of(talker)
        assert rank == found[index]
        found[index] += 1
        wanted = [(talker + 1) * share / sum(shares) for share in shares]
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 1


def test_the_order_of_asking_does_not_matter() -> None:
    shares = [5, 3, 3, 1]
    forward = [Cast(shares, 4).of(talker) for talker in range(200)]
    one, asked = Cast(shares, 4), list(range(200))
    random.Random(1).shuffle(asked)
    assert {talker: one.of(talker) for talker in asked} == dict(enumerate(forward))


def test_the_seed_decides_who_is_first_of_equals() -> None:
    assert {Cast([1, 1, 1], seed).of(0)[0] for seed in range(30)} == {0, 1, 2}


def test_what_is_no_cast() -> None:
    for shares in ([], [1, 0]):
        with pytest.raises(ValueError, match="a share above 0"):
            Cast(shares, 1)
    with pytest.raises(IndexError, match="numbered from 0, not -1"):
        Cast([1], 1).of(-1)
