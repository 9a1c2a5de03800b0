"""A run that overloads its assistant, watched by the committed configuration: the latency alert reaches a webhook through a real
Alertmanager, and every expression of the rules and the dashboards finds data in a real Prometheus.

Alerts need their condition for two seconds instead of minutes here; promtool shows their true durations (test_monitoring_alerts.py)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from e2e_monitoring import MISSING, MONITORING, TOKEN, Stack, stack, until
from harness import Done, run

from monitoring.alerts import RULES

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: apt-get install prometheus{{,-alertmanager,-node-exporter}}"
)

PROFILE = """
description: Three answers at a time for eight callers, and faults of every kind.
llm: {delay: {fixed: 0.3}}
capacity: {slots: 3}
gaps: {rate: 0.3, after_s: 0.5}
false_alarm: {mistake_rate: 0.6}
failures: {llm: 0.05, drop_session: 0.35, mint: 0.1}
tokens: {per_second: 2, burst: 6}
"""
SCENARIO = """
name: overload
load: {talkers: 8, spawn_per_s: 8, duration_s: 18, tokens_per_s: 3}
conversation:
  turns: {uniform: [2, 3]}
  think_s: 0.2
  between_calls_s: 0.2
  barge_in: {per_second: 0.6, not_before_s: 0.3}
  false_alarms: {per_second: 0.6, not_before_s: 0.3}
session: {silence_duration_ms: 200}
limits: {response_s: 8}
network: wifi
target: {metrics_url: /metrics, health_url: /health, settle_s: 0}
criteria: [success > 95 %]
"""
WITHOUT = {
    "traefik_tls_certs_not_after": "there is no Traefik here",
    "node_network_speed_bytes": "a virtual machine's network has no speed",
    "packet_loss_rate_numerator_total": "the dialect numbers no chunks: 0 of 0",
    "packet_loss_rate_percent_sum": "no browser posts client metrics to the assistant",
    "doubletalk_calls_begun_numerator_total": "arrivals are closed: 0 of 0 calls",
    "instance:network_used:percent": "a virtual machine's network has no speed",
}
"""Why an expression has nothing to find: because of this series in it."""
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "5m",
    "$scenario": "overload",
    "$dialect": "openai-realtime",
    "${datasource}": "prometheus",
}


@dataclass
class Watched:
    """The run, who watched it, and the instant at which its exporter was read last."""

    done: Done
    stack: Stack
    at_s: float


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    tmp = tmp_path_factory.mktemp("monitoring")
    profile, scenario = tmp / "overloaded.yml", tmp / "overload.yml"
    profile.write_text(PROFILE)
    scenario.write_text(SCENARIO)
    with stack(tmp) as watching:
        options = ("--scenario", str(scenario), "--prometheus-port", str(watching.runner), "--stop-timeout", "3")
        done = run(tmp, *options, profile=str(profile), port=watching.assistant)
        assert done.folder is not None, done.err
        (up,) = watching.prometheus.query('max_over_time(timestamp(up{job="doubletalk"} == 1)[5m:1s])')
        yield Watched(done, watching, float(up["value"][1]))


def test_an_overload_is_told_to_the_webhook(watched: Watched) -> None:
    heard = watched.stack.webhook
    (alert, *_) = until(lambda: heard.alerts("HighEndToEndLatency"), "no notification came")
    assert alert["status"] == "firing"
    assert alert["labels"] | {"severity": "critical", "scenario": "overload", "job": "doubletalk"} == alert["labels"]
    said = re.fullmatch(r"overload: end-to-end latency p95 is (\d+) ms, over 2000 ms", alert["annotations"]["summary"])
    assert said and int(said[1]) > 2000
    assert alert["annotations"]["action"].startswith("Find the stage that grew")
    assert heard.authorizations == {f"Bearer {TOKEN}"}


def test_what_was_told_is_what_the_run_files_say(watched: Watched) -> None:
    """It was slow indeed, and turns were made."""
    latencies = watched.done.table("turns")["e2e_latency_s"].dropna()
    assert latencies.quantile(0.95) > 2
    assert watched.done.run["totals"]["turns"] > 8


def test_a_lower_bound_of_the_same_quantity_is_not_told(watched: Watched) -> None:
    def inhibited() -> bool:
        states = {a["labels"]["alertname"]: a["status"] for a in watched.stack.alerts()}
        return all(states.get(name, {}).get("inhibitedBy") for name in ("ElevatedEndToEndLatency", "NoticeableEndToEndLatency"))

    until(inhibited, "the critical alert inhibits the others")


def test_a_channel_without_its_secret_fails_alone_and_says_so(watched: Watched) -> None:
    """Slack's and PagerDuty's files are not there."""
    told = until(lambda: watched.stack.webhook.alerts("NotificationsFail"), "it was not told that a channel fails")
    assert {a["labels"]["integration"] for a in told} <= {"slack", "pagerduty"}


def test_the_secret_is_in_no_log(watched: Watched) -> None:
    logs = [path.read_text() for path in watched.stack.logs.glob("*.log")]
    assert len(logs) == 3 and all(logs)
    assert not any(TOKEN in log for log in logs)


def panels() -> list[tuple[str, str]]:
    """Each expression of the dashboards, with where it is."""
    found = []
    for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        asked = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
        asked += [("annotation", note["expr"]) for note in board["annotations"]["list"]]
        found += [(f"{path.name}: {title}", expr) for title, expr in asked]
    return found


def rules() -> list[tuple[str, str]]:
    """Each expression of the rules, with where it is; an alert's without its bound, so that it gives what is compared."""
    found = []
    for path in sorted(RULES.glob("*.yml")):
        for rule in (rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]):
            expr = rule["expr"] if "record" in rule else re.sub(r"(==|>|<)\s+(?=\d)", "+ 0 * ", rule["expr"])
            found.append((f"{path.name}: {rule.get('record') or rule['alert']}", expr))
    return found


def reason(expr: str) -> str | None:
    return next((why for name, why in WITHOUT.items() if name in expr), None)


def in_prometheus(expr: str) -> str:
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def test_every_expression_finds_data_or_says_why_not(watched: Watched) -> None:
    asked = panels() + rules()
    assert len(asked) > 250
    without, wrongly_excused = [], []
    for where, expr in asked:
        values = [float(row["value"][1]) for row in watched.stack.prometheus.query(in_prometheus(expr), watched.at_s)]
        found = any(map(math.isfinite, values))
        if not found and reason(expr) is None:
            without.append(f"{where}: {expr}")
        if found and reason(expr) is not None:
            wrongly_excused.append(f"{where}: {expr}")
    assert not without, "\n".join(without)
    assert not wrongly_excused


def test_rules_are_evaluated_without_an_error(watched: Watched) -> None:
    failed = watched.stack.prometheus.query("sum(prometheus_rule_evaluation_failures_total)")
    assert [row["value"][1] for row in failed] == ["0"]
