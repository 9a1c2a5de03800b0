"""Panels that several dashboards show: health, sessions, resources, errors, and the tester's own fitness."""

from __future__ import annotations

from collections.abc import Iterator

from metrics.catalog import METRICS
from metrics.metric import Metric
from monitoring import promql
from monitoring.panels import BY, RUN, WINDOW, Bound, Panel, Query, lines, listing, metric_number, number
from reporting import run_families as run
from reporting.exposition import Family

NODE, SERVICE = 'job="node"', 'job="assistant"'


def tester() -> Iterator[Panel]:
    """Whether the tester is fit to measure."""
    for family, at in ((run.SEND_LATENESS, 0.010), (run.LOOP_LAG, 0.020)):
        queries = [Query(promql.quantile(family, q, WINDOW, RUN, BY), f"p{q * 100:g} {{{{scenario}}}}") for q in (0.5, 0.99)]
        limit = "half a frame at p99 (10 ms of 20)" if family is run.SEND_LATENESS else "20 ms at p99"
        yield lines(title(family), f"{family.help}. The run is invalid above {limit}.", "s", queries, Bound(at))
    cores = f"{promql.rate(run.CPU.name, WINDOW, RUN, BY)} / {promql.rate(run.MEASURED.name, WINDOW, RUN, BY)}"
    yield lines("CPU of the tester", "Cores per worker.", "none", [Query(cores, "{{scenario}}")], Bound(0.8))
    for family, unit in ((run.WORKER_TALKERS, "none"), (run.WORKER_LATENESS, "s"), (run.WORKER_OFFSET, "s"), (run.WORKER_SILENT, "s")):
        yield lines(title(family), f"{family.help}.", unit, [Query(family.name + promql.selector(*RUN), "{{worker}}")], width=6)
    yield lines("Workers", f"{run.WORKERS.help}.", "none", [Query(run.WORKERS.name + promql.selector(*RUN), "{{state}}")])
    losses = [
        (run.FRAMES_DROPPED, "frames dropped"),
        (run.MISSED_STARTS, "missed starts"),
        (run.RECORDS_LOST, "records lost"),
        (run.LOCAL_FAULTS, "local faults"),
    ]
    queries = [Query(f"sum by (scenario) ({family.name}{promql.selector(*RUN)})", f"{what} {{{{scenario}}}}") for family, what in losses]
    yield lines("What the tester missed", "Since the run's start. None of it is the assistant's fault.", "none", queries)
    scrapes = Query("scrape_duration_seconds", "{{job}} {{instance}}")
    yield lines("Scrapes", "How long Prometheus waits for each target.", "s", [scrapes])


def run_numbers() -> list[Panel]:
    elapsed = Query(run.RUN_ELAPSED.name + promql.selector(*RUN), "{{scenario}}")
    talkers = Query(run.TALKERS.name + promql.selector(*RUN), "{{scenario}}")
    turns = Query(promql.rate(run.TURNS.name, WINDOW, RUN, BY), "{{scenario}}")
    return [
        valid(6),
        number("Elapsed", f"{run.RUN_ELAPSED.help}.", "s", elapsed, width=6),
        number("Talkers", f"{run.TALKERS.help}.", "none", talkers, width=6),
        number("Turns", "Utterances, barge-ins and false alarms that end a second.", "ops", turns, width=6),
    ]


def targets(name: str, width: int) -> list[Panel]:
    """A number for each of a metric's targets."""
    metric = METRICS[name]
    return [metric_number(metric, target, width) for target in metric.targets if target.grade == "target"]


def valid(width: int) -> Panel:
    query = Query(run.RUN_VALID.name + promql.selector(*RUN), "{{scenario}}")
    return number("Run valid", f"{run.RUN_VALID.help}.", "bool_yes_no", query, Bound(1.0, True), width)


def uptime(width: int) -> Panel:
    query = Query('100 * avg(avg_over_time(up{job="assistant"}[$__range]))')
    return number(
        "Uptime",
        "Share of the chosen time in which the assistant answered. Target: 99.5 % (SD).",
        "percent",
        query,
        Bound(99.5, True),
        width,
    )


