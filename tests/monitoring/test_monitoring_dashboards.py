"""The dashboards: what is committed is what the code makes, every metric of the catalogue has its panel, and no expression asks for a name
that nobody has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from assistant.exposition import Exposition
from metrics.catalog import METRICS, TABLES
from metrics.metric import Metric, Shape, Unit
from monitoring import __main__ as command
from monitoring.alerts import BEGIN, RULES, alerts, cell, page
from monitoring.dashboards import dashboards
from monitoring.promql import value
from reporting import run_families
from reporting.exposition import Family, Kind, families_of

Panels = list[dict[str, Any]]
BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in dashboards().items()}
EVERY = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"]
FOREIGN = {
    "up", "scrape_duration_seconds", "ALERTS", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_network_transmit_bytes_total", "node_network_receive_bytes_total",
    "node_network_speed_bytes", "traefik_tls_certs_not_after", "probe_ssl_earliest_cert_expiry", "alertmanager_notifications_failed_total",
}  # fmt: skip
"""Names of Prometheus, node-exporter, Traefik, blackbox-exporter and Alertmanager."""
WORDS = {
    "sum", "by", "rate", "max", "min", "avg", "histogram_quantile", "avg_over_time", "max_over_time", "increase", "predict_linear", "time",
    "or", "and", "ignoring", "clamp_min",
}  # fmt: skip


def titled(board: str, title: str) -> dict[str, Any]:
    (found,) = [panel for panel in BOARDS[board]["panels"] if panel["title"] == title]
    return dict(found)


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", [])]


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def named(family: Family) -> set[str]:
    return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")} if family.kind is Kind.HISTOGRAM else {family.name}


def known() -> set[str]:
    """Every name that the exporter, the assistant or a recording rule gives."""
    of_metrics = [family for metric in METRICS.values() for family in families_of(metric)]
    of_runs = [family for family in vars(run_families).values() if isinstance(family, Family)]
    shown = Exposition()
    for counter, labels in ((shown.http_errors, ["500"]), (shown.rate_limited, ["/rt-token"]), (shown.errors, ["mint"])):
        counter.labels(*labels)
    shown.api_requests.labels("POST", "/rt-token", "200")
    shown.http.labels("POST", "/rt-token")
    told = text_string_to_metric_families(shown.text().decode())
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return {n for family in of_metrics + of_runs for n in named(family)} | {s.name for family in told for s in family.samples} | recorded


def asked_for(expr: str) -> set[str]:
    """The names of series in an expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|ignoring) \([^)]*\)", " ", expr)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*", bare)) - WORDS - {"e6"}


@pytest.mark.parametrize("path", command.files(), ids=lambda path: path.name)
def test_what_is_committed_is_what_the_code_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == command.files()[path], "run `make monitoring`"


def test_no_dashboard_is_left_over() -> None:
    assert {path.name for path in (command.HERE / "grafana" / "dashboards").iterdir()} == set(BOARDS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_has_its_panel_with_unit_and_target(metric: Metric) -> None:
    panel = titled("developers.json", f"{metric.title} ({metric.code})" if metric.code else metric.title)
    asked = " ".join(expressions(panel))
    assert all(family.name in asked for family in families_of(metric))
    defaults = panel["fieldConfig"]["defaults"]
    units = {
        Unit.SHARE: "percentunit",
        Unit.PER_MINUTE: "suffix: /min",
        Unit.PER_HOUR: "suffix: /h",
        Unit.FACTOR: "suffix: x",
        Unit.INDEX: "none",
        Unit.BYTES: "decbytes",
        Unit.BYTES_PER_HOUR: "suffix: B/h",
    }
    seconds = "ms" if "_milliseconds" in asked else "s"
    assert defaults["unit"] == units.get(metric.unit, seconds)
    assert metric.begins in panel["description"] and metric.absent in panel["description"]
    targets = [t for t in metric.targets if t.grade == "target"]
    if targets and metric.better != "neutral":
        worst = max(targets, key=lambda t: t.aggregate)
        in_ms = 1000 if metric.unit is Unit.SECONDS and seconds == "ms" else 1
        steps = [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]]
        below, above = ("red", "green") if worst.op == ">" else ("green", "red")
        assert steps == [(None, below), (pytest.approx(worst.bound * in_ms), above)]


def test_developers_have_a_row_for_each_table_of_the_catalogue() -> None:
    rows = [panel["title"] for panel in BOARDS["developers.json"]["panels"] if panel["type"] == "row"]
    assert rows == ["Run", "Errors", *(table.capitalize() for table in TABLES)]


