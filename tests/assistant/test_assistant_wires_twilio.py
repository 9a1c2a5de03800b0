"""The assistant as a bot of Twilio's: what it says, and what it makes of what the telephone network says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.wires.base import Bye, Sound
from assistant.wires.twilio import Twilio

START = json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": "CA1"}})


def called() -> Twilio:
    wire = Twilio("t")
    assert wire.received(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})) == []
    assert wire.received(START) == []
    return wire


def told(message: Any) -> Any:
    assert isinstance(message, str)
    return json.loads(message)


def test_it_speaks_in_media_marks_and_clears() -> None:
    wire = called()
    frame = wire.delta_frame("response.output_audio.delta", "resp_1", "item_1")
    assert told(wire.audio_delta(frame, "//8=")) == {"event": "media", "streamSid": "MZ1", "media": {"payload": "//8="}}
    done = wire.response("resp_1", "conv", "completed")
    assert told(wire.event("response.done", response=done)) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "resp_1"}}
    assert told(wire.event("output_audio_buffer.cleared", response_id="resp_1")) == {"event": "clear", "streamSid": "MZ1"}
    assert wire.event("response.done", response=wire.response("resp_2", "conv", "cancelled")) is None
    assert wire.event("response.created", response=done) is None
    assert (wire.text_delta(frame, "word"), wire.error("wrong")) == (None, None)


def test_it_says_nothing_to_a_stream_without_a_name() -> None:
    wire = Twilio("t")
    assert wire.event("output_audio_buffer.cleared") is None
    assert wire.received(json.dumps({"event": "media", "media": {"payload": "//8="}})) == []
    assert wire.received(json.dumps({"event": "start", "streamSid": 'a"b'})) == []
    assert wire.stream is None


@pytest.mark.parametrize(
    ("message", "received"),
    [
        ({"event": "media", "media": {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "//8="}}, [Sound(b"\xff\xff")]),
        ({"event": "media", "media": {"payload": "//8"}}, []),
        ({"event": "media", "media": {}}, []),
        ({"event": "media", "media": "x"}, []),
        ({"event": "mark", "mark": {"name": "resp_1"}}, []),
        ({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}}, []),
        ({"event": "stop", "stop": {"accountSid": "AC1", "callSid": "CA1"}}, [Bye()]),
        ({"event": "other"}, []),
        (["media"], []),
    ],
)
def test_what_it_hears(message: Any, received: list[Any]) -> None:
    assert called().received(json.dumps(message)) == received


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_rubbish_is_passed_over(message: str | bytes) -> None:
    assert called().received(message) == []


def test_whoever_calls_is_answered() -> None:
    assert (Twilio.admits_anyone(), Twilio.tuned_at_once, Twilio.paths) == (True, True, ("/media-stream",))
    assert (Twilio.input.rate, Twilio.input.encoding, Twilio.output.base64) == (8000, "mulaw", True)
