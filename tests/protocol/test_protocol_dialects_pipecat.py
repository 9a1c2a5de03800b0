"""Pipecat's frames and RTVI messages, decoded into a talker's events, and what a talker says. Frames are written here byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Fact, MalformedMessage, SessionSettings, make
from protocol.dialects.pipecat import Pipecat
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Event,
    Ignored,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)
from protocol.wav import wav

PCM = b"\1\0\2\0\3\0"
INTERRUPTION = b"\x2a\x00"


def varint(value: int) -> bytes:
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def block(number: int, content: bytes) -> bytes:
    """A length-delimited field, as the Protocol Buffers encoding has it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def audio(pcm: bytes = PCM, rate: int = 24_000, channels: int = 1) -> bytes:
    return block(
        2, varint(8) + varint(77) + block(2, b"OutputAudioRawFrame#1") + block(3, pcm) + b"\x20" + varint(rate) + b"\x28" + varint(channels)
    )


def rtvi(kind: Any, data: Any = None, label: str = "rtvi-ai") -> bytes:
    return block(4, block(1, json.dumps({"label": label, "type": kind, "id": "1", "data": data}).encode()))


def told(dialect: Pipecat, *messages: bytes) -> list[Event]:
    events: list[Event] = []
    for message in messages:
        event = dialect.decode_binary(message)
        events += event if isinstance(event, list) else [event]
    return [event for event in events if not isinstance(event, Ignored)]


def sound(response: str | None, pcm: bytes = PCM) -> AudioDelta:
    return AudioDelta(response, None, 0, len(pcm) // 2, pcm)


SAID = {"text": "Hi there.", "user_id": "", "timestamp": "t", "final": True}


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (rtvi("bot-ready", {"version": "2.2.0"}), [SessionUpdated({"version": "2.2.0"})]),
        (rtvi("user-started-speaking"), [SpeechStarted(None, None)]),
        (rtvi("user-stopped-speaking"), [SpeechStopped(None, None)]),
        (rtvi("user-transcription", SAID), [Transcribed(None, "Hi there.")]),
        (rtvi("user-transcription", {**SAID, "final": False}), []),
        (rtvi("user-input", {**SAID, "input_type": "transcription"}), [Transcribed(None, "Hi there.")]),
        (rtvi("user-input", {**SAID, "input_type": "backchannel"}), []),
        (rtvi("bot-llm-started"), [ResponseCreated("r1")]),
        (rtvi("bot-llm-text", {"text": "Well"}), [TextDelta("r1", None, "Well")]),
        (rtvi("llm-raw-text", {"text": "Well"}), [TextDelta("r1", None, "Well")]),
        (rtvi("bot-stopped-speaking"), []),
        (rtvi("bot-interrupted"), []),
        (rtvi("error-response", {"error": "RTVI version 2.2.0 is not compatible"}), []),
        (rtvi("error", {"error": "no quota", "fatal": True}), [AssistantError(None, "no quota")]),
        (rtvi("tomorrow" * 20), [Unknown(("tomorrow" * 20)[:100])]),
        (rtvi("anything", label="mine"), []),
        (audio(), [sound("r1")]),
        (audio(wav(PCM, 24_000)), [sound("r1")]),
        (INTERRUPTION, [Cleared()]),
        (block(1, block(3, b"text")), []),
        (b"", [Unknown("frame")]),
    ],
)
def test_messages(message: bytes, events: list[Event]) -> None:
    assert told(Pipecat(), message) == events


def test_a_turn_is_over_when_the_bot_stops_speaking() -> None:
    usage = {"tokens": [{"prompt_tokens": 90, "completion_tokens": 12, "total_tokens": 102}]}
    first = [rtvi("bot-llm-started"), rtvi("bot-llm-text", {"text": "A"}), rtvi("metrics", usage), rtvi("bot-llm-stopped")]
    spoken = [rtvi("bot-started-speaking"), audio(), rtvi("bot-stopped-speaking")]
    done = ResponseDone("r1", "completed", None, {"input_tokens": 90, "output_tokens": 12})
    assert told(Pipecat(), *first, *spoken) == [ResponseCreated("r1"), TextDelta("r1", None, "A"), sound("r1"), done]


BEGINS, STOPS, ANSWERS, ANSWERED = (
    rtvi(kind) for kind in ("bot-started-speaking", "bot-stopped-speaking", "bot-llm-started", "bot-llm-stopped")
)


def ended(response: str) -> ResponseDone:
    return ResponseDone(response, "completed", None, None)


def test_a_bot_that_always_sends_audio_answers_in_turns_all_the_same() -> None:
    silence, first, voice = audio(bytes(6)), audio(b"\7\0"), audio(b"\5\0")
    turn = [ANSWERS, ANSWERED, silence, first, BEGINS, voice, STOPS]
    said = [sound("r1", b"\7\0"), sound("r1", b"\5\0")]
    dialect = Pipecat()
    assert told(dialect, silence, silence, *turn, silence, silence) == [ResponseCreated("r1"), *said, ended("r1")]
    assert told(dialect, *turn, silence)[::3] == [ResponseCreated("r2"), ended("r2")]


