"""The table of moves: every legal one, every illegal one."""

from __future__ import annotations

import pytest
from metrics_script import Stage, answer, barges_in, created, mumbles, says

from metrics.moves import MOVES, IllegalMove, Move, State, moved

LEGAL = {
    (State.QUIET, Move.SPEAK): State.AWAITING,
    (State.AWAITING, Move.OPENED): State.ANSWERING,
    (State.AWAITING, Move.STRAY): State.PLAYING,
    (State.AWAITING, Move.OVER): State.QUIET,
    (State.ANSWERING, Move.OPENED): State.ANSWERING,
    (State.ANSWERING, Move.STRAY): State.ANSWERING,
    (State.ANSWERING, Move.CLOSED): State.PLAYING,
    (State.ANSWERING, Move.BROKEN_OFF): State.AWAITING,
    (State.ANSWERING, Move.BARGE_IN): State.AWAITING,
    (State.ANSWERING, Move.FALSE_ALARM): State.ANSWERING,
    (State.ANSWERING, Move.OVER): State.QUIET,
    (State.PLAYING, Move.OPENED): State.ANSWERING,
    (State.PLAYING, Move.STRAY): State.PLAYING,
    (State.PLAYING, Move.BARGE_IN): State.AWAITING,
    (State.PLAYING, Move.FALSE_ALARM): State.PLAYING,
    (State.PLAYING, Move.OVER): State.QUIET,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_every_move(state: State, move: Move) -> None:
    if (state, move) in LEGAL:
        assert moved(state, move) is LEGAL[state, move]
    else:
        with pytest.raises(IllegalMove, match=f"'{move.value}' while it is {state.value}"):
            moved(state, move)


def test_the_table_has_no_other_moves() -> None:
    assert {(state, move) for state, moves in MOVES.items() for move in moves} == set(LEGAL)


ROWS = {
    State.QUIET: [],
    State.AWAITING: [(0.0, says(1.0))],
    State.ANSWERING: [(0.0, says(1.0)), (1.5, created("r1"))],
    State.PLAYING: [(0.0, says(1.0)), *answer("r1", 1.5)],
}


@pytest.mark.parametrize(
    ("state", "act"),
    [
        (State.QUIET, barges_in(1.0)),
        (State.QUIET, mumbles(0.3)),
        (State.AWAITING, says(1.0)),
        (State.AWAITING, barges_in(1.0)),
        (State.AWAITING, mumbles(0.3)),
        (State.ANSWERING, says(1.0)),
        (State.PLAYING, says(1.0)),
    ],
)
def test_a_talker_that_does_what_it_cannot_is_told_and_nothing_changes(state: State, act: object) -> None:
    stage = Stage().play(ROWS[state])
    assert stage.tracker.state is state
    before = stage.tracker.turn
    with pytest.raises(IllegalMove):
        stage.play([(1.8, act)])
    assert (stage.tracker.state, stage.tracker.turn, stage.turns) == (state, before, [])
