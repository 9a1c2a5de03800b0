"""Peers that follow a script: a function that talks to one connection, blocking, in a native thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import orjson
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from users.errors import RemoteError
from users.inbox import Inbox
from users.link import Link
from users.opening import Target, connect
from users.pacer import Pacer

PATIENCE_S = 20.0


def until(condition: Callable[[], Any], limit_s: float = PATIENCE_S) -> Any:
    """Let greenlets run until `condition()` is true; returns what it gave."""
    with gevent.Timeout(limit_s, AssertionError(f"waited {limit_s:g} s in vain")):
        while not (found := condition()):
            gevent.sleep(0.002)
    return found


class Peer:
    """One connection at its server's end. WebSocket bytes are read and, but for `raw`, written by `websockets`, not by our code."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.protocol = ServerProtocol(max_size=None, select_subprotocol=lambda _, offered: offered[0] if offered else None)
        self.request: Request | None = None
        self._frames: list[Frame] = []

    def read_request(self) -> Request:
        """The opening handshake's request. Raises ConnectionError where the talker leaves before."""
        while self.request is None:
            if not self._feed():
                raise ConnectionError("no handshake came")
        return self.request

    def accept(self, behind: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer it with 101, and `behind` in the same packet."""
        response = self.protocol.accept(self.read_request())
        for name, value in (headers or {}).items():
            response.headers[name] = value
        self.protocol.send_response(response)
        self.raw(b"".join(self.protocol.data_to_send()) + behind)

    def refuse(self, status: str, headers: str = "", body: str = "") -> None:
        """Answer it, or a plain HTTP request, with this status line's end."""
        self.raw(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send(self, opcode: Opcode, payload: bytes, fin: bool = True) -> None:
        self.raw(frame(opcode, payload, fin))

    def text(self, text: str) -> None:
        self.send(Opcode.TEXT, text.encode())

    def tell(self, **message: Any) -> None:
        """Send a JSON message."""
        self.send(Opcode.TEXT, orjson.dumps(message))

    def receive(self) -> Frame | None:
        """The talker's next frame; None at the end of the stream. Faulty frames (not masked, say) raise AssertionError."""
        while not self._frames:
            if not self._feed():
                return None
        return self._frames.pop(0)

    def hear(self) -> dict[str, Any] | None:
        """The talker's next JSON message that is not audio; None when it has closed or gone."""
        while True:
            got = self.receive()
            if got is None or got.opcode is Opcode.CLOSE:
                return None
            message: dict[str, Any] = orjson.loads(got.data)
            if message["type"] != "input_audio_buffer.append":
                return message

    def drain(self) -> None:
        """Read until the talker has gone, and answer its close frame."""
        with contextlib.suppress(OSError):
            while (got := self.receive()) is not None:
                if got.opcode is Opcode.CLOSE:
                    self.send(Opcode.CLOSE, got.data)

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _feed(self) -> bool:
        data = self.sock.recv(65536)
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.request = event
            else:
                assert isinstance(event, Frame)
                self._frames.append(event)
        failure = self.protocol.parser_exc if self.request is not None else None
        assert failure is None or isinstance(failure, EOFError), failure
        return bool(data)


Script = Callable[[Peer], None]


def read_http(peer: Peer) -> tuple[str, dict[str, str], bytes]:
    """Request line, headers and body of one request, with or without a body. Raises ConnectionError where it ends before."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(peer.sock)
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
    assert len(headers) == len(lines), f"a header is there twice: {lines}"
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(peer.sock)
    return line, headers, body


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionError("the talker left before it had asked")
    return data


def frame(opcode: Opcode, payload: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=False)


class Server:
    """Where it is, the connections that it had, and what went wrong in their scripts."""

    def __init__(self, listener: socket.socket, secure: bool) -> None:
        self.port: int = listener.getsockname()[1]
        self.host = f"http{'s' if secure else ''}://localhost:{self.port}"
        self.url = f"ws{'s' if secure else ''}://localhost:{self.port}/v1/realtime"
        self.peers: list[Peer] = []
        self.failures: list[BaseException] = []


@contextmanager
def served(*scripts: Script, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> Iterator[Server]:
    """A server on 127.0.0.1 whose n-th connection follows the n-th script, and all later ones the last."""
    listener = socket.socket()
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    server = Server(listener, tls is not None)
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def converse(plain: socket.socket, number: int) -> None:
        try:
            sock = tls.wrap_socket(plain, server_side=True) if tls else plain
        except OSError:
            plain.close()
            return
        sockets.append(sock)
        sock.settimeout(PATIENCE_S)
        peer = Peer(sock, number)
        server.peers.append(peer)
        try:
            scripts[min(number, len(scripts) - 1)](peer)
        except ConnectionError:
            pass  # the talker left; what it should have done before is the test's to say
        except Exception as error:
            server.failures.append(error)
        finally:
            sock.close()

    def listen() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=converse, args=(sock, len(threads)), daemon=True))
            threads[-1].start()

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        yield server
        until(lambda: not any(t.is_alive() for t in threads))
        if server.failures:
            raise server.failures[0]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        listening.join(5)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Caller:
    """A link, and what it told."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self.messages: list[bytes] = []
        self.arrivals: list[int] = []
        self.closed: list[RemoteError | None] = []
        target = Target(url, {"X-Client-Id": "test"}, ["realtime"], tls, PATIENCE_S)
        self.link: Link = connect(target, Inbox(Pacer()), self._message, self.closed.append)

    def _message(self, arrived_ns: int, payload: bytes, opcode: Opcode = Opcode.TEXT) -> None:
        self.arrivals.append(arrived_ns)
        self.messages.append(payload)

    def ended(self) -> RemoteError | None:
        until(lambda: self.closed)
        gevent.sleep(0.01)
        assert len(self.closed) == 1
        assert not self.link.open
        return self.closed[0]
