"""The scenario's part about the target: where it is, what is read, and which criteria need it."""

from __future__ import annotations

import pytest

from metrics.criteria import parse
from scenarios import ScenarioError, parse_scenario
from scenarios.criteria import check_criteria
from scenarios.target import Target


def target(text: str) -> Target:
    return parse_scenario(f"target: {text}", "mine.yml", "mine").target


def test_nothing_is_asked_unless_the_scenario_says_so() -> None:
    assert target("{}").urls("http://127.0.0.1:8000") == (None, None)
    assert (target("{}").every_s, target("{}").settle_s) == (1.0, 20.0)


@pytest.mark.parametrize(
    ("host", "text", "metrics", "health"),
    [
        ("http://x:8000", "{metrics_url: /metrics}", "http://x:8000/metrics", None),
        ("wss://x", "{metrics_url: /metrics, health_url: /health/ready}", "https://x/metrics", "https://x/health/ready"),
        ("WS://x/voice/?model=a", "{health_url: /health}", None, "http://x/voice/health"),
        ("http://x", "{metrics_url: 'http://10.0.0.5:9090/m'}", "http://10.0.0.5:9090/m", None),
    ],
)
def test_a_path_is_below_the_host(host: str, text: str, metrics: str | None, health: str | None) -> None:
    assert target(text).urls(host) == (metrics, health)


BAD = {
    "{metrics_url: metrics}": "target.metrics_url: write a path such as /metrics, or a URL that begins with http:// or https://",
    "{metrics_url: 'ftp://x/metrics'}": "target.metrics_url: write a path such as /metrics",
    "{metrics_url: 'http:///metrics'}": "target.metrics_url: write a path such as /metrics",
    "{metrics_url: 'http://me:secret@x/metrics'}": "target.metrics_url: run files show it: without user name, password or parameters",
    "{health_url: '/health?key=secret'}": "target.health_url: run files show it: without",
    "{metrics_url: 'http://x:0/metrics'}": "target.metrics_url: its port is none that can be called",
    "{metrics_url: 'http://x:99999/metrics'}": "target.metrics_url: its port is none that can be called",
    "{every_s: 0.5}": "target.every_s: ",
    "{timeout_s: 0}": "target.timeout_s: ",
    "{settle_s: -1}": "target.settle_s: ",
    "{memory: [two words]}": 'a series is written name or name{label="value"}',
    "{memory: process_memory_bytes}": "target.memory: write a list",
    "{latencies: {ASR: asr_seconds}}": "a name has lower-case letters, digits and '_'",
    "{latencies: {asr: 'a{'}}": "target.latencies.asr: a series is written",
    "{metric_url: /metrics}": "unknown key target.metric_url; did you mean metrics_url?",
}


@pytest.mark.parametrize("text", BAD)
def test_mistakes_are_told_with_their_line(text: str) -> None:
    with pytest.raises(ScenarioError) as told:
        target(text)
    assert str(told.value).startswith("scenario mine.yml, line 1: ")
    assert BAD[text] in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "metric", "says"),
    [
        ("{}", "tester_memory_growth", None),
        ("{}", "target_memory_growth", "target_memory_growth is measured only where target.metrics_url says where"),
        ("{health_url: /health}", "target_cpu", "target_cpu is measured only where target.metrics_url says where"),
        ("{}", "target_availability", "target_availability is measured only where target.health_url or target.metrics_url says whom"),
        ("{health_url: /health}", "target_availability", None),
        ("{metrics_url: /metrics}", "target_availability", None),
        ("{metrics_url: /metrics}", "target_memory_per_session", None),
    ],
)
def test_a_criterion_that_cannot_be_measured_is_known(text: str, metric: str, says: str | None) -> None:
    told = target(text).unmeasured(metric)
    assert told is None if says is None else (told or "").startswith(says)


@pytest.mark.parametrize("key", ["criteria:", "abort:\n  unless:"])
def test_it_is_refused_with_its_line_before_a_run_also_where_it_would_give_the_run_up(key: str) -> None:
    text = f"{key}\n    - success > 50 %\n    - target_availability > 50 %\n"
    with pytest.raises(ScenarioError) as told:
        check_criteria(parse_scenario(text, "mine.yml", "mine"), parse)
    line = 3 if key == "criteria:" else 4
    assert str(told.value).startswith(
        f"scenario mine.yml, line {line}: criterion 'target_availability > 50 %': target_availability is measured"
    )
