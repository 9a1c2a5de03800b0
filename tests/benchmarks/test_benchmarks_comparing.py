"""A part of `python -m benchmarks.comparing`: what is there is found, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.comparing import SLOWER, WAYS, Called, Case, Outcome, called, outcomes, tally

PAIRS = 4


@pytest.fixture(scope="module")
def alike() -> list[Outcome]:
    return outcomes(Case("no difference", 400), PAIRS)


def test_where_there_is_no_difference_next_to_nothing_is_called(alike: list[Outcome]) -> None:
    found = tally(alike)
    assert found.pairs == PAIRS
    assert found.regressed == 0.0
    assert found.called <= 0.05


def test_a_stage_that_is_a_tenth_slower_is_found_and_named_alone() -> None:
    found = tally(outcomes(SLOWER, PAIRS))
    assert (found.found, found.failed) == (1.0, 1.0)
    assert found.named >= 0.8


def test_the_tally_counts_what_is_called() -> None:
    worse, fine = Called("tts_processing", 0.001, 0.002, True, True), Called("success", 0.5, 1.0, False, False)
    within = Called("ttft", 0.01, 0.04, True, False)
    found = tally([Outcome((worse, worse, fine), ("tts_processing",)), Outcome((within, fine), ())])
    assert (found.regressed, found.called, found.failed, found.found, found.named) == (0.25, 0.5, 0.5, 0.5, 0.5)


def test_a_correction_is_counted_by_what_it_calls() -> None:
    made = [Outcome((Called("ttft", 0.02, 0.04, True, False), Called("success", 0.5, 1.0, False, False)), ()), Outcome((), ())]
    assert [called(made, way) for way in WAYS.values()] == [0.5, 0.5, 0.5, 0.0]
    assert called(made, WAYS["none"], "success") == 0.0
