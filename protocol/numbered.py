"""Responses of wires that have no ids for them: numbered as they come, one after the other."""

from __future__ import annotations


class Numbered:
    """Of one session. `open`: the id of the response that is under way; None: there is none."""

    __slots__ = ("_count", "open")

    def __init__(self) -> None:
        self._count = 0
        self.open: str | None = None

    def begun(self) -> str:
        """The response that is under way, the next one where there is none: r1, r2, ..."""
        if self.open is None:
            self._count += 1
            self.open = f"r{self._count}"
        return self.open

    def over(self) -> str | None:
        """The response that was under way, and is no more; None: there was none."""
        ended, self.open = self.open, None
        return ended
