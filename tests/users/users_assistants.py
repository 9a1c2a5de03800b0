"""A scripted assistant on the OpenAI Realtime wire, runs against it, and the records that come of them."""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.event import Events

import numpy as np
import orjson
import soundfile
import yaml
from users_peers import Peer, Script
from websockets.frames import Frame, Opcode

from audio import load_corpus
from metrics.records import SessionRecord, TokenRecord, TurnRecord
from users import events
from users.run import Options, Run, make_run

RATE = 24000
QUIET_FRAMES = 15
TONE = (np.sin(np.arange(RATE * 4) * 2 * math.pi * 440 / RATE) * 8000).astype("<i2").tobytes()


class Gone(ConnectionError):
    """The talker closed or left."""


def next_frame(peer: Peer) -> Frame:
    """What the talker sent. Raises Gone, behind an answer to its close."""
    try:
        got = peer.receive()
    except ConnectionError:
        got = None
    if got is None or got.opcode is Opcode.CLOSE:
        if got is not None:
            with suppress(OSError):
                peer.send(Opcode.CLOSE, got.data)
        raise Gone
    return got


class Assistant:
    """One session of the assistant, at the peer's end. `messages`: what the talker sent besides audio; `frames`: audio frames so far."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.messages: list[dict[str, Any]] = []
        self.frames = 0
        self.last_audio = b""

    def ready(self) -> Assistant:
        """Let a session come about."""
        self.peer.accept()
        self.peer.tell(type="session.created", session={"id": f"sess_{self.peer.number}"})
        while not self.messages:
            self.listen()
        self.peer.tell(type="session.updated", session=self.messages[0]["session"])
        return self

    def listen(self) -> bool:
        """Take in one message; whether it was audio with sound in it. Raises Gone."""
        got = next_frame(self.peer)
        message = orjson.loads(got.data)
        if message["type"] != "input_audio_buffer.append":
            self.messages.append(message)
            return False
        self.frames += 1
        self.last_audio = base64.b64decode(message["audio"])
        return any(self.last_audio)

    def speech_begins(self) -> None:
        while not self.listen():
            pass

    def speech_ends(self, silence: int = QUIET_FRAMES) -> None:
        quiet = 0
        while quiet < silence:
            quiet = 0 if self.listen() else quiet + 1

    def utterance(self, item: str, transcript: str = "") -> None:
        """Hear the talker out, and tell what a server with a VAD tells."""
        self.speech_begins()
        self.peer.tell(type="input_audio_buffer.speech_started", item_id=item, audio_start_ms=0)
        self.speech_ends()
        self.peer.tell(type="input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=1)
        self.peer.tell(type="input_audio_buffer.committed", item_id=item)
        kind = "conversation.item.input_audio_transcription.completed"
        self.peer.tell(type=kind, item_id=item, content_index=0, transcript=transcript)

    def begin(self, response: str, audio_s: float, chunk_s: float = 0.1) -> None:
        """Open a response, and send audio at once."""
        ids = {"response_id": response, "item_id": f"item_{response}", "output_index": 0, "content_index": 0}
        self.peer.tell(type="response.created", response={"id": response})
        self.peer.tell(type="response.output_audio_transcript.delta", delta="well", **ids)
        for at in range(round(audio_s / chunk_s)):
            size = round(2 * RATE * chunk_s)
            delta = base64.b64encode(TONE[at * size : (at + 1) * size]).decode()
            self.peer.tell(type="response.output_audio.delta", delta=delta, **ids)

    def done(self, response: str, status: str = "completed", reason: str | None = None) -> None:
        details = {"status_details": {"reason": reason}} if reason else {}
        usage = {"input_tokens": 11, "output_tokens": 22}
        self.peer.tell(type="response.done", response={"id": response, "status": status, "usage": usage, **details})

    def answer(self, response: str, audio_s: float = 0.3) -> None:
        self.begin(response, audio_s)
        self.done(response)

    def until_gone(self) -> None:
        try:
            while True:
                self.listen()
        except Gone:
            pass

    def converse(self, turns: int) -> Assistant:
        """A session of so many plain turns, to its end."""
        self.ready()
        for turn in range(turns):
            self.utterance(f"u{turn}", "hello")
            self.answer(f"r{self.peer.number}.{turn}")
        self.until_gone()
        return self


def plain(turns: int = 1) -> Script:
    """Sessions of so many plain turns."""

    def script(peer: Peer) -> None:
        Assistant(peer).converse(turns)

    return script


@cache
def short_corpus() -> Path:
    """Clips that do not take a test's time: the built-in corpus's shortest words, and half a second of an interruption."""
    folder = Path(tempfile.mkdtemp(prefix="doubletalk-clips-"))
    clips = load_corpus()
    lines = ["file\ttranscript\tkind\tvoice"]
    for name, source, kind, samples in [
        ("question.wav", "backchannel-slt-03", "question", None),
        ("interruption.wav", "interruption-slt-01", "interruption", 12000),
        ("backchannel.wav", "backchannel-slt-02", "backchannel", None),
        ("noise.wav", "noise-cough-1", "noise", None),
    ]:
        soundfile.write(folder / name, clips.get(source).pcm[:samples], RATE)
        lines.append(f"{name}\t{name[:-4]}\t{kind}\tslt")
    (folder / "transcripts.tsv").write_text("\n".join(lines) + "\n")
    return folder


SCENARIO: dict[str, Any] = {
    "conversation": {"turns": 1, "think_s": 0, "between_calls_s": 60},
    "limits": {"setup_s": 20, "response_s": 20, "stall_s": 20},
}


def a_run(host: str, folder: Path, scenario: dict[str, Any] | None = None, **options: Any) -> Run:
    """A run against `host`; `scenario` goes over SCENARIO, part by part."""
    over = {part: {**SCENARIO.get(part, {}), **keys} if isinstance(keys, dict) else keys for part, keys in (scenario or {}).items()}
    changed = {**SCENARIO, **over}
    path = folder / "scripted.yml"
    path.write_text(yaml.safe_dump(changed))
    return make_run(Options(**{"scenario": str(path), "host": host, "auth": "none", "corpus": str(short_corpus()), **options}))


@dataclass
class Heard:
    """Records that were fired, in order."""

    turns: list[TurnRecord] = field(default_factory=list)
    sessions: list[SessionRecord] = field(default_factory=list)
    tokens: list[TokenRecord] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Heard]:
    heard = Heard()
    listeners = [(events.turn, heard.turns), (events.session, heard.sessions), (events.token, heard.tokens)]
    hooked = [(hook, hook.add_listener(lambda record, kept=kept, **_: kept.append(record))) for hook, kept in listeners]
    try:
        yield heard
    finally:
        for hook, listener in hooked:
            hook.remove_listener(listener)


@contextmanager
def locust_running(run: Run, *classes: Any, users: int = 1, stop_timeout: float = 30) -> Iterator[tuple[Any, Heard]]:
    """Locust's own local runner with these users; stopped at the end, at once."""
    environment = Environment(user_classes=list(classes), events=Events(), host=run.host, stop_timeout=stop_timeout)
    environment.doubletalk = run
    runner = environment.create_local_runner()
    with listening() as heard:
        try:
            runner.start(users, spawn_rate=100)
            yield runner, heard
            assert not runner.exceptions, runner.exceptions
        finally:
            environment.stop_timeout = 0
            runner.quit()
