"""The Realtime API as Azure OpenAI serves it: at addresses of its own, the key in a header of its own."""

from __future__ import annotations

from collections.abc import Mapping

from assistant.wires.openai_realtime import OpenAIRealtime


class AzureOpenAI(OpenAIRealtime):
    """Realtime at `/openai/v1/realtime`, and at the dated versions' `/openai/realtime`, which speaks the beta."""

    name = "azure-openai"
    paths = ("/openai/v1/realtime", "/openai/realtime")

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """`api-key` as header or in the URL, else a bearer token."""
        return headers.get("api-key") or query.get("api-key") or super().secret(headers, query, protocols)

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> AzureOpenAI:
        """The beta where the URL asks for a dated version."""
        return cls(tag, beta="api-version" in query)
