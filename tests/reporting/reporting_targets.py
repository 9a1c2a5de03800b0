"""A target over HTTP, in a native thread: its metrics are those of a real registry, its moods the test's."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Gauge, generate_latest


class Server:
    """Serves `/metrics` and `/health` on loopback. `status`: of every answer; `delay_s`: before it; `body`: instead of the registry's."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.registry = CollectorRegistry()
        self.memory = Gauge("process_resident_memory_bytes", "Memory", registry=self.registry)
        self.sessions = Gauge("websocket_connections_active", "Sessions", registry=self.registry)
        self.status, self.delay_s, self.body = 200, 0.0, None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._connections: list[socket.socket] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server._connections.append(self.connection)

            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                time.sleep(server.delay_s)
                body = server.body if server.body is not None else generate_latest(server.registry)
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass

        self._http = Quiet(("127.0.0.1", port), Handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = int(self._http.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=lambda: self._http.serve_forever(0.01), daemon=True).start()

    def close(self) -> None:
        """As a process that is killed: its connections end, too."""
        self._http.shutdown()
        self._http.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(port, tls)
    try:
        yield server
    finally:
        server.close()
