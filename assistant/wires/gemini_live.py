"""Gemini Live: JSON in binary messages, the model's audio in `serverContent` as fast as the profile makes it, and turns by what they hold.

Names of fields are taken as JSON has them, and as Google's own clients write some of them.
"""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse

from assistant.bodies import BodyError, read_json
from assistant.minting import Unminted, mint
from assistant.wires.base import RATES, Asked, Bye, Format, Message, Received, Sound, Told, Tuned, Wire

SERVICE = "/ws/google.ai.generativelanguage.{}.GenerativeService.{}"
NAMED = "auth_tokens/"
LIFE_S = 60.0  # in which a session is to be begun, unless the request says otherwise
LONGEST_LIFE_S = 20 * 3600.0
INVALID = 1007
SILENCE_MS = (10, 10_000)
URL_SAFE = str.maketrans("-_", "+/")  # protobuf's JSON reads both alphabets of RFC 4648, and Google's Python client writes the other
RATE = re.compile(r"audio/pcm(?:;\s*rate=(\d{1,6}))?")


class GeminiLive(Wire):
    """BidiGenerateContent. `_ready`: setup is done."""

    name = "gemini-live"
    paths = (
        SERVICE.format("v1beta", "BidiGenerateContent"),
        SERVICE.format("v1alpha", "BidiGenerateContent"),
        SERVICE.format("v1alpha", "BidiGenerateContentConstrained"),
    )
    tuned_at_once = False
    input = Format(16_000)

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._asked: dict[str, Any] | None = None  # setup's; None before
        self._ready = False

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The API key as header or in the URL, else an ephemeral token as one of these."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        named = token.strip() if scheme.lower() == "token" else query.get("access_token", "")
        key = headers.get("x-goog-api-key") or query.get("key")
        return (key or named).removeprefix(NAMED) or None

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """Ephemeral tokens."""

        async def auth_tokens(request: Request) -> JSONResponse:
            key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
            if not hub.tokens.may_mint(key):
                return _refused(401, "UNAUTHENTICATED", "API key not valid. Please pass a valid API key.")
            try:
                life_s = _life_s(await read_json(request, 400))
            except BodyError as wrong:
                return _refused(wrong.status, "INVALID_ARGUMENT", str(wrong))
            token = await mint(hub, request, "/v1alpha/auth_tokens", life_s)
            if isinstance(token, Unminted):
                return _refused(token.status, "RESOURCE_EXHAUSTED" if token.status == 429 else "INTERNAL", token.text, token.headers)
            return JSONResponse({"name": f"{NAMED}{token}"}, headers={"Cache-Control": "no-store"})

        return [("POST", "/v1alpha/auth_tokens", auth_tokens)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What the service tells of its own accord."""
        match kind:
            case "session.updated" if not self._ready:
                self._ready = True
                resumes = "sessionResumption" in (self._asked or {})
                handle = {"newHandle": f"handle_{self.tag}", "resumable": True}
                ready = _json(setupComplete={"sessionId": fields["session"]["id"]})
                return [ready, _json(sessionResumptionUpdate=handle)] if resumes else ready
            case "input_audio_buffer.speech_started":
                return _activity("ACTIVITY_START", fields["audio_start_ms"])
            case "input_audio_buffer.speech_stopped":
                return _activity("ACTIVITY_END", fields["audio_end_ms"])
            case "conversation.item.input_audio_transcription.delta":
                return _content(inputTranscription={"text": fields["delta"]})
            case "conversation.item.input_audio_transcription.completed":
                return _content(inputTranscription={"finished": True})
            case "output_audio_buffer.cleared":
                return _content(interrupted=True)
            case "response.done":
                return _done(fields["response"])
        return None

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """A part of the model's turn."""
        head = '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
        return f'{head}{chunk}"}}}}]}}}}}}'.encode()  # type: ignore[str-bytes-safe]  # text, on this wire

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """The words of the audio, where they were asked for."""
        return _content(outputTranscription={"text": text}) if "outputAudioTranscription" in (self._asked or {}) else None

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """The service has no error messages: it closes, with a warning where its time is over."""
        return _json(goAway={"timeLeft": "0s"}) if code == "session_expired" else None

    def received(self, message: Message) -> list[Received]:
        """A client's message: one field, which says what it is."""
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Bye(INVALID, "Invalid JSON payload received.")]
        if not isinstance(told, dict) or len(told) != 1:
            return [Bye(INVALID, "A message has one field.")]
        ((name, value),) = told.items()
        kind = _camel(name)
        if not isinstance(value, dict):
            return [Bye(INVALID, f"Invalid value at '{kind[:40]}': expected an object.")]
        if (kind == "setup") == (self._asked is not None):
            return [Bye(INVALID, "setup must be the first message, and only that.")]
        match kind:
            case "setup":
                return self._setup(_named(value))
            case "realtimeInput":
                return self._input(_named(value))
            case "clientContent":
                return [Asked("response.create")] if _named(value).get("turnComplete") else []
            case "toolResponse" | "contextUpdate":
                return []
        return [Bye(INVALID, f'Unknown name "{kind[:40]}".')]

    def _setup(self, setup: dict[str, Any]) -> list[Received]:
        self._asked = setup
        config = _object(setup.get("realtimeInputConfig"))
        detection = _object(config.get("automaticActivityDetection"))
        silence_ms = detection.get("silenceDurationMs", 500)
        if not isinstance(silence_ms, int):
            return [Bye(INVALID, "Invalid value at 'setup.realtimeInputConfig.automaticActivityDetection.silenceDurationMs'.")]
        low, high = SILENCE_MS
        vad: dict[str, Any] | None = {
            "type": "server_vad",
            "silence_duration_ms": min(max(silence_ms, low), high),
            "interrupt_response": config.get("activityHandling") != "NO_INTERRUPTION",
        }
        if detection.get("disabled"):
            vad = None
        heard = {"turn_detection": vad, "transcription": {"model": "gemini"} if "inputAudioTranscription" in setup else None}
        parts = _object(setup.get("systemInstruction")).get("parts")
        told = [_object(part).get("text") for part in parts] if isinstance(parts, list) else []
        words = [text for text in told if isinstance(text, str)]
        session = {"type": "realtime", "audio": {"input": heard}, **({"instructions": "\n".join(words)} if words else {})}
        return [Tuned(), Asked("session.update", {"session": session})]

    def _input(self, given: dict[str, Any]) -> list[Received]:
        if "activityEnd" in given:
            return [Asked("input_audio_buffer.commit"), Asked("response.create")]
        chunks = given.get("mediaChunks")
        blobs = chunks if isinstance(chunks, list) else [given.get("audio")]
        return [one for blob in blobs if isinstance(blob, dict) for one in self._sound(blob)]

    def _sound(self, blob: dict[str, Any]) -> list[Received]:
        kind = RATE.match(str(blob.get("mimeType")))
        if kind is None:
            return []  # pictures say nothing here
        rate = int(kind[1] or 16_000)
        try:
            audio = binascii.a2b_base64(str(blob.get("data")).translate(URL_SAFE), strict_mode=True)
        except ValueError:
            return [Bye(INVALID, "Invalid value at 'realtimeInput.audio.data': Base64 decoding failed.")]
        if rate not in RATES or len(audio) % 2:
            return [Bye(INVALID, "Invalid value at 'realtimeInput.audio': expected 16-bit PCM at 8, 16, 24 or 48 kHz.")]
        if rate == self.input.rate:
            return [Sound(audio)]
        self.input = Format(rate)
        return [Tuned(), Sound(audio)]


