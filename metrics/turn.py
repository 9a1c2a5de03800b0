"""A turn under way: what was said, what it fell into, and which responses came."""

from __future__ import annotations

from dataclasses import dataclass, field

from metrics.records import Outcome
from metrics.response import Response
from metrics.utterance import Utterance


@dataclass(slots=True)
class Turn:
    """An utterance and its answer. `host`: the response that it interrupts. `broken_off_ns`: when the assistant broke the answer off,
    None while there is another. `outcome`, `ended_ns`, `span_s` count once the turn is over."""

    utterance: Utterance
    host: Response | None = None
    responses: list[Response] = field(default_factory=list)
    """Responses to the utterance, in the order in which they opened: each took the place of the one before."""
    strays: list[Response] = field(default_factory=list)
    """Responses that nobody asked for, heard within the turn."""
    false_alarms: list[Utterance] = field(default_factory=list)
    broken_off_ns: int | None = None
    outcome: Outcome = Outcome.CUT_BY_RUN_END
    ended_ns: int = 0
    span_s: float = 0.0
    error: str | None = None

    @property
    def response(self) -> Response | None:
        """The answer that counts: the last one opened for this turn."""
        return self.responses[-1] if self.responses else None

    @property
    def said(self) -> list[Utterance]:
        """The utterance and the false alarms, in the order in which they were begun."""
        return [self.utterance, *self.false_alarms]

    def heard(self) -> list[Response]:
        """What the turn lasts for: the answer and the strays."""
        return [*self.responses[-1:], *self.strays]

    def replaces(self) -> bool:
        """Whether a response that opens while another is there is the answer in its stead.

        It is where the other opened before the talker had finished: the assistant took a part of the utterance for the whole of it.
        Once a false alarm was made, what opens may answer that, and takes no place.
        """
        answer = self.response
        return answer is not None and answer.opened_ns < self.utterance.offset_ns and not self.false_alarms

    def answers_to(self, false_alarm: Utterance) -> list[Response]:
        """The strays that brought audio and opened after this false alarm began and before the next one did."""
        later = [f.onset_ns for f in self.false_alarms if f.onset_ns > false_alarm.onset_ns]
        until_ns = min(later, default=None)
        return [r for r in self.strays if r.chunks and r.opened_ns >= false_alarm.onset_ns and (until_ns is None or r.opened_ns < until_ns)]