def sessions(width: int) -> Panel:
    return number(
        "Active sessions",
        "Open WebSocket connections, as the assistant counts them.",
        "none",
        Query("sum(websocket_connections_active)"),
        None,
        width,
    )


def cpu(width: int) -> Panel:
    return number("CPU", "Of the busiest machine.", "percent", Query("max(instance:cpu_used:percent)"), Bound(90), width)


def loss(width: int) -> Panel:
    text = "Audio that was not there when it was due, over two minutes: a WebSocket loses nothing, it delays. Packet loss of the dialect's own numbering is under Streaming on the developers' dashboard."
    return number(
        "Audio loss", text, "percent", Query("scenario:audio_loss:percent_2m" + promql.selector(*RUN), "{{scenario}}"), Bound(2), width
    )


def mos(width: int) -> Panel:
    text = (
        "Listening quality from 1 to 5, estimated from the audio that was not there in time (ITU-T G.107). No person and no model listened."
    )
    return number(
        "Audio quality (MOS, estimated)",
        text,
        "none",
        Query("scenario:audio_quality:mos_2m" + promql.selector(*RUN), "{{scenario}}"),
        Bound(4.0, True),
        width,
    )


def machine(title: str, what: str, at: float, legend: str = "{{job}} {{instance}}") -> Panel:
    return lines(
        title,
        "As processes tell of their machine, and node-exporter of its own.",
        "percent",
        [Query(f"instance:{what}_used:percent", legend)],
        Bound(at),
    )


def network() -> Panel:
    """What goes over the wire: of the machine where that is known, and the audio in any case."""
    queries = []
    for counted, word in (("transmit", "sent"), ("receive", "received")):
        device = f'sum by (instance) (rate(node_network_{counted}_bytes_total{{{NODE}, device!="lo"}}[1m]))'
        audio = promql.rate(f"audio_{word}_bytes_total", WINDOW, [SERVICE], ("instance",))
        queries += [Query(device, f"{word} {{{{instance}}}}"), Query(audio, f"audio {word} {{{{instance}}}}")]
    text = "All devices but loopback, by a node-exporter outside a container, and the audio that the assistant sends and receives."
    return lines("Network", text, "Bps", queries)


def messages(way: str) -> str:
    return promql.rate(f"websocket_messages_{way}_total", WINDOW, [SERVICE], ())


def both(name: str) -> str:
    """What goes to the talkers and what comes from them, together; `{}` stands for the way."""
    return " + ".join(promql.rate(name.format(way), WINDOW, [SERVICE], ()) for way in ("sent", "received"))


def outcomes(width: int) -> Panel:
    query = Query(promql.rate(run.TURNS.name, WINDOW, RUN, ("kind", "outcome")), "{{kind}} {{outcome}}")
    return lines("Turns by outcome", f"{run.TURNS.help}, a second.", "ops", [query], width=width)


def errors(width: int) -> Panel:
    return lines(
        "Errors by kind",
        f"{run.ERRORS.help}, a second.",
        "ops",
        [Query(promql.rate(run.ERRORS.name, WINDOW, RUN, ("kind",)), "{{kind}}")],
        width=width,
    )


def sessions_by_outcome(width: int) -> Panel:
    query = Query(promql.rate(run.SESSIONS.name, WINDOW, RUN, ("outcome",)), "{{outcome}}")
    return lines("Sessions by outcome", f"{run.SESSIONS.help}, a second.", "ops", [query], width=width)


def latest_errors(width: int) -> Panel:
    queries = [Query(f"sum by (kind) (increase({run.ERRORS.name}{promql.selector(*RUN)}[5m])) > 0")]
    return listing("Errors of the last five minutes", "By kind, as callers met them. The live page has each with its time.", queries, width)


def firing(width: int) -> Panel:
    return listing(
        "Alerts",
        "Firing now. What to do about each is in its annotations, on Alertmanager's page.",
        [Query('ALERTS{alertstate="firing"}')],
        width,
    )


def as_ms(metric: Metric) -> str:
    return "" if promql.scale(metric) == 1000.0 else " * 1000"


def title(family: Family) -> str:
    name = family.name.removeprefix("doubletalk_").removesuffix("_seconds").replace("_", " ")
    return name[0].upper() + name[1:]
