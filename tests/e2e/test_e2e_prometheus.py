"""A real Prometheus scrapes a real run and the assistant: what it has at the end is what the run files hold, and every PromQL line and
every name of the reference documents finds data there."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from e2e_prometheus import Prometheus, free_port, prometheus
from e2e_reference import NAMES, PROMQL
from harness import ROOT, Done, run

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.health import Health
from metrics.histogram import Histogram
from metrics.metric import Shape
from reporting.exposition import families_of, histogram_of, quotient_of

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is missing: apt-get install prometheus")

SCENARIO = """
load: {talkers: 5, spawn_per_s: 5, duration_s: 13, tokens_per_s: 2}
conversation:
  turns: {uniform: [2, 3]}
  think_s: 0.3
  between_calls_s: 0.3
  barge_in: {per_second: 0.3}
  false_alarms: {per_second: 0.2}
session: {silence_duration_ms: 250}
criteria: ["success > 10 %", "e2e_latency p95 < 1 ms"]
"""
PROFILE = """
pace: 1.5
failures: {mint: 0.1, llm: 0.1, drop_session: 0.15}
tokens: {per_second: 0.5, burst: 6}
"""
"""Of everything that is counted, something happens: tokens are refused and fail, responses fail, connections are lost."""


(_BLOCK,) = re.findall(r"^```promql\n(.*?)^```", (ROOT / "docs" / "prometheus.md").read_text(), re.DOTALL | re.MULTILINE)
OURS = [line for line in _BLOCK.splitlines() if not line.startswith("#")]


@dataclass
class Scraped:
    """The run, and what Prometheus had of it when it had its end: values of the exporter's series by name and labels."""

    done: Done
    peer: Prometheus
    at_s: float
    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        (only,) = [v for (n, own), v in self.values.items() if n == name and labels.items() <= dict(own).items()]
        return only

    def finite(self, expression: str) -> list[float]:
        values = [float(row["value"][1]) for row in self.peer.query(expression, self.at_s)]
        return [value for value in values if math.isfinite(value)]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("prometheus")
    scenario, profile, exporter, assistant = folder / "short.yml", folder / "faulty.yml", free_port(), free_port()
    scenario.write_text(SCENARIO)
    profile.write_text(PROFILE)
    with prometheus(folder, {"doubletalk": exporter, "assistant": assistant}) as peer:
        options = ("--scenario", str(scenario), "--prometheus-port", str(exporter))
        done = run(folder / "run", *options, profile=str(profile), port=assistant)
        assert done.folder is not None, done.err
        (under_way,) = peer.query("doubletalk_run_under_way[10m]")
        ended = [float(at_s) for at_s, value in under_way["values"] if value == "0"]
        assert ended, "nobody read how the run ended"
        values = {}
        for row in peer.query('{job="doubletalk"}', ended[-1]):
            name = row["metric"].pop("__name__")
            values[name, frozenset(row["metric"].items())] = float(row["value"][1])
        yield Scraped(done, peer, ended[-1], values)


def test_it_is_read_while_it_goes_on_and_at_its_end(scraped: Scraped) -> None:
    (under_way,) = scraped.peer.query("doubletalk_run_under_way[10m]")
    states = [value for _, value in under_way["values"]]
    assert states.count("1") >= 8
    assert states == sorted(states, reverse=True)
    assert "Waiting for Prometheus to read how the run ended" in scraped.done.out
    assert "Traceback" not in scraped.done.err


