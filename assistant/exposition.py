"""What /metrics shows: the server-side names of the monitoring guide, and the client metrics posted to /api/metrics.

One registry per assistant. Labels come from fixed sets only (route templates, stages, kinds), never from a client.
Counts of the hot path are plain integers, read when Prometheus asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

MILLISECONDS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 650, 840, 1000, 1200, 1500, 2000, 3000, 5000, 10000)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
SHARE = (0.0, 0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0)
INDEX = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
# Name a client sends -> histogram, its meaning, its buckets (monitoring guide, client-side metrics).
CLIENT_METRICS = {
    "e2e_latency": ("e2e_latency_client_milliseconds", "Speech to audio response", MILLISECONDS),
    "barge_in_latency": ("barge_in_latency_milliseconds", "Interruption detection to playback stop", MILLISECONDS),
    "asr_processing": ("asr_processing_milliseconds", "Speech to first transcript", MILLISECONDS),
    "llm_ttft": ("llm_ttft_milliseconds", "Request to first token", MILLISECONDS),
    "tts_processing": ("tts_processing_milliseconds", "Text to first audio chunk", MILLISECONDS),
    "packet_loss_rate": ("packet_loss_rate_percent", "Dropped packets / total", SHARE),
    "jitter": ("jitter_milliseconds", "Variance in packet arrival", MILLISECONDS),
    "network_quality_index": ("network_quality_index", "Composite network score", INDEX),
}
MAX_VALUES = 1000  # per name and request


class Exposition:
    """All metrics of one assistant."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.messages_sent = 0
        self.messages_received = 0
        self.audio_bytes_sent = 0
        self.audio_bytes_received = 0
        self.requests = 0
        self._process = psutil.Process()
        self._process.cpu_percent()
        psutil.cpu_percent()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        self.token_mint = histogram("token_mint_latency_seconds", "Token minting duration", SECONDS)
        self.stage = histogram("openai_api_latency_seconds", "Duration of a stage", SECONDS, "endpoint")
        self.http = histogram("http_request_latency_seconds", "HTTP request duration", SECONDS, "method", "endpoint")
        self.api_requests = counter("api_requests_total", "API requests", "method", "endpoint", "status")
        self.connections = Gauge("websocket_connections_active", "Current WebSocket connections", registry=registry)
        self.responses_waiting = Gauge("responses_waiting", "Responses that wait for their turn to be made", registry=registry)
        self.turns = counter("conversation_turns_total", "User and assistant turns", "role")
        self.interruptions = counter("conversation_interruptions_total", "Barge-in events")
        self.asr = histogram("asr_transcription_delay_milliseconds", "End of turn to final transcript", MILLISECONDS)
        self.rate_limited = counter("rate_limit_exceeded_total", "Rate limit violations", "endpoint")
        self.http_errors = counter("http_errors_total", "HTTP errors by code", "code")
        self.errors = counter("application_errors_total", "Application-level errors", "kind")
        self.reconnections = counter("streaming_reconnections_total", "Sessions reopened by a client after a loss")
        self.unknown = counter("client_metrics_unknown_total", "Client metrics with a name that is not known")
        self.client = {name: histogram(full, text, buckets) for name, (full, text, buckets) in CLIENT_METRICS.items()}
        self.client |= {full: self.client[name] for name, (full, _, _) in CLIENT_METRICS.items()}
        for role in ("user", "assistant"):
            self.turns.labels(role)
        for stage in ("asr", "llm", "tts"):
            self.stage.labels(stage)
        ProcessCollector(registry=registry)  # start, CPU seconds and open files, under the names that Prometheus gives them
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What is read on demand: message counts and the resources of machine and process."""
        sent = CounterMetricFamily("websocket_messages_sent", "Messages sent to clients", value=self.messages_sent)
        received = CounterMetricFamily("websocket_messages_received", "Messages from clients", value=self.messages_received)
        yield from (sent, received)
        yield CounterMetricFamily("audio_sent_bytes", "Audio sent to clients, as 16-bit samples", value=self.audio_bytes_sent)
        yield CounterMetricFamily("audio_received_bytes", "Audio from clients, as 16-bit samples", value=self.audio_bytes_received)
        yield GaugeMetricFamily("system_cpu_percent", "System CPU usage", value=psutil.cpu_percent())
        yield GaugeMetricFamily("process_cpu_percent", "Process CPU usage", value=self._process.cpu_percent())
        machine, own = psutil.virtual_memory(), self._process.memory_info()
        memory = GaugeMetricFamily("system_memory_bytes", "System memory", labels=["type"])
        for kind in ("used", "available", "total"):
            memory.add_metric([kind], getattr(machine, kind))
        yield memory
        memory = GaugeMetricFamily("process_memory_bytes", "Process memory", labels=["type"])
        for kind in ("rss", "vms"):
            memory.add_metric([kind], getattr(own, kind))
        yield memory

    def text(self) -> bytes:
        """The exposition in Prometheus's text format."""
        return generate_latest(self.registry)

    def observe_stage(self, stage: str, seconds: float) -> None:
        self.stage.labels(stage).observe(seconds)
        if stage == "asr":
            self.asr.observe(seconds * 1000.0)

    def take_client_metrics(self, data: Any) -> int:
        """Takes {name: number or [numbers]}; returns how many values were taken, unknown names counted apart.
        Raises ValueError where the shape is wrong; then nothing is taken."""
        if not isinstance(data, dict):
            raise ValueError("expected an object of name: number or list of numbers")
        taken: list[tuple[str, list[float]]] = []
        for name, given in data.items():
            values = given if isinstance(given, list) else [given]
            if len(values) > MAX_VALUES:
                raise ValueError(f"at most {MAX_VALUES} values per name")
            for value in values:
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                    raise ValueError("values must be finite numbers")
            taken.append((name, values))
        count = 0
        for name, values in taken:
            metric = self.client.get(name)
            if metric is None:
                self.unknown.inc()
                continue
            for value in values:
                metric.observe(value)
            count += len(values)
        return count
