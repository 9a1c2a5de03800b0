"""Prometheus and Alertmanager take the committed configuration, no secret is in it, and each alert goes where it belongs."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from metrics.catalog import METRICS
from metrics.metric import Shape
from monitoring.alerts import RULES, Alert, alerts
from monitoring.promql import recorded_name
from reporting.exposition import Family, histogram_of

MONITORING = RULES.parents[1]
PROMETHEUS = MONITORING / "prometheus" / "prometheus.yml"
ALERTMANAGER = MONITORING / "alertmanager" / "alertmanager.yml"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs the system package prometheus")
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="needs the system package prometheus-alertmanager")


def asked(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_rule_file_is_read_by_prometheus_yml() -> None:
    patterns = yaml.safe_load(PROMETHEUS.read_text())["rule_files"]
    assert {path for pattern in patterns for path in PROMETHEUS.parent.glob(pattern)} == set(RULES.glob("*.yml"))


@needs_promtool
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    assert f"SUCCESS: {len(list(RULES.glob('*.yml')))} rule files found" in asked("promtool", "check", "config", str(PROMETHEUS))
    asked("promtool", "check", "rules", *map(str, RULES.glob("*.yml")))


def test_the_services_of_the_cluster_are_scraped() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]}
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items() if "static_configs" in job}
    assert targets == {
        "doubletalk": ["master:9646"],
        "assistant": ["assistant:8000"],
        "node": ["node-exporter:9100"],
        "traefik": ["traefik:8082"],
        "alertmanager": ["alertmanager:9093"],
        "prometheus": ["localhost:9090"],
    }
    workers = jobs["doubletalk-worker"]["dns_sd_configs"][0]
    assert (workers["names"], workers["type"], workers["port"]) == (["worker"], "A", 9646)


@needs_amtool
def test_alertmanager_takes_its_configuration_without_any_secret() -> None:
    assert "SUCCESS" in asked("amtool", "check-config", str(ALERTMANAGER))


def test_secrets_are_read_from_files_only() -> None:
    keys = re.findall(r"^ *-? *(\w+): *(\S+)", ALERTMANAGER.read_text(), re.MULTILINE)
    files = {key: value for key, value in keys if key.endswith("_file")}
    assert set(files) == {"credentials_file", "routing_key_file", "api_url_file"}
    assert all(value.startswith("/run/secrets/alertmanager_") for value in files.values())
    assert not {key for key, _ in keys} & {"api_url", "routing_key", "service_key", "credentials", "password", "bearer_token"}


@needs_amtool
@pytest.mark.parametrize(
    ("severity", "receivers"),
    [("critical", "webhook,pagerduty,slack"), ("warning", "webhook,slack"), ("info", "nobody"), ("unheard of", "nobody")],
)
def test_where_an_alert_goes(severity: str, receivers: str) -> None:
    assert asked("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}").strip() == receivers


def test_severities_are_those_that_the_routes_know() -> None:
    assert {alert.severity for alert in alerts()} == {"critical", "warning", "info"}


def histograms() -> dict[str, Family]:
    """The families that an alert may ask quantiles of, by what its expression begins with."""
    known: dict[str, Family] = {}
    for metric in (m for m in METRICS.values() if m.shape is Shape.DISTRIBUTION):
        family = histogram_of(metric)
        known |= {f"{family.name}_bucket": family, recorded_name(metric, "p95"): family}
    return known


@pytest.mark.parametrize("alert", [a for a in alerts() if a.file == "assistant.yml"], ids=lambda alert: alert.name)
def test_the_bound_of_an_alert_on_a_quantile_is_a_bucket_bound(alert: Alert) -> None:
    """Between two bounds Prometheus guesses; at one it counts."""
    known = histograms()
    family = next((known[name] for name in re.findall(r"[\w:]+", alert.expr) if name in known), None)
    if family is not None:
        assert float(re.findall(r"> ([\d.]+)", alert.expr)[0]) in family.buckets


def documented() -> dict[str, tuple[str, str, str]]:
    """What the reference documents ask for: severity, for and bound of each alert; empty where they say none."""
    return {
        "HighEndToEndLatency": ("critical", "5m", "> 2000"),
        "HighErrorRate": ("critical", "2m", "> 5"),
        "ServiceDown": ("critical", "1m", "== 0"),
        "HighCPUUsage": ("critical", "3m", "> 90"),
        "SlowTokenMinting": ("warning", "5m", "> 1"),
        "SlowBargeInResponse": ("warning", "3m", "> 500"),
        "HighPacketLoss": ("warning", "2m", "> 1"),
        "HighMemoryUsage": ("warning", "5m", "> 85"),
        "HighErrorShare": ("critical", "2m", "> 5"),
        "CriticalMemoryUsage": ("critical", "", "> 85"),
        "ElevatedEndToEndLatency": ("warning", "10m", "> 1500"),
        "FrequentReconnections": ("warning", "", "> 1"),
        "HighDiskUsage": ("warning", "", "> 80"),
        "TlsCertificateExpires": ("warning", "", "< 7 * 86400"),
        "HighAudioProcessingLatency": ("warning", "5m", "> 0.150"),
        "LowAudioQuality": ("", "2m", "< 3"),
        "ElevatedMemoryUsage": ("", "5m", "> 80"),
        "ElevatedCPUUsage": ("", "10m", "> 70"),
        "HighSessionFailures": ("", "2m", "> 5"),
        "HighApiFailures": ("", "1m", "> 10"),
        "ConnectionFailures": ("", "5m", "> 15"),
        "CriticalSessionErrors": ("critical", "1m", "> 10"),
        "LowDiskSpace": ("", "", "< 10"),
        "NetworkSaturation": ("", "", "> 90"),
        "QueueBacklog": ("", "1m", "> 100"),
        "HighProcessMemory": ("", "", "> 500e6"),
        "SlowLanguageModel": ("", "", "> 500"),
        "SlowSpeechSynthesis": ("", "", "> 300"),
        "NoticeableEndToEndLatency": ("", "", "> 1000"),
    }


@pytest.mark.parametrize(("name", "asks"), documented().items())
def test_the_reference_documents_alerts_are_there_as_they_ask(name: str, asks: tuple[str, str, str]) -> None:
    alert = next(a for a in alerts() if a.name == name)
    severity, lasts, bound = asks
    assert alert.severity == severity or not severity
    assert alert.lasts == lasts or not lasts
    assert alert.expr.endswith(bound)
    assert alert.source != "Doubletalk"


def test_an_alert_of_no_document_is_the_testers_own() -> None:
    assert {a.name for a in alerts() if a.source == "Doubletalk"} == {a.name for a in alerts()} - set(documented())


def test_inhibition_needs_what_both_are_about() -> None:
    """Without it, two alerts that both lack the label would be taken for one matter."""
    told: list[dict[str, Any]] = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]
    for rule in (r for r in told if "quantity" in r.get("equal", ())):
        assert 'quantity != ""' in rule["source_matchers"] and 'quantity != ""' in rule["target_matchers"]