def test_the_overview_is_laid_out_as_the_system_design_has_it() -> None:
    """System design 6.1: health, latency and barge-in side by side, streaming and throughput, quality, resources, errors."""
    rows: dict[str, list[str]] = {}
    for panel in BOARDS["overview.json"]["panels"]:
        if panel["type"] == "row":
            rows[panel["title"]] = here = []
        else:
            here.append(panel["title"])
    assert rows["System health"] == ["Uptime", "Active sessions", "CPU", "Run valid"]
    assert rows["Latency"][:2] == ["End-to-end latency: distribution", "Barge-in latency (B1-B4)"]
    assert {"Jitter p50", "Reconnections", "Audio loss", "Token requests", "Audio"} <= set(rows["Streaming and throughput"])
    assert {"Audio quality (MOS, estimated)", "Quality after the run"} <= set(rows["Quality"])
    assert rows["Resources"] == ["CPU", "Memory", "Network"]
    assert len(rows["Recent errors and anomalies"]) == 2


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_can_be_read_and_chosen_from(name: str) -> None:
    board = BOARDS[name]
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "scenario", "dialect"]
    assert board["uid"].startswith("doubletalk-")
    assert board["links"][0]["tags"] == board["tags"] == ["doubletalk"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("board", "panel"), EVERY, ids=[f"{board}: {panel['title']}" for board, panel in EVERY])
def test_a_panel_says_what_it_shows(board: str, panel: dict[str, Any]) -> None:
    if panel["type"] == "text":
        assert panel["options"]["content"]
        return
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert expressions(panel)
    if panel["type"] in ("timeseries", "stat"):
        assert panel["fieldConfig"]["defaults"]["unit"]
    for expr in (e for e in expressions(panel) if "doubletalk_" in e):
        assert 'scenario=~"$scenario"' in expr and 'dialect=~"$dialect"' in expr


def test_no_expression_asks_for_a_name_that_nobody_has() -> None:
    names = known() | FOREIGN
    for where, expr in [(f"{b}: {p['title']}", e) for b, p in EVERY for e in expressions(p)] + [(str(r), r["expr"]) for r in rules()]:
        assert asked_for(expr) and asked_for(expr) <= names, f"{where}: {asked_for(expr) - names}"


def test_grafana_is_told_where_data_and_dashboards_are() -> None:
    provisioning = command.HERE / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "doubletalk.yml").read_text())["providers"]
    assert {s["type"]: s["url"] for s in sources} == {"prometheus": "http://prometheus:9090", "alertmanager": "http://alertmanager:9093"}
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


def test_the_page_holds_every_alert() -> None:
    text = command.PAGE.read_text(encoding="utf-8")
    for alert in alerts():
        assert f"| `{alert.name}` | {alert.severity} | {alert.lasts or 'at once'} | {cell(alert.source)} |" in text


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="are missing"):
        page(f"# A page\n\n{BEGIN}\n")


def test_what_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "PAGE", tmp_path / "none.md")
    assert command.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "aggregate", "expr"),
    [
        ("ttft", "mean", "sum by (job) (rate(doubletalk_ttft_seconds_sum[5m])) / sum by (job) (rate(doubletalk_ttft_seconds_count[5m]))"),
        ("ttft", "p99", "histogram_quantile(0.99, sum by (le, job) (rate(doubletalk_ttft_seconds_bucket[5m])))"),
        ("ttft", "max", "histogram_quantile(1, sum by (le, job) (rate(doubletalk_ttft_seconds_bucket[5m])))"),
        ("success", "value",
         "sum by (job) (rate(doubletalk_success_numerator_total[5m])) / sum by (job) (rate(doubletalk_success_denominator_total[5m]))"),
        ("underruns", "value",
         "60 * sum by (job) (rate(doubletalk_underruns_numerator_total[5m])) / "
         "sum by (job) (rate(doubletalk_underruns_denominator_seconds_total[5m]))"),
    ],
)  # fmt: skip
def test_expressions(name: str, aggregate: str, expr: str) -> None:
    assert value(METRICS[name], aggregate, "5m", by=("job",)) == expr
    assert METRICS[name].shape is (Shape.RATIO if aggregate == "value" else Shape.DISTRIBUTION)


def test_an_aggregate_without_an_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="ttft: no expression for sum"):
        value(METRICS["ttft"], "sum", "5m")
