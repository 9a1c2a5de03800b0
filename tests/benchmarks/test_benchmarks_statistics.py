"""The coverage of intervals, in short: with fewer runs, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import sampled
from benchmarks import statistics
from benchmarks.simulated import callers, gaps, incidents, waits
from benchmarks.statistics import ESTIMATORS, Cover, Setting, cover

RUNS = 200
BOUNDS = dict.fromkeys((Setting(50, 0.3, False), Setting(50, 0.0, True)), (0.905, 0.99))
"""95 % of 200 runs is give or take 4.5 % (three standard deviations)."""


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if "p9" not in name])
def test_intervals_hold_the_truth(name: str) -> None:
    for setting, (least, most) in BOUNDS.items():
        found = cover(name, setting, RUNS)
        assert found.given > 0.95 * RUNS
        assert found.share is not None
        assert least <= found.share <= most


def test_intervals_of_percentiles_hold_the_truth() -> None:
    """All of the runs have one: which do is not luck."""
    for name in ("p90", "p95", "paired difference of p95"):
        found = cover(name, Setting(50, 0.6, False), RUNS)
        assert found.given == RUNS
        share = found.share
        assert share is not None
        assert 0.905 <= share <= 0.99


def test_turns_taken_for_independent_would_not() -> None:
    """The simulation tells a wrong interval: one that takes each turn for a unit."""
    held = 0
    for run in range(RUNS):
        c = callers(np.random.default_rng(run), 50, 0.6, False)
        found = sampled.mean(c.first, np.arange(len(c.first))).estimate
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.0 <= found.high
    assert held < 0.75 * RUNS


def test_simulated_callers_are_what_they_are_said_to_be() -> None:
    c = callers(np.random.default_rng(1), 20_000, 0.4, True)
    sums, counts = np.bincount(c.session, c.first), np.bincount(c.session)
    pairs = (sums**2 - np.bincount(c.session, c.first**2)).sum() / (counts * (counts - 1)).sum()
    assert pairs == pytest.approx(0.4, abs=0.02)
    assert np.corrcoef(c.first, c.second(True))[0, 1] == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(c.first, c.second(False))[0, 1] == pytest.approx(0.0, abs=0.01)
    lost_s, truth = gaps(c)
    assert 1.0 - lost_s.mean() / 4.0 == pytest.approx(truth, abs=0.0002)
    events, minutes = incidents(c, 0.5)
    assert events.sum() / minutes.sum() == pytest.approx(0.5, abs=0.02)
    waited_s, happened, share_by = waits(c)
    assert waited_s.max() <= 4.0
    early = waited_s[(happened > 0) | (waited_s > 0.6)]
    assert (early <= 0.6).mean() == pytest.approx(share_by(0.6), abs=0.02)


def test_the_same_each_time_and_told_as_a_table() -> None:
    setting = Setting(10, 0.0, False)
    assert cover("mean", setting, 20) == cover("mean", setting, 20)
    covers = {(name, Setting(s, a, u)): Cover(1000, 600, 570) for name in ESTIMATORS for s in statistics.SESSIONS for a in statistics.ALIKE
              for u in statistics.UNEVEN}  # fmt: skip
    covers["mean", setting] = Cover(1000, 1000, 951)
    covers["p50", setting] = Cover(1000, 50, 50)
    text = "\n".join(statistics.table(covers))
    assert "| mean" in text
    assert "95.1 / 95.0 (60 %)" in text
    assert "- / 95.0 (60 %)" in text
    told = "".join(statistics.figures(covers, {}))
    assert "Of the 1 cells in which at least 80 % of the runs have an interval, 1 are within 93 and 97 %; the least is 95.1 %" in told
    assert "Where fewer runs have an interval (574 cells), at least 95.0 % of those hold the truth." in told


def test_some_cells_are_outside_by_chance() -> None:
    """So many as `scipy`'s binomial test has it; none of which too few runs have an interval."""
    cells = [(name, Setting(s, 0.0, False)) for name in ("mean", "p50") for s in statistics.SESSIONS]
    covers = {cell: Cover(1000, 950, 900) for cell in cells} | {("p90", Setting(10, 0.0, False)): Cover(1000, 700, 700)}
    held = np.arange(951)
    outside = (held / 950 < 0.93) | (held / 950 > 0.97)
    assert statistics.by_chance(covers) == pytest.approx(8 * stats.binom.pmf(held, 950, 0.95)[outside].sum())
    assert statistics.by_chance({cells[0]: Cover(1000, 1000, 930)}) == pytest.approx(
        stats.binom.cdf(929, 1000, 0.95) + stats.binom.sf(970, 1000, 0.95)
    )
    told = "".join(statistics.figures(covers, {}))
    assert f"Did each hold the truth in 95 % of runs, {statistics.by_chance(covers):.1f} cells could be expected outside by chance." in told


def test_cells_outside_are_looked_at_again_with_other_runs() -> None:
    cells = [("mean", Setting(s, 0.0, False)) for s in statistics.SESSIONS]
    covers = dict(zip(cells, [Cover(100, 100, 92), Cover(100, 100, 93), Cover(100, 100, 98), Cover(100, 70, 60)], strict=True))
    assert statistics.outside(covers) == [cells[0], cells[2]]
    told = "".join(statistics.figures(covers, {cells[0]: Cover(500, 500, 470), cells[2]: Cover(500, 500, 490)}))
    assert "With 500 runs of another seed 1 of the 2 outside are within, too, and the 2 are between 94.0 and 98.0 %." in told
    assert "at least 85.7 % of those" in told
    assert "more than 10.0 % of all runs" in told
    assert cover("mean", cells[0][1], 50, (1,)) == cover("mean", cells[0][1], 50, (1,))
    assert cover("p50", cells[2][1], 50, (1,)) != cover("p50", cells[2][1], 50)
