"""The states of a turn and the moves between them, as a table. The rules are told in `metrics/tracker.py`."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where the talker's present turn stands."""

    QUIET = "quiet"
    """No turn is open; the talker thinks."""
    AWAITING = "awaiting"
    """The talker speaks or has spoken; no answer is open."""
    ANSWERING = "answering"
    """The answer is open: created, or its first content came."""
    PLAYING = "playing"
    """The answer is closed; the speaker still plays it."""


class Move(StrEnum):
    """What can happen to a turn."""

    SPEAK = "speak"
    """The talker begins an utterance in silence."""
    BARGE_IN = "barge_in"
    """The talker begins an utterance while it is answered: this turn ends as interrupted, one of its own begins."""
    FALSE_ALARM = "false_alarm"
    """The talker says mm-hm, coughs, or is noisy while it is answered."""
    OPENED = "opened"
    """A response opened that is the answer, or takes the place of one that was none."""
    STRAY = "stray"
    """A response opened that nobody asked for."""
    CLOSED = "closed"
    """The answer ended by itself."""
    BROKEN_OFF = "broken_off"
    """The assistant broke the answer off by itself."""
    OVER = "over"
    """The turn has ended."""


MOVES: dict[State, dict[Move, State]] = {
    State.QUIET: {Move.SPEAK: State.AWAITING},
    State.AWAITING: {Move.OPENED: State.ANSWERING, Move.STRAY: State.PLAYING, Move.OVER: State.QUIET},
    State.ANSWERING: {
        Move.OPENED: State.ANSWERING,
        Move.STRAY: State.ANSWERING,
        Move.CLOSED: State.PLAYING,
        Move.BROKEN_OFF: State.AWAITING,
        Move.BARGE_IN: State.AWAITING,
        Move.FALSE_ALARM: State.ANSWERING,
        Move.OVER: State.QUIET,
    },
    State.PLAYING: {
        Move.OPENED: State.ANSWERING,
        Move.STRAY: State.PLAYING,
        Move.BARGE_IN: State.AWAITING,
        Move.FALSE_ALARM: State.PLAYING,
        Move.OVER: State.QUIET,
    },
}


class IllegalMove(RuntimeError):
    """The talker asked for something that the state of its turn does not allow: a defect of ours, not of the assistant."""


def moved(state: State, move: Move) -> State:
    """The state after `move`. Raises IllegalMove where the table has no such move."""
    try:
        return MOVES[state][move]
    except KeyError:
        raise IllegalMove(f"a talker's turn cannot take the move {move.value!r} while it is {state.value}") from None
