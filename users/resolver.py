"""Names resolved once for all talkers: a ramp of 50 sessions a second, each of which mints a token and connects, asks for the same name
100 times a second, and each question occupies a thread."""

from __future__ import annotations

from typing import Any

from gevent import get_hub

from users.clock import SECOND_NS, now_ns

KEPT_NS = 300 * SECOND_NS
"""How long an answer is used, so that a long run follows a change of the name."""


class Resolver:
    """gevent's resolver with a memory for `getaddrinfo`. Where a name has several addresses, each answer begins with the next of them, so
    that they are called evenly. Failures are not remembered."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self._known: dict[tuple[Any, ...], tuple[int, list[Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def getaddrinfo(self, host: Any, port: Any, family: int = 0, socktype: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:
        """As `socket.getaddrinfo`."""
        asked = (host, port, family, socktype, proto, flags)
        until_ns, found = self._known.get(asked, (0, []))
        if now_ns() >= until_ns:
            found = list(self._behind.getaddrinfo(host, port, family, socktype, proto, flags))
            until_ns = now_ns() + KEPT_NS
        self._known[asked] = until_ns, found[1:] + found[:1]
        return found


def remember_names() -> None:
    """Begin to remember in this process, with nothing known yet."""
    hub = get_hub()
    behind = hub.resolver
    hub.resolver = Resolver(behind._behind if isinstance(behind, Resolver) else behind)
