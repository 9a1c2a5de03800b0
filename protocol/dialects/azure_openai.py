"""Azure OpenAI over a WebSocket: the OpenAI Realtime wire at an address of one's own, with another header for the key.

https://learn.microsoft.com/azure/foundry/openai/how-to/realtime-audio-websockets
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from protocol.dialect import SessionSettings, sayable, websocket_url
from protocol.dialects.openai_realtime import OpenAIRealtime, OpenAIRealtimeBeta


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a resource. `api_version`: a dated version such as 2025-04-01-preview, whose address and session are the beta's; "": the
    generally available API, which has none. `entra`: the secret is a token of Microsoft Entra ID, not the resource's key."""

    api_version: str = ""
    entra: bool = False


class AzureOpenAI(OpenAIRealtime):
    """OpenAI Realtime as Azure serves it. The model is the name of a deployment."""

    name = "azure-openai"
    Options = Options
    recipe = None
    key_variable = "AZURE_OPENAI_API_KEY"

    def endpoint(self, base_url: str, model: str | None) -> str:
        """`base_url` with the path `/openai/v1/realtime` and `?model=`; with `api_version`: `/openai/realtime`, `?api-version=` and
        `&deployment=`. As far as the URL does not end so already; `model` None: the one that it asks for, else `default_model`. Raises
        ValueError."""
        dated = self.options.api_version
        path = "/openai/realtime" if dated else "/openai/v1/realtime"
        own = urlsplit(base_url).path.rstrip("/")
        stem = path.removesuffix("/realtime")
        below = "/realtime" if own.endswith(stem) else path
        name = "deployment" if dated else "model"
        deployment = model or dict(parse_qsl(urlsplit(base_url).query)).get(name) or self.default_model
        return websocket_url(base_url, below, {"api-version": dated, name: deployment} if dated else {name: deployment})

    def headers(self, secret: str | None) -> dict[str, str]:
        """`api-key`, or a bearer token with `entra`. Raises ValueError where a header cannot carry it."""
        if secret is None or self.options.entra:
            return super().headers(secret)
        return {"api-key": sayable(secret)}

    def _session(self, settings: SessionSettings) -> dict[str, Any]:
        return OpenAIRealtimeBeta()._session(settings) if self.options.api_version else super()._session(settings)
