"""One WebSocket session: messages in, client events answered, the end told.

Audio is handled in the receive loop itself: no task per message. Whatever a client sends gets an event back or closes the
session with a code that says why; it never breaks the server.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic_ns
from typing import Any

from assistant.call import Call
from assistant.floor import Floor
from assistant.items import checked_item
from assistant.responder import SECOND_NS
from assistant.settings import spoken
from assistant.shapes import RefusedError, ensure_writable, fields, missing, optional, texts
from assistant.wires.base import Answer, Asked, Bye, Received, Refused, Sound, Told, Tuned
from audio import decode

SLICE_MS = 200  # a longer message is heard in slices, so that clips in it are told apart and others get their turn
MIN_COMMIT_S = 0.1
CLOSE_TIMEOUT_S = 3.0
MAX_REASON_BYTES = 123  # RFC 6455, 5.5: of 125, two are the code
NORMAL, GOING_AWAY, ABNORMAL = 1000, 1001, 1006

RESPONSE = optional(fields({}, metadata=optional(texts), output_modalities=spoken, modalities=spoken))

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Handler = Callable[[Mapping[str, Any]], None]


class Session:
    """Runs one accepted connection until it ends."""

    def __init__(self, call: Call, receive: Receive, send: Send) -> None:
        self._call = call
        self._receive = receive
        self._send = send
        self.floor = Floor(call)
        self._close_code: int | None = None
        self._max_s = call.hub.profile.sessions.max_s
        self._expires_at = int(time.time() + self._max_s)
        self._unheard: deque[tuple[bytes, int]] = deque()  # slices of a long append: sound, when its last sample was captured
        self._handlers: dict[str, Handler] = {
            "session.update": self._session_update,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._item_create,
            "conversation.item.retrieve": self._item_retrieve,
            "conversation.item.delete": self._item_delete,
            "conversation.item.truncate": self._item_truncate,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
            "output_audio_buffer.clear": self._output_clear,
        }

    async def run(self) -> None:
        """Serves the session; returns once it is closed and its truth is written."""
        call, hub = self._call, self._call.hub
        hub.enter(self)
        hub.note_open(call.client)
        hub.exposition.connections.inc()
        expiry = asyncio.get_running_loop().call_later(self._max_s, lambda: call.spawn(self._expire()))
        aborted = asyncio.ensure_future(call.aborted.wait())
        listening = asyncio.ensure_future(self._listen())
        try:
            call.emit("session.created", session=self._echo())
            self._greet()
            await call.outbox.flush()
            if (beside := call.wire.beside(self._tell)) is not None:
                call.spawn(beside)
            await asyncio.wait((listening, aborted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            expiry.cancel()
            lost = not listening.done() or call.aborted.is_set()
            for task in (aborted, listening):
                task.cancel()
            await asyncio.gather(aborted, listening, return_exceptions=True)
            if not listening.cancelled() and (error := listening.exception()) is not None:
                call.broken(error)
                lost = True
            await self._finish(ABNORMAL if lost else self._close_code)

    def _greet(self) -> None:
        """Speaks first, where the profile says so, once."""
        if self._call.tuned and self._call.hub.profile.greets and not self.floor.turns.count:
            self.floor.turns.request()

    async def _tell(self, told: Told) -> None:
        self._call.outbox.put(told)
        await self._call.outbox.flush()

    async def _finish(self, code: int | None) -> None:
        call, hub = self._call, self._call.hub
        await call.end()
        self.floor.close()
        call.truth.closed_ns, call.truth.close_code = monotonic_ns(), code
        hub.truth.write(call.truth)
        hub.leave(self)
        hub.exposition.connections.dec()
        if code not in (NORMAL, GOING_AWAY):
            hub.note_loss(call.client)

    def _echo(self) -> dict[str, Any]:
        call = self._call
        return call.settings.echo(call.session_id, beta=call.wire.beta, expires_at=self._expires_at)

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection with a code, and as much of the reason as a close frame holds; the receive loop then ends."""
        if self._close_code is None:
            self._close_code = code
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._call.outbox.flush()
                    self._call.outbox.close()
                    held = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
                    await self._send({"type": "websocket.close", "code": code, "reason": held})
            except (TimeoutError, OSError):  # a client that does not read, or is gone
                self._call.aborted.set()

    async def _expire(self) -> None:
        minutes = self._max_s / 60
        text = f"Your session hit the maximum duration of {minutes:g} minutes."
        self._call.error(text, code="session_expired")
        await self.close(GOING_AWAY, text)

    # Messages in

    async def _listen(self) -> None:
        receive, outbox, shown, wire = self._receive, self._call.outbox, self._call.hub.exposition, self._call.wire
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                if self._close_code is None:
                    self._close_code = message.get("code")
                return
            now_ns = monotonic_ns()
            shown.messages_received += 1
            text = message.get("text")
            for received in wire.received(message["bytes"] if text is None else text):
                await self._take(received, now_ns)
            while self._unheard:
                self._hear(*self._unheard.popleft())
                await outbox.flush()
                await asyncio.sleep(0)
            if outbox.waiting:
                await outbox.flush()

    async def _take(self, received: Received, now_ns: int) -> None:
        call = self._call
        match received:
            case Sound(audio):
                self._sound(audio, now_ns)
            case Asked(kind, fields):
                self._asked(kind, fields)
            case Refused(text, code, param, event_id):
                call.error(text, code=code, param=param, event_id=event_id)
            case Answer(message):
                call.outbox.put(message)
            case Tuned():
                await call.tune()
                self._greet()
            case Bye(code, reason):
                await self.close(code, reason)

    def _asked(self, kind: Any, event: Mapping[str, Any]) -> None:
        event_id = event.get("event_id")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            known = RefusedError(f"Invalid value for 'type': {kind!r:.80}.", "type")
            self._refuse(missing("type") if kind is None else known, event_id)
            return
        try:
            ensure_writable(event)
            handler(event)
        except RefusedError as error:
            self._refuse(error, event_id)

    def _refuse(self, error: RefusedError, event_id: Any) -> None:
        self._call.error(str(error), code=error.code, param=error.param, event_id=event_id)

    # Audio

    def _sound(self, audio: bytes, now_ns: int) -> None:
        call = self._call
        wire = call.wire
        if not call.tuned:
            return
        try:
            pcm = decode(wire.input.encoding, audio)
        except ValueError as error:
            call.error(str(error), code="invalid_audio")
            return
        slice_bytes = 2 * wire.input.rate * SLICE_MS // 1000
        if len(pcm) <= slice_bytes:
            self._hear(pcm, now_ns)
            return
        left = len(pcm)
        for start in range(0, len(pcm), slice_bytes):
            piece = pcm[start : start + slice_bytes]
            left -= len(piece)
            self._unheard.append((piece, now_ns - left // 2 * SECOND_NS // wire.input.rate))

    def _hear(self, pcm: bytes, now_ns: int) -> None:
        self._call.hub.exposition.audio_bytes_received += len(pcm)
        events = self._call.ears.hear(pcm, now_ns)
        if events:
            self.floor.take(events)

    def _commit(self, event: Mapping[str, Any]) -> None:
        buffered_s = self._call.ears.buffered_s
        if buffered_s < MIN_COMMIT_S:
            text = f"Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only \
has {buffered_s * 1000:.2f}ms of audio."
            raise RefusedError(text, code="input_audio_buffer_commit_empty")
        self.floor.commit()

    def _clear(self, event: Mapping[str, Any]) -> None:
        if self._call.ears.clear():
            self.floor.forget()
        self._call.emit("input_audio_buffer.cleared")

    def _output_clear(self, event: Mapping[str, Any]) -> None:
        text = "output_audio_buffer.clear is for WebRTC and SIP: over WebSocket the client holds the buffer."
        raise RefusedError(text, "type")

    # Session and items

    def _session_update(self, event: Mapping[str, Any]) -> None:
        call = self._call
        if "session" not in event:
            raise missing("session")
        heard = self.floor.turns.latest is not None
        call.settings.update(event["session"], beta=call.wire.beta, voice_fixed=heard)
        call.turn_detection = call.settings.turn_detection
        if call.ears.configure(call.turn_detection):
            self.floor.forget()
        call.emit("session.updated", session=self._echo())

    def _item_create(self, event: Mapping[str, Any]) -> None:
        call = self._call
        item = checked_item(event.get("item"), call.fresh_id("item"))
        previous = call.conversation.insert(item, event.get("previous_item_id"))
        shown = call.wire.item(item)
        call.emit("conversation.item.added", previous_item_id=previous, item=shown)
        call.emit("conversation.item.done", previous_item_id=previous, item=shown)

    def _item_retrieve(self, event: Mapping[str, Any]) -> None:
        item = self._call.conversation.get(event.get("item_id")).item
        self._call.emit("conversation.item.retrieved", item=self._call.wire.item(item))

    def _item_delete(self, event: Mapping[str, Any]) -> None:
        self._call.conversation.delete(event.get("item_id"))
        self._call.emit("conversation.item.deleted", item_id=event["item_id"])

    def _item_truncate(self, event: Mapping[str, Any]) -> None:
        item_id, end_ms = event.get("item_id"), event.get("audio_end_ms")
        self._call.conversation.truncate(item_id, event.get("content_index"), end_ms)
        self._call.emit("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=end_ms)

    # Responses

    def _response_create(self, event: Mapping[str, Any]) -> None:
        given = event.get("response")
        if wrong := RESPONSE(given):
            raise RefusedError(f"Invalid value for 'response': {wrong}.", "response")
        if not self.floor.turns.request((given or {}).get("metadata")):
            text = "Conversation already has an active response in progress. Wait until the response is finished."
            raise RefusedError(text, code="conversation_already_has_active_response")

    def _response_cancel(self, event: Mapping[str, Any]) -> None:
        responder = self.floor.turns.responder
        wanted = event.get("response_id")
        if responder is None or wanted not in (None, responder.plan.response_id):
            raise RefusedError("Cancellation failed: no active response found", code="response_cancel_not_active")
        responder.interrupt("client_cancelled")
