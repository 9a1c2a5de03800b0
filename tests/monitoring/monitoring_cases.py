"""What each alert fires at, and what it does not: series as promtool's unit tests take them, one sample each 15 s."""

from __future__ import annotations

from dataclasses import dataclass

RUN = {"job": "doubletalk", "scenario": "demo", "dialect": "openai-realtime"}
ASSISTANT = {"job": "assistant", "instance": "assistant:8000"}
NODE = {"job": "node", "instance": "node-exporter:9100"}
MASTER = {**RUN, "instance": "master:9646"}

Series = dict[str, str]
"""Values of each series, in promtool's shorthand."""


@dataclass(frozen=True)
class Case:
    """An alert, what it fires at with which labels and words, and what it must let pass."""

    alert: str
    labels: dict[str, str]
    summary: str
    fires: Series
    quiet: tuple[Series, ...]


def series(name: str, values: str, **labels: str) -> Series:
    told = ", ".join(f'{k}="{v}"' for k, v in labels.items())
    return {f"{name}{{{told}}}": values}


def steady(name: str, value: float, **labels: str) -> Series:
    """A gauge."""
    return series(name, f"{value:.17g}x80", **labels)


def grows(name: str, by: float, **labels: str) -> Series:
    """A counter that gains so much each 15 s."""
    return series(name, f"0+{by:.17g}x80", **labels)


def between(name: str, low: float, high: float, **labels: str) -> Series:
    """A histogram all of whose values lie there: its p95 is low + 0.95 (high - low)."""
    bucket = f"{name}_bucket"
    return grows(bucket, 0, **labels, le=f"{low:g}") | grows(bucket, 20, **labels, le=f"{high:g}") | grows(bucket, 20, **labels, le="+Inf")


def share(name: str, good: float) -> Series:
    """A share of the catalogue: so many of 100."""
    return grows(f"{name}_numerator_total", good, **RUN) | grows(f"{name}_denominator_total", 100, **RUN)


def slow(alert: str, name: str, bound: float, above: float, below: float, summary: str) -> Case:
    """A p95 over its bound, and one right below it."""
    return Case(alert, RUN, summary, between(name, bound, above, **RUN), (between(name, below, bound, **RUN),))


def memory(available: float) -> Series:
    return steady("system_memory_bytes", available, type="available", **ASSISTANT) | steady(
        "system_memory_bytes", 100, type="total", **ASSISTANT
    )


def disk(available: float) -> Series:
    of = {**NODE, "mountpoint": "/", "fstype": "ext4"}
    return steady("node_filesystem_avail_bytes", available, **of) | steady("node_filesystem_size_bytes", 100, **of)


def link(sent: float, received: float) -> Series:
    """A device that can carry 1,000 bytes a second."""
    of = {**NODE, "device": "eth0"}
    sums = grows("node_network_transmit_bytes_total", sent * 15, **of) | grows("node_network_receive_bytes_total", received * 15, **of)
    return steady("node_network_speed_bytes", 1000, **of) | sums


def api(errors: float) -> Series:
    return grows("http_errors_total", errors, code="500", **ASSISTANT) | grows("api_requests_total", 100, endpoint="/rt-token", **ASSISTANT)


def sessions(refused: float, lost: float) -> Series:
    outcomes = {"refused": refused, "connection_lost": lost, "hung_up": 100 - refused - lost}
    return {k: v for outcome, n in outcomes.items() for k, v in grows("doubletalk_sessions_total", n, outcome=outcome, **RUN).items()}


def run(valid: float, under_way: float) -> Series:
    return steady("doubletalk_run_valid", valid, **MASTER) | steady("doubletalk_run_under_way", under_way, **MASTER)


def workers(state: str, count: float) -> Series:
    return steady("doubletalk_workers", count, state=state, **MASTER) | run(1, 1)


def errors(http: float, inside: float) -> Series:
    return grows("http_errors_total", http * 15, code="500", **ASSISTANT) | grows(
        "application_errors_total", inside * 15, kind="internal", **ASSISTANT
    )


_E2E = "e2e_latency_client_milliseconds"
_DISK = {**NODE, "mountpoint": "/"}
_DAY_S = 86400
_CERTIFICATE = {"job": "traefik", "instance": "traefik:8082", "cn": "voice.example.com"}

