"""A server on any wire that the reference assistant speaks: its words are the assistant's, what it does with them is the test's."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from users_assistants import QUIET_FRAMES, Gone, next_frame
from users_peers import Peer
from websockets.frames import Opcode

from assistant.settings import Settings
from assistant.usage import Usage
from assistant.wires import WIRES
from assistant.wires.base import Answer, Asked, Bye, Format, Message, Received, Sound, Told
from audio import decode, encode, loud

BY_NAME = {wire.name: wire for wire in WIRES}
PIECE_S = 0.1


class Mouth:
    """One session at its server's end, until `ready` without a word. `broken`: pieces of audio that were sent and are none."""

    def __init__(self, peer: Peer, name: str) -> None:
        self.peer = peer
        request = peer.read_request()
        headers = {key.lower(): value for key, value in request.headers.raw_items()}
        offered = [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",") if one.strip()]
        query = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
        self.wire = BY_NAME[name].opened(f"s{peer.number}", headers, query, offered)
        self.broken = 0
        self._session = Settings("gpt-realtime").echo("sess_1", beta=self.wire.beta, expires_at=0)
        self._heard = False
        self._asked = False
        peer.accept()

    def put(self, told: Told) -> None:
        """Say it, as text or binary."""
        for message in [] if told is None else told if isinstance(told, list) else [told]:
            text = isinstance(message, str)
            self.peer.send(Opcode.TEXT if text else Opcode.BINARY, message.encode() if isinstance(message, str) else message)

    def tell(self, kind: str, **fields: Any) -> None:
        """A server event of the Realtime API, where the wire has a word for it."""
        self.put(self.wire.event(kind, **fields))

    def ready(self) -> Mouth:
        """Let a session come about."""
        self.tell("session.created", session=self._session)
        while not self._asked and not self._heard:
            self.listen()
        return self

    def listen(self) -> bool:
        """Take in one message; whether it was audio with sound in it. Raises Gone."""
        got = next_frame(self.peer)
        if got.opcode not in (Opcode.TEXT, Opcode.BINARY):
            return False
        message: Message = got.data.decode() if got.opcode is Opcode.TEXT else bytes(got.data)
        sounded = [self._took(received) for received in self.wire.received(message)]
        return any(sounded)

    def _took(self, received: Received) -> bool:
        match received:
            case Sound(audio):
                self._heard = True
                return loud(self.wire.input.encoding, audio)
            case Asked("session.update"):
                self._asked = True
                self.tell("session.updated", session=self._session)
            case Answer(message):
                self.put(message)
            case Bye():
                raise Gone
        return False

    def utterance(self) -> None:
        """Hear the talker out, and tell what a server with a VAD tells."""
        while not self.listen():
            pass
        self.tell("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
        quiet = 0
        while quiet < QUIET_FRAMES:
            quiet = 0 if self.listen() else quiet + 1
        self.tell("input_audio_buffer.speech_stopped", item_id="item_u", audio_end_ms=1)
        self.tell("input_audio_buffer.committed", item_id="item_u", previous_item_id=None)
        where = {"item_id": "item_u", "content_index": 0}
        self.tell(
            "conversation.item.input_audio_transcription.completed", transcript="hello", usage={"type": "duration", "seconds": 1}, **where
        )

    def begin(self, pieces: int) -> None:
        """Open a response, and send so many pieces of its audio at once."""
        item = {"id": "item_a", "object": "realtime.item", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        self.tell("response.created", response=self.wire.response("resp_a", "conv_a", "in_progress"))
        self.tell("response.output_item.added", response_id="resp_a", output_index=0, item=item)
        self.tell("conversation.item.added", previous_item_id=None, item=item)
        self.tell("response.content_part.added", **self._ids(), part={"type": "audio", "transcript": ""})
        self.put(self.wire.text_delta(self.wire.delta_frame("response.output_audio_transcript.delta", "resp_a", "item_a"), "well"))
        for _ in range(pieces):
            self.sound()

    def done(self) -> None:
        """Close it."""
        self.tell("response.output_audio.done", **self._ids())
        self.tell("response.output_audio_transcript.done", **self._ids(), transcript="well")
        usage = Usage.of(history_words=1, heard_s=1.0, words=1, spoken_s=1.0)
        self.tell("response.done", response=self.wire.response("resp_a", "conv_a", "completed", usage=usage))

    def sound(self) -> None:
        """A piece of audio."""
        self._audio(self._written(self.wire.output))

    def break_audio(self) -> None:
        """Pieces of audio that cannot be any: cut off, of an odd number of bytes, of another rate than was settled, where that is told."""
        spoken = self.wire.output
        whole = self._written(spoken)
        pieces = [whole[:-1]] if spoken.encoding == "pcm16" or spoken.base64 else []
        if spoken.base64:
            pieces += [f"****{whole[4:]}", *([b64encode(b"odd").decode()] if spoken.encoding == "pcm16" else [])]
        for piece in pieces:
            self._audio(piece)
        self.broken += len(pieces)
        other = replace(spoken, rate=48_000 if spoken.rate != 48_000 else 8_000)
        frame = self.wire.delta_frame("response.output_audio.delta", "resp_a", "item_a")
        number = self.wire.number
        right = self.wire.audio_delta(frame, whole)
        self.wire.number, self.wire.output = number, other
        wrong = self.wire.audio_delta(frame, whole)
        self.wire.number, self.wire.output = number, spoken
        if wrong != right:
            self.put(wrong)
            self.broken += 1

    def until_gone(self) -> None:
        """Listen, and say nothing."""
        with suppress(Gone):
            while True:
                self.listen()

    def _audio(self, piece: Message) -> None:
        self.put(self.wire.audio_delta(self.wire.delta_frame("response.output_audio.delta", "resp_a", "item_a"), piece))

    def _written(self, spoken: Format) -> Any:
        tone = (np.sin(np.arange(round(spoken.rate * PIECE_S)) * 0.3) * 8000).astype("<i2").tobytes()
        audio = encode(spoken.encoding, tone)
        assert loud(spoken.encoding, audio)
        assert decode(spoken.encoding, audio)
        return b64encode(audio).decode() if spoken.base64 else audio

    def _ids(self) -> dict[str, Any]:
        return {"response_id": "resp_a", "item_id": "item_a", "output_index": 0, "content_index": 0}