def test_the_sound_of_a_mixer_is_of_no_turn() -> None:
    dialect = Pipecat()
    first = told(dialect, audio(), audio(), ANSWERS, ANSWERED, BEGINS, audio(), STOPS, audio(), audio())
    assert first == [sound("r1"), sound("r1"), ended("r1"), ResponseCreated("r2"), sound("r2"), ended("r2")]
    assert told(dialect, audio(), audio(), ANSWERS, audio(), BEGINS, audio(), STOPS, audio(), ANSWERED, audio()) == [
        ResponseCreated("r3"),
        *[sound("r3")] * 3,
        ended("r3"),
    ]


def test_the_first_piece_may_be_ahead_of_the_word_that_the_bot_speaks() -> None:
    dialect = Pipecat()
    told(dialect, BEGINS, audio(), STOPS)
    assert told(dialect, audio(b"\1\0"), audio(b"\2\0"), BEGINS, audio(b"\3\0"), STOPS) == [
        sound("r2", b"\2\0"),
        sound("r2", b"\3\0"),
        ended("r2"),
    ]
    assert told(dialect, audio(b"\1\0"), ANSWERS, BEGINS, audio(b"\3\0")) == [ResponseCreated("r3"), sound("r3", b"\3\0")]
    silent_at_its_end = [ANSWERS, BEGINS, audio(), STOPS, audio(b"\0\0"), ANSWERED]
    assert told(Pipecat(), *silent_at_its_end, BEGINS) == [ResponseCreated("r1"), sound("r1"), ended("r1")]
    assert told(Pipecat(), ANSWERS, audio(b"\0\0"), BEGINS) == [ResponseCreated("r1"), sound("r1", b"\0\0")]


def test_tokens_are_of_one_turn() -> None:
    usage = {"tokens": [{"prompt_tokens": 90, "completion_tokens": 12}]}
    told_of = [rtvi("bot-llm-started"), audio(), rtvi("metrics", usage), rtvi("bot-llm-stopped"), rtvi("bot-stopped-speaking")]
    untold = [rtvi("bot-llm-started"), audio(), rtvi("bot-llm-stopped"), rtvi("bot-stopped-speaking")]
    done = [one for one in told(Pipecat(), *told_of, *untold) if isinstance(one, ResponseDone)]
    assert [one.usage for one in done] == [{"input_tokens": 90, "output_tokens": 12}, None]


def test_a_pause_while_the_model_goes_on_is_none() -> None:
    messages = [
        rtvi("bot-llm-started"),
        audio(),
        rtvi("bot-stopped-speaking"),
        audio(),
        rtvi("bot-stopped-speaking"),
        rtvi("bot-llm-stopped"),
    ]
    assert told(Pipecat(), *messages) == [ResponseCreated("r1"), sound("r1"), sound("r1"), ResponseDone("r1", "completed", None, None)]


def test_a_model_that_is_ahead_of_its_voice_ends_nothing() -> None:
    messages = [rtvi("bot-llm-started"), audio(), rtvi("bot-llm-stopped"), audio(), rtvi("bot-stopped-speaking")]
    assert told(Pipecat(), *messages) == [ResponseCreated("r1"), sound("r1"), sound("r1"), ResponseDone("r1", "completed", None, None)]


def test_a_second_run_of_the_model_is_of_the_same_turn() -> None:
    tool = [rtvi("bot-llm-started"), rtvi("bot-llm-stopped"), rtvi("bot-llm-started"), audio()]
    assert told(Pipecat(), *tool) == [ResponseCreated("r1"), sound("r1")]


def test_an_interruption_breaks_off_what_there_is() -> None:
    over = ResponseDone("r1", "cancelled", "interrupted", None)
    messages = [
        rtvi("bot-llm-started"),
        audio(),
        INTERRUPTION,
        rtvi("bot-interrupted"),
        rtvi("bot-stopped-speaking"),
        INTERRUPTION,
        audio(),
    ]
    assert told(Pipecat(), *messages) == [ResponseCreated("r1"), sound("r1"), Cleared(), over, Cleared(), sound("r2")]


def test_an_error_ends_a_turn_of_which_nothing_was_said() -> None:
    failed = [AssistantError(None, "down"), ResponseDone("r1", "failed", "error", None)]
    assert told(Pipecat(), rtvi("bot-llm-started"), rtvi("error", {"error": "down"})) == [ResponseCreated("r1"), *failed]
    assert told(Pipecat(), audio(), rtvi("error", {"error": "down"})) == [sound("r1"), failed[0]]


def test_what_was_understood_is_told_once() -> None:
    dialect = Pipecat()
    both = [rtvi("user-input", {**SAID, "input_type": "transcription"}), rtvi("user-transcription", SAID)]
    assert told(dialect, *both, *both) == [Transcribed(None, "Hi there.")] * 2


