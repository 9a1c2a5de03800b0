"""A scripted conversation with a server, in real time: a turn, a turn that is interrupted, a turn with a false alarm in its answer.

A tool, which opens a socket and reads a clock: nothing of the rest of `protocol` imports it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from websocket import ABNF, WebSocket, WebSocketException, WebSocketTimeoutException

from audio import Clip, ClipKind, cut, encode, load_corpus, loud, silence
from protocol.conformance import Watch, redacted
from protocol.dialect import Dialect, Fact, MalformedMessage, SessionSettings
from protocol.events import AudioDelta, Cleared, Event, Mark, Reply
from protocol.rfc6455 import Opcode, parse_close

FRAME_S: Final = 0.02
READY_S: Final = 10.0
"""A server is given so long to become ready, and to begin each answer."""
ANSWER_S: Final = 15.0
LONGEST_S: Final = 60.0
"""No answer is listened to for longer."""
QUIET_S: Final = 1.5
"""Silence that ends an answer."""
STOP_S: Final = 0.5
"""Silence that shows that an answer was stopped."""
INTO_S: Final = 1.0
"""So much of an answer is heard before it is talked into."""
GREETING_S: Final = 1.0
"""A server that greets has begun by then."""
YIELD_S: Final = 2.0
"""An assistant that is interrupted has stopped by then, as a rule (metrics.windows.YIELD_WINDOW_S)."""


class Ended(Exception):
    """The server ended the session, it never became ready, or the dialect broke; the text says how."""


class Rehearsal:
    """One session on an open WebSocket. `speed`: so many times faster than real time; 1 but for servers that can take it."""

    def __init__(self, dialect: Dialect, socket: WebSocket, watch: Watch, speed: float = 1.0) -> None:
        self._dialect = dialect
        self._socket = socket
        self._watch = watch
        self._speed = speed
        self._came: SimpleQueue[tuple[float, int, bytes]] = SimpleQueue()
        self._frames: list[bytes] = []  # of what is being said, the last first
        self._silence = self._frame(silence(round(dialect.input_rate * FRAME_S)))
        self._begun = time.monotonic()
        self._due_s = 0.0
        self._played_s = self._sound_s = 0.0  # until when all that came is played, and what of it is loud
        self._marks: list[tuple[float, str]] = []
        self._first_s: float | None = None  # when the answer that is waited for is first heard
        threading.Thread(target=self._read, daemon=True).start()

    def converse(self) -> None:
        """The whole conversation, told to the watch step by step. Raises Ended."""
        watch, dialect = self._watch, self._dialect
        corpus = load_corpus(rate=dialect.input_rate)
        questions, interruption = corpus.of(ClipKind.QUESTION), corpus.of(ClipKind.INTERRUPTION)[0]
        for message in dialect.configure(SessionSettings()):
            self._send(message, dialect.control_opcode)
        if dialect.ready_at_once:
            watch.began()
        if not self._until(lambda: watch.ready, READY_S):
            raise Ended(f"the session was not ready within {READY_S:g} s")
        if self._until(lambda: self._first_s is not None, GREETING_S):
            self._until(self._quiet, LONGEST_S)
            watch.steps.append("greeting: heard out")
        if self._answered("turn", questions[0]):
            self._until(self._quiet, LONGEST_S)
        if self._answered("turn to be interrupted", questions[1]):
            self._interrupt(interruption)
        if self._answered("turn", questions[2]):
            self._false_alarm(corpus.of(ClipKind.BACKCHANNEL)[0])
        farewell = dialect.farewell()
        if farewell is not None:
            self._send(farewell, dialect.control_opcode)
        watch.finish()

    def _answered(self, name: str, clip: Clip) -> bool:
        """Say a clip and wait for sound in answer to it."""
        self._say(clip)
        self._first_s = None
        ended_s = self._now() + clip.offset_s
        heard = self._until(lambda: self._first_s is not None, clip.duration_s + ANSWER_S)
        if not heard:
            came = "none, though audio came: is it silent, or written otherwise?" if self._played_s > ended_s else "none"
            self._watch.steps.append(f"{name}: no answer was heard within {ANSWER_S:g} s")
            self._watch.violated(f"an answer to the {name} was due within {ANSWER_S:g} s, and there was {came}")
        else:
            self._watch.steps.append(f"{name}: answered {(self._first_s or 0.0) - ended_s:.2f} s after the talker's last word")
        return heard

    def _interrupt(self, clip: Clip) -> None:
        watch = self._watch
        self._until(self._heard_for(INTO_S), LONGEST_S)
        under_way = watch.responding or (self._dialect.by_ear and self._sound_s > self._now())
        onset_s = self._now() + clip.onset_s
        self._say(clip)
        if self._dialect.flushes:  # as the vendor's clients do; the server stops by itself
            self._sound_s = self._played_s = self._now()
        stopped = self._until(lambda: self._now() > max(self._sound_s, onset_s) + STOP_S, clip.onset_s + YIELD_S + STOP_S)
        told = f"silent {max(0.0, self._sound_s - onset_s):.2f} s after the talker began" if stopped else "the assistant spoke on"
        watch.steps.append(f"barge-in: {told}")
        if not under_way:
            watch.excused.add(Fact.CANCELLED)
        self._first_s = None
        if self._until(lambda: self._first_s is not None, clip.duration_s + ANSWER_S):
            watch.steps.append("barge-in: answered")
            self._until(self._quiet, LONGEST_S)
        else:
            watch.violated(f"an answer to the barge-in was due within {ANSWER_S:g} s, and there was none")

    def _false_alarm(self, clip: Clip) -> None:
        self._until(self._heard_for(INTO_S), LONGEST_S)
        ends_s = self._now() + clip.duration_s
        self._say(clip)
        self._until(lambda: self._now() > ends_s + STOP_S, LONGEST_S)
        went_on = self._sound_s > ends_s
        self._watch.steps.append(f"false alarm: the assistant {'spoke on' if went_on else 'fell silent, or had said all'}")
        self._until(self._quiet, LONGEST_S)

    def _heard_for(self, seconds: float) -> Callable[[], bool]:
        return lambda: self._first_s is not None and self._now() >= self._first_s + seconds

    def _quiet(self) -> bool:
        """Whether the answer is over: as told, where the wire tells, and as heard."""
        return self._now() > self._sound_s + QUIET_S and (self._dialect.by_ear or not self._watch.responding)

    def _now(self) -> float:
        return (time.monotonic() - self._begun) * self._speed

    def _say(self, clip: Clip) -> None:
        pieces = cut(clip.pcm, round(self._dialect.input_rate * FRAME_S))
        self._frames = [self._frame(piece) for piece in reversed(pieces)]

    def _frame(self, pcm: bytes) -> bytes:
        return self._dialect.append(encode(self._dialect.input_encoding, pcm))

    def _until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Speak and listen until this is so; False: it was not within the limit. Raises Ended."""
        limit_s += self._now()
        while not done():
            now_s = self._now()
            if now_s > limit_s:
                return False
            while self._due_s <= now_s:
                self._due_s += FRAME_S
                frame = self._frames.pop() if self._frames else self._silence
                self._send(self._dialect.stamp(frame) if self._dialect.stamps else frame, self._dialect.audio_opcode)
            self._give_marks_back(now_s)
            try:
                self._take(*self._came.get(timeout=max(0.0, self._due_s - self._now()) / self._speed))
            except Empty:
                continue
        return True

    def _send(self, message: bytes, opcode: Opcode) -> None:
        try:
            self._socket.send(message, opcode=int(opcode))
        except (WebSocketException, OSError):
            self._drain()

    def _drain(self) -> None:
        """The socket is closed: what came before that is taken. Raises Ended."""
        while True:
            try:
                self._take(*self._came.get(timeout=1.0))
            except Empty:
                raise Ended("the connection was lost") from None

    def _take(self, came_s: float, opcode: int, data: bytes) -> None:
        if opcode == ABNF.OPCODE_CLOSE:
            code, reason = parse_close(data) if data else (None, "")
            raise Ended(f"the server closed the session: code {code or 'none'}{', ' + reason if reason else ''}")
        decode = self._dialect.decode if opcode == ABNF.OPCODE_TEXT else self._dialect.decode_binary
        try:
            told = decode(data)
        except MalformedMessage as error:
            self._watch.broken(data, str(error))
            return
        except Exception as error:  # of a dialect of a user's own
            raise Ended(f"the dialect raised {type(error).__name__}: {error}") from None
        events = told if isinstance(told, list) else [told]
        self._watch.told(data, events)
        for event in events:
            self._heed(came_s, data, event)

    def _heed(self, came_s: float, data: bytes, event: Event) -> None:
        match event:
            case Reply(message):
                self._send(message, self._dialect.control_opcode)
            case Mark(name):
                self._marks.append((self._played_s, name))
            case Cleared():
                self._sound_s, self._played_s = min(self._sound_s, came_s), min(self._played_s, came_s)
                self._give_marks_back(None)
            case AudioDelta():
                self._hear(came_s, data, event)

    def _hear(self, came_s: float, data: bytes, event: AudioDelta) -> None:
        begins_s = max(self._played_s, came_s)
        self._played_s = begins_s + event.samples / self._dialect.output_rate
        try:
            sound = loud(self._dialect.output_encoding, event.audio())
        except ValueError as error:
            self._watch.broken(data, f"audio: {error}")
            return
        if sound:
            self._sound_s = self._played_s
            self._first_s = begins_s if self._first_s is None else self._first_s

    def _give_marks_back(self, now_s: float | None) -> None:
        while self._marks and (now_s is None or self._marks[0][0] <= now_s):
            message = self._dialect.played(self._marks.pop(0)[1])
            if message is not None:
                self._send(message, self._dialect.control_opcode)

    def _read(self) -> None:
        """Hand over what comes, until the socket is closed."""
        while True:
            try:
                opcode, data = self._socket.recv_data()
            except WebSocketTimeoutException:
                continue
            except (WebSocketException, OSError):
                opcode, data = ABNF.OPCODE_CLOSE, b""
            self._came.put((self._now(), opcode, data))
            if opcode == ABNF.OPCODE_CLOSE:
                return


def rehearse(dialect: Dialect, url: str, headers: dict[str, str], secrets: list[str], speed: float = 1.0, **handshake: Any) -> Watch:
    """The conversation with the server at this WebSocket URL. Raises OSError and WebSocketException where it cannot be called, or redirects
    to another address: that one is not told the secret."""
    watch = Watch(dialect, secrets)
    socket = WebSocket(enable_multithread=True, **handshake)
    socket.settimeout(READY_S)
    try:
        socket.connect(url, header=headers, subprotocols=dialect.subprotocols() or None, redirect_limit=0)
        if socket.getstatus() != 101:  # some versions of websocket-client take a redirection that they may not follow for success
            raise WebSocketException("redirect")
    except WebSocketException as error:
        socket.shutdown()
        if "redirect" in str(error).lower():
            raise WebSocketException("it redirects to another address: name that one") from None
        raise
    try:
        Rehearsal(dialect, socket, watch, speed).converse()
    except Ended as ended:
        watch.violated(redacted(str(ended), secrets))
    finally:
        socket.shutdown()
    return watch
