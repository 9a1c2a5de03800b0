"""A vendor at one port: an endpoint that gives tokens or URLs, and the assistant that they lead to."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import orjson
from users_assistants import Assistant, Gone
from users_peers import Peer, read_http

TLS_HELLO = b"\x16\x03"
SECRET = "s3cr3t-of-a-vendor"


@dataclass
class Vendor:
    """A script for `served`: the n-th request that is no handshake gets the n-th reply, and all later ones the last: a status, headers, and
    a body in which HERE stands for its own host and port, NUMBER for the request's number. A session is let in once at
    a path, where `once`, and converses for so many `turns`."""

    replies: list[tuple[str, str, str]]
    once: bool = True
    turns: int = 1
    lost: int = 0
    """So many sessions are lost as soon as they are ready."""
    pause_s: float = 0.0
    """Before each reply."""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    sessions: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, peer: Peer) -> None:
        head = peek(peer.sock)
        if not head or head.startswith(TLS_HELLO):  # the talker left before it asked for anything, or wants TLS
            return
        if b"Upgrade: websocket" in head:
            self._session(peer)
            return
        line, headers, body = read_http(peer)
        with self.lock:
            number = len(self.requests)
            self.requests.append((line, headers, body))
        status, told, reply = self.replies[min(number, len(self.replies) - 1)]
        threading.Event().wait(self.pause_s)
        peer.refuse(status, told, reply.replace("HERE", headers["host"]).replace("NUMBER", str(number)))

    def _session(self, peer: Peer) -> None:
        request = peer.read_request()
        with self.lock:
            self.sessions.append((request.path, {name.lower(): value for name, value in request.headers.raw_items()}))
            refused = self.once and request.path in self.used
            self.used.add(request.path)
            lost = len(self.sessions) <= self.lost
        if refused:
            peer.refuse("401 Unauthorized")
            return
        assistant = Assistant(peer).ready()
        if lost:
            return
        try:
            for turn in range(self.turns):
                assistant.utterance(f"u{turn}")
                assistant.answer(f"r{peer.number}.{turn}")
        except Gone:
            return
        assistant.until_gone()


def peek(sock: socket.socket) -> bytes:
    """The head of a request that is still to be read, or what there is of it after a second; empty where none comes any more."""
    data = b""
    for _ in range(1000):
        data = sock.recv(65536, socket.MSG_PEEK)
        if not data or b"\r\n\r\n" in data or data.startswith(TLS_HELLO):
            break
        threading.Event().wait(0.001)
    return data


def ok(headers: str = "", **reply: Any) -> tuple[str, str, str]:
    """A reply with this JSON."""
    return "200 OK", headers, orjson.dumps(reply).decode()