CASES = (
    slow("HighEndToEndLatency", _E2E, 2000, 3000, 1500, "demo: end-to-end latency p95 is 2950 ms, over 2000 ms"),
    slow("ElevatedEndToEndLatency", _E2E, 1500, 2000, 1200, "demo: end-to-end latency p95 is 1975 ms, over 1500 ms"),
    slow("NoticeableEndToEndLatency", _E2E, 1000, 1200, 900, "demo: end-to-end latency p95 is 1190 ms, over 1000 ms"),
    slow("SlowLanguageModel", "llm_ttft_milliseconds", 500, 600, 400, "demo: the language model's first token takes 595 ms at p95, over 500 ms"),
    slow("SlowSpeechSynthesis", "tts_processing_milliseconds", 300, 400, 200,
         "demo: speech synthesis takes 395 ms to its first audio at p95, over 300 ms"),
    slow("SlowBargeInResponse", "barge_in_latency_milliseconds", 500, 600, 400, "demo: barge-in latency p95 is 595 ms, over 500 ms"),
    slow("SlowTokenMinting", "token_mint_latency_seconds", 1, 2, 0.5,
         "demo: minting a token takes 1.95 s at p95 (told by doubletalk), over 1 s"),
    slow("HighAudioProcessingLatency", "doubletalk_audio_processing_seconds", 0.15, 0.25, 0.1,
         "demo: processing a frame of audio takes 0.245 s at p95, over 0.150 s"),
    Case("LowAudioQuality", RUN, "demo: estimated audio quality is 1.5 of 5, under 3.0",
         share("doubletalk_continuity", 90), (share("doubletalk_continuity", 97.5), share("doubletalk_continuity", 100))),
    Case("HighPacketLoss", RUN, "demo: 2.0 % of the audio chunks were lost (told by doubletalk), over 1 %",
         share("packet_loss_rate", 2), (share("packet_loss_rate", 0.9),)),
    Case("HighPacketLoss", ASSISTANT, "3.0 % of the audio chunks were lost (told by assistant), over 1 %",
         grows("packet_loss_rate_percent_sum", 30, **ASSISTANT) | grows("packet_loss_rate_percent_count", 10, **ASSISTANT),
         (grows("packet_loss_rate_percent_sum", 9, **ASSISTANT) | grows("packet_loss_rate_percent_count", 10, **ASSISTANT),)),
    Case("FrequentReconnections", RUN, "demo: 2.0 reconnections an hour connected, over 1",
         grows("streaming_reconnections_total", 1, **RUN) | grows("doubletalk_reconnects_per_hour_denominator_seconds_total", 1800, **RUN),
         (grows("streaming_reconnections_total", 1, **RUN) | grows("doubletalk_reconnects_per_hour_denominator_seconds_total", 3700, **RUN),)),
    Case("ServiceDown", ASSISTANT, "assistant:8000 does not answer", steady("up", 0, **ASSISTANT), (steady("up", 1, **ASSISTANT),)),
    Case("HighErrorRate", {"job": "assistant"}, "6.0 errors a second (told by assistant), over 5", errors(3, 3), (errors(2, 2.9),)),
    Case("HighErrorRate", {"job": "doubletalk"}, "6.0 errors a second (told by doubletalk), over 5",
         grows("doubletalk_errors_total", 90, kind="timeout", **RUN), (
             grows("doubletalk_errors_total", 60, kind="auth", **RUN) | grows("http_errors_total", 60, **RUN),
             grows("application_errors_total", 60, kind="mint", **ASSISTANT) | grows("http_errors_total", 60, code="500", **ASSISTANT),
         )),
    Case("HighErrorShare", RUN, "demo: 6.0 % of the turns failed, over 5 %", share("doubletalk_success", 94), (share("doubletalk_success", 96),)),
    Case("CriticalSessionErrors", RUN, "demo: 11.0 % of the sessions failed, over 10 %",
         share("doubletalk_session_success", 89), (share("doubletalk_session_success", 91),)),
    Case("HighSessionFailures", RUN, "demo: 6.0 % of the sessions failed, over 5 %",
         share("doubletalk_session_success", 94), (share("doubletalk_session_success", 96),)),
    Case("HighApiFailures", ASSISTANT, "11.0 % of the API requests failed (told by assistant), over 10 %", api(11), (api(9),)),
    Case("ConnectionFailures", RUN, "demo: 16.0 % of the connections were refused or lost, over 15 %", sessions(10, 6), (sessions(10, 4),)),
    Case("QueueBacklog", ASSISTANT, "101 responses wait for their turn at assistant:8000, over 100",
         steady("responses_waiting", 101, **ASSISTANT), (steady("responses_waiting", 100, **ASSISTANT),)),
    Case("HighCPUUsage", ASSISTANT, "assistant:8000: CPU 95 % busy, over 90 %",
         steady("system_cpu_percent", 95, **ASSISTANT), (steady("system_cpu_percent", 90, **ASSISTANT),)),
    Case("HighCPUUsage", NODE, "node-exporter:9100: CPU 95 % busy, over 90 %",
         grows("node_cpu_seconds_total", 0.75, mode="idle", cpu="0", **NODE), (grows("node_cpu_seconds_total", 1.8, mode="idle", cpu="0", **NODE),)),
    Case("ElevatedCPUUsage", ASSISTANT, "assistant:8000: CPU 75 % busy, over 70 %",
         steady("system_cpu_percent", 75, **ASSISTANT), (steady("system_cpu_percent", 70, **ASSISTANT),)),
    Case("CriticalMemoryUsage", ASSISTANT, "assistant:8000: memory 86 % used, over 85 %", memory(14), (memory(16),)),
    Case("HighMemoryUsage", ASSISTANT, "assistant:8000: memory 86 % used, over 85 %", memory(14), (memory(16),)),
    Case("ElevatedMemoryUsage", ASSISTANT, "assistant:8000: memory 81 % used, over 80 %", memory(19), (memory(21),)),
    Case("ElevatedMemoryUsage", NODE, "node-exporter:9100: memory 81 % used, over 80 %",
         steady("node_memory_MemAvailable_bytes", 19, **NODE) | steady("node_memory_MemTotal_bytes", 100, **NODE),
         (steady("node_memory_MemAvailable_bytes", 21, **NODE) | steady("node_memory_MemTotal_bytes", 100, **NODE),)),
    Case("HighProcessMemory", {**ASSISTANT, "type": "rss"}, "assistant at assistant:8000 holds 600MB, over 500 MB",
         steady("process_memory_bytes", 600e6, type="rss", **ASSISTANT), (steady("process_memory_bytes", 500e6, type="rss", **ASSISTANT),)),
    Case("HighDiskUsage", _DISK, "node-exporter:9100: / is 81 % full, over 80 %", disk(19), (disk(21),)),
    Case("LowDiskSpace", _DISK, "node-exporter:9100: 9 % of / is free, under 10 %", disk(9), (disk(11),)),
    Case("NetworkSaturation", {**NODE, "device": "eth0"}, "node-exporter:9100: eth0 carries 93 % of what it can, over 90 %",
         link(930, 10), (link(890, 10), link(10, 890))),
    Case("NetworkSaturation", {**NODE, "device": "eth0"}, "node-exporter:9100: eth0 carries 94 % of what it can, over 90 %",
         link(10, 940), (link(0, 0),)),
    Case("TlsCertificateExpires", _CERTIFICATE, "traefik:8082: a TLS certificate of voice.example.com expires in 5d 23h 58m 0s",
         steady("traefik_tls_certs_not_after", 6 * _DAY_S, **_CERTIFICATE), (steady("traefik_tls_certs_not_after", 8 * _DAY_S, **_CERTIFICATE),)),
    Case("RunInvalid", MASTER, "demo: the run is invalid, its numbers say nothing about the assistant", run(0, 1), (run(1, 1), run(0, 0))),
    Case("WorkerLost", {**MASTER, "state": "lost"}, "demo: 1 worker(s) lost, their talkers are silent", workers("lost", 1), (workers("lost", 0),)),
    Case("WorkerSilent", {**MASTER, "state": "silent"}, "demo: nothing came from 2 worker(s) for a while",
         workers("silent", 2), (workers("silent", 0),)),
    Case("ExporterDown", {"job": "doubletalk-worker", "instance": "10.0.0.7:9646"}, "doubletalk-worker at 10.0.0.7:9646 does not answer",
         steady("up", 0, job="doubletalk-worker", instance="10.0.0.7:9646"), (steady("up", 1, job="doubletalk-worker", instance="10.0.0.7:9646"),)),
    Case("TargetDown", NODE, "node at node-exporter:9100 does not answer", steady("up", 0, **NODE), (steady("up", 1, **NODE), steady("up", 0, **ASSISTANT))),
    Case("NotificationsFail", {"integration": "slack"}, "Alerts do not get out by slack",
         grows("alertmanager_notifications_failed_total", 1, integration="slack", job="alertmanager"),
         (grows("alertmanager_notifications_failed_total", 0, integration="slack", job="alertmanager"),)),
)  # fmt: skip
