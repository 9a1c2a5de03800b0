"""Our frames against two independent implementations: what we encode they read, what they encode we read."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as PeerOpcode
from websockets.protocol import Protocol, Side, State
from websockets.streams import StreamReader
from wsproto import frame_protocol

from protocol import FrameDecoder, FrameError, Message, Opcode, PreparedFrame, close_payload, encode, parse_close

KEYS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(max_size=40).map(str.encode) | st.sampled_from([125, 126, 127, 2600, 65535, 65536]).map(lambda size: b"x" * size)
DATA = st.tuples(st.just(Opcode.TEXT), TEXTS) | st.tuples(st.just(Opcode.BINARY), st.binary(max_size=40) | TEXTS)
CONTROL = st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


class Sent(NamedTuple):
    """One frame of a conversation."""

    opcode: Opcode
    payload: bytes
    fin: bool
    key: bytes


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Sent], list[Message]]:
    """Frames, some of them fragments with control frames between, and the messages that they carry."""
    frames: list[Sent] = []
    messages: list[Message] = []

    def control() -> None:
        for opcode, payload in draw(st.lists(CONTROL, max_size=1)):
            frames.append(Sent(opcode, payload, True, draw(KEYS)))
            messages.append(Message(opcode, payload))

    for opcode, payload in draw(st.lists(DATA, min_size=1, max_size=4)):
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        edges = [0, *cuts, len(payload)]
        for i, (start, stop) in enumerate(pairwise(edges)):
            kind = Opcode.CONTINUATION if i else opcode
            frames.append(Sent(kind, payload[start:stop], i == len(edges) - 2, draw(KEYS)))
            if i < len(edges) - 2:
                control()
        messages.append(Message(opcode, payload))
        control()
    return frames, messages


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(raw) + 1) for position in at), len(raw)]
    return [raw[start:stop] for start, stop in pairwise(edges)]


def ours(decoder: FrameDecoder, raw: bytes, at: list[int]) -> list[Message]:
    return [message for piece in cut(raw, at) for message in decoder.feed(piece)]


def wsproto_messages(raw: bytes, *, client: bool) -> list[Message]:
    """What wsproto, in the role given, reads; its pieces of a message are put together again."""
    protocol = frame_protocol.FrameProtocol(client, [])
    protocol.receive_bytes(raw)
    messages: list[Message] = []
    begun = b""
    for piece in protocol.received_frames():
        if piece.opcode.iscontrol():
            messages.append(Message(Opcode(piece.opcode), bytes(piece.payload)))
            continue
        begun += piece.payload.encode() if isinstance(piece.payload, str) else bytes(piece.payload)
        if piece.message_finished:
            messages.append(Message(Opcode(piece.opcode), begun))
            begun = b""
    return messages


def websockets_frames(raw: bytes, *, masked: bool) -> list[Sent]:
    """What websockets reads, frame by frame."""
    reader = StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    frames: list[Sent] = []
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=masked)
        with pytest.raises(StopIteration) as stopped:
            next(parser)
        frame = stopped.value.value
        frames.append(Sent(Opcode(frame.opcode), bytes(frame.data), frame.fin, b""))
    return frames


@given(conversations())
def test_they_read_what_a_client_of_ours_sends(conversation):
    frames, messages = conversation
    raw = b"".join(encode(sent.opcode, sent.payload, sent.key, fin=sent.fin) for sent in frames)
    assert wsproto_messages(raw, client=False) == messages
    assert websockets_frames(raw, masked=True) == [sent._replace(key=b"") for sent in frames]


@given(conversations())
def test_they_read_what_a_server_of_ours_sends(conversation):
    frames, messages = conversation
    raw = b"".join(encode(sent.opcode, sent.payload, None, fin=sent.fin) for sent in frames)
    assert wsproto_messages(raw, client=True) == messages
    assert websockets_frames(raw, masked=False) == [sent._replace(key=b"") for sent in frames]


@given(DATA, KEYS)
def test_they_read_a_prepared_frame(data, key):
    raw = bytes(PreparedFrame(*data).masked(np.frombuffer(key, np.uint32)[0]))
    assert wsproto_messages(raw, client=False) == [data]
    assert websockets_frames(raw, masked=True) == [Sent(*data, True, b"")]


@pytest.mark.parametrize("masked", [False, True])
@given(conversation=conversations(), at=st.lists(st.integers(0, 2**17), max_size=12))
def test_we_read_what_websockets_sends_however_it_is_split(masked, conversation, at):
    frames, messages = conversation
    raw = b"".join(Frame(PeerOpcode(sent.opcode), sent.payload, sent.fin).serialize(mask=masked) for sent in frames)
    decoder = FrameDecoder(expect_masked=masked)
    assert ours(decoder, raw, at) == messages
    assert decoder.pending == 0


@pytest.mark.parametrize("client", [False, True])
@given(conversation=conversations(), at=st.lists(st.integers(0, 2**17), max_size=12))
def test_we_read_what_wsproto_sends_however_it_is_split(client, conversation, at):
    frames, messages = conversation
    protocol = frame_protocol.FrameProtocol(client, [])
    raw = b""
    for sent in frames:
        if sent.opcode is Opcode.PING:
            raw += protocol.ping(sent.payload)
        elif sent.opcode is Opcode.PONG:
            raw += protocol.pong(sent.payload)
        else:
            # wsproto writes the continuations by itself; given bytes it sends BINARY, so the kind is restored below.
            raw += protocol.send_data(sent.payload, fin=sent.fin)
    read = ours(FrameDecoder(expect_masked=client), raw, at)
    data = {Opcode.TEXT, Opcode.BINARY}
    assert [(Opcode.BINARY if m.opcode in data else m.opcode, m.payload) for m in read] == [
        (Opcode.BINARY if m.opcode in data else m.opcode, m.payload) for m in messages
    ]


@given(st.text(max_size=40), st.sampled_from([1000, 1001, 1008, 1011, 1013, 3000, 4999]), KEYS)
def test_a_close_frame_goes_both_ways(reason, code, key):
    reason = reason.encode()[:123].decode(errors="ignore")
    server = frame_protocol.FrameProtocol(False, [])
    server.receive_bytes(encode(Opcode.CLOSE, close_payload(code, reason), key))
    (read,) = server.received_frames()
    assert (int(read.payload[0]), read.payload[1]) == (code, reason)
    assert ours(FrameDecoder(), server.close(code, reason), [1, 3]) == [(Opcode.CLOSE, close_payload(code, reason))]


@st.composite
def doubtful_frames(draw: st.DrawFn) -> bytes:
    """A frame that is whole, but of any first byte and perhaps masked where it must not be."""
    first = draw(st.sampled_from([0x01, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]) | st.integers(0, 255))
    key = draw(st.none() | KEYS)
    payload = draw(st.sampled_from([b"", b"x" * 126, close_payload(1000, "bye"), b"\x03\xed"]) | st.binary(max_size=5))
    header = bytearray(encode(Opcode.BINARY, payload, key))
    header[0] = first
    return bytes(header)


@pytest.mark.parametrize("side", list(Side))
@given(frames=st.lists(doubtful_frames(), max_size=4))
def test_we_agree_with_websockets_on_what_is_legal(side, frames):
    """The same messages and the same verdict; a faulty close payload they find while reading, `parse_close` afterwards."""
    raw = b"".join(frames)
    decoder = FrameDecoder(expect_masked=side is Side.SERVER)
    try:
        messages, fault = decoder.feed(raw), None
    except FrameError as error:
        messages, fault = list(error.messages), error
    if messages and messages[-1].opcode is Opcode.CLOSE:
        try:
            parse_close(messages[-1].payload)
        except FrameError as error:
            messages, fault = messages[:-1], error
    peer = Protocol(side, state=State.OPEN, max_size=2**20)
    peer.receive_data(raw)
    theirs: list[Message] = []
    kind, begun = Opcode.CONTINUATION, b""
    for frame in peer.events_received():
        if frame.opcode >= PeerOpcode.CLOSE:
            theirs.append(Message(Opcode(frame.opcode), bytes(frame.data)))
            continue
        kind, begun = (kind, begun) if frame.opcode is PeerOpcode.CONT else (Opcode(frame.opcode), b"")
        begun += frame.data
        if frame.fin:
            theirs.append(Message(kind, begun))
    assert theirs == messages
    assert (peer.parser_exc is None) is (fault is None)
