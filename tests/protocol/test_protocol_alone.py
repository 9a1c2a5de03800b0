"""Dialects checked by themselves: ours are what they should be, and one that is wrong in one thing is told so."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import numpy as np
import orjson
import pytest

from protocol import DIALECTS, Dialect, Encoding, Fact, MalformedMessage, Opcode, make, websocket_url
from protocol.alike import BINARY, Alike
from protocol.alone import notes, violations
from protocol.events import AudioDelta, Event, Unknown


class Fine(Dialect):
    """Nothing is wrong with it."""

    name = "fine"

    def endpoint(self, base_url: str, model: str | None) -> str:
        return websocket_url(base_url, "/talk")

    def append(self, audio: bytes) -> bytes:
        return audio

    def decode(self, message: bytes) -> Event | list[Event]:
        return Unknown("text")

    def decode_binary(self, message: bytes) -> Event | list[Event]:
        return AudioDelta(None, None, 0, self.output_encoding.samples(len(message)), message)


def _key_error(self: Any, message: bytes) -> Event:
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise MalformedMessage("no JSON") from None
    return Unknown(fields["type"]) if isinstance(fields, dict) else Unknown("text")


counter = iter(range(10**6))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Options": dict}, "Options is <class 'dict'>, and no dataclass"),
        ({"input_rate": 44_100}, "input_rate is 44100: there are 8000, 16000, 24000, 48000"),
        ({"output_encoding": "opus"}, "output_encoding is 'opus': there are pcm16, mulaw, alaw"),
        ({"untold": frozenset({"weather"})}, "untold holds what is no Fact"),
        ({"by_ear": True}, "by_ear, though it promises"),
        ({"endpoint": lambda self, base, model: "ws://elsewhere/"}, "endpoint of http://voice.example is 'ws://elsewhere/'"),
        ({"endpoint": lambda self, base, model: base.replace("http", "ws", 1)}, "endpoint takes 'ftp://voice.example'"),
        ({"endpoint": lambda self, base, model: 1 / 0}, "how it gets in: raised ZeroDivisionError"),
        ({"headers": lambda self, secret: {"A": secret}}, "headers holds what is no text"),
        ({"headers": lambda self, secret: {"A": str(secret)}}, "headers takes a secret with a line end"),
        ({"subprotocols": lambda self: [5]}, "subprotocols holds what is no text"),
        ({"configure": lambda self, settings: ["text"]}, "configure gives what is no bytes"),
        ({"append": lambda self, audio: audio.hex()}, "append gives no bytes"),
        ({"append": lambda self, audio: audio + b"%d" % next(counter)}, "append gives other bytes for the same audio"),
        ({"append": lambda self, audio: b"%d" % len(audio)}, "append gives the same message for different audio"),
        ({"stamps": True, "stamp": lambda self, message: message.hex()}, "stamp gives no bytes"),
        ({"stamps": True, "stamp": lambda self, message: b"1"}, "append gives the same message for different audio"),
        ({"stamps": True}, "stamps, though stamp gives the same message twice"),
        ({"farewell": lambda self: "bye"}, "gives what is neither bytes nor None"),
        ({"decode": _key_error}, "decode raised KeyError ('type'), and not MalformedMessage, for '{}'"),
        ({"decode": lambda self, message: None}, "decode gave NoneType, which is no event, for ''"),
        ({"decode": lambda self, message: ["x"]}, "decode gave str, which is no event,"),
        ({"decode_binary": lambda self, message: message[99]}, "decode_binary raised IndexError"),
        ({"alike": lambda self, message: None}, "alike does not take a message and its opcode: too many positional arguments"),
        ({"alike": lambda self, message, opcode: (b"",)}, "alike gives tuple for a message of decode_binary: it is an Alike or None"),
        ({"alike": lambda self, message, opcode: 1 // 0}, "what is alike: raised ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], told: str) -> None:
    assert violations(lambda: type("Wrong", (Fine,), changes)()) != []
    assert any(told in line for line in violations(lambda: type("Wrong", (Fine,), changes)())), told


def test_nothing_is_wrong_with_what_is_fine() -> None:
    assert violations(Fine) == []
    stamped = {"stamps": True, "stamp": lambda self, message: b"%d" % next(counter) + message}
    assert violations(lambda: type("Stamped", (Fine,), stamped)()) == []
    heard = {"by_ear": True, "untold": frozenset({Fact.DONE}), "input_encoding": Encoding.ALAW}
    assert violations(lambda: type("Heard", (Fine,), heard)()) == []


@pytest.mark.parametrize(
    "append",
    [
        lambda self, audio: (np.frombuffer(audio, "<i2") / np.float32(32768)).astype("<f4").tobytes(),
        lambda self, audio: np.frombuffer(audio, "<i2").astype(">i2").tobytes(),
        lambda self, audio: audio.hex().encode(),
        lambda self, audio: b"\xff" + urlsafe_b64encode(audio),
    ],
    ids=["float32", "big-endian", "hex", "url-safe"],
)
def test_audio_that_is_written_in_another_way_is_a_note(append: Any) -> None:
    made = type("Converting", (Fine,), {"append": append})
    assert violations(made) == []
    assert [line.partition(":")[0] for line in notes(made)] == ["the message of append does not hold the audio, as it is or in base64"]


def test_what_is_asked_whether_it_is_alike_was_decoded_as_audio() -> None:
    asked = []

    class Told(Fine):
        def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
            asked.append((message, opcode))
            return BINARY

    assert violations(Told) == []
    assert (bytes(640), Opcode.BINARY) in asked
    assert all(message and opcode is Opcode.BINARY for message, opcode in asked)


@pytest.mark.parametrize("name", DIALECTS)
def test_ours_are_what_they_should_be(name: str) -> None:
    assert violations(lambda: make(DIALECTS[name], {})) == []
    assert notes(lambda: make(DIALECTS[name], {})) == []


@pytest.mark.parametrize("options", [{"json": True}, {"json": True, "input_wav": True, "output_wav": True}, {"input_wav": True}])
def test_so_is_the_raw_wire_with_options(options: dict[str, Any]) -> None:
    assert violations(lambda: make(DIALECTS["raw-pcm"], options)) == []
