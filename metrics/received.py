"""The responses of a session, told apart by their id and never by order."""

from __future__ import annotations

from metrics.response import Response

_REMEMBERED = 64
"""Responses of turns long over whose ids are known yet: some minutes of conversation, whatever the session's length."""


class Responses:
    """Keeps the responses that events may still be about. `rate`: of their audio, Hz; `encoding`: how it is written
    (audio.codecs).

    An event without an id is about the newest response while that is open. An event about a response that was forgotten is about nothing
    any more: it must not open another.
    """

    __slots__ = ("_encoding", "_forgotten", "_kept", "_newest", "_playout_delay_s", "_rate")

    def __init__(self, rate: int, playout_delay_s: float, encoding: str) -> None:
        self._rate = rate
        self._encoding = encoding
        self._playout_delay_s = playout_delay_s
        self._kept: dict[str | None, Response] = {}
        self._newest: Response | None = None
        self._forgotten: dict[str, None] = {}

    def find(self, identity: str | None) -> Response | None:
        """The response with this id, or the newest one if it is open and the event has no id; None where there is none."""
        if identity is not None:
            return self._kept.get(identity)
        newest = self._newest
        return newest if newest is not None and newest.done_ns is None else None

    def forgotten(self, identity: str | None) -> bool:
        """Whether there was a response with this id whose turn is over."""
        return identity in self._forgotten

    def open(self, identity: str | None, t_ns: int) -> Response:
        """A new response. It is not heard before the speaker has played what it still has of the others."""
        busy_until_ns = max((r.heard_until_ns or 0 for r in self._kept.values()), default=0)
        made = Response(identity, t_ns, self._rate, self._playout_delay_s, busy_until_ns, self._encoding)
        self._kept[identity] = self._newest = made
        return made

    def silence(self, t_ns: int, keep: list[Response]) -> None:
        """The talker empties the speaker of everything but `keep`."""
        for response in self._kept.values():
            if response not in keep:
                response.silence(t_ns)

    def heard_out_ns(self) -> int | None:
        """When all of them have been heard out, as things stand: 0 where nothing was, None while one is open."""
        if any(response.done_ns is None for response in self._kept.values()):
            return None
        return max((response.heard_until_ns or 0 for response in self._kept.values()), default=0)

    def clear(self, t_ns: int) -> None:
        """The assistant empties the speaker."""
        for response in self._kept.values():
            response.clear(t_ns)

    def forget(self, t_ns: int) -> None:
        """A turn is over: forget what is closed and has been played. What is still open keeps its id, so that what comes of it late is
        taken for no other; without an id it is given up."""
        over = [r for r in self._kept.values() if r.done_ns is not None and (r.heard_until_ns or 0) <= t_ns]
        for response in over:
            del self._kept[response.identity]
            if response.identity is not None:
                self._forgotten[response.identity] = None
        while len(self._forgotten) > _REMEMBERED:
            del self._forgotten[next(iter(self._forgotten))]
        if self._newest is not None and self._newest.identity is None:
            self._newest = None
