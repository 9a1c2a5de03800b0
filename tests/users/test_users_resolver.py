"""Names are asked for once, their addresses used in turn, failures not kept."""

from __future__ import annotations

import socket
from typing import Any

import gevent.socket
import pytest
from gevent import get_hub

from users import resolver
from users.resolver import Resolver, remember_names


class Behind:
    """A resolver that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fails = False

    def getaddrinfo(self, host: str, port: int, *rest: int) -> list[Any]:
        self.asked.append((host, port))
        if self.fails:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{i}", port)) for i in (1, 2, 3)]

    def gethostbyname(self, name: str) -> str:
        return f"behind {name}"


def first(made: Resolver, host: str, port: int = 80) -> str:
    return str(made.getaddrinfo(host, port)[0][4][0])


def test_a_name_is_asked_for_once_and_its_addresses_take_turns() -> None:
    behind = Behind()
    made = Resolver(behind)
    assert [first(made, "a") for _ in range(5)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.2"]
    assert all(len(made.getaddrinfo("a", 80)) == 3 for _ in range(4))
    assert first(made, "b") == "10.0.0.1"
    assert first(made, "a", 443) == "10.0.0.1"
    assert behind.asked == [("a", 80), ("b", 80), ("a", 443)]
    assert made.gethostbyname("x") == "behind x"


def test_an_answer_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    behind, clock_ns = Behind(), iter((1, 1, resolver.KEPT_NS, resolver.KEPT_NS + 1, resolver.KEPT_NS + 1, resolver.KEPT_NS + 2))
    monkeypatch.setattr(resolver, "now_ns", lambda: next(clock_ns))  # looked at twice where an answer is made
    made = Resolver(behind)
    for _ in range(4):
        made.getaddrinfo("a", 80)
    assert len(behind.asked) == 2


def test_failures_are_asked_again() -> None:
    behind = Behind()
    behind.fails = True
    made = Resolver(behind)
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            made.getaddrinfo("a", 80)
    behind.fails = False
    assert first(made, "a") == "10.0.0.1"
    assert len(behind.asked) == 3


def test_what_the_process_connects_by_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = get_hub()
    kept = hub.resolver
    behind = Behind()
    monkeypatch.setattr(hub, "resolver", behind)
    try:
        remember_names()
        remember_names()
        assert hub.resolver._behind is behind, "it is put before the real one, not before itself"
        for _ in range(3):
            gevent.socket.getaddrinfo("name.test", 80)
        assert behind.asked == [("name.test", 80)]
    finally:
        hub.resolver = kept
