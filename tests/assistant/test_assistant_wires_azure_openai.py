"""The assistant as Azure OpenAI: how clients get in, and which shape their address asks for."""

from __future__ import annotations

import json

import pytest

from assistant.wires.azure_openai import AzureOpenAI
from protocol import find, make

DATED = {"api-version": "2025-04-01-preview", "deployment": "d"}


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [
        ({"api-key": "k"}, {}, "k"),
        ({}, {"api-key": "k"}, "k"),
        ({"authorization": "Bearer t"}, {}, "t"),
        ({"authorization": "Basic t"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_key_has_a_header_of_its_own(headers: dict[str, str], query: dict[str, str], secret: str | None) -> None:
    assert AzureOpenAI.secret(headers, query, []) == secret


def test_a_dated_version_speaks_the_beta() -> None:
    current, dated = AzureOpenAI.opened("t", {}, {"model": "d"}, []), AzureOpenAI.opened("t", {}, DATED, [])
    assert (current.beta, dated.beta) == (False, True)
    kinds = [json.loads(str(wire.event("response.output_audio.done")))["type"] for wire in (current, dated)]
    assert kinds == ["response.output_audio.done", "response.audio.done"]


@pytest.mark.parametrize("options", [{}, {"api_version": "2025-04-01-preview"}])
def test_the_dialects_addresses_are_served(options: dict[str, str]) -> None:
    url = make(find("azure-openai"), options).endpoint("http://h", "d")
    assert url.partition("?")[0].removeprefix("ws://h") in AzureOpenAI.paths
