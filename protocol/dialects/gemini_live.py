"""Google's Gemini Live API over a WebSocket: JSON messages, in binary frames from the service; audio as base64 in them, 16 kHz to the model
and 24 kHz from it, which comes faster than real time.

The model's turn is one response. The wire does not name it, so it is numbered here; it begins with its first piece, and ends with
`turnComplete`, which the service holds back until it takes the audio for played. `interrupted` tells a client to drop the rest.
https://ai.google.dev/api/live
"""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Final

import orjson

from protocol.access import Recipe
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, sayable, websocket_url
from protocol.encoded import samples
from protocol.events import (
    AssistantError,
    AudioDelta,
    AudioDone,
    Cleared,
    Event,
    Ignored,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)
from protocol.fields import Json, may, need, read, unknown
from protocol.numbered import Numbered

DEFAULT_MODEL: Final = "gemini-3.8-live"
INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
"""Hz: what the model hears and what it speaks, the only rates that the API's guide has."""

_SERVICE: Final = "/ws/google.ai.generativelanguage.{}.GenerativeService.{}"
_APPEND: Final = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"'
_SENSITIVITIES: Final = ("", "low", "high")
_UNMEASURED: Final = frozenset({"goAway", "sessionResumptionUpdate", "toolCall", "toolCallCancellation", "voiceActivityDetectionSignal"})
"""Messages that say nothing a talker measures."""
_FINE: Final = frozenset({None, "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})
"""Reasons for which a turn is complete that are none for concern."""
_REFUSED: Final = frozenset({"response_rejected", "malformed_function_call"})
"""Those that tell of a failure; all others tell that something was not to be said."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a session. `api_version`: v1beta or v1alpha, as in the service's address. `start_sensitivity`, `end_sensitivity`: how
    readily the service takes sound for the beginning and the end of speech: low or high; "": the service's own."""

    api_version: str = "v1beta"
    start_sensitivity: str = ""
    end_sensitivity: str = ""

    def __post_init__(self) -> None:
        for name in ("start_sensitivity", "end_sensitivity"):
            if getattr(self, name) not in _SENSITIVITIES:
                raise ValueError(f"option {name} of gemini-live must be low, high or empty, not {getattr(self, name)!r:.60}")


class GeminiLive(Dialect):
    """The wire of one session: it numbers responses. What was understood of the talker is told piece by piece, as only some services say
    when it is all (`finished`)."""

    name = "gemini-live"
    Options = Options
    recipe = Recipe(
        url="/v1alpha/auth_tokens",
        headers={"x-goog-api-key": "${KEY}"},
        body={"uses": 1},
        token_pointers=("/name",),
        session_url=_SERVICE.format("v1alpha", "BidiGenerateContentConstrained"),
        session_headers={"Authorization": "Token ${TOKEN}"},
    )
    key_variable = "GEMINI_API_KEY"
    untold = frozenset({Fact.COMMITTED, Fact.CREATED})
    input_rate = INPUT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._responses = Numbered()
        self._interrupted = False  # the open response
        self._understood = False  # the next piece of what was understood of the talker goes on with the last
        self._usage: Json | None = None

    def endpoint(self, base_url: str, model: str | None) -> str:
        """The service's address below `base_url`, unless that ends so already. The model is the session's. Raises ValueError."""
        own = base_url.partition("?")[0].rstrip("/")
        path = "" if "/google.ai.generativelanguage." in own else _SERVICE.format(self.options.api_version, "BidiGenerateContent")
        return websocket_url(base_url, path)

    def headers(self, secret: str | None) -> dict[str, str]:
        """The API key. Raises ValueError where a header cannot carry it."""
        return {} if secret is None else {"x-goog-api-key": sayable(secret)}

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`setup`. The service always answers: it has no words for `create_response`; nor for a threshold, see the options. Its
        `prefixPaddingMs` is speech that must be heard before it counts, which is not what the setting of that name means."""
        generation: Json = {"responseModalities": ["AUDIO"]}
        if settings.voice is not None:
            generation["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": settings.voice}}}
        name = settings.model or DEFAULT_MODEL
        setup: Json = {
            "model": name if "/" in name else f"models/{name}",
            "generationConfig": generation,
            "realtimeInputConfig": self._input_config(settings),
            "outputAudioTranscription": {},
        }
        if settings.transcription_model is not None:
            setup["inputAudioTranscription"] = {}
        if settings.instructions is not None:
            setup["systemInstruction"] = {"parts": [{"text": settings.instructions}]}
        return [orjson.dumps({"setup": setup})]

    def _input_config(self, settings: SessionSettings) -> Json:
        detection: Json = {}
        if settings.silence_duration_ms is not None:
            detection["silenceDurationMs"] = settings.silence_duration_ms
        if self.options.start_sensitivity:
            detection["startOfSpeechSensitivity"] = f"START_SENSITIVITY_{self.options.start_sensitivity.upper()}"
        if self.options.end_sensitivity:
            detection["endOfSpeechSensitivity"] = f"END_SENSITIVITY_{self.options.end_sensitivity.upper()}"
        handling = "START_OF_ACTIVITY_INTERRUPTS" if settings.interrupt_response else "NO_INTERRUPTION"
        return {"automaticActivityDetection": detection, "activityHandling": handling}

    def append(self, audio: bytes) -> bytes:
        """`realtimeInput.audio`."""
        return _APPEND + b2a_base64(audio, newline=False) + b'"}}}'

    def decode_binary(self, message: bytes) -> list[Event]:
        """JSON text all the same."""
        return self.decode(message)

    def decode(self, message: bytes) -> list[Event]:
        """What one message says: several things, as a rule. Raises MalformedMessage."""
        fields = read(message)
        usage = may("message", fields, "usageMetadata", dict)
        if usage is not None:
            self._usage = _usage(usage)
        told: list[Event] = []
        for name in fields:
            match name:
                case "setupComplete":
                    told += _ready(need("message", fields, name, dict))
                case "serverContent":
                    told += self._content(need("message", fields, name, dict))
                case "voiceActivity":
                    told.append(_activity(need("message", fields, name, dict)))
                case "error":
                    told.append(_failed(need("message", fields, name, dict)))
                case "usageMetadata":
                    told.append(Ignored(name))
                case _:
                    told.append(Ignored(name) if name in _UNMEASURED else unknown(name))
        return told

    def _content(self, content: Json) -> list[Event]:
        told: list[Event] = []
        if may("serverContent", content, "interrupted", bool):
            self._interrupted, self._understood = self._responses.open is not None, False
            told.append(Cleared())
        heard = may("serverContent", content, "inputTranscription", dict)
        if heard is not None:
            told += self._transcribed(heard)
        said = may("serverContent", content, "outputTranscription", dict)
        words = None if said is None else may("outputTranscription", said, "text", str)
        if words:
            told += self._begun()
            told.append(TextDelta(self._responses.open, None, words))
        turn = may("serverContent", content, "modelTurn", dict)
        if turn is not None:
            for part in may("modelTurn", turn, "parts", list) or []:
                told += self._part(part)
        if may("serverContent", content, "generationComplete", bool) and self._responses.open is not None:
            told.append(AudioDone(self._responses.open, None))
        if may("serverContent", content, "turnComplete", bool):
            told += self._over(may("serverContent", content, "turnCompleteReason", str))
        return told or [Ignored("serverContent")]

    def _part(self, part: object) -> list[Event]:
        """A piece of the model's turn: audio, or text that is no thought of its own."""
        if type(part) is not dict:
            raise MalformedMessage("modelTurn: a part is no object")
        data = may("modelTurn", part, "inlineData", dict, "parts.")
        if data is not None:
            kind = may("modelTurn", data, "mimeType", str, "parts.inlineData.") or "audio/pcm"
            if not kind.startswith("audio/pcm"):
                return [Ignored(kind[:100])]
            _, named, rate = kind.partition("rate=")
            if named and rate.partition(";")[0].strip() != str(OUTPUT_RATE):
                raise MalformedMessage(f"modelTurn: audio of {kind[:60]!r}, where the API has {OUTPUT_RATE} Hz")
            encoded = need("modelTurn", data, "data", str, "parts.inlineData.")
            size = samples(encoded, Encoding.PCM16)
            return [*self._begun(), AudioDelta(self._responses.open, None, 0, size, encoded)]
        text = may("modelTurn", part, "text", str, "parts.")
        if text and not may("modelTurn", part, "thought", bool, "parts."):
            return [*self._begun(), TextDelta(self._responses.open, None, text)]
        return []

    def _begun(self) -> list[Event]:
        """What comes before a piece of a response: the end of an interrupted one that was not told."""
        told: list[Event] = []
        if self._responses.open is not None and self._interrupted:
            told += self._over(None)
        self._responses.begun()
        return told

    def _over(self, reason: str | None) -> list[Event]:
        """The model's turn is over."""
        identity = self._responses.over()
        interrupted, self._interrupted = self._interrupted, False
        self._understood = self._understood and interrupted
        usage, self._usage = self._usage, None
        why = None if reason in _FINE else str(reason).lower()[:100]
        if identity is not None and interrupted:
            return [ResponseDone(identity, "cancelled", "turn_detected", usage)]
        if why is None:
            return [] if identity is None else [ResponseDone(identity, "completed", None, usage)]
        if identity is None:  # nothing of it has come
            self._responses.begun()
            identity = self._responses.over()
        return [ResponseDone(identity, "failed" if why in _REFUSED else "incomplete", why, usage)]

    def _transcribed(self, heard: Json) -> list[Event]:
        """A piece of what was understood. The first one of a transcript begins with a word."""
        text, goes_on = may("inputTranscription", heard, "text", str) or "", self._understood
        finished = may("inputTranscription", heard, "finished", bool) or False
        if not goes_on:
            text = text.lstrip()
        self._understood = (goes_on or bool(text)) and not finished
        return [Transcribed(None, text, goes_on)] if text or (goes_on and finished) else []


def _ready(setup: Json) -> list[Event]:
    return [SessionCreated(may("setupComplete", setup, "sessionId", str), setup), SessionUpdated(setup)]


def _activity(activity: Json) -> Event:
    kind = need("voiceActivity", activity, "type", str)
    at_ms = _offset_ms(may("voiceActivity", activity, "audioOffset", str))
    if kind == "ACTIVITY_START":
        return SpeechStarted(None, at_ms)
    return SpeechStopped(None, at_ms) if kind == "ACTIVITY_END" else Ignored("voiceActivity")


def _offset_ms(offset: str | None) -> int | None:
    """A duration such as "3.5s" (protobuf's JSON)."""
    if offset is None:
        return None
    try:
        seconds = float(offset.removesuffix("s"))
    except ValueError:
        raise MalformedMessage("voiceActivity: audioOffset is no duration") from None
    if not 0 <= seconds < 1e9:
        raise MalformedMessage("voiceActivity: audioOffset is no duration")
    return round(seconds * 1000)


def _failed(error: Json) -> Event:
    code = may("error", error, "status", str) or str(error.get("code", "error"))
    return AssistantError(code[:100], (may("error", error, "message", str) or "")[:300])


def _usage(usage: Json) -> Json:
    """Tokens under the names of the Realtime API, as far as they are told."""
    heard = {"audio_tokens": _audio_tokens(usage.get("promptTokensDetails")), "cached_tokens": usage.get("cachedContentTokenCount")}
    return {
        "input_tokens": usage.get("promptTokenCount"),
        "output_tokens": usage.get("responseTokenCount"),
        "total_tokens": usage.get("totalTokenCount"),
        "input_token_details": heard,
        "output_token_details": {"audio_tokens": _audio_tokens(usage.get("responseTokensDetails"))},
    }


def _audio_tokens(details: object) -> object:
    """The count of the modality AUDIO."""
    counts = details if isinstance(details, list) else []
    return next((one.get("tokenCount") for one in counts if isinstance(one, dict) and one.get("modality") == "AUDIO"), None)
