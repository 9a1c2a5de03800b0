"""What a line holds, and what becomes of it: of a session whose responses are told, and of one whose responses are told by ear."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from users_lines import Noting

from audio.codecs import surely_loud
from metrics import tape
from metrics.assemble import SessionFacts
from metrics.by_ear import BREAK_S, ByEar
from metrics.records import TurnKind, TurnRecord
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from protocol import Dialect, Opcode, find, make
from protocol.alike import BINARY
from users.held import Held
from users.line import Line
from users.transit import Path as NetworkPath
from users.wired import Wired

LOUD = b"\x00\x10" * 2400
QUIET = bytes(4800)
S = 1_000_000_000


@dataclass
class Spoken:
    """A session of a dialect that has been asked something and hears the answer, message by message."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.line = Line(self.near, False, Noting())
        self.dialect = make(find(self.name), self.options)
        self.wired = Wired(self.dialect)
        self.held = Held(self.line, self.wired)
        self.turns: list[TurnRecord] = []
        rate, encoding = self.dialect.output_rate, self.dialect.output_encoding
        facts = SessionFacts(0, "s", "user", rate, 0.06, 0.0, "", None, encoding)
        ear = ByEar(rate, encoding) if self.dialect.by_ear else None
        self.tracker = Tracker(facts, Limits(), self.turns.append, 0, ear)
        self.held.begin(self.tracker)
        self.tracker.speak(Utterance(TurnKind.UTTERANCE, 0, 0, "clip", "awb", "words", 0, S))

    def comes(self, at_s: float, message: bytes, opcode: Opcode = Opcode.BINARY) -> bool:
        """Whether more like this message is held afterwards."""
        t_ns = round(at_s * S)
        self.held.track(t_ns)
        for event in self.wired.events(t_ns, message, opcode):
            self.held.told(t_ns, event, self.tracker.event(t_ns, event), message, opcode)
        return self.line.alike is not None

    def holds(self, at_s: float, samples: int) -> None:
        """The line has held a message."""
        self.line.held += [round(at_s * S), samples]


@pytest.fixture
def spoken(request: pytest.FixtureRequest) -> Iterator[Spoken]:
    session = Spoken(*request.param)
    yield session
    session.near.close()
    session.far.close()


told = pytest.mark.parametrize("spoken", [("raw-pcm", {"output_rate": 24000, "begins_type": "begin", "ends_type": "end"})], indirect=True)
by_ear = pytest.mark.parametrize("spoken", [("raw-pcm", {"output_rate": 24000})], indirect=True)


@by_ear
def test_loud_audio_of_what_is_heard_is_held(spoken: Spoken) -> None:
    assert not spoken.comes(1.5, QUIET)
    assert spoken.comes(1.6, LOUD)
    assert spoken.line.alike == BINARY.asking(surely_loud("pcm16"))
    assert (spoken.line.heard_ns, spoken.line.lull_ns) == (1_600_000_000, BREAK_S * S)
    spoken.holds(1.7, 2400)
    spoken.holds(1.8, 2400)
    assert not spoken.comes(1.9, QUIET), "silence has to be heard: it may be the end"
    assert spoken.wired.counted.audio_samples_received == 2 * 2400
    assert spoken.comes(2.0, LOUD)
    assert spoken.line.heard_ns == 2 * S
    spoken.holds(2.1, 2400)
    spoken.held.tracked().poll(10 * S)
    assert spoken.line.alike is None, "the response is over"
    assert spoken.turns[0].audio_s == pytest.approx(0.6)


@by_ear
def test_by_ear_nothing_is_held_behind_a_network(spoken: Spoken) -> None:
    spoken.line.path = cast(NetworkPath, object())
    assert not spoken.comes(1.6, LOUD)


@by_ear
def test_a_piece_without_audio_is_none(spoken: Spoken) -> None:
    assert spoken.comes(1.6, LOUD)
    assert spoken.comes(1.7, b"")
    assert spoken.line.heard_ns == 1_600_000_000


@by_ear
def test_words_change_nothing_about_what_is_held(spoken: Spoken) -> None:
    assert spoken.comes(1.6, LOUD)
    assert spoken.comes(1.65, b"ping", Opcode.TEXT)


