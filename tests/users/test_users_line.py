"""The line and the capture, in Python and in C: the same bytes, the same calls, the same counts."""

from __future__ import annotations

import base64
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from users_lines import MAKES, Noting, both

from audio.codecs import surely_loud
from protocol import FrameDecoder, Opcode, OpenAIRealtime, PreparedFrame, encode
from protocol.alike import BINARY, alike
from users import line as python
from users.clock import now_ns


@contextmanager
def a_line(make: ModuleType, owner: Noting | None = None) -> Iterator[tuple[python.Line, socket.socket, Noting]]:
    near, far = socket.socketpair()
    owner = owner or Noting()
    with near, far:
        near.setblocking(False)
        far.settimeout(10)
        line = make.Line(near, False, owner)
        line.clear = line.between = True
        yield line, far, owner


def received(far: socket.socket, size: int) -> list[bytes]:
    """The payloads of the masked frames in the next `size` bytes."""
    data = b""
    while len(data) < size:
        data += far.recv(size - len(data))
    return [message.payload for message in FrameDecoder(expect_masked=True).feed(data)]


@both
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 125, 126, 127, 2607, 65527, 65528, 65535])
def test_a_frame_arrives_as_it_was_prepared(make: ModuleType, size: int) -> None:
    payload = bytes(i * 7 & 0xFF for i in range(size))
    with a_line(make) as (line, far, owner):
        frame = PreparedFrame(Opcode.TEXT, payload)
        assert line.send(frame)
        assert owner.later == []
        assert received(far, frame.size) == [payload]
        assert line.frames_sent == 1


@both
def test_every_frame_has_a_key_of_its_own(make: ModuleType) -> None:
    with a_line(make) as (line, far, _):
        frame = PreparedFrame(Opcode.TEXT, bytes(200))
        keys = set()
        for _ in range(3000):
            assert line.send(frame)
            wire = far.recv(frame.size)
            assert wire[8:] == wire[4:8] * 50, "masked zeros are the key again and again"
            keys.add(wire[4:8])
        assert len(keys) > 2990
        assert max(sum(key[i] == 0 for key in keys) for i in range(4)) < 60, "each byte is random"


@both
def test_c_leaves_a_frame_too_long_for_a_16_bit_length_to_the_owner(make: ModuleType) -> None:
    frame = PreparedFrame(Opcode.TEXT, bytes(70_000))
    with a_line(make) as (line, far, owner):
        assert line.send(frame)
        if make is python:
            assert received(far, frame.size) == [bytes(70_000)]
        else:
            assert owner.later == [frame]


@both
def test_what_the_kernel_does_not_take_is_the_owners(make: ModuleType) -> None:
    frame = PreparedFrame(Opcode.TEXT, b"0123456789" * 500)
    with a_line(make) as (line, far, owner):
        handed = 0
        while not owner.rests:
            assert line.send(frame)
            handed += 1
        assert line.frames_sent == handed - 1
        wire = b""
        while len(wire) < handed * frame.size - len(owner.rests[0]):
            wire += far.recv(1 << 20)
        messages = FrameDecoder(expect_masked=True).feed(wire + owner.rests[0])
        assert [message.payload for message in messages] == [b"0123456789" * 500] * handed


@both
def test_who_may_send(make: ModuleType) -> None:
    frame = PreparedFrame(Opcode.TEXT, b"x" * 200)
    with a_line(make) as (line, far, owner):
        line.clear = False
        assert line.send(frame)
        assert owner.later == [frame]
        line.open = False
        assert not line.send(frame)
        assert owner.later == [frame]
        assert line.frames_sent == 0
        line.open = line.clear = True
        far.close()
        assert not line.send(frame)
        assert owner.failures == ["send: Broken pipe"]


@both
def test_bytes_are_handed_over_with_their_instants_and_the_end_is_empty(make: ModuleType) -> None:
    with a_line(make) as (line, far, owner):
        line.read()
        assert owner.data == []
        before_ns = now_ns()
        far.send(b"hello")
        line.read()
        far.close()
        line.read()
        assert [data for _, data in owner.data] == [b"hello", b""]
        assert before_ns <= owner.data[0][0] <= owner.data[1][0] == line.arrived_ns <= now_ns()


