"""Made runs: files as a real run's, metrics as the catalogue reads them off records, and what is said to be true of them is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis import load
from analysis.load import Loaded
from benchmarks.made import main, make
from benchmarks.made_truth import LATENCIES, Spread, Truth
from metrics.aggregate import metric_columns
from metrics.catalog import METRICS
from metrics.summary import summary
from reporting.tables import TABLES

KEY = ["talker", "call", "turn", "kind"]


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A run in which everything happens."""
    truth = Truth(shares={"success": 0.8, "resume_rate": 0.5, "spurious_response": 0.2}, underruns=0.5, knee=10, per_talker=0.01)
    folder = tmp_path_factory.mktemp("made") / "varied"
    return load(make(folder, 600, truth=truth, steps=3, personas=("calm", "hasty"), networks={"near": 0.02, "far": 0.2}))


@pytest.mark.parametrize("table", TABLES)
def test_the_files_have_a_real_runs_columns(varied: Loaded, table: str) -> None:
    assert pq.read_schema(varied.path / f"{table}.parquet").equals(TABLES[table])


def test_columns_of_metrics_are_what_the_catalogue_reads_off_the_records(varied: Loaded) -> None:
    turns = varied.turns
    expected = [metric_columns(record) for record in varied.records(["turns"])]
    for name in expected[0]:
        np.testing.assert_allclose(
            turns[name].astype(float), [np.nan if row[name] is None else row[name] for row in expected], rtol=1e-12, err_msg=name
        )


def test_histograms_are_those_of_the_records(varied: Loaded) -> None:
    written, anew = varied.histograms, varied.aggregate()
    assert written.stages.keys() == anew.stages.keys() == {"step-1", "step-2", "step-3"}
    for a, b in ((written, anew), *((written.stages[name], anew.stages[name]) for name in anew.stages)):
        assert a.counts == b.counts
        assert {n: v.count for n, v in a.values.items()} == {n: v.count for n, v in b.values.items()}
        assert [a.histogram("e2e_latency").quantile(q) for q in (0.5, 0.95)] == [
            b.histogram("e2e_latency").quantile(q) for q in (0.5, 0.95)
        ]


def test_the_summary_is_the_one_of_the_records(varied: Loaded) -> None:
    assert summary(varied.info, varied.aggregate()) == (varied.path / "summary.md").read_text()


def test_all_that_can_happen_happens(varied: Loaded) -> None:
    measured = {name for name, value in varied.histograms.values.items() if value.count}
    assert set(METRICS) - measured == {"chunk_drop_rate", "calls_begun"}  # lost over TCP, and with closed arrivals: nothing
    totals = varied.info["totals"]
    for kind in ("errors.timeout", "errors.assistant_error", "errors.remote_close", "turns.false_alarm.not_resumed"):
        assert totals[kind] > 0


def test_turns_of_a_talker_follow_one_another(varied: Loaded) -> None:
    turns = varied.turns[varied.turns["kind"] != "false_alarm"].sort_values(["talker", "speech_onset_ns"])
    same = turns["talker"].eq(turns["talker"].shift())
    assert (turns["speech_onset_ns"].diff()[same] > 0).all()
    assert (turns["turn"][~turns[["talker", "call"]].duplicated()] == 0).all()
    assert (turns["span_s"] > 0).all()


def test_what_is_true_shows_in_a_large_run(tmp_path: Path) -> None:
    truth = Truth(shifts={"llm_ttft": 1.2}, shares={"resume_rate": 0.7}, spread=Spread(0.0, 0.0, 0.3, 0.7))
    turns = load(make(tmp_path / "large", 20_000, truth=truth)).turns
    for name in set(LATENCIES) & {"endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "stop_by_byte"}:
        for q in (0.5, 0.95):
            assert turns[f"{name}_s"].quantile(q) == pytest.approx(truth.quantile(name, q), rel=0.02)
        assert turns[f"{name}_s"].mean() == pytest.approx(truth.mean(name), rel=0.02)
    assert truth.median("llm_ttft") == pytest.approx(0.3)
    assert turns["success"].mean() == pytest.approx(truth.share("success"), abs=0.005)
    assert turns["resume_rate"].mean() == pytest.approx(0.7, abs=0.05)


def test_turns_of_a_session_and_of_a_talker_resemble_one_another(tmp_path: Path) -> None:
    """The parts of the variance, estimated by products of pairs."""
    turns = load(make(tmp_path / "alike", 20_000, truth=Truth(spread=Spread(0.2, 0.3, 0.1, 0.4)))).turns
    z = np.log(turns["llm_ttft_s"]).sub(np.log(turns["llm_ttft_s"]).mean())

    def alike(keys: list[str]) -> float:
        by = z.groupby([turns[k] for k in keys])
        pairs = by.sum() ** 2 - (z**2).groupby([turns[k] for k in keys]).sum()
        return float(pairs.sum() / (by.count() * (by.count() - 1)).sum() / z.var())

    assert alike(["talker", "call"]) == pytest.approx(0.5, abs=0.03)
    assert alike(["talker"]) == pytest.approx(0.2, abs=0.06)


def test_two_runs_of_a_seed_meet_the_same_turns(tmp_path: Path) -> None:
    a, b = (load(make(tmp_path / str(number), 2000, number=number)).turns.set_index(KEY) for number in (0, 1))
    paired = a.join(b.add_suffix("_b"), how="inner")
    assert len(paired) > 0.85 * len(a)
    assert (paired["clip"] == paired["clip_b"]).all()
    both = paired[["llm_ttft_s", "llm_ttft_s_b"]].dropna()
    assert np.corrcoef(np.log(both["llm_ttft_s"]), np.log(both["llm_ttft_s_b"]))[0, 1] == pytest.approx(0.4, abs=0.08)  # talker + plan


def test_the_same_arguments_make_the_same_run(tmp_path: Path) -> None:
    a, b, other = (make(tmp_path / name, 100, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert (a / "turns.parquet").read_bytes() == (b / "turns.parquet").read_bytes() != (other / "turns.parquet").read_bytes()


def test_the_command_makes_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made"
    assert main([str(folder), "--turns", "60", "--shift", "tts_processing=2", "--invalid"]) == 0
    told = json.loads((folder / "run.json").read_text())
    assert not told["valid"]
    assert told["totals"]["turns"] == 60
    assert load(folder).turns["tts_processing_s"].median() == pytest.approx(0.24, rel=0.2)
    capsys.readouterr()
    assert main([str(folder)]) == 2
    assert main([str(tmp_path / "no"), "--shift", "e2e_latency=2"]) == 2
    assert "e2e_latency is not drawn: use one of" in capsys.readouterr().err
