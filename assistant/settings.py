"""The session's configuration: what session.update may set, merged and echoed in full.

Kept in the GA shape; the beta's flat shape is translated on the way in and out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.shapes import Check, RefusedError, choice, either, fields, flag, listed, number, optional, text, texts

RATE = 24000
EAGERNESS_MS = {"low": 1000, "medium": 500, "auto": 500, "high": 300}
SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}
SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
TOOL = either(
    fields({"type": choice("function"), "name": text}, description=text),
    fields({"type": choice("mcp"), "server_label": text}, server_url=text, server_description=text, authorization=text),
)
TOOL_CHOICE = either(
    choice("none", "auto", "required"),
    fields({"type": choice("function"), "name": text}),
    fields({"type": choice("mcp"), "server_label": text}, name=optional(text)),
)
TOKEN_LIMITS = fields({}, post_instructions=optional(number(0, 10**9, whole=True)))
# Fields that are checked and echoed, and change nothing here.
ECHOED: dict[str, Check] = {
    "model": text,
    "instructions": optional(text),
    "tools": optional(listed(TOOL)),
    "tool_choice": optional(TOOL_CHOICE),
    "max_output_tokens": optional(either(number(1, 4096, whole=True), choice("inf"))),
    "truncation": optional(
        either(
            choice("auto", "disabled"),
            fields({"type": choice("retention_ratio"), "retention_ratio": number(0, 1)}, token_limits=optional(TOKEN_LIMITS)),
        )
    ),
    "tracing": optional(either(choice("auto"), fields({}, workflow_name=text, group_id=text))),
    "prompt": optional(fields({"id": text}, version=optional(text), variables=optional(texts))),
    "include": optional(listed(choice("item.input_audio_transcription.logprobs"))),
    "parallel_tool_calls": optional(flag),
    "reasoning": optional(fields({}, effort=choice("minimal", "low", "medium", "high", "xhigh"))),
}
AUDIO: dict[str, Check] = {
    "voice": either(text, fields({"id": text})),
    "speed": number(0.25, 1.5),
    "transcription": optional(fields({}, model=text, language=text, prompt=text)),
    "noise_reduction": optional(fields({}, type=choice("near_field", "far_field"))),
}
BETA_ECHOED = {"temperature", "speed", "client_secret", "id", "object", "expires_at"}
FORMATS = ({"type": "audio/pcm", "rate": RATE}, {"type": "audio/pcm"})


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """The effective server-side turn detection. `threshold` 0..1; both windows in ms."""

    threshold: float
    prefix_padding_ms: int
    silence_ms: int
    create_response: bool
    interrupt_response: bool


TURN_FIELDS: dict[str, Check] = {
    "threshold": number(0, 1),
    "prefix_padding_ms": number(0, 10_000, whole=True),
    "silence_duration_ms": number(10, 10_000, whole=True),
    "create_response": flag,
    "interrupt_response": flag,
    "idle_timeout_ms": optional(number(5000, 30_000, whole=True)),
    "eagerness": choice(*EAGERNESS_MS),
}


def spoken(modalities: Any) -> str | None:
    """Checks output modalities: this assistant speaks, with or without text beside it."""
    right = isinstance(modalities, list) and "audio" in modalities and all(name in ("audio", "text") for name in modalities)
    return None if right else "this assistant speaks: expected ['audio']"


class Settings:
    """One session's configuration; `config`: what to start from, None for the defaults. It is never changed in place."""

    def __init__(self, model: str, config: dict[str, Any] | None = None) -> None:
        pcm = {"type": "audio/pcm", "rate": RATE}
        self.config: dict[str, Any] = config or {
            "output_modalities": ["audio"],
            "model": model,
            "instructions": "You are a helpful assistant.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "include": None,
            "audio": {
                "input": {
                    "format": dict(pcm),
                    "noise_reduction": None,
                    "transcription": {"model": "reference-asr"},
                    "turn_detection": dict(SERVER_VAD),
                },
                "output": {"format": dict(pcm), "voice": "marin", "speed": 1.0},
            },
        }

    @property
    def turn_detection(self) -> TurnDetection | None:
        """None: the client commits and asks for responses itself."""
        given = self.config["audio"]["input"]["turn_detection"]
        if given is None:
            return None
        silence_ms = given.get("silence_duration_ms") or EAGERNESS_MS[given.get("eagerness", "auto")]
        return TurnDetection(
            threshold=given.get("threshold", 0.5),
            prefix_padding_ms=given.get("prefix_padding_ms", 300),
            silence_ms=silence_ms,
            create_response=given["create_response"],
            interrupt_response=given["interrupt_response"],
        )

    @property
    def transcribes(self) -> bool:
        return self.config["audio"]["input"]["transcription"] is not None

    @property
    def voice(self) -> str:
        voice = self.config["audio"]["output"]["voice"]
        return str(voice["id"] if isinstance(voice, dict) else voice)

    def update(self, session: Any, *, beta: bool, voice_fixed: bool = False) -> None:
        """Merges the fields of session.update; nothing changes where one is wrong. `voice_fixed`: audio was already sent, so
        the voice stays. Raises RefusedError."""
        if not isinstance(session, dict):
            raise RefusedError("session must be an object", "session")
        if beta:
            session = _from_beta(session)
        elif session.get("type") != "realtime":
            raise RefusedError("session.type must be 'realtime'", "session.type", "missing_required_parameter")
        audio = {side: dict(part) for side, part in self.config["audio"].items()}
        config = {**self.config, "audio": audio}
        for name, value in session.items():
            if name in ECHOED:
                if wrong := ECHOED[name](value):
                    raise RefusedError(f"Invalid value for 'session.{name}': {wrong}.", f"session.{name}")
                config[name] = value
            elif name == "output_modalities":
                if wrong := spoken(value):
                    raise RefusedError(f"Invalid value for 'session.{name}': {wrong}.", f"session.{name}")
            elif name == "audio":
                self._update_audio(audio, value, voice_fixed)
            elif name not in {"type", "id", "object", "expires_at", "client_secret"}:
                raise RefusedError(f"Unknown parameter: 'session.{name}'.", f"session.{name}", "unknown_parameter")
        self.config = config

    def _update_audio(self, audio: dict[str, Any], given: Any, voice_fixed: bool) -> None:
        for side in ("input", "output"):
            part = _object(given, "session.audio").get(side)
            if part is None:
                continue
            at = f"session.audio.{side}"
            for name, value in _object(part, at).items():
                if name not in audio[side]:
                    raise RefusedError(f"Unknown parameter: '{at}.{name}'.", f"{at}.{name}", "unknown_parameter")
                audio[side][name] = self._audio_value(f"{at}.{name}", name, audio[side][name], value, voice_fixed)

    def _audio_value(self, at: str, name: str, current: Any, value: Any, voice_fixed: bool) -> Any:
        if name == "turn_detection":
            return _turn_detection(at, current, value)
        if name == "format":
            if value not in FORMATS:
                raise RefusedError(f"expected audio/pcm with rate {RATE}", at)
            return {"type": "audio/pcm", "rate": RATE}
        if name == "voice" and voice_fixed and value != current:
            raise RefusedError("Cannot update a conversation's voice if assistant audio is present.", at)
        if wrong := AUDIO[name](value):
            raise RefusedError(f"Invalid value for '{at}': {wrong}.", at)
        if name in {"transcription", "noise_reduction"} and value is not None:
            return {**(current or {}), **value}
        return value

    def echo(self, session_id: str, *, beta: bool, expires_at: int) -> dict[str, Any]:
        """The `session` object of session.created and session.updated: the full effective configuration."""
        head = {"object": "realtime.session", "id": session_id, "expires_at": expires_at}
        if not beta:
            return {"type": "realtime", **head, **self.config}
        audio = self.config["audio"]
        return {
            **head,
            "model": self.config["model"],
            "modalities": ["text", "audio"],
            "instructions": self.config["instructions"],
            "voice": audio["output"]["voice"],
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_noise_reduction": audio["input"]["noise_reduction"],
            "input_audio_transcription": audio["input"]["transcription"],
            "turn_detection": audio["input"]["turn_detection"],
            "tools": self.config["tools"],
            "tool_choice": self.config["tool_choice"],
            "temperature": 0.8,
            "max_response_output_tokens": self.config["max_output_tokens"],
        }