def test_the_totals_are_those_of_the_run_files(scraped: Scraped) -> None:
    turns, sessions, tokens = (scraped.done.table(name) for name in ("turns", "sessions", "tokens"))
    assert len(turns[turns["kind"] == "barge_in"]) > 0
    told = {
        (dict(labels)["kind"], dict(labels)["outcome"]): value
        for (name, labels), value in scraped.values.items()
        if name == "conversation_turns_total" and value
    }
    assert told == turns.groupby(["kind", "outcome"]).size().to_dict()
    assert scraped.value("conversation_interruptions_total") == (turns["kind"] == "barge_in").sum()
    ended = {
        dict(labels)["outcome"]: value for (name, labels), value in scraped.values.items() if name == "doubletalk_sessions_total" and value
    }
    assert ended == sessions.groupby("outcome").size().to_dict()
    assert scraped.value("api_requests_total") == len(tokens) > 0
    assert scraped.value("http_errors_total") == tokens["error_kind"].notna().sum()


def test_the_metrics_are_those_of_the_run_files(scraped: Scraped) -> None:
    kept = json.loads((scraped.done.folder / "histograms.json").read_text())  # type: ignore[operator]
    aggregate = Aggregate.from_plain(kept["metrics"])
    for name, metric in METRICS.items():
        if metric.shape is Shape.DISTRIBUTION:
            family, values = histogram_of(metric), aggregate.histogram(name)
            assert scraped.value(f"{family.name}_count") == values.count, name
            assert scraped.value(f"{family.name}_sum") == pytest.approx(values.total * family.scale), name
        elif metric.shape is Shape.TREND:
            slope = aggregate.trend(name).slope
            told = [value for (family, _), value in scraped.values.items() if family == families_of(metric)[0].name]
            assert told == ([] if slope is None else [pytest.approx(slope)]), name
        else:
            quotient, ratio = quotient_of(metric), aggregate.ratio(name)
            assert scraped.value(quotient.numerator.name) == pytest.approx(ratio.numerator), name
            assert scraped.value(quotient.denominator.name) == pytest.approx(ratio.denominator * quotient.factor), name
    lateness: Histogram = Health.from_plain(kept["health"]).send_lateness
    assert scraped.value("doubletalk_send_lateness_seconds_count") == lateness.count


def test_a_target_can_be_read_off_the_buckets(scraped: Scraped) -> None:
    latencies = scraped.done.table("turns")["e2e_latency_s"].dropna()
    for bound_s in (0.5, 0.8, 0.84, 1.2):
        counted = scraped.value("e2e_latency_client_milliseconds_bucket", le=str(bound_s * 1000))
        assert (latencies <= bound_s).sum() <= counted <= (latencies <= bound_s * 1.01).sum()


def test_the_verdict_is_that_of_the_run_file(scraped: Scraped) -> None:
    told: dict[str, Any] = scraped.done.run
    assert scraped.value("doubletalk_run_valid") == told["valid"]
    assert scraped.value("doubletalk_run_elapsed_seconds") == pytest.approx(told["duration_s"])
    holds = {c["criterion"]: scraped.value("doubletalk_criterion_holds", criterion=c["criterion"]) for c in told["criteria"]}
    assert holds == {"success > 10 %": 1, "e2e_latency p95 < 1 ms": 0}
    assert scraped.value("doubletalk_run_info", run_id=told["run_id"]) == 1


@pytest.mark.parametrize(("document", "section", "expression"), PROMQL, ids=[row[2] for row in PROMQL])
def test_every_promql_line_of_the_reference_documents_returns_data(scraped: Scraped, document: str, section: str, expression: str) -> None:
    assert scraped.finite(expression), f"{document}, {section}"


@pytest.mark.parametrize("expression", OURS)
def test_every_promql_line_of_our_page_returns_data(scraped: Scraped, expression: str) -> None:
    if expression == "doubletalk_run_valid == 1":  # no data is the answer where it is not
        expression = f"doubletalk_run_valid == {int(scraped.done.run['valid'])}"
    assert scraped.finite(expression)


@pytest.mark.parametrize(("document", "section", "name", "selector"), NAMES, ids=[f"{row[0]}: {row[2]}" for row in NAMES])
def test_every_name_of_the_reference_documents_has_data(scraped: Scraped, document: str, section: str, name: str, selector: str) -> None:
    assert scraped.finite(selector), f"{document}, {section}: {name}"
