"""/metrics: the names that the monitoring guide fixes, and the numbers behind them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assistant.exposition import CLIENT_METRICS, MAX_VALUES, Exposition

GUIDE = {
    "token_mint_latency_seconds", "openai_api_latency_seconds", "http_request_latency_seconds", "api_requests",
    "websocket_connections_active", "websocket_messages_sent", "websocket_messages_received", "conversation_turns",
    "conversation_interruptions", "asr_transcription_delay_milliseconds", "rate_limit_exceeded", "http_errors",
    "application_errors", "system_cpu_percent", "system_memory_bytes", "process_memory_bytes", "process_cpu_percent",
    "streaming_reconnections", "e2e_latency_client_milliseconds", "barge_in_latency_milliseconds",
}  # fmt: skip


def samples(shown: Exposition) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(shown.text().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_all_names_are_there() -> None:
    assert {family.name for family in text_string_to_metric_families(Exposition().text().decode())} >= GUIDE


def test_numbers() -> None:
    shown = Exposition()
    shown.messages_sent, shown.messages_received = 7, 9
    shown.audio_bytes_sent, shown.audio_bytes_received = 4800, 960
    shown.observe_stage("asr", 0.25)
    shown.turns.labels("user").inc(3)
    values = samples(shown)
    assert values["websocket_messages_sent_total", ()] == 7
    assert values["websocket_messages_received_total", ()] == 9
    assert values["audio_sent_bytes_total", ()] == 4800
    assert values["audio_received_bytes_total", ()] == 960
    assert values["openai_api_latency_seconds_sum", (("endpoint", "asr"),)] == 0.25
    assert values["asr_transcription_delay_milliseconds_sum", ()] == 250
    assert values["conversation_turns_total", (("role", "user"),)] == 3
    assert values["process_memory_bytes", (("type", "rss"),)] > 1e6


def test_client_metrics_by_either_name() -> None:
    shown = Exposition()
    taken = shown.take_client_metrics({"e2e_latency": [700, 900.5], "jitter_milliseconds": 12, "my_own": 1})
    values = samples(shown)
    assert taken == 3
    assert values["e2e_latency_client_milliseconds_sum", ()] == 1600.5
    assert values["e2e_latency_client_milliseconds_count", ()] == 2
    assert values["jitter_milliseconds_count", ()] == 1
    assert values["client_metrics_unknown_total", ()] == 1


@pytest.mark.parametrize(
    "data",
    [[], "x", {"jitter": "x"}, {"jitter": [1, None]}, {"jitter": True}, {"jitter": math.nan}, {"jitter": [0] * (MAX_VALUES + 1)}],
)
def test_a_wrong_shape_takes_nothing(data: Any) -> None:
    shown = Exposition()
    with pytest.raises(ValueError, match=r"number|values"):
        shown.take_client_metrics({"e2e_latency": 5, **data} if isinstance(data, dict) else data)
    assert samples(shown)["e2e_latency_client_milliseconds_count", ()] == 0


def test_two_assistants_do_not_share_a_registry() -> None:
    first, second = Exposition(), Exposition()
    first.interruptions.inc()
    assert samples(second)["conversation_interruptions_total", ()] == 0
    assert len(CLIENT_METRICS) == 8
