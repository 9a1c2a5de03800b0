"""Whose fault it was: foreign exceptions are mapped to these at one border."""

from __future__ import annotations

import logging

from metrics.records import ErrorKind

logger = logging.getLogger(__name__)


class LocalError(RuntimeError):
    """Our own fault: the run says so and stops, or is invalid."""


class Faults:
    """Counts faults of our own that end nothing loudly by themselves: the run is invalid by them."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, what: str) -> None:
        """Count and log the exception being handled; `what` failed."""
        self.count += 1
        logger.exception("%s: this is a fault of the load tester, and the run is invalid", what)


class RemoteError(RuntimeError):
    """The assistant's side failed, or chaos had the session end. `kind` says how; the text is one line and holds no secret. `at_once`: the
    talker is to call again without waiting."""

    def __init__(
        self, kind: ErrorKind, text: str, close_code: int | None = None, retry_after_s: float | None = None, at_once: bool = False
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.close_code = close_code
        self.retry_after_s = retry_after_s
        self.at_once = at_once


def seconds_asked(retry_after: object) -> float | None:
    """What a Retry-After header asks for, in seconds; None for no header and for its form with a date (RFC 9110, section 10.2.3)."""
    text = str(retry_after).strip()
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None