def test_without_rtvi_the_sound_tells_turns() -> None:
    dialect = make(Pipecat, {"rtvi": False, "output_rate": 16_000})
    assert isinstance(dialect, Pipecat)
    assert (dialect.by_ear, dialect.ready_at_once, dialect.output_rate) == (True, True, 16_000)
    assert dialect.untold == frozenset(Fact) - {Fact.CANCELLED}
    assert (dialect.configure(SessionSettings()), dialect.farewell()) == ([], None)
    assert told(dialect, audio(rate=16_000), INTERRUPTION) == [sound(None), Cleared()]
    assert (Pipecat().by_ear, Pipecat.untold) == (False, {Fact.COMMITTED})


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\x12\x7f\x01", "message of 3 bytes is no Pipecat frame"),
        (audio(rate=16_000), "audio of 16000 Hz, where the option output_rate is 24000"),
        (audio(channels=2), "audio of 2 channels, where the wire has one"),
        (audio(wav(PCM, 16_000)), "a WAV file of 16000 Hz, where 24000 Hz are due"),
        (audio(wav(PCM, 24_000)[:30] + b"\0"), "a WAV file"),
        (audio(b"\1\0\2"), "3 bytes of audio are no whole pcm16 samples"),
        (block(4, block(1, b"{")), "message of 1 bytes is not JSON"),
        (block(4, block(1, b"[]")), "message of 2 bytes is not a JSON object"),
        (rtvi(7), "message: type must be a string, not int"),
        (rtvi("bot-llm-text", {"text": None}), "bot-llm-text: data.text is missing; it must be a string"),
        (rtvi("user-transcription", {**SAID, "text": 7}), "user-transcription: data.text must be a string, not int"),
    ],
)
def test_what_is_malformed_is_told(message: bytes, text: str) -> None:
    with pytest.raises(MalformedMessage) as error:
        Pipecat().decode_binary(message)
    assert str(error.value).startswith(text)


def test_text_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="a text message, where the wire has binary ones only"):
        Pipecat().decode(b"{}")


@given(st.binary(max_size=200) | st.binary(max_size=60).map(audio) | st.binary(max_size=60).map(lambda data: block(4, block(1, data))))
def test_rubbish_is_malformed_or_an_event(message: bytes) -> None:
    try:
        told(Pipecat(), message)
    except MalformedMessage as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "final", "tokens", "error", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = [
    "bot-ready",
    "user-input",
    "user-transcription",
    "bot-llm-text",
    "bot-llm-started",
    "bot-stopped-speaking",
    "metrics",
    "error",
    "x",
]


@given(st.lists(st.tuples(st.sampled_from(KINDS), JSON) | st.just(("audio", None)), max_size=6))
def test_any_messages_in_any_order_are_taken(messages: list[tuple[str, Any]]) -> None:
    dialect = Pipecat()
    for kind, data in messages:
        try:
            told(dialect, audio() if kind == "audio" else rtvi(kind, data))
        except MalformedMessage as error:
            assert "data.text" in str(error)


def test_what_a_talker_says() -> None:
    dialect = Pipecat()
    assert dialect.append(PCM) == block(2, block(3, PCM) + b"\x20" + varint(16_000) + b"\x28\x01")
    with pytest.raises(ValueError, match="3 bytes are no whole PCM16 samples"):
        dialect.append(b"\1\0\2")
    (ready,) = dialect.configure(SessionSettings())
    sent = json.loads(ready[ready.index(b'{"') :])
    assert ready == block(4, block(1, ready[ready.index(b'{"') :]))
    assert sent == {
        "label": "rtvi-ai",
        "type": "client-ready",
        "id": "client-ready",
        "data": {"version": "2.2.0", "about": {"library": "doubletalk"}},
    }
    farewell = dialect.farewell() or b""
    assert json.loads(farewell[farewell.index(b'{"') :]) == {"label": "rtvi-ai", "type": "disconnect-bot", "id": "disconnect-bot"}


@pytest.mark.parametrize(
    ("options", "host", "url"),
    [
        ({}, "http://127.0.0.1:7860", "ws://127.0.0.1:7860/ws"),
        ({}, "https://bots.example.com/ws", "wss://bots.example.com/ws"),
        ({"path": "/ws-client"}, "ws://127.0.0.1:7860", "ws://127.0.0.1:7860/ws-client"),
    ],
)
def test_where_the_bot_is(options: dict[str, Any], host: str, url: str) -> None:
    assert make(Pipecat, options).endpoint(host, None) == url


def test_the_way_in_is_the_runners() -> None:
    recipe = Pipecat().access(SessionSettings())
    assert recipe is not None
    assert (recipe.method, recipe.url, dict(recipe.body)) == ("POST", "/start", {"transport": "websocket"})
    assert (recipe.url_pointers, recipe.token_pointers) == (("/wsUrl", "/ws_url"), ("/token",))