def _object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError(f"{at} must be an object", at)
    return value


def _turn_detection(at: str, current: dict[str, Any] | None, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    given = _object(value, at)
    kind = given.get("type", (current or SERVER_VAD)["type"])
    base = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}.get(str(kind))
    if base is None:
        raise RefusedError("expected server_vad or semantic_vad", f"{at}.type")
    merged = {**base, **(current if current and current["type"] == kind else {})}
    for name, entry in given.items():
        if name not in base:
            raise RefusedError(f"Unknown parameter: '{at}.{name}'.", f"{at}.{name}", "unknown_parameter")
        if name != "type" and (wrong := TURN_FIELDS[name](entry)):
            raise RefusedError(f"Invalid value for '{at}.{name}': {wrong}.", f"{at}.{name}")
        merged[name] = entry
    if "idle_timeout_ms" in merged:  # this assistant never asks whether anybody is there: what is echoed is what holds
        merged["idle_timeout_ms"] = None
    return merged


def _from_beta(session: dict[str, Any]) -> dict[str, Any]:
    inward = {
        "input_audio_format": "format",
        "input_audio_transcription": "transcription",
        "input_audio_noise_reduction": "noise_reduction",
        "turn_detection": "turn_detection",
    }
    outward = {"output_audio_format": "format", "voice": "voice"}
    renamed = {"modalities": "output_modalities", "max_response_output_tokens": "max_output_tokens"}
    result: dict[str, Any] = {}
    audio: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
    for name, value in session.items():
        if name.endswith("_audio_format"):
            if value != "pcm16":
                raise RefusedError("expected pcm16", f"session.{name}")
            value = {"type": "audio/pcm", "rate": RATE}
        if name in inward:
            audio["input"][inward[name]] = value
        elif name in outward:
            audio["output"][outward[name]] = value
        elif name not in BETA_ECHOED:
            result[renamed.get(name, name)] = value
    return {**result, "audio": audio}
