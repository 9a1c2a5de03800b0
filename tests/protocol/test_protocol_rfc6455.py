"""Close payloads, and the constants that go on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close
from websockets.frames import Opcode as PeerOpcode

from protocol.rfc6455 import CloseCode, FrameError, Message, Opcode, close_payload, parse_close

SENDABLE = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
FORBIDDEN = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]


def test_opcodes_are_those_of_the_rfc():
    assert {opcode.name: int(opcode) for opcode in Opcode} == {
        "CONTINUATION": 0,
        "TEXT": 1,
        "BINARY": 2,
        "CLOSE": 8,
        "PING": 9,
        "PONG": 10,
    }
    assert all(int(PeerOpcode[{"CONTINUATION": "CONT"}.get(opcode.name, opcode.name)]) == opcode for opcode in Opcode)


@pytest.mark.parametrize("code", SENDABLE)
def test_codes_that_may_be_sent(code):
    payload = close_payload(code, "why")
    assert payload == code.to_bytes(2, "big") + b"why"
    assert parse_close(payload) == (code, "why")
    peer = Close.parse(payload)
    assert (peer.code, peer.reason) == (code, "why")


@pytest.mark.parametrize("code", FORBIDDEN)
def test_codes_that_may_not_be_sent(code):
    with pytest.raises(ValueError, match=f"close code {code} may not be sent"):
        close_payload(code)
    with pytest.raises(FrameError, match=f"close code {code} may not be sent") as caught:
        parse_close(code.to_bytes(2, "big"))
    assert caught.value.code is CloseCode.PROTOCOL_ERROR


def test_no_code_is_none():
    assert parse_close(b"") == (None, "")


def test_half_a_code_is_an_error():
    with pytest.raises(FrameError, match="cut to one byte") as caught:
        parse_close(b"\x03")
    assert caught.value.code == 1002


def test_a_reason_that_is_not_utf8():
    with pytest.raises(FrameError, match="not UTF-8") as caught:
        parse_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007


def test_a_reason_has_123_bytes_at_most():
    assert len(close_payload(1000, "é" * 61 + "e")) == 125
    with pytest.raises(ValueError, match="close reason is 124 bytes; at most 123 fit"):
        close_payload(1000, "é" * 62)


@given(st.sampled_from(SENDABLE), st.text(max_size=30))
def test_round_trip(code, reason):
    assert parse_close(close_payload(code, reason)) == (code, reason)


@given(st.binary(max_size=125))
def test_only_frame_error_escapes(payload):
    try:
        code, reason = parse_close(payload)
    except FrameError as fault:
        assert fault.code in (1002, 1007)
    else:
        assert payload == (b"" if code is None else close_payload(code, reason))


def test_the_error_carries_what_came_before():
    message = Message(Opcode.TEXT, b"hi")
    fault = FrameError(CloseCode.MESSAGE_TOO_BIG, "too big", [message])
    assert (str(fault), fault.code, fault.messages) == ("too big", 1009, (message,))
