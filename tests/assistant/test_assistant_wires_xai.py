"""The assistant as xAI's: its session, its rates, its own events, its tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from assistant_harness import Running, running
from hypothesis import given
from hypothesis import strategies as st

from assistant.settings import Settings
from assistant.wires.base import Asked, Format, Refused, Sound, Tuned
from assistant.wires.xai import XAI
from protocol import SessionSettings, find, make
from protocol.events import Ignored, SessionCreated, SessionUpdated, SpeechStarted, SpeechStopped

ECHO = Settings("grok").echo("sess", beta=False, expires_at=1)
APPEND = '{"type":"input_audio_buffer.append","audio":"AAAAAA=="}'


def updated(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": session})


def pcm(rate: Any) -> dict[str, Any]:
    return {"format": {"type": "audio/pcm", "rate": rate}}


@pytest.mark.parametrize(
    ("headers", "protocols", "secret"),
    [({"authorization": "Bearer t"}, [], "t"), ({}, ["xai-client-secret.t"], "t"), ({}, ["realtime"], None), ({}, [], None)],
)
def test_secrets_come_as_xais_clients_send_them(headers: dict[str, str], protocols: list[str], secret: str | None) -> None:
    assert XAI.secret(headers, {}, protocols) == secret
    assert XAI.accepted(protocols) == (protocols[0] if protocols else None)


def test_the_dialects_session_is_taken_in_realtimes_shape() -> None:
    wire = XAI("t")
    settings = SessionSettings(instructions="Hi", voice="eve", silence_duration_ms=250)
    (message,) = make(find("xai"), {"rate": 16_000}).configure(settings)
    vad = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 250}
    heard = {"transcription": {"model": "grok-transcribe"}, "turn_detection": vad}
    session = {"type": "realtime", "instructions": "Hi", "audio": {"input": heard, "output": {"voice": "eve"}}}
    assert wire.received(message.decode()) == [Tuned(), Asked("session.update", {"type": "session.update", "session": session})]
    assert (wire.input, wire.output) == (Format(16_000), Format(16_000))
    Settings("grok").update(session, beta=False)


def test_each_side_has_its_rate_and_changes_are_told_once() -> None:
    wire = XAI("t")
    first, again, other, odd = (
        wire.received(updated(audio=audio))
        for audio in (
            {"input": pcm(8000), "output": pcm(48_000)},
            {"input": pcm(8000)},
            {"output": pcm(24_000)},
            {"input": pcm(44_100), "output": {"format": {"type": "audio/opus", "rate": 8000}}},
        )
    )
    assert [type(one) for told in (first, again, other, odd) for one in told] == [Tuned, Asked, Asked, Tuned, Asked, Asked]
    assert (wire.input, wire.output) == (Format(8000), Format(24_000))


def test_audio_without_a_session_is_heard_at_24_khz() -> None:
    wire = XAI("t")
    assert wire.received(APPEND) == [Tuned(), Sound(b"\0\0\0\0")]
    assert wire.received(APPEND) == [Sound(b"\0\0\0\0")]
    assert wire.input == Format(24_000)


@pytest.mark.parametrize(("detection", "taken"), [({"type": None}, None), (None, None), ({"type": "server_vad"}, {"type": "server_vad"})])
def test_turn_detection_may_be_switched_off(detection: Any, taken: Any) -> None:
    asked = XAI("t").received(updated(turn_detection=detection))[-1]
    assert isinstance(asked, Asked)
    assert asked.fields["session"]["audio"]["input"]["turn_detection"] == taken


def test_what_is_no_session_is_refused_as_on_realtime() -> None:
    assert XAI("t").received(updated().replace("{}", "5")) == [Asked("session.update", {"type": "session.update", "session": 5})]
    (refused,) = XAI("t").received("x")
    assert isinstance(refused, Refused)


def test_events_are_told_so_that_the_talkers_dialect_reads_them() -> None:
    wire, dialect = XAI("t"), make(find("xai"), {})
    wire.received(updated(audio={"input": pcm(16_000)}))
    where = {"item_id": "i", "content_index": 0}
    transcription = "conversation.item.input_audio_transcription"
    told = [
        wire.event("session.created", session=ECHO),
        wire.event("session.updated", session=ECHO),
        wire.event("input_audio_buffer.speech_started", item_id="i", audio_start_ms=5),
        wire.event("input_audio_buffer.speech_stopped", item_id="i", audio_end_ms=9),
        wire.event(f"{transcription}.delta", **where, delta="What "),
        wire.event(f"{transcription}.delta", **where, delta="time"),
        wire.event(f"{transcription}.completed", **where, transcript="What time"),
        wire.event(f"{transcription}.delta", **where, delta="And"),
    ]
    flat = [str(one) for message in told if message is not None for one in (message if isinstance(message, list) else [message])]
    events = [dialect.decode(one.encode()) for one in flat]
    assert [type(event).__name__ for event in events] == [
        *("Ignored", "SessionCreated", "SessionUpdated", "Ignored", "SpeechStarted", "SpeechStopped"),
        *("Ignored", "Ignored", "Transcribed", "Ignored"),
    ]
    assert isinstance(events[1], SessionCreated)
    assert isinstance(events[2], SessionUpdated)
    audio = {"input": pcm(16_000), "output": pcm(24_000)}
    assert (events[1].session_id, events[2].settings["audio"], events[2].settings["voice"]) == ("sess", audio, "marin")
    assert events[2].settings["turn_detection"]["silence_duration_ms"] == 500
    assert (events[3], events[4], events[5]) == (Ignored("ping"), SpeechStarted("i", None), SpeechStopped("i", None))
    assert [json.loads(flat[at])["transcript"] for at in (6, 7, 9)] == ["What ", "What time", "And"]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.dictionaries(st.sampled_from(["audio", "input", "format", "type", "rate", "turn_detection"]), inner, max_size=3),
        max_leaves=6,
    )
)
def test_whatever_session_a_client_asks_for_is_taken(session: Any) -> None:
    told = XAI("t").received(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(told[-1], Asked)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("xai"), api_key="xk") as server:
        yield server


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("xk", {"expires_after": {"seconds": 300}}, 200),
        ("xk", {}, 200),
        ("other", {}, 401),
        ("xk", {"expires_after": {"seconds": 3601}}, 400),
        ("xk", {"expires_after": 5}, 400),
        ("xk", b"[", 400),
        ("xk", [], 400),
    ],
)
def test_tokens_are_minted_for_the_key(served: Running, key: str, body: Any, status: int) -> None:
    found, _, reply = served.request("POST", "/xai/v1/realtime/client_secrets", body, {"Authorization": f"Bearer {key}"})
    assert found == status
    if status == 200:
        assert served.hub.tokens.accepts(reply["value"], 0.0)
        assert isinstance(reply["expires_at"], int)
