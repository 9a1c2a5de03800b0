"""Draws: their distributions against theory, with fixed seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scenarios.draws import Draw, generator

N = 20_000


def drawn(spec: Any, seed: int = 1) -> np.ndarray:
    draw, rng = Draw.model_validate(spec), generator(seed, "draws")
    return np.array([draw.draw(rng) for _ in range(N)])


@pytest.mark.parametrize("spec", [2, 2.0, {"fixed": 2}])
def test_fixed(spec: Any) -> None:
    assert set(drawn(spec)) == {2.0}


def test_uniform() -> None:
    values = drawn({"uniform": [1, 3]})
    assert values.min() >= 1.0 and values.max() <= 3.0
    assert values.mean() == pytest.approx(2.0, abs=0.02)
    assert np.quantile(values, [0.1, 0.5, 0.9]) == pytest.approx([1.2, 2.0, 2.8], abs=0.03)


def test_exponential() -> None:
    values = drawn({"exponential": 2})
    assert values.mean() == pytest.approx(2.0, rel=0.03)
    assert np.quantile(values, [0.5, 0.95]) == pytest.approx([2 * math.log(2), 2 * math.log(20)], rel=0.04)


def test_lognormal() -> None:
    values = drawn({"lognormal": {"median": 1.5, "p95": 4}})
    sigma = math.log(4 / 1.5) / 1.6448536269514722
    assert np.quantile(values, [0.5, 0.95]) == pytest.approx([1.5, 4.0], rel=0.03)
    assert values.mean() == pytest.approx(1.5 * math.exp(sigma**2 / 2), rel=0.03)
    assert np.log(values).std() == pytest.approx(sigma, rel=0.03)


def test_a_lognormal_without_spread_is_its_median() -> None:
    assert drawn({"lognormal": {"median": 1.5, "p95": 1.5}}) == pytest.approx(1.5)


def test_a_generator_depends_on_its_names_alone() -> None:
    assert generator(1, 2, "turn", 3).random() == generator(1, 2, "turn", 3).random()
    assert generator("1", "2").random() == generator(1, 2).random() != generator(12).random()
    others = {generator(*names).random() for names in [(1, 2), (2, 1), (1, 2, 0), (1, "2/0/x"), (1,), (12,)]}
    assert len(others) == 6


def test_a_generator_is_the_same_on_every_machine() -> None:
    assert generator(1, 0, "turn", 0).random() == 0.07830160821613597
