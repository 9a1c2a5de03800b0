"""The turn tracker: from what was said and what arrived to TurnRecords. Pure: every instant is an argument.

A turn is an utterance of the talker and the assistant's answer to it. Its states and moves are the table `MOVES`:

- `QUIET`: no turn is open; the talker thinks.
- `AWAITING`: the talker speaks or has spoken; no answer is open. An answer may open before the talker has finished (overlap).
- `ANSWERING`: the answer is open: created, or its first content came.
- `PLAYING`: the answer is closed; the speaker still plays it.

A barge-in closes the turn it falls into as interrupted and opens one of its own. A false alarm does not: it hangs on the turn whose answer
it fell into. An answer that the assistant breaks off by itself returns the turn to `AWAITING`: what opens next takes its place, unless a
false alarm lies open, which it then answers. A turn ends when its answer has been played, or at a time limit, or with the session.
Responses are told apart by their id, never by order; a late delta of an interrupted response still counts for that one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntFlag, StrEnum

from metrics.assemble import SessionFacts, Turn, false_alarm_record, turn_record
from metrics.records import Outcome, TurnKind, TurnRecord
from metrics.response import COMPLETE, SECOND_NS, Response
from metrics.utterance import Utterance
from protocol.events import (
    AssistantError,
    AudioDelta,
    Committed,
    Event,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)


class State(Enum):
    """Where the talker's present turn stands; see the module's text."""

    QUIET = "quiet"
    AWAITING = "awaiting"
    ANSWERING = "answering"
    PLAYING = "playing"


class Move(StrEnum):
    """What can happen to a turn."""

    SPEAK = "speak"
    BARGE_IN = "barge_in"
    FALSE_ALARM = "false_alarm"
    OPENED = "opened"
    CLOSED = "closed"
    BROKEN_OFF = "broken_off"
    OVER = "over"


MOVES: dict[State, dict[Move, State]] = {
    State.QUIET: {Move.SPEAK: State.AWAITING},
    State.AWAITING: {Move.OPENED: State.ANSWERING, Move.CLOSED: State.PLAYING, Move.OVER: State.QUIET},
    State.ANSWERING: {
        Move.CLOSED: State.PLAYING,
        Move.BROKEN_OFF: State.AWAITING,
        Move.BARGE_IN: State.AWAITING,
        Move.FALSE_ALARM: State.ANSWERING,
        Move.OVER: State.QUIET,
    },
    State.PLAYING: {Move.BARGE_IN: State.AWAITING, Move.FALSE_ALARM: State.PLAYING, Move.OVER: State.QUIET},
}


class IllegalMove(RuntimeError):
    """The talker asked for something that the state of its turn does not allow: a defect of ours, not of the assistant."""


class Notice(IntFlag):
    """What an event brought that whoever drives the tracker acts on."""

    NOTHING = 0
    FIRST_AUDIO = 1
    """The first audio of a response: state its costs with `first_audio_cost`."""
    AUDIBLE = 2
    """It is known now when the response is first heard."""
    CLOSED = 4
    """A response was closed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds. `response_s`: end of speech to an answer opening. `stall_s`: speaker dry to an open answer given up."""

    response_s: float = 10.0
    stall_s: float = 6.0


@dataclass(slots=True)
class Tracker:
    """Tracks one session of one talker and hands each finished turn to `emit`. `started_ns`: when the session became ready."""

    facts: SessionFacts
    limits: Limits
    emit: Callable[[TurnRecord], None]
    started_ns: int
    state: State = State.QUIET
    turn: Turn | None = None
    _interrupted: Turn | None = None
    _responses: dict[str | None, Response] = field(default_factory=dict)
    _latest: Response | None = None
    _span_from_ns: int = 0

    def __post_init__(self) -> None:
        self._span_from_ns = self.started_ns

    def speak(self, utterance: Utterance) -> None:
        """The talker begins an utterance. Raises IllegalMove where its kind does not fit the turn's state."""
        kind = utterance.kind
        if kind is TurnKind.FALSE_ALARM:
            self._move(Move.FALSE_ALARM)
            self._open().false_alarms.append(utterance)
            return
        host: Response | None = None
        if kind is TurnKind.BARGE_IN:
            self._move(Move.BARGE_IN)
            host = self._interrupt(utterance.onset_ns)
        else:
            self._move(Move.SPEAK)
        self.turn = Turn(utterance, host=host)

    def silence(self, detected_ns: int, silenced_ns: int) -> tuple[str | None, str | None, int, int] | None:
        """The talker heard its own barge-in and silences the speaker.

        Returns what the assistant must be told was heard: response id, item id, content index, played ms; None outside a barge-in.
        """
        turn = self.turn
        if turn is None or turn.host is None:
            return None
        said, host = turn.utterance, turn.host
        said.detected_ns, said.silenced_ns = detected_ns, silenced_ns
        return host.identity, host.item_id, host.content_index, host.silence(silenced_ns)

    def event(self, t_ns: int, event: Event) -> Notice:
        """The assistant told something. Events about responses nobody knows open them."""
        if isinstance(event, AudioDelta):
            response = self._response(t_ns, event.response_id)
            if response.first_audible_ns is not None:
                response.audio(t_ns, event)
                return Notice.NOTHING
            first = response.first_audio_ns is None
            response.audio(t_ns, event)
            notice = Notice.FIRST_AUDIO if first and response.first_audio_ns is not None else Notice.NOTHING
            return notice if response.first_audible_ns is None else notice | Notice.AUDIBLE
        if isinstance(event, TextDelta):
            self._response(t_ns, event.response_id).text(t_ns)
        elif isinstance(event, ResponseCreated):
            response = self._response(t_ns, event.response_id)
            response.created_ns = t_ns
        elif isinstance(event, ResponseDone):
            self._closed(t_ns, event)
            return Notice.CLOSED
        elif isinstance(event, AssistantError) and self.turn is not None and not event.benign:
            self.turn.error = event.code or event.message[:120]
        else:
            self._heard(t_ns, event)
        return Notice.NOTHING

    def first_audio_cost(self, rendering_s: float, downlink_s: float | None) -> None:
        """What the newest response's first audio message cost to decode, and half the round trip at its arrival (None: unknown)."""
        if self._latest is not None and self._latest.rendering_s is None:
            self._latest.rendering_s, self._latest.downlink_s = rendering_s, downlink_s

    @property
    def answer(self) -> Response | None:
        """The response to the present turn; None while there is none."""
        return self.turn.response if self.turn else None

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
        """The instant at which `poll` has something to do if nothing arrives before; None in silence."""
        turn = self.turn
        if turn is None:
            return None
        if self.state is State.AWAITING:
            since = max(turn.utterance.offset_ns, turn.broken_off_ns or 0)
            return since + round(self.limits.response_s * SECOND_NS)
        return max(self._over_at(r) for r in turn.all_responses())

    def poll(self, t_ns: int) -> None:
        """Time has passed: end the turn if its answer has been played or a time limit is over."""
        deadline = self.deadline_ns()
        turn = self.turn
        if deadline is None or turn is None or t_ns < deadline:
            return
        if self.state is State.AWAITING:
            self._finish(t_ns, Outcome.NO_RESPONSE if turn.broken_off_ns is None else Outcome.CUT_SHORT)
        elif turn.broken_off_ns is not None and turn.extras:
            self._finish(t_ns, Outcome.CUT_SHORT)
        elif turn.response is not None and turn.response.done_ns is None:
            self._finish(t_ns, Outcome.TIMEOUT)
        else:
            heard = turn.response is not None and turn.response.chunks > 0
            self._finish(t_ns, Outcome.COMPLETED if heard else Outcome.NO_RESPONSE)

    def close(self, t_ns: int, outcome: Outcome) -> None:
        """The session is over; a turn under way ends with `outcome`."""
        if self.turn is not None:
            self._finish(t_ns, outcome)
        self._settle_interrupted(t_ns)

    def _move(self, move: Move) -> None:
        try:
            self.state = MOVES[self.state][move]
        except KeyError:
            raise IllegalMove(f"a talker cannot {move.value.replace('_', ' ')} while its turn is {self.state.value}") from None

    def _open(self) -> Turn:
        if self.turn is None:
            raise IllegalMove("no turn is open")
        return self.turn

    def _response(self, t_ns: int, identity: str | None) -> Response:
        known = self._latest if identity is None and self._latest and self._latest.done_ns is None else self._responses.get(identity)
        if known is not None:
            return known
        turn = self.turn
        before = turn.all_responses() if turn else []
        busy_until = max((r.heard_until_ns or 0 for r in before), default=0)
        made = Response(identity, t_ns, self.facts.rate, self.facts.playout_delay_s, busy_until)
        self._responses[identity] = self._latest = made
        if turn is None:
            return made
        if self.state is State.AWAITING and not (turn.broken_off_ns and turn.false_alarms):
            turn.responses.append(made)
            turn.broken_off_ns = None
            self._move(Move.OPENED)
        else:
            turn.extras.append(made)
            if self.state is State.AWAITING:
                self._move(Move.CLOSED)
        return made

    def _closed(self, t_ns: int, event: ResponseDone) -> None:
        response = self._response(t_ns, event.response_id)
        response.done(t_ns, event)
        if self._interrupted is not None and response is self._interrupted.response:
            self._settle_interrupted(t_ns)
        turn = self.turn
        if turn is None or response is not turn.response or self.state is not State.ANSWERING:
            return
        if response.status == "failed":
            turn.error = response.reason or turn.error
            self._finish(t_ns, Outcome.ASSISTANT_ERROR)
        elif response.status in COMPLETE:
            self._move(Move.CLOSED)
        else:
            turn.broken_off_ns = t_ns
            self._move(Move.BROKEN_OFF)

    def _heard(self, t_ns: int, event: Event) -> None:
        turn = self.turn
        if turn is None:
            return
        said = turn.latest_said(t_ns)
        if isinstance(event, SpeechStarted):
            if said.speech_started_ns is None:
                said.speech_started_ns = t_ns
        elif isinstance(event, SpeechStopped):
            said.speech_stopped_ns = t_ns
        elif isinstance(event, Committed):
            said.committed_ns = t_ns
        elif isinstance(event, Transcribed):
            said = turn.said_as(event.item_id) or said
            said.transcribed_ns = t_ns
            said.transcripts.append(event.transcript or "")
            return
        else:
            return
        if event.item_id is not None:
            said.item_ids.add(event.item_id)

    def _interrupt(self, t_ns: int) -> Response | None:
        turn = self._open()
        self._settle_interrupted(t_ns)
        host = turn.response
        turn.outcome, turn.ended_ns = Outcome.INTERRUPTED, t_ns
        turn.span_s, self._span_from_ns = (t_ns - self._span_from_ns) / SECOND_NS, t_ns
        self._interrupted, self.turn = turn, None
        if host is None or host.done_ns is not None:
            self._settle_interrupted(t_ns)
        return host

    def _settle_interrupted(self, t_ns: int) -> None:
        if self._interrupted is not None:
            turn, self._interrupted = self._interrupted, None
            self._emit(turn)

    def _finish(self, t_ns: int, outcome: Outcome) -> None:
        turn = self._open()
        self._move(Move.OVER)
        self._settle_interrupted(t_ns)
        turn.outcome, turn.ended_ns = outcome, t_ns
        turn.span_s, self._span_from_ns = (t_ns - self._span_from_ns) / SECOND_NS, t_ns
        self.turn = None
        self._emit(turn)
        self._responses = {r.identity: r for r in self._responses.values() if r.done_ns is None}

    def _emit(self, turn: Turn) -> None:
        for said in turn.false_alarms:
            self.emit(false_alarm_record(self.facts, turn, said))
        self.emit(turn_record(self.facts, turn))

    def _over_at(self, response: Response) -> int:
        """When the response is over: played if closed, given up if not."""
        end = response.heard_until_ns or 0
        if response.done_ns is not None:
            return max(end, response.done_ns)
        return max(end, response.last_event_ns) + round(self.limits.stall_s * SECOND_NS)
