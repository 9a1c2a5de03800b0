"""The dashboards: one by the layout of the system design (6.1), and one each for developers, operations and executives."""

from __future__ import annotations

from collections.abc import Callable

from metrics.catalog import METRICS, TABLES
from monitoring import promql
from monitoring.board import Rows, board
from monitoring.panels import BY, RUN, WINDOW, Bound, Panel, Query, distribution, lines, metric_lines, note, number
from monitoring.parts import (
    SERVICE,
    as_ms,
    both,
    cpu,
    errors,
    firing,
    latest_errors,
    loss,
    machine,
    messages,
    mos,
    network,
    outcomes,
    run_numbers,
    sessions,
    sessions_by_outcome,
    targets,
    tester,
    uptime,
    valid,
)
from reporting import run_families as run

_STAGES = ("endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "audio_rendering", "speaker_output", "stage_residual")
_AFTERWARDS = (
    "Word error rate, relevance and context retention are judged on transcripts **after** a run; nothing here knows them while it goes on."
)


def dashboards() -> dict[str, str]:
    """Every dashboard as JSON, by the name of its file."""
    made: dict[str, Callable[[], str]] = {
        "overview": _overview,
        "developers": _developers,
        "operations": _operations,
        "executives": _executives,
    }
    return {f"{name}.json": build() for name, build in made.items()}


def _overview() -> str:
    rows: Rows = [
        ("System health", [uptime(6), sessions(6), cpu(6), valid(6)]),
        ("Latency", [distribution(METRICS["e2e_latency"]), metric_lines(METRICS["barge_in_latency"], 12), *targets("e2e_latency", 6), *targets("barge_in_latency", 6)]),
        ("Streaming and throughput", [
            *targets("jitter", 4), *targets("reconnects_per_hour", 4), loss(4),
            number("Token requests", "Tokens asked for a second (QPS).", "reqps", Query(promql.rate("api_requests_total", WINDOW, RUN, BY), "{{scenario}}")),
            number("Audio", "Audio a second, both ways, as the assistant counts it.", "Bps", Query(both("audio_{}_bytes_total"))),
            number("Messages", "WebSocket messages a second, both ways, as the assistant counts them.", "ops", Query(both("websocket_messages_{}_total"))),
        ]),
        ("Quality", [mos(6), *targets("continuity", 6), *targets("interruption_success", 4), *targets("false_alarm_resume", 4), note("Quality after the run", _AFTERWARDS, 4)]),
        ("Resources", [machine("CPU", "cpu", 90), machine("Memory", "memory", 85), network()]),
        ("Recent errors and anomalies", [firing(12), latest_errors(12)]),
    ]  # fmt: skip
    return board(
        "doubletalk-overview",
        "Full-Duplex Voice Assistant - Performance Dashboard",
        "The whole system at a glance, laid out as in the system design, 6.1.",
        rows,
    )


def _developers() -> str:
    stages = [Query(promql.value(METRICS[name], "mean", WINDOW, RUN, ()) + as_ms(METRICS[name]), METRICS[name].title) for name in _STAGES]
    text = "Means of the stages between the end of the talker's speech and the sound of the answer, each over the turns that have it."
    rows: list[tuple[str, list[Panel]]] = [
        ("Run", [*run_numbers(), lines("Stages of a turn", text, "ms", stages, width=12), outcomes(12)]),
        ("Errors", [errors(12), sessions_by_outcome(12)]),
    ]
    rows += [(table.capitalize(), [metric_lines(m) for m in METRICS.values() if m.table == table]) for table in TABLES]
    return board("doubletalk-developers", "Doubletalk: developers", "Every metric of the catalogue, stage by stage, with its target.", rows)


def _operations() -> str:
    rows: Rows = [
        ("Service health", [
            uptime(6), sessions(6),
            number("Requests", "API requests a second that the assistant answers.", "reqps", Query(promql.rate("api_requests_total", WINDOW, [SERVICE], ())), width=6),
            number("Responses waiting", "Responses that wait for their turn to be made.", "none", Query("sum(responses_waiting)"), Bound(100), 6),
            firing(24),
        ]),
        ("Throughput", [
            lines("WebSocket messages", "As the assistant counts them.", "ops", [Query(messages("sent"), "sent"), Query(messages("received"), "received")]),
            lines("API requests", "That the assistant answers, by endpoint.", "reqps", [Query(promql.rate("api_requests_total", WINDOW, [SERVICE], ("endpoint",)), "{{endpoint}}")]),
            lines("HTTP latency", "Of the assistant's endpoints, p95.", "s", [Query(f"histogram_quantile(0.95, {promql.rate('http_request_latency_seconds_bucket', WINDOW, [SERVICE], ('le', 'endpoint'))})", "{{endpoint}}")]),
        ]),
        ("Errors", [
            lines("HTTP errors", "Of the assistant, by status code.", "ops", [Query(promql.rate("http_errors_total", WINDOW, [SERVICE], ("code",)), "{{code}}")]),
            lines("Rate limit violations", "Requests that the assistant refused, by endpoint.", "ops", [Query(promql.rate("rate_limit_exceeded_total", WINDOW, (), ("endpoint",)), "{{endpoint}}")]),
            lines("Reconnections", "Sessions opened again after a loss, per hour.", "none", [Query("3600 * " + promql.rate("streaming_reconnections_total", WINDOW, (), ("job",)), "{{job}}")]),
            errors(12),
            lines("Application errors", "Inside the assistant, by kind.", "ops", [Query(promql.rate("application_errors_total", WINDOW, (), ("kind",)), "{{kind}}")], width=12),
        ]),
        ("Resources", [
            machine("CPU", "cpu", 90), machine("Memory", "memory", 85), network(),
            lines("Process memory", "Resident, of the processes that tell it.", "bytes", [Query('process_memory_bytes{type="rss"}', "{{job}} {{instance}}")], Bound(500e6)),
            lines("Memory growth", "In MB per ten minutes, over the last ten.", "none", [Query('rate(process_memory_bytes{type="rss"}[10m]) / 1024 / 1024 * 600', "{{job}} {{instance}}")]),
            machine("Disk", "disk", 80, "{{instance}} {{mountpoint}}"),
        ]),
        ("Tester", list(tester())),
    ]  # fmt: skip
    return board(
        "doubletalk-operations",
        "Doubletalk: operations",
        "Whether assistant, tester and machines are up, what fails, and what runs out.",
        rows,
    )


def _executives() -> str:
    promised = [
        m
        for m in METRICS.values()
        if m.name
        in (
            "success",
            "session_success",
            "e2e_latency",
            "ttft",
            "barge_in_latency",
            "interruption_success",
            "false_alarm_resume",
            "continuity",
        )
    ]
    availability = 'avg_over_time(up{job="assistant"}[$__range])'
    rows: Rows = [
        ("Service level", [
            number("Availability", "Share of the chosen time in which the assistant answered. Target: 99.5 % (SD).", "percentunit", Query(f"avg({availability})"), Bound(0.995, True), 6),
            valid(6), sessions(6),
            number("Criteria that hold", "Share of the scenario's criteria that hold so far.", "percentunit", Query(f"avg by (scenario) ({run.CRITERION.name}{promql.selector(*RUN)})", "{{scenario}}"), Bound(1.0, True), 6),
        ]),
        ("Promises to callers, over the last five minutes", [panel for m in promised for panel in targets(m.name, 4)]),
        ("Trend", [
            lines("End-to-end latency", "Median and p95 over five minutes; both have a target.", "ms", [Query(promql.recorded_name(METRICS["e2e_latency"], p) + promql.selector(*RUN), f"{p} {{{{scenario}}}}") for p in ("p50", "p95")], Bound(1200), 12),
            lines("Turns that got their answer", "Share of the turns, over five minutes.", "percentunit", [Query(promql.recorded_name(METRICS["success"], "value") + promql.selector(*RUN), "{{scenario}}")], Bound(0.95, True), 12),
        ]),
        ("Capacity", [
            lines("Sessions, and where they lead", "Open WebSocket connections, and what they are in a week if the last week goes on.", "none", [Query("sum(websocket_connections_active)", "now"), Query("sum(predict_linear(websocket_connections_active[1w], 86400 * 7))", "in a week")], Bound(100), 12),
            firing(12),
        ]),
    ]  # fmt: skip
    return board(
        "doubletalk-executives",
        "Doubletalk: executives",
        "Whether the promises to callers are kept, and for how long they will be.",
        rows,
        "now-24h",
    )
