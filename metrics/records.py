"""The record in the middle: everything that is reported is a function of these four.

Instants (`*_ns`) are monotonic nanoseconds on the talker's machine, durations (`*_s`) float seconds. None means that the thing did not
happen or could not be measured; the outcome, the class of the barge-in or the catalogue's `absent` text says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrics.outcomes import SELF_MADE, SUCCESSES, UNDECIDED, BargeInClass, ErrorKind, Outcome, SessionOutcome, TurnKind
from metrics.session_record import SessionRecord, TokenRecord
from metrics.turn_record import TurnRecord

__all__ = [
    "SELF_MADE",
    "SUCCESSES",
    "UNDECIDED",
    "BargeInClass",
    "ErrorKind",
    "Fired",
    "Outcome",
    "Record",
    "SampleRecord",
    "SessionOutcome",
    "SessionRecord",
    "TokenRecord",
    "TurnKind",
    "TurnRecord",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRecord:
    """What the target and the tester themselves took in one second of the run: a row of the timeline.

    What is the target's is None where it was not asked in that second, did not answer, or does not tell."""

    t_s: float
    """End of the second, from the run's start."""
    settled: bool
    """The number of talkers has not been higher than ever before for `target.settle_s` seconds: memory counts towards growth."""
    target_up: bool | None
    """The target answered at all of its URLs; null where it was not asked in that second."""
    target_memory_bytes: int | None
    """Resident memory of the target."""
    target_cpu_share: float | None
    """CPU that the target took, as a share of one core."""
    target_sessions: int | None
    """Sessions that the target has open."""
    tester_memory_bytes: int | None
    """Resident memory of the tester's workers together; null before the first report."""
    calls_due: int | None = None
    """Calls of open arrivals that were planned to begin in that second; null where arrivals are not open."""
    calls_begun: int | None = None
    """Calls of open arrivals of which it was reported in that second that they found their talker free, and began; null likewise."""


Fired = TurnRecord | SessionRecord | TokenRecord
"""What talkers and minters fire."""
Record = Fired | SampleRecord
