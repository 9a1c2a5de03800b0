"""session.update: merging, echoing, refusing."""

from __future__ import annotations

from typing import Any

import pytest
from assistant_harness import BETA, GA
from pydantic import TypeAdapter

from assistant.settings import Settings, TurnDetection
from assistant.shapes import RefusedError


def turn(value: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"input": {"turn_detection": value}}}


def test_defaults() -> None:
    settings = Settings("m")
    assert settings.turn_detection == TurnDetection(0.5, 300, 500, True, True)
    assert settings.transcribes
    assert settings.voice == "marin"


@pytest.mark.parametrize(("beta", "union"), [pytest.param(False, GA, id="current"), pytest.param(True, BETA, id="beta")])
def test_the_echo_is_valid(beta: bool, union: TypeAdapter[Any]) -> None:
    session = Settings("gpt-realtime").echo("sess_1", beta=beta, expires_at=5)
    union.validate_python({"type": "session.created", "event_id": "e", "session": session})


def test_only_what_is_sent_changes() -> None:
    settings = Settings("m")
    settings.update(turn({"type": "server_vad", "silence_duration_ms": 200}), beta=False)
    settings.update(turn({"threshold": 0.7}), beta=False)
    settings.update({"type": "realtime", "instructions": "Be brief."}, beta=False)
    assert settings.turn_detection == TurnDetection(0.7, 300, 200, True, True)
    assert settings.config["instructions"] == "Be brief."
    assert settings.config["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200


def test_null_turns_detection_off_and_an_object_on_again() -> None:
    settings = Settings("m")
    settings.update(turn(None), beta=False)
    assert settings.turn_detection is None
    settings.update(turn({"type": "server_vad", "create_response": False}), beta=False)
    assert settings.turn_detection == TurnDetection(0.5, 300, 500, False, True)


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("low", 1000), ("auto", 500), ("high", 300)])
def test_semantic_detection_waits_by_eagerness(eagerness: str, silence_ms: int) -> None:
    settings = Settings("m")
    settings.update(turn({"type": "semantic_vad", "eagerness": eagerness}), beta=False)
    assert settings.turn_detection == TurnDetection(0.5, 300, silence_ms, True, True)


def test_transcription_can_be_turned_off() -> None:
    settings = Settings("m")
    settings.update({"type": "realtime", "audio": {"input": {"transcription": None}}}, beta=False)
    assert not settings.transcribes


def test_the_betas_flat_shape() -> None:
    settings = Settings("m")
    flat = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 250}, "voice": "alloy", "temperature": 0.7}
    settings.update({**flat, "modalities": ["text", "audio"], "input_audio_format": "pcm16"}, beta=True)
    assert settings.turn_detection == TurnDetection(0.5, 300, 250, True, True)
    assert settings.echo("s", beta=True, expires_at=0)["voice"] == "alloy"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        (None, "session"),
        ([], "session"),
        ({}, "session.type"),
        ({"type": "transcription"}, "session.type"),
        ({"type": "realtime", "nonsense": 1}, "session.nonsense"),
        ({"type": "realtime", "output_modalities": ["text"]}, "session.output_modalities"),
        ({"type": "realtime", "audio": 3}, "session.audio"),
        ({"type": "realtime", "audio": {"input": 3}}, "session.audio.input"),
        ({"type": "realtime", "audio": {"input": {"nonsense": 3}}}, "session.audio.input.nonsense"),
        ({"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}}, "session.audio.input.format"),
        ({"type": "realtime", "audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
        ({"type": "realtime", "audio": {"output": {"voice": 9}}}, "session.audio.output.voice"),
        ({"type": "realtime", "audio": {"input": {"transcription": 9}}}, "session.audio.input.transcription"),
        (turn(3), "session.audio.input.turn_detection"),
        (turn({"type": "other"}), "session.audio.input.turn_detection.type"),
        (turn({"threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (turn({"threshold": True}), "session.audio.input.turn_detection.threshold"),
        (turn({"silence_duration_ms": 2.5}), "session.audio.input.turn_detection.silence_duration_ms"),
        (turn({"create_response": 1}), "session.audio.input.turn_detection.create_response"),
        (turn({"eagerness": "low"}), "session.audio.input.turn_detection.eagerness"),
        (turn({"type": "semantic_vad", "eagerness": "x"}), "session.audio.input.turn_detection.eagerness"),
        (turn({"idle_timeout_ms": 1}), "session.audio.input.turn_detection.idle_timeout_ms"),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(session: Any, param: str) -> None:
    settings = Settings("m")
    before = settings.echo("s", beta=False, expires_at=0)
    with pytest.raises(RefusedError) as error:
        settings.update(session, beta=False)
    assert error.value.param == param
    assert settings.echo("s", beta=False, expires_at=0) == before


def test_the_voice_is_fixed_once_heard() -> None:
    settings = Settings("m")
    voice = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    settings.update(voice, beta=False)
    with pytest.raises(RefusedError):
        settings.update({"type": "realtime", "audio": {"output": {"voice": "marin"}}}, beta=False, voice_fixed=True)
    settings.update(voice, beta=False, voice_fixed=True)


def test_the_beta_takes_pcm16_only() -> None:
    with pytest.raises(RefusedError):
        Settings("m").update({"input_audio_format": "g711_ulaw"}, beta=True)


def test_what_does_not_hold_is_not_echoed() -> None:
    """The assistant never asks whether anybody is there, so the echo has no idle timeout, whatever was asked for."""
    settings = Settings("m")
    settings.update(turn({"type": "server_vad", "idle_timeout_ms": 6000}), beta=False)
    assert settings.config["audio"]["input"]["turn_detection"]["idle_timeout_ms"] is None


def test_a_voice_by_id() -> None:
    settings = Settings("m")
    settings.update({"type": "realtime", "audio": {"output": {"voice": {"id": "voice_1"}}}}, beta=False)
    assert settings.voice == "voice_1"
