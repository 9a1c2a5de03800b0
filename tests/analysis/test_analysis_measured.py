"""The values of each metric, as tables have them, are those that the run itself added up."""

from __future__ import annotations

import pytest
from analysis_runs import finished

from analysis import load
from analysis.load import Loaded
from analysis.measured import of, sampled_of, values
from benchmarks.made import make
from metrics.catalog import METRICS
from metrics.histogram import Histogram, Ratio
from metrics.metric import Shape


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(finished(tmp_path_factory.mktemp("runs")))


@pytest.mark.parametrize("name", [m.name for m in METRICS.values() if m.shape is not Shape.TREND])
def test_values_are_those_that_the_run_added_up(run: Loaded, name: str) -> None:
    added, found = run.histograms.values[name], values(run, name)
    assert len(found) == added.count
    if isinstance(added, Ratio):
        assert found["numerator"].sum() == pytest.approx(added.numerator)
        assert found["denominator"].sum() == pytest.approx(added.denominator)
    else:
        assert isinstance(added, Histogram)
        assert found["value"].sum() == pytest.approx(added.total)


def test_an_estimate_of_a_part(run: Loaded) -> None:
    assert of(run, "success", "value").value == 0.5
    spoken = of(run, "success", "value", run.turns["kind"] == "utterance")
    assert (spoken.value, spoken.n, spoken.sessions) == (1.0, 1, 1)
    assert of(run, "e2e_latency", "p50").value == pytest.approx(0.6)
    assert of(run, "resume_time", "mean").n == 1


def test_what_is_no_number_per_record(run: Loaded) -> None:
    with pytest.raises(ValueError, match="growth over time"):
        values(run, "target_memory_growth")
    with pytest.raises(KeyError):
        values(run, "no_such_metric")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(make(tmp_path_factory.mktemp("made") / "run", 600, talkers=20))


def test_intervals_suit_what_is_measured(made: Loaded) -> None:
    success, underruns, latency = of(made, "success", "value"), of(made, "underruns", "value"), of(made, "e2e_latency", "p50")
    assert success.low is not None
    assert success.high is not None
    assert 0.0 < success.low < 0.97 < success.high < 1.0
    assert underruns.low is not None
    assert underruns.low > 0.0
    assert underruns.n == latency.n + made.info["totals"]["turns"] - len(made.turns["e2e_latency_s"].dropna())
    assert latency.sessions > 60


def test_seconds_have_no_interval(made: Loaded) -> None:
    memory = of(made, "target_memory_per_session", "mean")
    assert memory.value is not None
    assert memory.low is None
    assert "too alike" in memory.why


def test_talkers_may_be_the_unit(made: Loaded) -> None:
    assert of(made, "e2e_latency", "mean", unit="talker").sessions == 20
    tokens = values(made, "token_success")
    assert sampled_of(METRICS["token_success"], tokens, "value").estimate.sessions == len(tokens)
    assert sampled_of(METRICS["token_success"], tokens, "value", unit="talker").estimate.sessions == 20
