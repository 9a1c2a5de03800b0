"""The raw wire: whatever a home-grown server writes, by its options; and what options cannot be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Encoding, Fact, MalformedMessage, Opcode, SessionSettings, make
from protocol.dialects.raw_pcm import RawPcm
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
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

PCM = bytes(range(64))
TALKATIVE = {
    "type_field": "msg.kind",
    "audio_type": "speech",
    "audio_field": "msg.data",
    "ready_type": "hi",
    "speech_started_type": "on",
    "speech_stopped_type": "off",
    "transcript_type": "heard",
    "transcript_field": "msg.words",
    "begins_type": "begin",
    "ends_type": "end",
    "text_type": "word",
    "text_field": "msg.text",
    "error_type": "oops",
}


def said(kind: str, **fields: Any) -> bytes:
    return json.dumps({"msg": {"kind": kind, **fields}, **fields}).encode()


def text(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def test_without_options_it_is_binary_pcm16_at_16_khz() -> None:
    wire = RawPcm()
    assert (wire.audio_opcode, wire.input_rate, wire.output_rate, wire.input_encoding) == (Opcode.BINARY, 16_000, 16_000, Encoding.PCM16)
    assert wire.append(PCM) == PCM
    assert wire.decode_binary(PCM) == AudioDelta(None, None, 0, 32, PCM)
    assert (wire.configure(SessionSettings()), wire.farewell(), wire.ready_at_once, wire.by_ear) == ([], None, True, True)
    assert wire.decode(b'{"type":"clear"}') == [Cleared()]
    assert wire.endpoint("https://h/talk?x=1", "unheeded") == "wss://h/talk?x=1"
    assert set(Fact) - wire.untold == {Fact.CANCELLED}


@pytest.mark.parametrize(
    ("options", "opcode", "sent"),
    [
        ({"json": True}, Opcode.TEXT, {"type": "audio", "audio": text(PCM)}),
        ({"json": True, "input_type": ""}, Opcode.TEXT, {"audio": text(PCM)}),
        ({"json": True, "input_type": "mic", "input_field": "data.pcm"}, Opcode.TEXT, {"type": "mic", "data": {"pcm": text(PCM)}}),
        ({"json": True, "type_field": "m.t", "input_field": "m.a"}, Opcode.TEXT, {"m": {"t": "audio", "a": text(PCM)}}),
        ({"json": True, "input_wav": True, "input_rate": 8000}, Opcode.TEXT, {"type": "audio", "audio": text(wav(PCM, 8000))}),
        ({"input_wav": True, "input_rate": 48_000}, Opcode.BINARY, wav(PCM, 48_000)),
        ({"input_encoding": "alaw", "input_rate": 8000}, Opcode.BINARY, PCM),
    ],
)
def test_the_microphone(options: dict[str, Any], opcode: Opcode, sent: Any) -> None:
    wire = make(RawPcm, options)
    message = wire.append(PCM)
    assert wire.audio_opcode is opcode
    assert (json.loads(message) if opcode is Opcode.TEXT else message) == sent
    assert wire.append(PCM) == message


@pytest.mark.parametrize(
    ("options", "message", "samples"),
    [
        ({}, json.dumps({"type": "audio", "audio": text(PCM)}), 32),
        ({"output_encoding": "mulaw"}, json.dumps({"type": "audio", "audio": text(PCM)}), 64),
        ({"audio_type": ""}, json.dumps({"audio": text(PCM), "n": 5}), 32),
        ({"audio_type": "tts", "audio_field": "a.b.c"}, json.dumps({"type": "tts", "a": {"b": {"c": text(PCM)}}}), 32),
        ({"output_wav": True}, json.dumps({"type": "audio", "audio": text(wav(PCM, 16_000))}), 32),
        ({"output_wav": True, "output_rate": 48_000}, wav(PCM, 48_000), 32),
        ({"output_encoding": "alaw"}, PCM, 64),
    ],
)
def test_the_assistants_audio(options: dict[str, Any], message: str | bytes, samples: int) -> None:
    wire = make(RawPcm, options)
    told = wire.decode(message.encode()) if isinstance(message, str) else wire.decode_binary(message)
    assert isinstance(told, AudioDelta)
    assert (told.samples, told.audio(), told.response_id) == (samples, PCM, None)


def test_a_talkative_server() -> None:
    wire = make(RawPcm, TALKATIVE)
    assert (wire.ready_at_once, wire.by_ear, set(wire.untold)) == (False, False, {Fact.COMMITTED, Fact.USAGE})
    table = [
        (said("hi", rate=16), SessionUpdated({"msg": {"kind": "hi", "rate": 16}, "rate": 16})),
        (said("on"), SpeechStarted(None, None)),
        (said("off"), SpeechStopped(None, None)),
        (said("heard", words="hello"), Transcribed(None, "hello")),
        (said("begin"), [ResponseCreated("r1")]),
        (said("word", text="Well"), TextDelta("r1", None, "Well")),
        (said("speech", data=text(PCM)), AudioDelta("r1", None, 0, 32, text(PCM))),
        (said("end"), [ResponseDone("r1", "completed", None, None)]),
        (said("end"), Ignored("end")),
        (said("begin"), [ResponseCreated("r2")]),
        (said("clear"), [Cleared(), ResponseDone("r2", "cancelled", "cleared", None)]),
        (said("speech", data=text(PCM)), AudioDelta("r2", None, 0, 32, PCM)),
        (said("clear"), [Cleared()]),
        (said("begin"), [ResponseCreated("r3")]),
        (said("begin"), [ResponseDone("r3", "cancelled", "replaced", None), ResponseCreated("r4")]),
        (said("oops", message="no"), AssistantError(None, "no")),
        (said("weather"), Unknown("weather")),
        (b'{"type":"hi"}', Unknown("text")),
        (b"plain words", Unknown("text")),
        (b"[1]", Unknown("text")),
    ]
    assert [wire.decode(message) for message, _ in table] == [event for _, event in table]
    assert isinstance(wire.decode_binary(PCM), AudioDelta)


@pytest.mark.parametrize(
    ("options", "zeros", "quiet"),
    [
        ({}, bytes(640), b"\1" + bytes(639)),
        ({"output_encoding": "mulaw"}, b"\xff\x7f" * 80, b"\xfe" * 160),
        ({"output_encoding": "alaw"}, b"\xd5\x55" * 80, b"\xd4" * 160),
    ],
)
def test_silence_between_responses_is_of_none(options: dict[str, Any], zeros: bytes, quiet: bytes) -> None:
    wire = make(RawPcm, {"begins_type": "begin", "ends_type": "end", **options})
    begin, end, packed = b'{"type":"begin"}', b'{"type":"end"}', json.dumps({"type": "audio", "audio": text(zeros)}).encode()
    for number in (0, 1):
        assert [wire.decode_binary(zeros), wire.decode(packed)] == [Ignored("silence")] * 2
        assert wire.alike(zeros, Opcode.BINARY) is None
        wire.decode(begin)
        for told in (wire.decode_binary(zeros), wire.decode(packed)):
            assert isinstance(told, AudioDelta)
            assert (told.response_id, told.audio()) == (f"r{number + 1}", zeros)
        assert wire.alike(zeros, Opcode.BINARY) is not None
        wire.decode(end)
        assert isinstance(wire.decode_binary(quiet), AudioDelta)
    assert isinstance(make(RawPcm, options).decode_binary(zeros), AudioDelta)


def test_words_that_open_and_close_a_session() -> None:
    wire = make(RawPcm, {"hello": '{"start":1}', "goodbye": "bye", "path": "/talk"})
    assert (wire.configure(SessionSettings()), wire.farewell()) == ([b'{"start":1}'], b"bye")
    assert wire.endpoint("http://h:9", None) == "ws://h:9/talk"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"input_rate": 44_100}, "input_rate 44100: there are 8000, 16000, 24000, 48000"),
        ({"output_rate": 0}, "output_rate 0: there are"),
        ({"input_encoding": "opus"}, "input_encoding 'opus': there are pcm16, mulaw, alaw"),
        ({"output_wav": True, "output_encoding": "mulaw"}, "output_wav takes output_encoding pcm16, not mulaw"),
        ({"begins_type": "b"}, "begins_type without ends_type"),
        ({"ends_type": "b"}, "ends_type without begins_type"),
        ({"audio_field": "a..b"}, "audio_field 'a..b': write a name"),
        ({"transcript_field": ""}, "transcript_field ''"),
        ({"text_type": "audio"}, "text_type and audio_type are both 'audio'"),
        ({"json": True, "input_field": "type.audio"}, "input_field 'type.audio' and type_field 'type' cannot both be in a message"),
        ({"audio_field": "type.audio"}, "audio_field 'type.audio' and type_field 'type' cannot both be"),
        ({"type_field": "a", "error_type": "e", "error_field": "a.b"}, "error_field 'a.b' and type_field 'a' cannot both be"),
        ({"type_field": "a.b", "text_type": "t", "text_field": "a"}, "text_field 'a' and type_field 'a.b' cannot both be"),
        ({"transcript_type": "t", "transcript_field": "type"}, "transcript_field 'type' and type_field 'type' cannot both be"),
        ({"json": "yes"}, "option json of raw-pcm must be true or false, not 'yes'"),
        ({"rate": 8000}, "raw-pcm has no option 'rate': there are path, hello"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError) as refused:
        make(RawPcm, options)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"error_field": "type.why"},
        {"audio_type": "", "audio_field": "type"},
        {"input_field": "type"},
        {"json": True, "input_type": "", "input_field": "type"},
        {"text_type": "t", "text_field": "typed"},
    ],
)
def test_a_field_may_lie_where_the_type_does_if_no_message_has_both(options: dict[str, Any]) -> None:
    assert make(RawPcm, options).name == "raw-pcm"


@pytest.mark.parametrize(
    ("options", "message", "told"),
    [
        ({}, b'{"type":"audio"}', "audio without text in audio"),
        ({}, b'{"type":"audio","audio":"abc"}', "3 characters is not base64"),
        ({}, b'{"type":"audio","audio":"YWJj"}', "3 bytes of audio are no whole pcm16 samples"),
        ({"output_wav": True}, b'{"type":"audio","audio":"!!!!"}', "4 characters is not base64"),
        ({"output_wav": True}, b'{"type":"audio","audio":"YWJj"}', "is no WAV file"),
        ({"text_type": "t"}, b'{"type":"t","text":5}', "t without text in text"),
    ],
)
def test_what_no_server_may_say(options: dict[str, Any], message: bytes, told: str) -> None:
    with pytest.raises(MalformedMessage, match=told):
        make(RawPcm, options).decode(message)


def test_half_a_sample_is_refused_both_ways() -> None:
    with pytest.raises(MalformedMessage, match="3 bytes"):
        RawPcm().decode_binary(b"abc")
    with pytest.raises(ValueError, match="3 bytes"):
        RawPcm().append(b"abc")
    with pytest.raises(MalformedMessage, match="24000 Hz, where 16000"):
        make(RawPcm, {"output_wav": True}).decode_binary(wav(PCM, 24_000))


INNER = (
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["speech", "clear", "heard", "begin", "end", "word", "AAAA", "oops"])
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(("kind", "data", "words", "text"), INNER))


@given(st.binary(max_size=50) | MESSAGES.map(lambda inner: json.dumps({"msg": inner}).encode()), st.sampled_from([{}, TALKATIVE]))
def test_rubbish_is_malformed_or_events(message: bytes, options: dict[str, Any]) -> None:
    for decode in (make(RawPcm, options).decode, make(RawPcm, options).decode_binary, make(RawPcm, {"output_wav": True}).decode_binary):
        try:
            told = decode(message)
        except MalformedMessage:
            continue
        assert told
