"""Frames by the letter of RFC 6455: bytes written by hand, limits, and every fault with its close code."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import FrameDecoder, FrameError, Message, Opcode, PreparedFrame, encode, mask, mask_keys

KEY = b"\x37\xfa\x21\x3d"
HELLO = Message(Opcode.TEXT, b"Hello")


def word(key: bytes) -> np.uint32:
    """A key as `mask_keys` gives it."""
    return np.frombuffer(key, np.uint32)[0]


def frame(first: int, payload: bytes = b"", *, key: bytes | None = None) -> bytes:
    """A frame from its first byte, without any check: what a faulty peer may send."""
    bit, size = (0x80 if key else 0), len(payload)
    if size <= 125:
        header = struct.pack("!BB", first, bit | size)
    elif size <= 0xFFFF:
        header = struct.pack("!BBH", first, bit | 126, size)
    else:
        header = struct.pack("!BBQ", first, bit | 127, size)
    body = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)) if key else payload
    return header + (key or b"") + body


# Section 5.7 of the RFC.
@pytest.mark.parametrize(
    ("raw", "masked", "messages"),
    [
        (b"\x81\x05Hello", False, [HELLO]),
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", True, [HELLO]),
        (b"\x01\x03Hel\x80\x02lo", False, [HELLO]),
        (b"\x89\x05Hello", False, [Message(Opcode.PING, b"Hello")]),
        (b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", True, [Message(Opcode.PONG, b"Hello")]),
        (b"\x82\x7e\x01\x00" + bytes(256), False, [Message(Opcode.BINARY, bytes(256))]),
        (b"\x82\x7f\0\0\0\0\0\1\0\0" + bytes(65536), False, [Message(Opcode.BINARY, bytes(65536))]),
    ],
)
def test_the_examples_of_the_rfc(raw, masked, messages):
    assert FrameDecoder(expect_masked=masked).feed(raw) == messages


def test_the_masked_example_of_the_rfc_is_what_we_send():
    assert encode(Opcode.TEXT, b"Hello", KEY) == b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 2600, 65535, 65536, 65537, 200_003])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_every_length_is_written_and_read(size, opcode):
    payload = bytes(i * 7 & 0xFF for i in range(size))
    plain, masked = encode(opcode, payload, None), encode(opcode, payload, KEY)
    assert plain == frame(0x80 | opcode, payload)
    assert masked == frame(0x80 | opcode, payload, key=KEY)
    assert FrameDecoder().feed(plain) == [(opcode, payload)]
    assert FrameDecoder(expect_masked=True).feed(masked) == [(opcode, payload)]
    prepared = PreparedFrame(opcode, payload)
    assert prepared.masked(word(KEY)) == masked
    assert prepared.masked(word(bytes(4))) == encode(opcode, payload, bytes(4))
    assert prepared.size == len(masked)


def test_frames_of_one_length_share_a_buffer_and_are_right_all_the_same():
    loud, quiet, short = (PreparedFrame(Opcode.TEXT, payload) for payload in (b"\xff" * 300, bytes(300), b"\xff" * 299))
    for key in (KEY, bytes(4), KEY[::-1]):
        assert loud.masked(word(key)) == encode(Opcode.TEXT, b"\xff" * 300, key)
        assert quiet.masked(word(key)) == encode(Opcode.TEXT, bytes(300), key)
        assert short.masked(word(key)) == encode(Opcode.TEXT, b"\xff" * 299, key)


def test_keys_are_what_the_source_gives_and_never_end():
    asked = []

    def random(size):
        asked.append(size)
        return bytes(len(asked) for _ in range(size))

    keys = mask_keys(random)
    drawn = [next(keys).tobytes() for _ in range(3000)]
    assert asked == [4096] * 3
    assert drawn == [b"\1" * 4] * 1024 + [b"\2" * 4] * 1024 + [b"\3" * 4] * 952


@given(st.binary(max_size=70), st.binary(min_size=4, max_size=4))
def test_mask_is_xor_and_its_own_inverse(payload, key):
    assert mask(payload, key) == bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    assert mask(mask(payload, key), key) == payload


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_a_key_has_four_bytes(key):
    with pytest.raises(ValueError, match=f"masking key must be 4 bytes, not {len(key)}"):
        encode(Opcode.TEXT, b"x", key)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_control_frames_are_short_and_whole(opcode):
    assert FrameDecoder().feed(encode(opcode, bytes(125), None)) == [(opcode, bytes(125))]
    for make in (
        lambda: encode(opcode, bytes(126), None),
        lambda: encode(opcode, b"", KEY, fin=False),
        lambda: PreparedFrame(opcode, bytes(126)),
    ):
        with pytest.raises(ValueError, match=f"{opcode.name} frame must be whole and of at most 125 bytes"):
            make()


def test_fragments_with_control_frames_between_them():
    raw = (
        encode(Opcode.TEXT, b"He", None, fin=False)
        + encode(Opcode.PING, b"1", None)
        + encode(Opcode.CONTINUATION, b"", None, fin=False)
        + encode(Opcode.CONTINUATION, b"ll", None, fin=False)
        + encode(Opcode.PONG, b"", None)
        + encode(Opcode.CONTINUATION, b"o", None)
        + encode(Opcode.BINARY, b"", None, fin=False)
        + encode(Opcode.CONTINUATION, b"", None)
        + encode(Opcode.TEXT, b"Hello", None)
    )
    wanted = [(Opcode.PING, b"1"), (Opcode.PONG, b""), HELLO, (Opcode.BINARY, b""), HELLO]
    assert FrameDecoder().feed(raw) == wanted
    one_by_one = FrameDecoder()
    assert [message for i in range(len(raw)) for message in one_by_one.feed(raw[i : i + 1])] == wanted
    assert one_by_one.pending == 0


def test_payloads_are_bytes_whatever_the_buffer_was():
    raw = encode(Opcode.TEXT, b"Hello", None)
    for data in (raw, bytearray(raw), memoryview(raw), memoryview(bytearray(raw))):
        decoder = FrameDecoder()
        (message,) = decoder.feed(data)
        assert message == HELLO
        assert type(message.payload) is bytes
        assert message.opcode is Opcode.TEXT
        assert decoder.feed(data[:3]) + decoder.feed(data[3:]) == [HELLO]


def test_a_reused_buffer_does_not_change_what_was_fed():
    buffer = bytearray(encode(Opcode.TEXT, b"Hello", None)[:4])
    decoder = FrameDecoder()
    assert decoder.feed(memoryview(buffer)) == []
    buffer[:] = bytes(4)
    assert decoder.feed(b"llo") == [HELLO]


def test_pending_counts_what_is_held_back():
    decoder = FrameDecoder()
    assert decoder.pending == 0
    decoder.feed(b"")
    decoder.feed(b"\x01")
    assert decoder.pending == 1
    decoder.feed(b"\x03Hel")
    assert decoder.pending == 3
    decoder.feed(b"\x80\x7e\x01")
    assert decoder.pending == 6
    decoder.feed(b"\x00" + bytes(255))
    assert decoder.pending == 3 + 4 + 255
    assert decoder.feed(b"\0") == [(Opcode.TEXT, b"Hel" + bytes(256))]
    assert decoder.pending == 0


def test_after_close_everything_is_ignored():
    decoder = FrameDecoder()
    close = encode(Opcode.CLOSE, b"\x03\xe8bye", None)
    opened = encode(Opcode.TEXT, b"begun", None, fin=False)
    assert not decoder.closed
    assert decoder.feed(opened + close + b"\xff\xff\xff") == [(Opcode.CLOSE, b"\x03\xe8bye")]
    assert decoder.closed
    assert decoder.feed(encode(Opcode.TEXT, b"late", None)) == []
    assert decoder.feed(b"\xff\xff") == []
    assert decoder.pending == 0


CLIENT_FAULTS = [
    *((bytes((0x81 | bit, 0)), 1002, "reserved bit") for bit in (0x40, 0x20, 0x10)),
    *((bytes((0x80 | opcode, 0)), 1002, f"opcode {opcode:#x} is reserved") for opcode in (*range(3, 8), *range(11, 16))),
    (b"\x81\x80", 1002, "frame is masked"),
    (b"\x81\xff", 1002, "frame is masked"),
    (b"\x09\x00", 1002, "PING frame is fragmented"),
    (b"\x08\x00", 1002, "CLOSE frame is fragmented"),
    (b"\x8a\x7e", 1002, "PONG frame is over 125 bytes"),
    (b"\x88\x7f", 1002, "CLOSE frame is over 125 bytes"),
    (b"\x80\x00", 1002, "CONTINUATION frame without a message"),
    (b"\x00\x00", 1002, "CONTINUATION frame without a message"),
    (b"\x01\x00\x81\x00", 1002, "TEXT frame inside a fragmented message"),
    (b"\x02\x00\x02\x00", 1002, "BINARY frame inside a fragmented message"),
    (b"\x81\x7e\x00\x7d", 1002, "length 125 is written in 2 bytes"),
    (b"\x81\x7e\x00\x00", 1002, "length 0 is written in 2 bytes"),
    (b"\x82\x7f\0\0\0\0\0\0\xff\xff", 1002, "length 65535 is written in 8 bytes"),
    (b"\x81\x7f\x80\0\0\0\0\0\0\0", 1002, "top bit of a 64-bit length"),
    (b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 1009, "limit 16777216"),
    (b"\x81\x7f\0\0\0\0\1\0\0\1", 1009, "message of at least 16777217 bytes; limit 16777216"),
]


@pytest.mark.parametrize(("raw", "code", "told"), CLIENT_FAULTS)
def test_faults_are_named_before_any_payload_comes(raw, code, told):
    hello = encode(Opcode.TEXT, b"Hello", None)
    for begun in (b"", hello):
        decoder = FrameDecoder()
        with pytest.raises(FrameError, match=told) as caught:
            decoder.feed(begun + raw)
        assert caught.value.code == code
        assert caught.value.messages == ((HELLO,) if begun else ())
        with pytest.raises(FrameError, match=told) as again:
            decoder.feed(hello)
        assert (again.value.code, again.value.messages) == (code, ())
        assert decoder.pending == 0
    one_by_one = FrameDecoder()
    with pytest.raises(FrameError, match=told):
        for i in range(len(raw)):
            one_by_one.feed(raw[i : i + 1])


def test_a_server_refuses_what_is_not_masked():
    with pytest.raises(FrameError, match="frame is not masked") as caught:
        FrameDecoder(expect_masked=True).feed(b"\x81\x05")
    assert caught.value.code == 1002


@pytest.mark.parametrize("fragments", [[101], [60, 41], [100, 1], [0, 101], [50, 50, 1]])
def test_the_limit_counts_over_fragments(fragments):
    def send(sizes: list[int]) -> list[Message]:
        decoder = FrameDecoder(max_message=100)
        messages: list[Message] = []
        for i, size in enumerate(sizes):
            opcode = Opcode.CONTINUATION if i else Opcode.BINARY
            messages += decoder.feed(encode(opcode, bytes(size), None, fin=i == len(sizes) - 1))
            messages += decoder.feed(encode(Opcode.PING, bytes(125), None))
        return messages

    with pytest.raises(FrameError, match="message of at least 101 bytes; limit 100") as caught:
        send(fragments)
    assert caught.value.code == 1009
    fits = [*fragments[:-1], fragments[-1] - 1]
    assert (Opcode.BINARY, bytes(100)) in send(fits)


@given(st.binary(max_size=64), st.booleans(), st.integers(1, 9))
def test_only_frame_error_escapes_from_noise(noise, masked, step):
    whole, pieces = FrameDecoder(expect_masked=masked), FrameDecoder(expect_masked=masked)

    def run(decoder: FrameDecoder, chunks: list[bytes]) -> tuple[list[Message], int | None]:
        messages: list[Message] = []
        try:
            for chunk in chunks:
                messages += decoder.feed(chunk)
        except FrameError as fault:
            assert fault.code in (1002, 1009)
            return [*messages, *fault.messages], fault.code
        return messages, None

    assert run(whole, [noise]) == run(pieces, [noise[i : i + step] for i in range(0, len(noise), step)])
    assert whole.pending == pieces.pending


@given(st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.integers(0, 400)), max_size=6), st.integers(1, 700))
def test_messages_are_the_same_however_the_stream_is_cut(sent, step):
    wanted = [Message(opcode, bytes(i & 0xFF for i in range(size))) for opcode, size in sent]
    raw = b"".join(encode(m.opcode, m.payload, None) for m in wanted)
    at_once, one_each, cut = FrameDecoder(), FrameDecoder(), FrameDecoder()
    assert at_once.feed(raw) == wanted
    got = []
    for message in wanted:
        data = encode(message.opcode, message.payload, None)
        whole = one_each.whole(data)
        assert whole == (message if len(message.payload) > 125 else None)
        got += one_each.feed(data) if whole is None else [whole]
    assert got == wanted
    assert [m for i in range(0, len(raw), step) for m in cut.feed(raw[i : i + step])] == wanted


def test_only_a_whole_message_amid_nothing_else_is_whole():
    long, longest = encode(Opcode.TEXT, bytes(126), None), encode(Opcode.BINARY, bytes(65535), None)
    assert FrameDecoder().whole(long) == Message(Opcode.TEXT, bytes(126))
    assert FrameDecoder().whole(longest) == Message(Opcode.BINARY, bytes(65535))
    pings = encode(Opcode.PING, bytes(125), None)
    for data in (b"", b"\x81", long[:3], long[:-1], long + b"\x81", longest[:-1], encode(Opcode.TEXT, bytes(65536), None), pings):
        assert FrameDecoder().whole(data) is None
    assert FrameDecoder(max_message=125).whole(long) is None
    assert FrameDecoder(expect_masked=True).whole(long) is None
    for before in (b"\x81", long[:50], encode(Opcode.TEXT, b"x", None, fin=False), encode(Opcode.CLOSE, b"", None)):
        decoder = FrameDecoder()
        decoder.feed(before)
        assert decoder.whole(long) is None
    broken = FrameDecoder()
    with pytest.raises(FrameError):
        broken.feed(b"\xff\xff")
    assert broken.whole(long) is None
