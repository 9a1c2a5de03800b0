"""What arrives on a session's wire: decoded, answered where the wire wants an answer, and counted."""

from __future__ import annotations

from collections.abc import Sequence

from protocol import Dialect, Event, MalformedMessage, Opcode, PreparedFrame
from protocol.events import AudioDelta, Cleared, Mark, Reply
from users.clock import now_ns
from users.counted import Counted
from users.link import Link
from users.marks import Marks
from users.tape import Tape


class Wired:
    """The dialect of one session at work on its link. `tape`: takes the messages down; None: there is none."""

    __slots__ = ("_decode", "_decode_binary", "_link", "_marking", "_marks", "_tape", "counted", "dialect")

    def __init__(self, dialect: Dialect, tape: Tape | None = None) -> None:
        self.dialect = dialect
        self.counted = Counted()
        self._decode = dialect.decode
        self._decode_binary = dialect.decode_binary
        self._link: Link | None = None
        self._marking = type(dialect).played is not Dialect.played  # a mark is about the audio before it, so all of that counts
        self._marks: Marks | None = None
        self._tape = tape

    def join(self, link: Link) -> None:
        """Answers go by this link from now on, and its frames are stamped where the dialect stamps."""
        self._link = link
        dialect = self.dialect
        if dialect.stamps:
            link.line.stamp = lambda frame: PreparedFrame(dialect.audio_opcode, dialect.stamp(frame.payload))

    def give_back(self, mark: str) -> None:
        """Tell the assistant that all audio before its mark was played, or dropped."""
        self.send(self.dialect.played(mark))

    def send(self, message: bytes | None) -> bool:
        """Send a message that is no audio; None: there is none. Whether it is sent, or will be."""
        if message is None or self._link is None or not self._link.send(message, self.dialect.control_opcode):
            return False
        if self._tape is not None:
            self._tape.message("sent", now_ns(), self.dialect.control_opcode, message)
        return True

    def events(self, arrived_ns: int, message: bytes, opcode: Opcode) -> Sequence[Event]:
        """The events of one message. What the wire wants done about them is done; a malformed message is counted, and has none."""
        if self._tape is not None:
            self._tape.message("got", arrived_ns, opcode, message)
        try:
            told = self._decode(message) if opcode is Opcode.TEXT else self._decode_binary(message)
        except MalformedMessage:
            self.counted.malformed_messages += 1
            return ()
        events: Sequence[Event] = told if isinstance(told, list) else (told,)
        for event in events:
            if type(event) is not AudioDelta:
                self._heed(arrived_ns, event)
            elif self._marking:
                self._marked().audio(arrived_ns, event.samples)
        return events

    def audio_held(self, instants_ns: Sequence[int], samples: Sequence[int]) -> None:
        """Audio came that was held, by so many samples at these instants."""
        self.counted.audio_samples_received += sum(samples)
        if self._marking:
            marks = self._marked()
            for t_ns, count in zip(instants_ns, samples, strict=True):
                marks.audio(t_ns, count)

    def close(self) -> None:
        """The session is over."""
        if self._marks is not None:
            self._marks.close()
        if self._link is not None:
            self._link.line.stamp = None
        self._link = None

    def _heed(self, arrived_ns: int, event: Event) -> None:
        if isinstance(event, Reply):
            self.send(event.message)
        elif isinstance(event, Mark):
            self._marked().mark(arrived_ns, event.name)
        elif isinstance(event, Cleared) and self._marks is not None:
            self._marks.cleared(arrived_ns)

    def _marked(self) -> Marks:
        if self._marks is None:
            self._marks = Marks(self.dialect.output_rate, self.give_back)
        return self._marks