@pytest.mark.parametrize("spoken", [("raw-pcm", {"output_rate": 24000, "clear_type": "clear"})], indirect=True)
def test_what_is_cleared_is_held_no_longer(spoken: Spoken) -> None:
    assert spoken.comes(1.6, LOUD)
    assert not spoken.comes(1.65, b'{"type":"clear"}', Opcode.TEXT)


@told
def test_audio_of_a_response_that_was_told_is_held_whatever_its_sound(spoken: Spoken) -> None:
    assert not spoken.comes(1.5, b'{"type":"begin"}', Opcode.TEXT)
    assert spoken.comes(1.6, LOUD)
    assert (spoken.line.alike, spoken.line.lull_ns) == (BINARY, 0)
    assert not spoken.comes(1.7, b'{"type":"end"}', Opcode.TEXT)
    assert not spoken.comes(1.8, LOUD), "it is over"


@pytest.mark.parametrize(
    "spoken", [("raw-pcm", {"output_encoding": "mulaw", "output_rate": 8000, "begins_type": "begin", "ends_type": "end"})], indirect=True
)
def test_of_told_responses_only_pcm16_is_held(spoken: Spoken) -> None:
    spoken.comes(1.5, b'{"type":"begin"}', Opcode.TEXT)
    assert not spoken.comes(1.6, b"\x80" * 800)


def media(codes: bytes) -> bytes:
    return orjson.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": base64.b64encode(codes).decode()}})


@pytest.mark.parametrize("spoken", [("twilio",)], indirect=True)
def test_marks_wait_for_what_was_held(spoken: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setattr("users.wired.Marks.audio", lambda _, t_ns, samples: heard.append((t_ns, samples)))
    monkeypatch.setattr("users.wired.Marks.mark", lambda _, t_ns, name: heard.append(name))
    assert spoken.comes(1.6, media(b"\x80" * 800), Opcode.TEXT)
    assert spoken.line.alike is not None
    assert spoken.line.alike.samples(media(b"\x80" * 160)) == 160
    assert spoken.line.alike.samples(media(b"\xff" * 160)) is None
    spoken.holds(1.7, 800)
    spoken.comes(1.8, b'{"event":"mark","mark":{"name":"m"}}', Opcode.TEXT)
    assert heard == [(1_600_000_000, 800), (1_700_000_000, 800), "m"]


TAPES = sorted((Path(__file__).parents[1] / "metrics" / "golden").glob("*.jsonl.gz"))
LEFT_TO_DECODE = {"elevenlabs", "gemini-live", "pipecat", "vapi"}
"""Whose messages of audio differ in more than an id in quotes, or may be silence that is of no response."""


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.removesuffix(".jsonl.gz"))
def test_real_sessions_come_to_the_same_records_as_where_nothing_is_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line holds what it may, as in C, and hands over the rest."""
    near, far = socket.socketpair()
    line, made, came = Line(near, False, Noting()), [], 0
    acted = tape._acted

    def arrives(dialect: Dialect, tracker: Tracker | None, entry: dict[str, Any]) -> None:
        nonlocal came
        if not made:
            wired = Wired(dialect)
            made.append((wired, Held(line, wired)))
        wired, held = made[0]
        if tracker is not None and held.tracker is None:
            held.begin(tracker)
        t_ns, opcode, got = entry["t_ns"], Opcode(entry["opcode"]), entry["got"]
        message = got["text"].encode() if "text" in got else base64.b64decode(got["base64"])
        alike, late = line.alike, 0 < line.lull_ns < t_ns - line.heard_ns
        if alike is not None and not late and alike.binary is (opcode is Opcode.BINARY):
            samples = alike.samples(message)
            if samples is not None:
                line.held += [t_ns, samples]
                line.heard_ns = t_ns
                came += 1
                return
        held.track(t_ns)
        for event in wired.events(t_ns, message, opcode):
            if tracker is not None:
                held.told(t_ns, event, tracker.event(t_ns, event), message, opcode)

    def acts(tracker: Tracker, entry: dict[str, Any]) -> None:
        for _, held in made:
            held.track()
        acted(tracker, entry)

    monkeypatch.setattr(tape, "_arrived", arrives)
    monkeypatch.setattr(tape, "_acted", acts)
    entries = tape.read(path)
    with near, far:
        assert tape.replayed(entries) == tape.records_on(entries)
        made[0][0].close()
    assert (came == 0) is (entries[0]["dialect"] in LEFT_TO_DECODE)
