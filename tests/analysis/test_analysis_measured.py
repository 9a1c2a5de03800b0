"""The values of each metric, as tables have them, are those that the run itself added up."""

from __future__ import annotations

import pytest
from analysis_runs import finished

from analysis import load
from analysis.load import Loaded
from analysis.measured import of, values
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
