"""Links to scripted peers, plain or over TLS with an authority of the tests' own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import trustme
from users_peers import Caller, Peer, Script, Server, served

AUTHORITY = trustme.CA()
CLIENT_TLS = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT_TLS)
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)


@contextmanager
def calling(script: Script, secure: bool = False, receive_buffer: int | None = None) -> Iterator[tuple[Caller, Server]]:
    """A link that is open, and the server with its peer; it is aborted at the end."""
    with served(script, tls=SERVER_TLS if secure else None, receive_buffer=receive_buffer) as server:
        caller = Caller(server.url, CLIENT_TLS)
        caller.link.start()
        try:
            yield caller, server
        finally:
            caller.link.abort()


def echo(peer: Peer) -> None:
    """A peer that sends back what it gets."""
    peer.accept()
    while (got := peer.receive()) is not None:
        peer.send(got.opcode, got.data)
