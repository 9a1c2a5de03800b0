"""One WebSocket session: messages in, client events answered, the end told.

Audio is handled in the receive loop itself: no task per message. Whatever a client sends gets an event back or closes the
session with a code that says why; it never breaks the server.
"""

from __future__ import annotations

import asyncio
import binascii
import time
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any

import orjson

from assistant.call import Call
from assistant.conversation import ItemError, checked_item
from assistant.floor import Floor
from assistant.settings import SettingsError

APPEND_HEAD = '{"type":"input_audio_buffer.append","audio":"'
MAX_APPEND = 15 * 1024 * 1024  # bytes of base64 in one event (Realtime API reference)
MIN_COMMIT_S = 0.1
CLOSE_TIMEOUT_S = 3.0
NORMAL, GOING_AWAY, ABNORMAL = 1000, 1001, 1006

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Handler = Callable[[dict[str, Any], Any], None]


class Session:
    """Runs one accepted connection until it ends."""

    def __init__(self, call: Call, receive: Receive, send: Send) -> None:
        self._call = call
        self._receive = receive
        self._send = send
        self.floor = Floor(call)
        self._close_code: int | None = None
        self._expires_at = int(time.time() + call.hub.profile.sessions.max_s)
        self._silence = ("", b"")
        self._handlers: dict[str, Handler] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._append_event,
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
        hub.sessions.add(self)
        hub.note_open(call.client)
        hub.exposition.connections.inc()
        expiry = asyncio.get_running_loop().call_later(hub.profile.sessions.max_s, lambda: call.spawn(self._expire()))
        aborted = asyncio.ensure_future(call.aborted.wait())
        listening = asyncio.ensure_future(self._listen())
        try:
            call.emit("session.created", session=self._echo())
            await call.outbox.flush()
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

    async def _finish(self, code: int | None) -> None:
        call, hub = self._call, self._call.hub
        await call.end()
        self.floor.close()
        call.truth.closed_ns, call.truth.close_code = monotonic_ns(), code
        hub.truth.write(call.truth)
        hub.sessions.discard(self)
        hub.exposition.connections.dec()
        if code not in (NORMAL, GOING_AWAY):
            hub.note_loss(call.client)

    def _echo(self) -> dict[str, Any]:
        call = self._call
        return call.settings.echo(call.session_id, beta=call.wire.beta, expires_at=self._expires_at)

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection with a code; the receive loop then ends."""
        if self._close_code is None:
            self._close_code = code
            await self._call.outbox.flush()
            self._call.outbox.close()
            closing = self._send({"type": "websocket.close", "code": code, "reason": reason})
            try:
                await asyncio.wait_for(closing, CLOSE_TIMEOUT_S)
            except (TimeoutError, OSError):  # a client that does not read, or is gone
                self._call.aborted.set()

    async def _expire(self) -> None:
        minutes = self._call.hub.profile.sessions.max_s / 60
        text = f"Your session hit the maximum duration of {minutes:g} minutes."
        self._call.error(text, code="session_expired")
        await self.close(GOING_AWAY, text)

    # Messages in

    async def _listen(self) -> None:
        receive, outbox, shown = self._receive, self._call.outbox, self._call.hub.exposition
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                if self._close_code is None:
                    self._close_code = message.get("code")
                return
            now_ns = monotonic_ns()
            shown.messages_received += 1
            text = message.get("text")
            if text is None:
                self._call.error("Binary messages are not part of this protocol: send JSON text.", code="invalid_message")
            elif text.startswith(APPEND_HEAD) and text.endswith('"}') and "\\" not in text:
                self._append(text[len(APPEND_HEAD) : -2], now_ns, None)
            else:
                self._dispatch(text)
            if outbox.waiting:
                await outbox.flush()

    def _dispatch(self, text: str) -> None:
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._call.error(f"The message is not JSON: {error}", code="invalid_json")
            return
        if not isinstance(event, dict):
            self._call.error("The message must be a JSON object.", code="invalid_json")
            return
        event_id, kind = event.get("event_id"), event.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            missing = kind is None
            message = "Missing required parameter: 'type'." if missing else f"Invalid value for 'type': {kind!r:.80}."
            code = "missing_required_parameter" if missing else "invalid_value"
            self._call.error(message, code=code, param="type", event_id=event_id)
            return
        try:
            handler(event, event_id)
        except (ItemError, SettingsError) as error:
            self._call.error(str(error), code=error.code, param=error.param, event_id=event_id)

    # Audio

    def _append_event(self, event: dict[str, Any], event_id: Any) -> None:
        audio = event.get("audio")
        if not isinstance(audio, str):
            self._missing("audio", event_id)
            return
        self._append(audio, monotonic_ns(), event_id)

    def _append(self, encoded: str, now_ns: int, event_id: Any) -> None:
        if encoded == self._silence[0]:
            pcm = self._silence[1]
        else:
            if len(encoded) > MAX_APPEND:
                self._bad_audio("audio exceeds 15 MiB.", event_id, code="string_above_max_length")
                return
            try:
                pcm = binascii.a2b_base64(encoded, strict_mode=True)
            except ValueError:
                self._bad_audio("audio is not base64.", event_id)
                return
            if len(pcm) % 2:
                self._bad_audio("audio has an odd number of bytes: expected 16-bit samples.", event_id)
                return
            if not pcm.strip(b"\0"):
                self._silence = (encoded, pcm)
        events = self._call.ears.hear(pcm, now_ns)
        if events:
            self.floor.take(events)

    def _bad_audio(self, what: str, event_id: Any, code: str = "invalid_value") -> None:
        self._call.error(f"Invalid 'audio': {what}", code=code, param="audio", event_id=event_id)

    def _missing(self, name: str, event_id: Any) -> None:
        text = f"Missing required parameter: '{name}'."
        self._call.error(text, code="missing_required_parameter", param=name, event_id=event_id)

    def _commit(self, event: dict[str, Any], event_id: Any) -> None:
        buffered_s = self._call.ears.buffered_s
        if buffered_s < MIN_COMMIT_S:
            text = f"Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only \
has {buffered_s * 1000:.2f}ms of audio."
            self._call.error(text, code="input_audio_buffer_commit_empty", event_id=event_id)
            return
        self.floor.commit()

    def _clear(self, event: dict[str, Any], event_id: Any) -> None:
        if self._call.ears.clear():
            self.floor.forget()
        self._call.emit("input_audio_buffer.cleared")

    def _output_clear(self, event: dict[str, Any], event_id: Any) -> None:
        text = "output_audio_buffer.clear is for WebRTC and SIP: over WebSocket the client holds the buffer."
        self._call.error(text, code="invalid_value", param="type", event_id=event_id)

    # Session and items

    def _session_update(self, event: dict[str, Any], event_id: Any) -> None:
        call = self._call
        if "session" not in event:
            self._missing("session", event_id)
            return
        spoken = self.floor.turns.latest is not None
        call.settings.update(event["session"], beta=call.wire.beta, spoken=spoken)
        call.turn_detection = call.settings.turn_detection
        if call.ears.configure(call.turn_detection):
            self.floor.forget()
        call.emit("session.updated", session=self._echo())

    def _item_create(self, event: dict[str, Any], event_id: Any) -> None:
        call = self._call
        item = checked_item(event.get("item"), call.fresh_id("item"))
        previous = call.conversation.insert(item, event.get("previous_item_id"))
        shown = call.wire.item(item)
        call.emit("conversation.item.added", previous_item_id=previous, item=shown)
        call.emit("conversation.item.done", previous_item_id=previous, item=shown)

    def _item_retrieve(self, event: dict[str, Any], event_id: Any) -> None:
        item = self._call.conversation.get(event.get("item_id")).item
        self._call.emit("conversation.item.retrieved", item=self._call.wire.item(item))

    def _item_delete(self, event: dict[str, Any], event_id: Any) -> None:
        self._call.conversation.delete(event.get("item_id"))
        self._call.emit("conversation.item.deleted", item_id=event["item_id"])

    def _item_truncate(self, event: dict[str, Any], event_id: Any) -> None:
        item_id, end_ms = event.get("item_id"), event.get("audio_end_ms")
        self._call.conversation.truncate(item_id, event.get("content_index"), end_ms)
        self._call.emit("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=end_ms)

    # Responses

    def _response_create(self, event: dict[str, Any], event_id: Any) -> None:
        if not self.floor.turns.request():
            text = "Conversation already has an active response in progress. Wait until the response is finished."
            self._call.error(text, code="conversation_already_has_active_response", event_id=event_id)

    def _response_cancel(self, event: dict[str, Any], event_id: Any) -> None:
        responder = self.floor.turns.responder
        wanted = event.get("response_id")
        if responder is None or wanted not in (None, responder.plan.response_id):
            text = "Cancellation failed: no active response found"
            self._call.error(text, code="response_cancel_not_active", event_id=event_id)
            return
        responder.interrupt("client_cancelled")
