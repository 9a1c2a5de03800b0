"""Serving: a socket, uvicorn, the signals, and the command that runs against the assistant."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic_ns

import uvicorn

from assistant.app import create_app
from assistant.faults import keep_timetable
from assistant.hub import Hub
from assistant.session import GOING_AWAY

MAX_MESSAGE = 16 * 1024 * 1024  # the protocol's 15 MiB per append, and room for the event around it
BACKLOG = 2048
GIVE_UP_MS = 60_000  # a peer that takes nothing for so long is gone: else its session would wait for it for ever
LAST_WORDS_S = 5.0  # how long closing sessions may take
HTTP_LAST_WORDS_S = 2  # how long HTTP requests may take after that


class BindError(Exception):
    """The port cannot be had; the text is one line."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def local_url(self) -> str:
        """How a program on this machine reaches it, whatever it listens on."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
        return Address(everywhere.get(self.host, self.host), self.port, self.tls).url


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. Raises BindError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVE_UP_MS)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise BindError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}") from None
    return sock


def allow_many_connections() -> None:
    """Raises the limit on open files as far as we may: every session takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # where the system has no such limit after all
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server(uvicorn.Server):
    """uvicorn, told by us when to stop: signals are handled in `serve`."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def make_server(hub: Hub, on_ready: Callable[[], None], *, tls_cert: str | None = None, tls_key: str | None = None) -> Server:
    """The server for one hub, not started. It answers WebSocket without compression, so that its cost does not depend on
    what a client offers."""
    config = uvicorn.Config(
        create_app(hub),
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=60.0,
        access_log=False,
        log_level="critical",
        log_config=None,
        lifespan="off",
        backlog=BACKLOG,
        server_header=False,
        timeout_graceful_shutdown=HTTP_LAST_WORDS_S,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    return Server(config, on_ready)


async def close_sessions(hub: Hub) -> None:
    """Says goodbye to all sessions and waits until their truth is written."""
    goodbyes = [asyncio.ensure_future(session.close(GOING_AWAY, "The server is going away.")) for session in hub.sessions]
    if goodbyes:
        await asyncio.wait(goodbyes, timeout=LAST_WORDS_S)
    deadline = asyncio.get_running_loop().time() + LAST_WORDS_S
    while hub.sessions and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)


async def serve(server: Server, hub: Hub, sock: socket.socket, address: Address, command: list[str], *, start_ns: int | None = None) -> int:
    """Serves until a signal, or until the command has ended; returns the exit code. `start_ns`: from when the profile's timetable
    counts (monotonic); None: from when it listens."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    child: asyncio.subprocess.Process | None = None

    def on_signal(number: signal.Signals) -> None:
        if child is None or child.returncode is not None:
            stop.set()
        elif not (number == signal.SIGINT and at_terminal()):  # the terminal has told the child already
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    serving = asyncio.ensure_future(server.serve([sock]))
    timetable: asyncio.Task[None] | None = None
    code = 0
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        timetable = asyncio.ensure_future(keep_timetable(hub, start_ns or monotonic_ns()))
        if command:
            try:
                child = await asyncio.create_subprocess_exec(*command, env=child_environment(address))
            except OSError as error:
                return cannot_run(command[0], error)
            if stop.is_set():  # a signal came before there was a child to pass it on to
                child.terminate()
            code = exit_code(await child.wait())
        else:
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((stopped, serving), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
    finally:
        await close_sessions(hub)
        if timetable is not None:
            timetable.cancel()
            await asyncio.gather(timetable, return_exceptions=True)
        server.should_exit = True
        await serving
        hub.truth.close()
    return code


def child_environment(address: Address) -> dict[str, str]:
    """What a command that runs against the assistant finds in its environment."""
    return {**os.environ, "LOCUST_HOST": address.local_url, "DOUBLETALK_HOST": address.local_url}


def cannot_run(program: str, error: OSError) -> int:
    """Says in one line that a command cannot be run; returns the exit code of a shell then."""
    print(f"assistant: cannot run {program}: {error.strerror}", file=sys.stderr)
    return 127 if isinstance(error, FileNotFoundError) else 126


def exit_code(status: int) -> int:
    """A process's return code as a shell tells it: a signal's number above 128."""
    return status if status >= 0 else 128 - status


def at_terminal() -> bool:
    """Whether a terminal sends its signals to our whole process group."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
