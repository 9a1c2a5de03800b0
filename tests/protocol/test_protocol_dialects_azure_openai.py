"""Azure OpenAI: addresses, headers and sessions; the rest is OpenAI's wire, tested as such."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_official import BETA_CLIENT, GA_CLIENT

from protocol import SessionSettings, find, make
from protocol.dialects.azure_openai import AzureOpenAI
from protocol.events import Committed

DATED = {"api_version": "2025-04-01-preview"}


def test_it_is_found_by_its_name() -> None:
    assert find("azure-openai") is AzureOpenAI
    assert (AzureOpenAI.recipe, AzureOpenAI.key_variable, AzureOpenAI().flushes) == (None, "AZURE_OPENAI_API_KEY", True)


@pytest.mark.parametrize(
    ("base", "model", "options", "url"),
    [
        ("https://r.openai.azure.com", "d", {}, "wss://r.openai.azure.com/openai/v1/realtime?model=d"),
        ("https://r.openai.azure.com/openai/v1/", None, {}, "wss://r.openai.azure.com/openai/v1/realtime?model=gpt-realtime"),
        ("wss://r/openai/v1/realtime?model=mine", None, {}, "wss://r/openai/v1/realtime?model=mine"),
        ("https://r", "d", DATED, "wss://r/openai/realtime?api-version=2025-04-01-preview&deployment=d"),
        ("https://r/openai?deployment=mine", None, DATED, "wss://r/openai/realtime?deployment=mine&api-version=2025-04-01-preview"),
    ],
)
def test_the_address_is_the_resources(base: str, model: str | None, options: dict[str, Any], url: str) -> None:
    assert make(AzureOpenAI, options).endpoint(base, model) == url


def test_the_key_has_a_header_of_its_own_and_entras_token_is_a_bearer() -> None:
    assert AzureOpenAI().headers("k") == {"api-key": "k"}
    assert make(AzureOpenAI, {"entra": True}).headers("t") == {"Authorization": "Bearer t"}
    assert AzureOpenAI().headers(None) == make(AzureOpenAI, {"entra": True}).headers(None) == {}
    with pytest.raises(ValueError, match="header cannot carry"):
        AzureOpenAI().headers("")


def test_the_session_is_that_of_its_version() -> None:
    settings = SessionSettings(instructions="Hi", voice="marin")
    (current,), (dated,) = AzureOpenAI().configure(settings), make(AzureOpenAI, DATED).configure(settings)
    assert GA_CLIENT.validate_json(current).session.type == "realtime"
    assert BETA_CLIENT.validate_json(dated).session.input_audio_format == "pcm16"
    assert "type" not in json.loads(dated)["session"]


def test_events_are_openais() -> None:
    assert AzureOpenAI().decode(b'{"type":"input_audio_buffer.committed","item_id":"i"}') == Committed("i")
