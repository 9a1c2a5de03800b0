"""Messages that are alike are told so without being decoded, and never otherwise than decoding them would tell."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.codecs import ENCODINGS, loud, surely_loud
from protocol import MalformedMessage, Opcode, OpenAIRealtime, OpenAIRealtimeBeta
from protocol.alike import BINARY, Alike, alike
from protocol.events import AudioDelta

DIALECT = OpenAIRealtime()


def delta(audio: str, event_id: str = "event_1", compact: bool = True, **other: object) -> bytes:
    fields: dict[str, object] = {"type": "response.output_audio.delta", "event_id": event_id, "response_id": "r", "item_id": "i"}
    fields |= {"output_index": 0, "content_index": 0, **other, "delta": audio}
    return json.dumps(fields, separators=(",", ":") if compact else None).encode()


def pcm(samples: int) -> str:
    return b64encode(bytes(range(256)) * (samples // 128) + bytes(2 * (samples % 128))).decode()


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 3, 959, 960, 961])
def test_samples_are_those_of_the_decoded_event(samples: int, compact: bool) -> None:
    known = OpenAIRealtimeBeta().alike(delta(pcm(960), compact=compact), Opcode.TEXT)
    assert known is not None
    message = delta(pcm(samples), "event_of_another_length", compact)
    event = DIALECT.decode(message)
    assert isinstance(event, AudioDelta)
    assert known.samples(message) == event.samples == samples


ODD = [
    delta(""),
    delta("AAA"),
    delta("AAAA"),  # three bytes
    delta("AA==="),
    delta("@").replace(b"@", b"A\\/A" * 64),  # an escape stands for another length
    delta("@").replace(b"@", b'AA"A' * 64),
    delta(pcm(4), response_id="s"),
    delta(pcm(4), item_id="s"),
    delta(pcm(4), content_index=1),
    delta(pcm(4), obfuscation="x"),
    delta(pcm(4), 'with a " quote'),
    delta(pcm(4), "x" * 129),
    delta(pcm(4), compact=False),
    delta(pcm(4))[:-1],
    delta(pcm(4)) + b" ",
    b"{}",
    b"",
]


@pytest.mark.parametrize("message", ODD)
def test_what_differs_in_anything_else_has_to_be_decoded(message: bytes) -> None:
    known = DIALECT.alike(delta(pcm(960)), Opcode.TEXT)
    assert known is not None
    assert known.samples(message) is None


@given(st.binary(max_size=64), st.integers(0, 400), st.integers(0, 8))
def test_a_message_that_is_alike_decodes_to_the_same(spoilt: bytes, at: int, cut: int) -> None:
    """Bytes of a message are replaced: either it must be decoded, or decoding tells the same."""
    whole = delta(pcm(60))
    message = whole[:at] + spoilt + whole[at + cut :]
    known = DIALECT.alike(whole, Opcode.TEXT)
    assert known is not None
    samples = known.samples(message)
    if samples is not None:
        try:
            event = DIALECT.decode(message)
        except MalformedMessage as error:
            assert "JSON" in str(error), "bytes that no JSON may hold stand in the id or in the audio"
            return
        assert event == AudioDelta("r", "i", 0, samples, json.loads(message)["delta"])


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"x","event_id":"e"}',
        b'{"delta":"AAAA","event_id":"e"}',
        b'{"event_id":"e","delta":"AAAA","inner":{"delta":"AAAA"}}',
        b'{"event_id":"e","event_id":"f","delta":"AAAA"}',
        b'{"event_id":"e","delta":"A\\/AA"}',
        b'{"event_id":"e","delta":7}',
    ],
)
def test_what_cannot_be_told_has_no_likeness(message: bytes) -> None:
    assert alike(message, "delta", "event_id") is None


def test_an_id_is_not_needed() -> None:
    assert alike(b'{"type":"audio","delta":"AAAA"}', "delta", "event_id") == Alike((b"", b'{"type":"audio","delta":"', b'"}'))


@pytest.mark.parametrize(
    ("encoding", "audio", "samples"),
    [
        ("pcm16", b"\xff\x01" * 200, None),  # 511: it has to be listened to
        ("pcm16", b"\x00\x02" + bytes(398), 200),  # 512
        ("pcm16", bytes(398) + b"\xff\xfd", 200),  # -513
        ("pcm16", bytes(398) + b"\x00\xfe", None),  # -512
        ("pcm16", b"\x00\x02" * 100 + b"\0", None),  # half a sample
        ("pcm16", b"\x02\x00" * 200, None),  # the other byte
        ("mulaw", b"\xff" * 199 + b"\x80", 200),
        ("mulaw", b"\xff" * 200, None),
        ("alaw", b"\xd5" * 199 + b"\x2a", 200),
        ("alaw", b"\xd5" * 200, None),
    ],
)
def test_what_is_asked_of_the_audio(encoding: str, audio: bytes, samples: int | None) -> None:
    flags = surely_loud(encoding)
    assert BINARY.asking(flags).samples(audio) == samples
    known = alike(b'{"type":"audio","delta":"AAAA"}', "delta")
    assert known is not None
    assert not known.binary
    assert known.asking(flags).samples(b'{"type":"audio","delta":"%b"}' % b64encode(audio)) == samples


@pytest.mark.parametrize(
    ("audio", "samples"),
    [(b"////" + b"@AAA", 3), (b"@AAA" + b"////", None), (b"//@/" + b"AAAA", None), (b"AAAA" + b"//==", 2), (b"AAA=" + b"==//", None)],
)
def test_base64_is_listened_to_up_to_where_it_is_broken(audio: bytes, samples: int | None) -> None:
    loud = bytes(256) + b"\1" * 256
    known = alike(b'{"delta":"AAAA"}', "delta")
    assert known is not None
    assert known.asking(loud).samples(b'{"delta":"%b"}' % audio) == samples


def test_binary_messages_are_audio_and_nothing_else() -> None:
    assert BINARY.binary
    assert [BINARY.samples(bytes(size)) for size in (0, 1, 2, 1920)] == [None, None, 1, 960]


@given(st.sampled_from(ENCODINGS), st.binary(max_size=64))
def test_what_is_surely_loud_is_loud(encoding: str, audio: bytes) -> None:
    samples = BINARY.asking(surely_loud(encoding)).samples(audio)
    if samples is not None:
        assert loud(encoding, audio)
    elif encoding != "pcm16":
        assert not loud(encoding, audio)
