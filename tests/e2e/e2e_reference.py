"""What the reference documents ask Prometheus for: each PromQL line, and each name, with what stands for it here."""

from __future__ import annotations

GUIDE, DESIGN, BASELINES = "monitoring-guide", "system-design", "livekitex-baselines"
_CLIENT, _SERVER = "Client-Side Metrics", "Server-Side Metrics"

PROMQL = [
    (GUIDE, "Creating Custom Dashboards", "histogram_quantile(0.95, rate(e2e_latency_client_milliseconds_bucket[5m]))"),
    (GUIDE, "Query Examples", "rate(e2e_latency_client_milliseconds_sum[5m]) / rate(e2e_latency_client_milliseconds_count[5m])"),
    (GUIDE, "Query Examples", "rate(http_errors_total[5m]) / rate(api_requests_total[5m]) * 100"),
    (GUIDE, "Query Examples", "rate(streaming_reconnections_total[1h]) * 3600"),
    (GUIDE, "Query Examples", 'rate(process_memory_bytes{type="rss"}[10m]) / 1024 / 1024 * 600'),
    (GUIDE, "Capacity Planning", "predict_linear(websocket_connections_active[1w], 86400 * 7)"),
]
"""Document, section, and the line as it stands there. The other documents have none."""

_SERVERS = {
    "token_mint_latency_seconds": "_count",
    "openai_api_latency_seconds": "_count",
    "http_request_latency_seconds": "_count",
    "api_requests_total": "",
    "websocket_connections_active": "",
    "websocket_messages_sent_total": "",
    "websocket_messages_received_total": "",
    "conversation_turns_total": "",
    "conversation_interruptions_total": "",
    "asr_transcription_delay_milliseconds": "_count",
    "rate_limit_exceeded_total": "",
    "http_errors_total": "",
    "application_errors_total": "",
    "system_cpu_percent": "",
    "system_memory_bytes": "",
    "process_memory_bytes": "",
    "process_cpu_percent": "",
}
_CLIENTS = {
    "e2e_latency": "e2e_latency_client_milliseconds_count",
    "barge_in_latency": "barge_in_latency_milliseconds_count",
    "asr_processing": "asr_processing_milliseconds_count",
    "llm_ttft": "llm_ttft_milliseconds_count",
    "tts_processing": "tts_processing_milliseconds_count",
    "packet_loss_rate": "packet_loss_rate_denominator_total",
    "jitter": "jitter_milliseconds_count",
    "network_quality_index": "network_quality_index_count",
}

NAMES = [
    *((GUIDE, _CLIENT, name, f'{series}{{job="doubletalk"}}') for name, series in _CLIENTS.items()),
    *((GUIDE, _SERVER, name, f'{name}{part}{{job="assistant"}}') for name, part in _SERVERS.items()),
    (DESIGN, "4.2", "websocket_active_connections", "websocket_connections_active"),
    (DESIGN, "4.2", "memory_usage_bytes", 'process_memory_bytes{type="rss"}'),
    (DESIGN, "6.1", "Packet Loss", "packet_loss_rate_numerator_total"),
    (DESIGN, "6.1", "QPS", "rate(api_requests_total[5m])"),
    (DESIGN, "6.1", "Audio", "rate(audio_sent_bytes_total[5m]) + rate(audio_received_bytes_total[5m])"),
    (DESIGN, "6.1", "Concurrency", "doubletalk_talkers"),
    (BASELINES, "HTTP Health Endpoints", "http_requests_total", "api_requests_total"),
    (BASELINES, "HTTP Health Endpoints", "uptime_seconds", 'time() - process_start_time_seconds{job="assistant"}'),
    (BASELINES, "HTTP Health Endpoints", "memory_bytes", "process_memory_bytes"),
]
"""Document, section, name, and what stands for it: the guide's own name where another document has another."""
