"""Bytes to and from one socket that we own from the first one on: plain, or TLS through memory buffers.

While a session is set up, a channel looks like a blocking socket to websocket-client (it reads ahead, so that the handshake's one-byte
reads cost no system call). After `release` it is non-blocking and belongs to the event loop. Either way the kernel's arrival time of what
was read last is kept in `arrived_ns`, which a TLS socket of the standard library would hide.
"""

from __future__ import annotations

import _socket
import os
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.socket import wait_read

from users import clock

READ_SIZE = 65536
VANISH_S = 2.0
"""How long a peer has to notice that a connection has ended, and to end it too."""
_AT_ONCE = struct.pack("ii", 1, 0)
_TCP_INFO_SIZE = 152
_TCP_INFO_MIN_RTT = slice(148, 152)
"""`tcpi_min_rtt`, microseconds, in Linux's `struct tcp_info` (linux/tcp.h)."""


class Channel:
    """A connected TCP socket, with TLS where `tls` is given. `arrivals`: where arrival times are to come from, `kernel` or `user`; `clock`:
    where they do come from, as the kernel may know none.
    `ended`: the peer sends no more; with TLS, it may say so before it closes the socket."""

    __slots__ = ("_ahead", "_incoming", "_outgoing", "_raw", "_sock", "_tls", "arrived_ns", "clock", "ended")

    def __init__(
        self, sock: socket.socket, tls: ssl.SSLContext | None = None, host: str | None = None, arrivals: str = clock.KERNEL
    ) -> None:
        self._sock: Any = sock
        self._raw: Any = None
        self._ahead = b""
        self.arrived_ns = 0
        self.ended = False
        self.clock = clock.KERNEL if arrivals == clock.KERNEL and clock.stamp_arrivals(sock) else clock.USER
        self._tls: ssl.SSLObject | None = None
        if tls is not None:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def start_tls(self) -> None:
        """Perform the TLS handshake, blocking. Raises ssl.SSLError (a certificate that is not trusted, say), OSError, EOFError."""
        while self._tls is not None:
            try:
                self._tls.do_handshake()
                self._flush_blocking()
                return
            except ssl.SSLWantReadError:
                self._flush_blocking()
                data = self._receive(self._sock)
                if not data:
                    raise EOFError("connection closed during the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                self._flush_blocking()
                raise

    # What websocket-client calls during the opening handshake.

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes, blocking; empty at the end of the stream."""
        while not self._ahead:
            if self.ended:
                return b""
            data = self._receive(self._sock)
            if not data:
                return b""
            self._ahead = self._decrypted(data)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    def send(self, data: bytes) -> int:
        """Send all of `data`, blocking."""
        if self._tls is None:
            self._sock.sendall(data)
        else:
            self._tls.write(data)
            self._flush_blocking()
        return len(data)

    def gettimeout(self) -> float | None:
        """The blocking calls' time limit in seconds; None: none."""
        timeout: float | None = self._sock.gettimeout()
        return timeout

    def settimeout(self, seconds: float | None) -> None:
        """Set it."""
        self._sock.settimeout(seconds)

    @property
    def tls_version(self) -> str | None:
        """As `ssl` names it; None without TLS."""
        return self._tls.version() if self._tls is not None else None

    def fileno(self) -> int:
        """The descriptor."""
        number: int = (self._raw or self._sock).fileno()
        return number

    def shutdown(self, how: int) -> None:
        """As a socket's."""
        (self._raw or self._sock).shutdown(how)

    def close(self) -> None:
        """Close the socket, at once; again does nothing."""
        (self._raw or self._sock).close()

    def vanish(self, reset: bool) -> None:
        """Have the peer see the end of the connection at once: a RST where it is `reset`, else a FIN. The channel is to be closed then.

        After a FIN the kernel goes on to take what the peer still sends for VANISH_S: it would reset the connection otherwise.
        """
        with suppress(OSError):  # it may have ended
            if reset:
                self.reset()
            else:
                self._raw.shutdown(socket.SHUT_WR)
                gevent.spawn(_take_in, _socket.socket(fileno=os.dup(self._raw.fileno())))

    def reset(self) -> None:
        """Have the connection end with a reset once it is closed."""
        (self._raw or self._sock).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    # What the event loop's side calls.

    def release(self) -> bytes:
        """Hand the socket to the event loop: non-blocking from here on. Returns what was read ahead of the handshake's end."""
        self._raw = _socket.socket(fileno=self._sock.detach())  # the kernel's socket without gevent's waiting around it
        self._raw.setblocking(False)
        ahead, self._ahead = self._ahead, b""
        return ahead

    @property
    def raw(self) -> Any:
        """The kernel's socket, once it has been released."""
        return self._raw

    def opened(self, data: bytes) -> bytes:
        """What was read from the socket, decrypted; for none, as at the end of the stream, none. Sets `ended`. Raises ssl.SSLError."""
        if not data:
            self.ended = True
            return b""
        return self._decrypted(data)

    def writer(self) -> Callable[[bytes | memoryview], int]:
        """What hands bytes of the wire to the kernel and returns how many it took. It raises BlockingIOError for none, and OSError."""
        send: Callable[[bytes | memoryview], int] = self._raw.send
        return send

    @property
    def sealing(self) -> bool:
        """Whether what is written must be sealed first."""
        return self._tls is not None

    def sealed(self, data: bytes | memoryview) -> bytes:
        """What has to go over the wire for `data`: a copy of it, or its TLS records."""
        if self._tls is None:
            return bytes(data)
        self._tls.write(data)
        return self._outgoing.read()

    def round_trip_s(self) -> float | None:
        """The kernel's round-trip time; None where it tells none.

        The least of the last minutes: the smoothed one (`tcpi_rtt`) holds the peer's delayed acknowledgements, up to 40 ms of waiting that
        no byte of audio is subject to.
        """
        try:
            info = (self._raw or self._sock).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        except (OSError, AttributeError):
            return None
        rtt_us = int.from_bytes(info[_TCP_INFO_MIN_RTT], sys.byteorder)
        return rtt_us / 1e6 if 0 < rtt_us < 2**32 - 1 else None

    def _receive(self, sock: Any) -> bytes:
        data: bytes
        if self.clock is clock.USER:
            data = sock.recv(READ_SIZE)
            self.arrived_ns = clock.now_ns()
            return data
        data, ancillary, _, _ = sock.recvmsg(READ_SIZE, clock.STAMP_SPACE)
        arrived_ns = clock.arrival_ns(ancillary) or clock.now_ns()
        if arrived_ns > self.arrived_ns:  # two clocks: a stamp is off by microseconds, and must not run backwards for it
            self.arrived_ns = arrived_ns
        return data

    def _decrypted(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        self._incoming.write(data)
        plain = bytearray()
        try:
            while piece := self._tls.read(READ_SIZE):
                plain += piece
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return bytes(plain)

    def _flush_blocking(self) -> None:
        sealed = self._outgoing.read()
        if sealed:
            self._sock.sendall(sealed)


def _take_in(sock: Any) -> None:
    """Read a non-blocking socket until the peer sends one too, and close."""
    try:
        with suppress(OSError), gevent.Timeout(VANISH_S, False):
            while True:
                wait_read(sock.fileno())
                if not sock.recv(READ_SIZE):
                    return
    finally:
        sock.close()
