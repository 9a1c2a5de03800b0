"""The turn tracker: from what was said and what arrived to TurnRecords. Pure: every instant is an argument.

A turn is an utterance of the talker and the assistant's answer to it. Its states and moves are the table of `metrics/moves.py`:

- The talker's utterance opens a turn; an answer may open before the talker has finished (overlap). What opens after such an early answer
  takes its place: the assistant took a part of the utterance for the whole.
- A barge-in closes the turn it falls into as interrupted and opens one of its own. The interrupted turn's record is made when that one
  has ended: its transcript, and more of its response, may still come. A false alarm opens none: it hangs on the turn it fell into.
- An answer that the assistant breaks off by itself returns the turn to awaiting one: what opens next takes its place, unless a false alarm
  was made, which it then answers as a stray. Any other response that opens beside an answer is a stray too; it is heard out.
- A turn ends when its answer and its strays have been played, the talker has finished, and an answer to its last false alarm would have
  opened; or at a time limit, at a failed response, or with the session. An answer that is over before the talker has finished is the
  answer only if no other opens in time.
- Responses are told apart by their id, or by ear (`metrics/by_ear.py`), what was said by its item, never by order. An item that is new
  belongs to what the talker began last; a late delta of an interrupted response counts for that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from metrics.assemble import SessionFacts, false_alarm_record, turn_record
from metrics.by_ear import ByEar
from metrics.ending import Limits, outcome, over_ns
from metrics.items import Items
from metrics.moves import Move, State, moved
from metrics.received import Responses
from metrics.records import Outcome, TurnKind, TurnRecord
from metrics.response import COMPLETE, SECOND_NS, Response
from metrics.turn import Turn
from metrics.utterance import Utterance
from protocol.events import AssistantError, AudioDelta, Cleared, Event, ResponseCreated, ResponseDone, TextDelta

__all__ = ["Limits", "Notice", "Tracker"]

_BEGINS = {TurnKind.UTTERANCE: Move.SPEAK, TurnKind.BARGE_IN: Move.BARGE_IN, TurnKind.FALSE_ALARM: Move.FALSE_ALARM}


class Notice(IntEnum):
    """What an event brought that whoever drives the tracker acts on: bits, which it may bring together."""

    NOTHING = 0
    FIRST_AUDIO = 1
    """The first audio of a response: state its costs with `first_audio_cost`."""
    AUDIBLE = 2
    """It is known now when the response is first heard."""
    CLOSED = 4
    """A response was closed."""
    OPENED = 8
    """A response opened."""


_NOTHING, _FIRST_AUDIO, _AUDIBLE, _OPENED = map(int, (Notice.NOTHING, Notice.FIRST_AUDIO, Notice.AUDIBLE, Notice.OPENED))


@dataclass(slots=True)
class Tracker:
    """Tracks one session of one talker and hands each finished turn to `emit`. `started_ns`: when the session became ready. `ear`: tells
    responses apart; None: the wire does."""

    facts: SessionFacts
    limits: Limits
    emit: Callable[[TurnRecord], None]
    started_ns: int
    ear: ByEar | None = None
    state: State = State.QUIET
    turn: Turn | None = None
    _interrupted: Turn | None = None
    _responses: Responses = field(init=False)
    _costed: Response | None = None
    _items: Items = field(default_factory=Items)
    _span_from_ns: int = 0

    def __post_init__(self) -> None:
        self._span_from_ns = self.started_ns
        self._responses = Responses(self.facts.rate, self.facts.playout_delay_s, self.facts.encoding)

    def speak(self, utterance: Utterance) -> None:
        """The talker begins an utterance. Raises IllegalMove where its kind does not fit the turn's state."""
        if self.ear is not None:
            self._by_ear(self.ear.quiet(utterance.onset_ns, self.turn))
        self.state = moved(self.state, _BEGINS[utterance.kind])
        turn = self.turn
        if turn is None:
            self.turn = Turn(utterance)
        elif utterance.kind is TurnKind.FALSE_ALARM:
            turn.false_alarms.append(utterance)
        else:
            self._settle_interrupted()
            self._end(turn, utterance.onset_ns, Outcome.INTERRUPTED)
            self._interrupted, self.turn = turn, Turn(utterance, host=turn.response)

    def silence(self, detected_ns: int, silenced_ns: int) -> tuple[str | None, str | None, int, int] | None:
        """The talker heard its own barge-in and silences the speaker.

        Returns what the assistant must be told was heard: response id, item id, content index, played ms; None outside a barge-in.
        """
        turn = self.turn
        if turn is None or turn.host is None:
            return None
        said, host = turn.utterance, turn.host
        said.detected_ns, said.silenced_ns = detected_ns, silenced_ns
        self._responses.silence(silenced_ns, keep=turn.heard())
        return host.identity, host.item_id, host.content_index, host.silence(silenced_ns)

    def event(self, t_ns: int, event: Event) -> int:
        """The assistant told something; returns its notices. Events about responses nobody knows open them; about those of turns long
        over they are dropped.

        Raises MalformedMessage where a piece of audio turns out to be broken.
        """
        if self.ear is not None:
            return self._by_ear(self.ear.heard(t_ns, event, self.turn))
        return self._event(t_ns, event)

    def _by_ear(self, told: list[tuple[int, Event]]) -> int:
        notice = _NOTHING
        for t_ns, event in told:
            notice |= self._event(t_ns, event)
            if isinstance(event, ResponseDone) and event.reason is None:
                response = self._responses.find(event.response_id)
                if response is not None:
                    response.done_by_ear = True
        return notice

    def _event(self, t_ns: int, event: Event) -> int:
        if type(event) is AudioDelta:
            response = self._responses.find(event.response_id)
            if response is not None and response.first_audible_ns is not None:  # most events of a call
                response.audio(t_ns, event)
                return _NOTHING
        match event:
            case AudioDelta() | TextDelta() | ResponseCreated() | ResponseDone():
                return self._told(t_ns, event)
            case Cleared():
                self._responses.clear(t_ns)
                return Notice.CLOSED
            case AssistantError(benign=False) if self.turn is not None:
                self.turn.error = event.code or event.message[:120]
            case _:
                self._items.heard(t_ns, event, self._said())
        return _NOTHING

    def goes_on(self, response_id: str | None, instants_ns: Sequence[int], samples: Sequence[int]) -> None:
        """Audio of a response that is audible already goes on: when its pieces came, and how many samples each has. As `event` with as
        many AudioDeltas of the item that became audible. By ear: of `heard_id`, loud, and none later than its `lull_ns`."""
        if self.ear is not None:
            self.ear.goes_on(instants_ns, samples)
        response = self._responses.find(response_id)
        if response is not None:
            response.goes_on(instants_ns, samples)

    def first_audio_cost(self, rendering_s: float, downlink_s: float | None, network_s: float | None = None) -> None:
        """What the first audio message, just noticed, cost to decode, how long it took to arrive (None: unknown), and how much of that its
        network profile added (None: there is none)."""
        if self._costed is not None:
            self._costed.rendering_s, self._costed.downlink_s, self._costed.network_down_s = rendering_s, downlink_s, network_s
            self._costed = None

    @property
    def heard_id(self) -> str | None:
        """By ear: the response that is heard, of which `goes_on` may tell; None: there is none."""
        response = self._responses.find(self.ear.heard_id) if self.ear is not None and self.ear.heard_id is not None else None
        return None if response is None or response.first_audible_ns is None else response.identity

    @property
    def answer(self) -> Response | None:
        """The response to the present turn; None while there is none."""
        return self.turn.response if self.turn else None

    @property
    def waiting_since_ns(self) -> int | None:
        """Since when the talker has been waiting to hear an answer to the present turn: the end of its speech. None where there is no turn,
        or it is known when an answer is heard."""
        turn = self.turn
        if turn is None or any(response.first_audible_ns is not None for response in turn.responses):
            return None
        return turn.utterance.offset_ns

    @property
    def heard_out_ns(self) -> int | None:
        """When all that the assistant has said is heard out, as things stand; 0: it has said nothing, None: a response is open."""
        return self._responses.heard_out_ns()

    @property
    def answered(self) -> bool:
        """Whether the present turn's answer is open or being played, so that a barge-in or a false alarm can fall into it."""
        return self.state in (State.ANSWERING, State.PLAYING)

    @property
    def host_open(self) -> bool:
        """Whether the response that the present turn interrupted is still open."""
        return self.turn is not None and self.turn.host is not None and self.turn.host.done_ns is None

    def audible_at(self, t_ns: int) -> bool:
        """Whether the present turn's answer is heard at this instant."""
        answer = self.answer
        return answer is not None and answer.audible_at(t_ns)

    def deadline_ns(self) -> int | None:
        """The instant at which `poll` has something to do if nothing arrives before; None in silence. It moves with what arrives: where a
        response opens, to its stall limit at the earliest; where one becomes audible or is closed, perhaps to now."""
        if self.turn is None:
            return None
        deadline_ns = over_ns(self.turn, self.state, self.limits)
        due_ns = self.ear.due_ns(self.turn) if self.ear is not None else None
        return deadline_ns if due_ns is None else min(deadline_ns, due_ns)

    def poll(self, t_ns: int) -> None:
        """Time has passed: end the turn if its answer has been played or a time limit is over."""
        if self.ear is not None:
            self._by_ear(self.ear.quiet(t_ns, self.turn))
        turn = self.turn
        if turn is not None and t_ns >= over_ns(turn, self.state, self.limits):
            self._finish(turn, t_ns, outcome(turn))

    def close(self, t_ns: int, why: Outcome) -> None:
        """The session is over; a turn under way ends with this outcome."""
        if self.turn is not None:
            self._finish(self.turn, t_ns, why)

    def _told(self, t_ns: int, event: AudioDelta | TextDelta | ResponseCreated | ResponseDone) -> int:
        response = self._responses.find(event.response_id)
        again = isinstance(event, ResponseCreated) and event.response_id is None
        if response is not None and again and response.created_ns is not None:
            response = None
        notice = _NOTHING
        if response is None:
            idle_close = isinstance(event, ResponseDone) and event.response_id is None and event.status in COMPLETE
            if idle_close or self._responses.forgotten(event.response_id):
                return _NOTHING
            response, notice = self._opened(t_ns, event.response_id), _OPENED
        if isinstance(event, AudioDelta):
            return notice | self._audio(t_ns, event, response)
        if isinstance(event, TextDelta):
            response.text(t_ns)
            return notice
        if isinstance(event, ResponseCreated):
            response.created(t_ns)
            return notice
        self._closed(t_ns, event, response)
        return notice | Notice.CLOSED

    def _opened(self, t_ns: int, identity: str | None) -> Response:
        made = self._responses.open(identity, t_ns)
        turn = self.turn
        if turn is None:
            return made
        awaited = self.state is State.AWAITING and not (turn.broken_off_ns is not None and turn.false_alarms)
        if awaited or turn.replaces():
            turn.responses.append(made)
            turn.broken_off_ns = None
            self.state = moved(self.state, Move.OPENED)
        else:
            turn.strays.append(made)
            self.state = moved(self.state, Move.STRAY)
        return made

    def _audio(self, t_ns: int, delta: AudioDelta, response: Response) -> int:
        silent_before, none_before = response.first_audible_ns is None, response.first_audio_ns is None
        if none_before and self.ear is not None:
            response.playout.begin_at(self.ear.begins_ns)
            response.pauses = self.ear.pauses
        response.audio(t_ns, delta)
        notice = _NOTHING
        if none_before and response.first_audio_ns is not None:
            self._costed, notice = response, _FIRST_AUDIO
        return notice | _AUDIBLE if silent_before and response.first_audible_ns is not None else notice

    def _closed(self, t_ns: int, event: ResponseDone, response: Response) -> None:
        first = response.done_ns is None
        response.done(t_ns, event)
        turn = self.turn
        if not first or turn is None or response is not turn.response:
            return
        if response.status in COMPLETE:
            self.state = moved(self.state, Move.CLOSED)
            return
        if response.status == "failed":
            turn.error = response.reason or turn.error
            if t_ns >= turn.utterance.offset_ns:
                self._finish(turn, t_ns, Outcome.ASSISTANT_ERROR)
                return
        turn.broken_off_ns = t_ns
        self.state = moved(self.state, Move.BROKEN_OFF)

    def _said(self) -> list[Utterance]:
        turns = [turn for turn in (self._interrupted, self.turn) if turn is not None]
        return [said for turn in turns for said in turn.said]

    def _finish(self, turn: Turn, t_ns: int, what: Outcome) -> None:
        self.state = moved(self.state, Move.OVER)
        self._settle_interrupted()
        self._end(turn, t_ns, what)
        self.turn = None
        self._emit(turn)
        self._responses.forget(t_ns)

    def _end(self, turn: Turn, t_ns: int, what: Outcome) -> None:
        turn.outcome, turn.ended_ns = what, t_ns
        turn.span_s, self._span_from_ns = (t_ns - self._span_from_ns) / SECOND_NS, t_ns

    def _settle_interrupted(self) -> None:
        if self._interrupted is not None:
            turn, self._interrupted = self._interrupted, None
            self._emit(turn)

    def _emit(self, turn: Turn) -> None:
        for said in turn.false_alarms:
            self.emit(false_alarm_record(self.facts, turn, said))
        self.emit(turn_record(self.facts, turn))
