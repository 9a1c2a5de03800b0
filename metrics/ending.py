"""When a turn is over, and what it then came to."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.moves import State
from metrics.records import Outcome
from metrics.response import SECOND_NS, Response
from metrics.turn import Turn
from metrics.windows import SPURIOUS_WINDOW_S

_SPURIOUS_WINDOW_NS = round(SPURIOUS_WINDOW_S * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds. `response_s`: end of speech to an answer opening. `stall_s`: speaker dry to an open answer given up."""

    response_s: float = 10.0
    stall_s: float = 6.0


def over_ns(turn: Turn, state: State, limits: Limits) -> int:
    """The instant at which the turn is over if nothing arrives before."""
    offset_ns, patience_ns = turn.utterance.offset_ns, round(limits.response_s * SECOND_NS)
    if state is State.AWAITING:
        return max(offset_ns, turn.broken_off_ns or 0) + patience_ns
    heard_ns = max(_heard_out_ns(response, limits) for response in turn.heard())
    if heard_ns < offset_ns:
        return offset_ns + patience_ns
    return max([heard_ns, *(said.offset_ns + _SPURIOUS_WINDOW_NS for said in turn.false_alarms)])


def outcome(turn: Turn) -> Outcome:
    """What a turn came to whose time is over."""
    answer = turn.response
    if answer is None:
        return Outcome.NO_RESPONSE
    if turn.broken_off_ns is not None:
        return Outcome.ASSISTANT_ERROR if answer.status == "failed" else Outcome.CUT_SHORT
    if answer.done_ns is None:
        return Outcome.TIMEOUT
    return Outcome.NO_RESPONSE if answer.first_audible_ns is None else Outcome.COMPLETED


def _heard_out_ns(response: Response, limits: Limits) -> int:
    """When the response has been played if it is closed, or is given up if it is not."""
    end_ns = response.heard_until_ns or 0
    if response.done_ns is not None:
        return max(end_ns, response.done_ns)
    return max(end_ns, response.last_event_ns) + round(limits.stall_s * SECOND_NS)
