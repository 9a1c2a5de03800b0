"""One WebSocket on the event loop: reads whole messages as they arrive, writes without ever blocking.

The opening handshake is websocket-client's; then the socket is taken over. A read watcher hands each message with its arrival instant to
`on_message`; there is no greenlet switch per message. What the kernel does not take is queued and drained by a write watcher.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gevent import get_hub
from gevent.socket import create_connection
from websocket import WebSocket, WebSocketBadStatusException, WebSocketException

from metrics.records import ErrorKind
from protocol import CloseCode, FrameDecoder, FrameError, Message, Opcode, PreparedFrame, close_payload, encode, parse_close
from users.channel import Channel
from users.clock import now_ns
from users.errors import RemoteError

UNSENT_LIMIT = 1 << 20
"""Bytes waiting for the kernel above which further audio frames are dropped, and counted: about 8 s of 24 kHz PCM16 in base64."""

_READ, _WRITE = 1, 2
_KEYS = 1024


@dataclass(frozen=True, slots=True)
class Opening:
    """How long the parts of the opening took, in seconds; `tls_s` None without TLS. `opened_ns`: handshake complete."""

    started_ns: int
    connect_s: float
    tls_s: float | None
    handshake_s: float
    opened_ns: int


class Link:
    """An open WebSocket. `on_message(arrived_ns, text)`; `on_closed(error)` is called once, with None after an orderly close of ours."""

    def __init__(
        self,
        channel: Channel,
        opening: Opening,
        on_message: Callable[[int, bytes], None],
        on_closed: Callable[[RemoteError | None], None],
    ) -> None:
        self.opening = opening
        self.clock = channel.clock
        self.messages_sent = self.messages_received = 0
        self.frames_dropped = 0
        self.close_code: int | None = None
        self._channel = channel
        self._on_message = on_message
        self._on_closed = on_closed
        self._decoder = FrameDecoder()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._keys = b""
        self._key_at = 0
        self._drained: list[Callable[[], None]] = []
        self._open = True
        self._closing = False
        self._ahead = channel.release()
        loop = get_hub().loop
        self._reader = loop.io(channel.fileno(), _READ)
        self._writer = loop.io(channel.fileno(), _WRITE)

    def start(self) -> None:
        """Begin to hand messages over, those first that came right behind the handshake."""
        self._reader.start(self._readable)
        if self._ahead:
            self._take(self._channel.arrived_ns, self._ahead)

    @property
    def open(self) -> bool:
        """Whether messages can still be exchanged."""
        return self._open and not self._closing

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the kernel to take them."""
        return self._unsent_bytes

    def send(self, text: bytes) -> None:
        """Send one text message; nothing happens on a closed link."""
        if self.open:
            self._put(encode(Opcode.TEXT, text, self._key()))
            self.messages_sent += 1

    def send_frame(self, frame: PreparedFrame) -> bool:
        """Send a message prepared once, masked afresh. False: dropped, as too much waits already or the link is closed."""
        if not self._open or self._closing:
            return False
        if self._unsent_bytes > UNSENT_LIMIT:
            self.frames_dropped += 1
            return False
        self._put(frame.masked(self._key()))
        self.messages_sent += 1
        return True

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as the kernel has taken everything: now, if nothing waits; never, if the link ends before."""
        if self._unsent:
            self._drained.append(then)
        else:
            then()

    def round_trip_s(self) -> float | None:
        """The kernel's smoothed round-trip time; None where it tells none or the link is closed."""
        return self._channel.round_trip_s() if self._open else None

    def hang_up(self) -> None:
        """Begin an orderly close: what arrives from now on is dropped; the assistant's answering close ends the link."""
        if self.open:
            self._closing = True
            self._put(encode(Opcode.CLOSE, close_payload(CloseCode.NORMAL), self._key()))

    def abort(self) -> None:
        """Close the socket now. Safe at any time, again does nothing."""
        self._end(None)

    def _key(self) -> bytes:
        if self._key_at >= len(self._keys):
            self._keys = os.urandom(4 * _KEYS)
            self._key_at = 0
        at = self._key_at
        self._key_at = at + 4
        return self._keys[at : at + 4]

    def _put(self, frame: bytes) -> None:
        wire = self._channel.sealed(frame)
        if not self._unsent:
            try:
                sent = self._channel.write(wire)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost while sending: {error.strerror or error}")
                return
            if sent == len(wire):
                return
            wire = wire[sent:]
            self._writer.start(self._writable)
        self._unsent.append(wire)
        self._unsent_bytes += len(wire)

    def _writable(self) -> None:
        while self._unsent:
            wire = self._unsent[0]
            try:
                sent = self._channel.write(wire)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost while sending: {error.strerror or error}")
                return
            self._unsent_bytes -= sent
            if sent < len(wire):
                self._unsent[0] = wire[sent:]
                return
            self._unsent.popleft()
        self._writer.stop()
        drained, self._drained = self._drained, []
        for then in drained:
            then()

    def _readable(self) -> None:
        try:
            data = self._channel.read()
        except (OSError, ssl.SSLError) as error:
            self._fail(ErrorKind.REMOTE_CLOSE, f"connection lost: {error.strerror or error}")
            return
        if data is None:
            return
        if data:
            self._take(self._channel.arrived_ns, data)
        elif self._closing:
            self._end(None)
        else:
            self._fail(ErrorKind.REMOTE_CLOSE, "connection closed without a close frame")

    def _take(self, arrived_ns: int, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            for message in error.messages:
                self._dispatch(arrived_ns, message)
            if self._open:
                self._put(encode(Opcode.CLOSE, close_payload(error.code), self._key()))
                self._fail(ErrorKind.PROTOCOL, f"not a WebSocket frame: {error}")
            return
        for message in messages:
            self._dispatch(arrived_ns, message)

    def _dispatch(self, arrived_ns: int, message: Message) -> None:
        if not self._open:
            return
        opcode, payload = message.opcode, message.payload
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self.messages_received += 1
            if not self._closing:
                self._on_message(arrived_ns, payload)
        elif opcode is Opcode.PING:
            self._put(encode(Opcode.PONG, payload, self._key()))
        elif opcode is Opcode.CLOSE:
            self._closed_by_peer(payload)

    def _closed_by_peer(self, payload: bytes) -> None:
        try:
            code, reason = parse_close(payload)
        except FrameError as error:
            self._fail(ErrorKind.PROTOCOL, f"broken close frame: {error}")
            return
        self.close_code = code
        if self._closing:
            self._end(None)
            return
        self._put(encode(Opcode.CLOSE, close_payload(code) if code else b"", self._key()))
        self._fail(ErrorKind.REMOTE_CLOSE, f"closed by the assistant: code {code or 'none'}" + (f", {reason[:120]}" if reason else ""))

    def _fail(self, kind: ErrorKind, text: str) -> None:
        self._end(RemoteError(kind, text, close_code=self.close_code))

    def _end(self, error: RemoteError | None) -> None:
        if not self._open:
            return
        self._open = False
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        self._channel.close()
        self._unsent.clear()
        self._on_closed(error)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: the WebSocket URL, headers and sub-protocols of the handshake, the TLS context for wss, a time limit in seconds."""

    url: str
    headers: dict[str, str]
    subprotocols: list[str]
    tls: ssl.SSLContext
    timeout_s: float


def connect(target: Target, on_message: Callable[[int, bytes], None], on_closed: Callable[[RemoteError | None], None]) -> Link:
    """Open a WebSocket. Blocks the calling greenlet. Raises RemoteError: connect, handshake, auth, rate_limited or timeout."""
    parts = urlsplit(target.url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    where = f"{host}:{parts.port or (443 if secure else 80)}"
    started_ns = now_ns()
    try:
        sock = create_connection((host, parts.port or (443 if secure else 80)), timeout=target.timeout_s)
    except TimeoutError:
        raise RemoteError(ErrorKind.CONNECT, f"{where} did not answer within {target.timeout_s:g} s") from None
    except OSError as error:
        raise RemoteError(ErrorKind.CONNECT, f"cannot connect to {where}: {error.strerror or error}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel = Channel(sock, target.tls if secure else None, host)
    connected_ns = now_ns()
    tls_done_ns = connected_ns
    try:
        if secure:
            channel.start_tls()
            tls_done_ns = now_ns()
        client = WebSocket(skip_utf8_validation=True)
        client.settimeout(target.timeout_s)
        client.connect(  # type: ignore[no-untyped-call]
            target.url,
            socket=channel,
            header=target.headers,
            subprotocols=target.subprotocols or None,
            suppress_origin=True,
            redirect_limit=0,
        )
    except BaseException as error:
        channel.close()
        if isinstance(error, WebSocketException | OSError | EOFError | ValueError):
            raise _refused(error, where) from None
        raise
    opened_ns = now_ns()
    opening = Opening(
        started_ns,
        (connected_ns - started_ns) / 1e9,
        (tls_done_ns - connected_ns) / 1e9 if secure else None,
        (opened_ns - tls_done_ns) / 1e9,
        opened_ns,
    )
    return Link(channel, opening, on_message, on_closed)


def _refused(error: Exception, where: str) -> RemoteError:
    if isinstance(error, WebSocketBadStatusException):
        status = error.status_code
        kinds = {401: ErrorKind.AUTH, 403: ErrorKind.AUTH, 429: ErrorKind.RATE_LIMITED, 503: ErrorKind.RATE_LIMITED}
        return RemoteError(kinds.get(status, ErrorKind.HANDSHAKE), f"{where} refused the WebSocket with HTTP status {status}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return RemoteError(ErrorKind.CONNECT, f"TLS certificate of {where} is not trusted: {error.verify_message}")
    if isinstance(error, TimeoutError) or "timed out" in str(error).lower():
        return RemoteError(ErrorKind.TIMEOUT, f"{where} did not complete the handshake in time")
    return RemoteError(ErrorKind.HANDSHAKE, f"handshake with {where} failed: {str(error)[:160] or type(error).__name__}")
