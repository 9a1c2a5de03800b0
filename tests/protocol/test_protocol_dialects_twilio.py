"""Twilio's wire: what the telephone network says, stamped message by message, and what a bot may answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import timeit
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import Encoding, Fact, MalformedMessage, Opcode, SessionSettings, make
from protocol.dialects.twilio import Twilio
from protocol.events import AudioDelta, Cleared, Mark, Unknown

SILENCE = b"\xff" * 160
NAMES = st.sampled_from(["event", "media", "payload", "mark", "name", "streamSid"]) | st.text(max_size=5)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["media", "mark", "clear"]) | st.text(max_size=9)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def said(message: bytes | None) -> dict[str, Any]:
    assert message is not None
    told: dict[str, Any] = json.loads(message)
    return told


def test_a_call_is_opened_as_the_telephone_network_does() -> None:
    call = make(Twilio, {"account_sid": "AC" + "1" * 32, "parameters": "from=%2B15550100&vip="})
    connected, start = map(said, call.configure(SessionSettings()))
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    stream, number = start["streamSid"], start["start"].pop("callSid")
    assert (stream[:2], len(stream), number[:2], len(number)) == ("MZ", 34, "CA", 34)
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream,
        "start": {
            "accountSid": "AC" + "1" * 32,
            "streamSid": stream,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from": "+15550100", "vip": ""},
        },
    }


def test_each_message_has_its_own_number_chunk_and_timestamp() -> None:
    call, other = Twilio(), Twilio()
    call.configure(SessionSettings())
    payload = call.append(SILENCE)
    assert payload == other.append(SILENCE) == base64.b64encode(SILENCE)
    told = [
        said(message) for message in (call.stamp(payload), call.stamp(call.append(bytes(80))), call.played("half"), call.stamp(payload))
    ]
    stream = told[0]["streamSid"]
    assert told[0] == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": stream,
        "media": {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": payload.decode()},
    }
    assert [one["sequenceNumber"] for one in told] == ["2", "3", "4", "5"]
    assert [(one["media"]["chunk"], one["media"]["timestamp"]) for one in told if one["event"] == "media"] == [
        ("1", "0"),
        ("2", "20"),
        ("3", "30"),
    ]
    assert told[2] == {"event": "mark", "sequenceNumber": "4", "streamSid": stream, "mark": {"name": "half"}}
    last = said(call.farewell())
    assert (last["event"], last["sequenceNumber"], last["streamSid"]) == ("stop", "6", stream)
    assert set(last["stop"]) == {"accountSid", "callSid"}
    assert said(other.stamp(payload))["streamSid"] != stream


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_timestamps_are_those_of_the_audio_before(sizes: list[int]) -> None:
    call = Twilio()
    told = [int(said(call.stamp(call.append(bytes(size))))["media"]["timestamp"]) for size in sizes]
    assert told == [sum(sizes[:k]) // 8 for k in range(len(sizes))]


def test_stamping_is_cheap() -> None:
    call = Twilio()
    payload = call.append(SILENCE)
    assert min(timeit.repeat(lambda: call.stamp(payload), number=2000, repeat=20)) / 2000 < 3e-6


def test_the_signature_is_of_the_url() -> None:
    call = Twilio()
    url = call.endpoint("https://bot.example/ws?tenant=7", "unheeded")
    assert url == "wss://bot.example/ws?tenant=7"
    signature = base64.b64encode(hmac.new(b"auth-token", url.encode(), hashlib.sha1).digest()).decode()
    assert call.headers("auth-token") == {"X-Twilio-Signature": signature}
    assert call.headers(None) == {}
    with pytest.raises(ValueError) as refused:
        call.headers("tok\nen")
    assert "tok" not in str(refused.value).replace("token", "")
    assert make(Twilio, {"path": "/media-stream"}).endpoint("http://h:1/", None) == "ws://h:1/media-stream"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"account_sid": "SK" + "1" * 32}, "account_sid"),
        ({"account_sid": "AC1"}, "account_sid"),
        ({"parameters": "from"}, "name=value"),
        ({"account": "AC"}, "twilio has no option 'account': there are account_sid, parameters, path"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make(Twilio, options)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"event": "media", "streamSid": "MZ1", "media": {"payload": "/////w=="}}, AudioDelta(None, None, 0, 4, "/////w==")),
        ({"event": "media", "media": {"payload": ""}}, AudioDelta(None, None, 0, 0, "")),
        ({"event": "mark", "streamSid": "MZ1", "mark": {"name": "end"}}, Mark("end")),
        ({"event": "clear", "streamSid": "MZ1"}, Cleared()),
        ({"event": "hold", "streamSid": "MZ1"}, Unknown("hold")),
    ],
)
def test_what_a_bot_says(message: dict[str, Any], event: object) -> None:
    assert Twilio().decode(json.dumps(message).encode()) == event


def test_a_bot_as_its_documentation_writes_it() -> None:
    told = Twilio().decode(b'{ \n "event": "media",\n "streamSid": "MZ1",\n "media": {\n  "payload": "a3242sa1"\n } \n}')
    assert isinstance(told, AudioDelta)
    assert (told.samples, len(told.audio())) == (6, 6)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"no", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"event":5}', "message: event must be a string, not int"),
        (b'{"event":"media"}', "media: media is missing; it must be an object"),
        (b'{"event":"media","media":{"payload":7}}', "media: media.payload must be a string, not int"),
        (b'{"event":"media","media":{"payload":"abcde"}}', "5 characters is not base64"),
        (b'{"event":"media","media":{"payload":"abcdef"}}', "6 characters is not base64"),
        (b'{"event":"mark","mark":"end"}', "mark: mark must be an object, not str"),
    ],
)
def test_what_no_bot_may_say(message: bytes, told: str) -> None:
    with pytest.raises(MalformedMessage, match=told):
        Twilio().decode(message)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"event":"media","media":{"payload":"\\ud800abc"}}')
def test_rubbish_is_malformed_or_an_event(message: bytes) -> None:
    call = Twilio()
    try:
        told = call.decode(message)
    except MalformedMessage:
        return
    assert isinstance(told, AudioDelta | Mark | Cleared | Unknown)
    with pytest.raises(MalformedMessage, match="binary"):
        call.decode_binary(message)


def test_broken_base64_is_told_when_it_is_heard() -> None:
    told = Twilio().decode(b'{"event":"media","media":{"payload":"!!!!"}}')
    assert isinstance(told, AudioDelta)
    with pytest.raises(ValueError, match="base64"):
        told.audio()


def test_what_the_wire_is() -> None:
    call = Twilio()
    assert (call.input_rate, call.output_rate, call.input_encoding, call.output_encoding) == (8000, 8000, Encoding.MULAW, Encoding.MULAW)
    assert call.stamps and call.ready_at_once and call.by_ear and not call.flushes
    assert Fact.CANCELLED not in call.untold and Fact.DONE in call.untold
    assert (call.cancel(None), call.truncate("i", 0, 1), call.alike(b"{}", Opcode.TEXT)) == (None, None, None)