@both
def test_a_reset_is_told(make: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
        near.setblocking(False)
        owner = Noting()
        line = make.Line(near, True, owner)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        select.select([near], [], [], 10)
        line.read()
        near.close()
    assert owner.failures == ["read: Connection reset by peer"]


def delta(event: int, audio: str = "AAAA" * 60, response: str = "r1") -> bytes:
    fields = {"type": "response.output_audio.delta", "event_id": f"e{event}", "response_id": response, "item_id": "i1"}
    return orjson.dumps({**fields, "output_index": 0, "content_index": 0, "delta": audio})


@pytest.mark.skipif(len(MAKES) < 2, reason="the line was not built in C")
def test_the_line_in_c_holds_what_is_alike_and_hands_over_the_rest() -> None:
    with a_line(MAKES[-1]) as (line, far, owner):
        line.alike = OpenAIRealtime().alike(delta(0), Opcode.TEXT)
        sent = [
            delta(1),
            delta(2, response="r2"),
            delta(33, "AAAA" * 49 + "AA=="),
            delta(3, "@").replace(b"@", b"A\\/A" * 64),
            delta(4, "@").replace(b"@", b'AA"A' * 64),
        ]
        for message in sent:
            far.send(encode(Opcode.TEXT, message, None))
            line.read()
        assert line.held[1::2] == [90, 74] == [line.alike.samples(sent[0]), line.alike.samples(sent[2])]
        assert line.held[::2] == sorted(line.held[::2])
        assert line.messages == 2
        assert [data[4:] for _, data in owner.data] == [sent[1], *sent[3:]], "an escape stands for another length, and a quote is an end"
        far.send(encode(Opcode.TEXT, sent[0], None) * 2)
        line.read()
        assert len(owner.data[-1][1]) == 2 * (len(sent[0]) + 4), "two in one read are cut by the owner"
        line.between = False
        far.send(encode(Opcode.TEXT, sent[0], None))
        line.read()
        assert owner.data[-1][1][4:] == sent[0], "it may be the rest of another"
        line.between = True
        for i in range(14):
            far.send(encode(Opcode.TEXT, delta(i), None))
            line.read()
        assert owner.fulls == 1


@pytest.mark.skipif(len(MAKES) < 2, reason="the line was not built in C")
@given(st.binary(max_size=40), st.integers(0, 450), st.integers(0, 12), st.integers(0, 80))
def test_c_tells_likeness_as_python_does(spoilt: bytes, at: int, cut: int, audio: int) -> None:
    """Whatever comes from outside: bytes of a message are replaced, its audio has any length."""
    known = OpenAIRealtime().alike(delta(0), Opcode.TEXT)
    whole = delta(1, "QUJD" * audio + "Q=="[: audio % 4])
    text = whole[:at] + spoilt + whole[at + cut :]
    with a_line(MAKES[-1]) as (line, far, owner):
        line.alike = known
        far.send(encode(Opcode.TEXT, text, None))
        line.read()
        samples = known.samples(text) if known is not None and len(text) > 125 else None
        assert line.held[1::2] == ([] if samples is None else [samples])
        assert len(owner.data) == (samples is None)


SURELY_LOUD = [b"", surely_loud("pcm16"), surely_loud("mulaw"), surely_loud("alaw")]
known_of = pytest.mark.parametrize("flags", SURELY_LOUD, ids=["whatever", "pcm16", "mulaw", "alaw"])


@pytest.mark.skipif(len(MAKES) < 2, reason="the line was not built in C")
@known_of
@given(data=st.data())
def test_c_hears_as_python_does(flags: bytes, data: st.DataObject) -> None:
    """Audio that is loud late or never, in binary and in base64 that may be broken or padded."""
    quiet = {0: b"\0", 1: b"\xff", 2: b"\xd5"}[SURELY_LOUD[1:].index(flags) if flags else 0]
    audio = quiet * data.draw(st.integers(0, 300)) + data.draw(st.binary(max_size=6)) + quiet * data.draw(st.integers(0, 300))
    encoded = bytearray(base64.b64encode(audio))
    for at in data.draw(st.lists(st.integers(0, 800), max_size=2)):
        encoded[at : at + 1] = data.draw(st.sampled_from([b"=", b"@", b"\xff", b"", b"A"]))
    text = b'{"event_id":"e","delta":"%b"}' % bytes(encoded)
    for opcode, payload, known in ((Opcode.BINARY, audio, BINARY), (Opcode.TEXT, text, alike(b'{"event_id":"e","delta":"AA=="}', "delta"))):
        assert known is not None
        with a_line(MAKES[-1]) as (line, far, owner):
            line.alike = known.asking(flags)
            far.send(encode(opcode, payload, None))
            line.read()
            samples = line.alike.samples(payload) if len(payload) > 125 else None
            assert line.held[1::2] == ([] if samples is None else [samples])
            assert len(owner.data) == (samples is None)


@pytest.mark.skipif(len(MAKES) < 2, reason="the line was not built in C")
def test_the_line_in_c_holds_binary_messages_that_are_loud_and_soon() -> None:
    loud, quiet = b"\0\x10" * 80, b"\x10\0" * 80
    with a_line(MAKES[-1]) as (line, far, _):

        def comes(opcode: Opcode, payload: bytes) -> bool:
            before = line.messages
            far.send(encode(opcode, payload, None))
            line.read()
            return bool(line.messages > before)

        line.alike, line.lull_ns, line.heard_ns = BINARY.asking(surely_loud("pcm16")), 10**10, now_ns()
        held = [comes(Opcode.BINARY, loud), comes(Opcode.BINARY, quiet), comes(Opcode.BINARY, loud + b"\0"), comes(Opcode.TEXT, loud)]
        assert held == [True, False, False, False], "nor what is no whole sample, nor text"
        assert line.held == [line.heard_ns, 80]
        line.heard_ns -= 2 * 10**10
        assert not comes(Opcode.BINARY, loud), "too late"
        line.lull_ns = 0
        assert comes(Opcode.BINARY, loud), "none is too late"
        assert line.held[2] == line.heard_ns


class Spoken:
    """A capture of this make that notes its marks, and at frame 4 is done; `fails`: with an exception."""

    def __init__(self, make: ModuleType, line: python.Line, silence: PreparedFrame, fails: bool = True) -> None:
        marks = self.marks = []

        class Marking(make.Capture):  # type: ignore[misc, name-defined]  # the make is chosen at run time
            def marked(self, due_ns: int, sent_ns: int, sent: bool) -> None:
                marks.append((due_ns, sent_ns - due_ns, sent))
                if self.mark == 4:
                    self.frames = None
                    if fails:
                        raise ZeroDivisionError
                self.mark = 4

        self.capture = Marking(line, (silence,))


@both
def test_frames_of_speech_amid_silence_and_marks(make: ModuleType) -> None:
    silence, clip = PreparedFrame(Opcode.TEXT, b"-" * 200), tuple(PreparedFrame(Opcode.TEXT, b"%d" % i * 200) for i in range(3))
    with a_line(make) as (line, far, _):
        spoken = Spoken(make, line, silence)
        capture, late_ns = spoken.capture, []
        capture.frames, capture.speech_from, capture.mark = clip, 2, 3
        due_ns = now_ns() - 1_000_000
        changed = [make.capture_all([capture], due_ns, late_ns) for _ in range(4)]
        assert changed == [False] * 4, "there is more to be spoken"
        with pytest.raises(ZeroDivisionError):
            make.capture_all([capture], due_ns, late_ns)
        assert not make.capture_all([capture], due_ns, late_ns)
        texts = [text[:1] for text in received(far, 6 * silence.size)]
        assert texts == [b"-", b"-", b"0", b"1", b"2", b"-"]
        assert (capture.next, line.frames_sent, len(late_ns)) == (6, 6, 6)
        assert min(late_ns) >= 1_000_000
        assert capture.worst_ns == max(late_ns)
        assert capture.spoken_worst_ns == max(late_ns[2:5])
        assert [(due, sent) for due, _, sent in spoken.marks] == [(due_ns, True)] * 2
        assert [late for _, late, _ in spoken.marks] == late_ns[3:5]


@both
def test_what_is_heard_while_nothing_is_spoken_goes_round_and_round(make: ModuleType) -> None:
    idle, word = tuple(PreparedFrame(Opcode.TEXT, letter * 200) for letter in (b"a", b"b", b"c")), PreparedFrame(Opcode.TEXT, b"x" * 200)

    class Marking(make.Capture):  # type: ignore[misc, name-defined]  # the make is chosen at run time
        def marked(self, due_ns: int, sent_ns: int, sent: bool) -> None:
            self.frames, self.mark, self.shift = None, -1, 1

    with a_line(make) as (line, far, _):
        capture = Marking(line, idle)
        assert (capture.next, capture.shift) == (0, 0)
        capture.frames, capture.speech_from, capture.mark = (word, word), 5, 6
        for _ in range(12):
            make.capture_all([capture], now_ns(), [])
        texts = b"".join(text[:1] for text in received(far, 12 * word.size))
        assert texts == b"abcabxxcabca", "frame 7 after a shift of 1 is the third of three"
        with pytest.raises(ValueError, match="hears something all the time"):
            make.Capture(line, ())


@both
def test_who_has_spoken_the_last_frame_is_told_of(make: ModuleType) -> None:
    silence, clip = PreparedFrame(Opcode.TEXT, b"-" * 200), (PreparedFrame(Opcode.TEXT, b"x" * 200),) * 3
    with a_line(make) as (line, _, _):
        capture = Spoken(make, line, silence, fails=False).capture
        capture.frames, capture.speech_from, capture.mark = clip, 2, 3
        assert [make.capture_all([capture], now_ns(), []) for _ in range(6)] == [False] * 4 + [True, False]


@both
def test_a_mark_is_told_of_though_its_frame_could_not_be_sent(make: ModuleType) -> None:
    class Failing(Noting):
        def send_later(self, frame: PreparedFrame) -> bool:
            raise ZeroDivisionError

    silence, word = PreparedFrame(Opcode.TEXT, b"-" * 200), PreparedFrame(Opcode.TEXT, b"x" * 200)
    with a_line(make, Failing()) as (line, far, _):
        spoken = Spoken(make, line, silence)
        capture = spoken.capture
        capture.frames, capture.mark, line.clear = (word,), 0, False
        due_ns, late_ns = now_ns(), []
        with pytest.raises(ZeroDivisionError):
            make.capture_all([capture], due_ns, late_ns)
        assert [(due, sent) for due, _, sent in spoken.marks] == [(due_ns, False)]
        assert (late_ns, capture.next) == ([], 1)
        capture.frames, line.clear = None, True
        make.capture_all([capture], due_ns, late_ns)
        assert received(far, silence.size) == [b"-" * 200]


@both
def test_one_that_fails_or_has_ended_holds_up_no_other(make: ModuleType) -> None:
    silence = PreparedFrame(Opcode.TEXT, b"-" * 200)
    with a_line(make) as (ended, _, _), a_line(make) as (broken, _, _), a_line(make) as (good, _, _):
        ended.open = False
        captures = [Spoken(make, line, silence).capture for line in (ended, broken, good)]
        captures[1].mark = 0
        captures[1].frames = ()  # there is nothing to be spoken
        late_ns: list[int] = []
        with pytest.raises(IndexError):
            make.capture_all(captures, now_ns(), late_ns)
        assert [line.frames_sent for line in (ended, broken, good)] == [0, 0, 1]
        assert len(late_ns) == 1
        assert make.capture_all([captures[0]], now_ns(), late_ns), "it may be taken out"


@both
def test_looking_reads_what_has_come_and_one_that_fails_holds_up_no_other(make: ModuleType) -> None:
    class Failing(Noting):
        def arrived(self, arrived_ns: int, data: bytes) -> None:
            raise ZeroDivisionError

    with a_line(make) as (one, far, owner), a_line(make, Failing()) as (other, far_other, _), select.epoll() as poller:
        lines = {one.fd: one, other.fd: other}
        for fd in lines:
            poller.register(fd, select.EPOLLIN)
        assert make.look(poller, lines) == 0
        far.send(b"x")
        assert make.look(poller, lines) == 1
        far.send(b"y")
        far_other.send(b"z")
        with pytest.raises(ZeroDivisionError):
            make.look(poller, lines)
        assert [data for _, data in owner.data] == [b"x", b"y"]
        far.send(b"!")
        assert make.look(poller, {}) == 1, "nobody's any more"


@both
def test_a_stamped_line_sends_each_frame_as_its_sessions_own(make: ModuleType) -> None:
    seen: list[PreparedFrame] = []

    def stamp(frame: PreparedFrame) -> PreparedFrame:
        seen.append(frame)
        return PreparedFrame(Opcode.TEXT, b"%d:" % len(seen) + frame.payload)

    with a_line(make) as (line, far, owner):
        frame = PreparedFrame(Opcode.BINARY, b"sound")
        line.stamp = stamp
        assert line.send(frame)
        assert line.send(frame)
        assert received(far, 2 * PreparedFrame(Opcode.TEXT, b"1:sound").size) == [b"1:sound", b"2:sound"]
        assert seen == [frame, frame]
        assert (line.frames_sent, frame.payload) == (2, b"sound")
        line.clear = False
        assert line.send(frame)
        assert [later.payload for later in owner.later] == [b"3:sound"], "what is sent later is stamped once"
        line.clear, line.stamp = True, None
        assert line.send(frame)
        assert received(far, frame.size) == [b"sound"]


@both
def test_a_closed_line_stamps_nothing(make: ModuleType) -> None:
    seen: list[PreparedFrame] = []
    with a_line(make) as (line, _, _):
        line.stamp = lambda frame: seen.append(frame) or frame  # type: ignore[func-returns-value]
        line.open = False
        assert not line.send(PreparedFrame(Opcode.BINARY, b"sound"))
        assert seen == []


@both
def test_a_stamp_that_fails_sends_nothing_and_is_told(make: ModuleType) -> None:
    with a_line(make) as (line, _, owner):
        line.stamp = lambda frame: 1 // 0
        with pytest.raises(ZeroDivisionError):
            line.send(PreparedFrame(Opcode.BINARY, b"sound"))
        assert (line.frames_sent, owner.later) == (0, [])


@both
def test_a_capture_sends_stamped_frames(make: ModuleType) -> None:
    with a_line(make) as (line, far, _):
        line.stamp = lambda frame: PreparedFrame(Opcode.BINARY, b"#" + frame.payload)
        capture = make.Capture(line, (PreparedFrame(Opcode.BINARY, b"quiet"),))
        assert not make.capture_all([capture], now_ns(), [])
        assert received(far, PreparedFrame(Opcode.BINARY, b"#quiet").size) == [b"#quiet"]