def _done(response: Mapping[str, Any]) -> Told:
    """The end of the model's turn; one that failed has a reason."""
    content: dict[str, Any] = {"turnComplete": True}
    if response["status"] == "failed":
        content["turnCompleteReason"] = "RESPONSE_REJECTED"
    usage = response["usage"]
    counted = {
        "promptTokenCount": usage.text_in + usage.audio_in,
        "cachedContentTokenCount": usage.cached,
        "responseTokenCount": usage.text_out + usage.audio_out,
        "totalTokenCount": usage.text_in + usage.audio_in + usage.text_out + usage.audio_out,
        "promptTokensDetails": [_tokens("TEXT", usage.text_in), _tokens("AUDIO", usage.audio_in)],
        "responseTokensDetails": [_tokens("TEXT", usage.text_out), _tokens("AUDIO", usage.audio_out)],
    }
    over = _json(serverContent=content, usageMetadata=counted)
    return [_content(generationComplete=True), over] if response["status"] == "completed" else over


def _tokens(modality: str, count: int) -> dict[str, Any]:
    return {"modality": modality, "tokenCount": count}


def _activity(kind: str, at_ms: int) -> bytes:
    return _json(voiceActivity={"type": kind, "audioOffset": f"{at_ms / 1000:.3f}s"})


def _content(**fields: Any) -> bytes:
    return _json(serverContent=fields)


def _json(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _named(value: Any) -> Any:
    """The same with names as JSON has them."""
    if isinstance(value, dict):
        return {_camel(name): _named(one) for name, one in value.items()}
    return [_named(one) for one in value] if isinstance(value, list) else value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _life_s(asked: Any) -> float:
    """How long a token of this request may begin sessions. Raises BodyError."""
    try:
        until = _named(asked).get("newSessionExpireTime")
        life_s = LIFE_S if until is None else datetime.fromisoformat(until).timestamp() - time.time()
    except (ValueError, AttributeError, TypeError):
        life_s = 0.0
    if not 0 < life_s < LONGEST_LIFE_S:
        raise BodyError(400, "newSessionExpireTime must be a time less than 20 hours ahead.")
    return life_s


def _refused(code: int, status: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, code, headers)
