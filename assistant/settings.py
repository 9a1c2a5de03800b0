"""The session's configuration: what session.update may set, merged and echoed in full.

Kept in the GA shape; the beta's flat shape is translated on the way in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

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
# Top-level fields that are echoed and change nothing here.
ECHOED = {
    "model", "instructions", "tools", "tool_choice", "max_output_tokens", "truncation", "tracing", "prompt", "include",
    "parallel_tool_calls", "reasoning", "metadata",
}  # fmt: skip
BETA_ECHOED = {"temperature", "speed", "client_secret", "id", "object", "expires_at"}
FORMATS = ({"type": "audio/pcm", "rate": RATE}, {"type": "audio/pcm"})


class SettingsError(ValueError):
    """A value that session.update may not set."""

    def __init__(self, message: str, param: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """The effective server-side turn detection. `threshold` 0..1; both windows in ms."""

    threshold: float
    prefix_padding_ms: int
    silence_ms: int
    create_response: bool
    interrupt_response: bool


def _number(low: float, high: float, *, whole: bool = False) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        right = isinstance(value, int) if whole else isinstance(value, (int, float))
        if right and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"expected {'an integer' if whole else 'a number'} from {low:g} to {high:g}"

    return check


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "expected true or false"


def _choice(*names: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in names else f"expected one of {', '.join(names)}"

    return check


def _optional(check: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else check(value)


TURN_FIELDS: dict[str, Callable[[Any], str | None]] = {
    "threshold": _number(0, 1),
    "prefix_padding_ms": _number(0, 10_000, whole=True),
    "silence_duration_ms": _number(10, 10_000, whole=True),
    "create_response": _flag,
    "interrupt_response": _flag,
    "idle_timeout_ms": _optional(_number(5000, 30_000, whole=True)),
    "eagerness": _choice(*EAGERNESS_MS),
}


class Settings:
    """One session's configuration."""

    def __init__(self, model: str) -> None:
        pcm = {"type": "audio/pcm", "rate": RATE}
        self.config: dict[str, Any] = {
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
        return str(self.config["audio"]["output"]["voice"])

    def update(self, session: Any, *, beta: bool, spoken: bool = False) -> None:
        """Merges the fields of session.update; nothing changes where one is wrong. `spoken`: audio was already sent, so
        the voice is fixed. Raises SettingsError."""
        if not isinstance(session, dict):
            raise SettingsError("session must be an object", "session")
        if beta:
            session = _from_beta(session)
        elif session.get("type") != "realtime":
            raise SettingsError("session.type must be 'realtime'", "session.type", "missing_required_parameter")
        config = deepcopy(self.config)
        for name, value in session.items():
            if name in ECHOED:
                config[name] = value
            elif name == "output_modalities":
                if not isinstance(value, list) or "audio" not in value or not set(map(str, value)) <= {"audio", "text"}:
                    raise SettingsError("this assistant speaks: expected ['audio']", "session.output_modalities")
            elif name == "audio":
                self._update_audio(config["audio"], value, spoken)
            elif name not in {"type", "id", "object", "expires_at", "client_secret"}:
                raise SettingsError(f"Unknown parameter: 'session.{name}'.", f"session.{name}", "unknown_parameter")
        self.config = config

    def _update_audio(self, audio: dict[str, Any], given: Any, spoken: bool) -> None:
        for side in ("input", "output"):
            part = _object(given, "session.audio").get(side)
            if part is None:
                continue
            at = f"session.audio.{side}"
            for name, value in _object(part, at).items():
                if name not in audio[side]:
                    raise SettingsError(f"Unknown parameter: '{at}.{name}'.", f"{at}.{name}", "unknown_parameter")
                audio[side][name] = self._audio_value(f"{at}.{name}", name, audio[side][name], value, spoken)

    def _audio_value(self, at: str, name: str, current: Any, value: Any, spoken: bool) -> Any:
        if name == "turn_detection":
            return _turn_detection(at, current, value)
        if name == "format":
            if value not in FORMATS:
                raise SettingsError(f"expected audio/pcm with rate {RATE}", at)
            return {"type": "audio/pcm", "rate": RATE}
        if name == "voice" and spoken and value != current:
            raise SettingsError("Cannot update a conversation's voice if assistant audio is present.", at)
        if name == "voice" and not isinstance(value, (str, dict)):
            raise SettingsError("expected the name of a voice", at)
        if name == "speed" and (wrong := _number(0.25, 1.5)(value)):
            raise SettingsError(wrong, at)
        if name in {"transcription", "noise_reduction"} and value is not None:
            return {**(current or {}), **_object(value, at)}
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
        raise SettingsError(f"{at} must be an object", at)
    return value


def _turn_detection(at: str, current: dict[str, Any] | None, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    given = _object(value, at)
    kind = given.get("type", (current or SERVER_VAD)["type"])
    base = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}.get(str(kind))
    if base is None:
        raise SettingsError("expected server_vad or semantic_vad", f"{at}.type")
    merged = {**base, **(current if current and current["type"] == kind else {})}
    for name, entry in given.items():
        if name not in base:
            raise SettingsError(f"Unknown parameter: '{at}.{name}'.", f"{at}.{name}", "unknown_parameter")
        if name != "type" and (wrong := TURN_FIELDS[name](entry)):
            raise SettingsError(f"Invalid value for '{at}.{name}': {wrong}.", f"{at}.{name}")
        merged[name] = entry
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
                raise SettingsError("expected pcm16", f"session.{name}")
            value = {"type": "audio/pcm", "rate": RATE}
        if name in inward:
            audio["input"][inward[name]] = value
        elif name in outward:
            audio["output"][outward[name]] = value
        elif name not in BETA_ECHOED:
            result[renamed.get(name, name)] = value
    return {**result, "audio": audio}
