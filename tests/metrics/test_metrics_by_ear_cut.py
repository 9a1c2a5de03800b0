"""Responses told apart by sound: it matters what is heard and when, not how it is cut, nor whether it is told piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_script import RATE, Happening, Stage, barges_in, mumbles, ns, piece, says

from metrics.by_ear import ByEar
from metrics.tracker import Tracker
from protocol.events import AudioDelta, Cleared, ResponseDone

Row = tuple[float, Happening]


class Holding(Stage):
    """Tells loud pieces of a response that is heard some at a time, as a line that holds them does: before anything else happens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.held: list[tuple[int, int]] = []
        self.heard_id: str | None = None
        self.heard_ns = self.told = 0
        assert self.ear is not None
        self.ear.on_over = self.over

    def over(self) -> None:
        assert not self.held, "what came before is tracked before anything else happens"
        self.heard_id = None

    def track(self) -> Tracker:
        if self.held:
            instants_ns, samples = zip(*self.held, strict=True)
            self.tracker.goes_on(self.heard_id, instants_ns, samples)
            self.told += len(self.held)
            self.held = []
        return self.tracker

    def until(self, t: float) -> Stage:
        while (due := self.tracker.deadline_ns()) is not None and due <= ns(t):
            due = self.track().deadline_ns() or due  # a talker looks only when it is due, and what is held may move that
            if due <= ns(t):
                self.tracker.poll(due - 1)
                self.tracker.poll(due)
        return self

    def play(self, rows: Iterable[tuple[float, Happening]]) -> Stage:
        for t, what in rows:
            self.until(t)
            heard = isinstance(what, AudioDelta) and self.heard_id is not None and ns(t) - self.heard_ns <= self.tracker.ear.lull_ns
            if heard and any(what.audio()):
                self.held.append((ns(t), what.samples))
                self.heard_ns = ns(t)
                continue
            self.track()
            super().play([(t, what)])
            self.heard_id = self.tracker.heard_id if isinstance(what, AudioDelta) else None
            self.heard_ns = ns(t)
        self.track()
        return self


spans = st.lists(st.tuples(st.sampled_from(["sound", "hush", "gap"]), st.integers(1, 25)), min_size=1, max_size=12)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def _timeline(spans: list[tuple[str, int]]) -> list[tuple[float, int]]:
    """Pieces of 100 ms as (second, level)."""
    at, pieces = 1.2, []
    for what, tenths in spans:
        pieces += [] if what == "gap" else [(round(at + i / 10, 1), 8000 if what == "sound" else 0) for i in range(tenths)]
        at += tenths / 10
    return pieces


@settings(max_examples=60, deadline=None)
@given(spans=spans, cut=cuts, extra=st.sampled_from(["none", "barge-in", "false alarm", "cleared"]), at=st.integers(13, 60))
def test_records_hang_on_the_sound_and_not_on_how_it_is_cut(spans: list[tuple[str, int]], cut: list[int], extra: str, at: int) -> None:
    """One message or many at an instant make the same records, but for the number of messages and their spacing."""

    def run(sizes: list[int]) -> list[dict[str, Any]]:
        rows: list[Row] = [(0.0, says(1.0))]
        for t, level in _timeline(spans):
            left = 10
            while left:
                for size in sizes:
                    rows += [(t, piece(min(size, left) / 100, level))] if left else []
                    left -= min(size, left)
        if extra == "cleared":
            rows.append((at / 10 + 0.05, Cleared()))
        stage = Stage(ear=ByEar(RATE, "pcm16"))
        rows.sort(key=lambda row: row[0])
        before = [row for row in rows if row[0] <= at / 10]
        stage.play(before).until(at / 10)
        if extra in ("barge-in", "false alarm") and stage.tracker.answered:
            stage.play([(at / 10, (barges_in if extra == "barge-in" else mumbles)(0.6))])
        stage.play(rows[len(before) :]).until(60.0)
        as_one = {"chunks": 0, "jitter_s": None, "rfc3550_jitter_s": None}
        return [asdict(replace(turn, **as_one)) for turn in stage.turns]

    assert run([10]) == run(cut)


@settings(max_examples=60, deadline=None)
@given(spans=spans)
def test_every_sound_is_told_once_and_in_order(spans: list[tuple[str, int]]) -> None:
    ear, told, ended = ByEar(RATE, "pcm16"), [], 0
    pieces = _timeline(spans)
    for number, (at, level) in enumerate(pieces):
        marked = piece(0.1, level)._replace(content_index=number)
        for _, event in ear.heard(ns(at), marked, None):
            if isinstance(event, AudioDelta):
                told.append(event)
            ended += isinstance(event, ResponseDone)
    ended += len(ear.quiet(ns(600), None))
    numbers = [event.content_index for event in told]
    loud = [number for number, (_, level) in enumerate(pieces) if level]
    assert numbers == sorted(set(numbers)), "none twice, none out of order"
    assert set(loud) <= set(numbers), "no sound is lost"
    assert ended == len({event.response_id for event in told})
    for name in {event.response_id for event in told}:
        own = [event.content_index for event in told if event.response_id == name]
        assert own == list(range(own[0], own[-1] + 1)), "what lies within it is of it"
        assert {own[0], own[-1]} <= set(loud), "silence at its ends is not"


@settings(max_examples=150, deadline=None)
@given(
    spans=spans,
    extra=st.sampled_from(["none", "barge-in", "false alarm", "cleared"]),
    at=st.integers(13, 60),
    quiet_s=st.sampled_from([0.3, 0.6, 1.5]),
)
def test_pieces_told_some_at_a_time_make_the_same_records(spans: list[tuple[str, int]], extra: str, at: int, quiet_s: float) -> None:
    def run(stage: Stage) -> list[dict[str, Any]]:
        rows: list[Row] = [(0.0, says(1.0)), *((t, piece(0.1, level)) for t, level in _timeline(spans))]
        if extra == "cleared":
            rows.append((at / 10 + 0.05, Cleared()))
        rows.sort(key=lambda row: row[0])
        before = [row for row in rows if row[0] <= at / 10]
        stage.play(before).until(at / 10)
        if extra in ("barge-in", "false alarm") and stage.tracker.answered:
            stage.play([(at / 10, (barges_in if extra == "barge-in" else mumbles)(0.6))])
        stage.play(rows[len(before) :]).until(60.0)
        return [asdict(turn) for turn in stage.turns]

    assert run(Holding(ear=ByEar(RATE, "pcm16", quiet_s))) == run(Stage(ear=ByEar(RATE, "pcm16", quiet_s)))


def test_most_of_an_answer_need_not_be_told_piece_by_piece() -> None:
    stage = Holding(ear=ByEar(RATE, "pcm16"))
    stage.play([(0.0, says(1.0)), *((1.5 + i / 10, piece(0.1)) for i in range(30))]).until(60.0)
    assert stage.told == 29
    assert stage.turns[0].audio_s == pytest.approx(3.0)


def test_a_response_that_is_over_does_not_go_on_by_what_came_before_that_was_known() -> None:
    stage = Holding(ear=ByEar(RATE, "pcm16"))
    stage.play([(0.0, says(1.0)), *((1.5 + i / 10, piece(0.1)) for i in range(5))])
    assert stage.heard_id == "heard-1"
    stage.until(4.0)  # nobody has looked at the socket meanwhile
    assert stage.heard_id is None
    stage.play([(2.1, piece(0.1))])
    assert stage.heard_id == "heard-2"


def test_nothing_goes_on_where_nothing_is_heard() -> None:
    ear = ByEar(RATE, "pcm16")
    with pytest.raises(RuntimeError, match="no response is heard"):
        ear.goes_on([ns(1.0)], [2400])
    ear.heard(ns(1.0), piece(0.1), None)
    assert ear.heard_id == "heard-1"
    ear.heard(ns(1.1), piece(0.1, 0), None)
    assert ear.heard_id is None, "it is silent"
    with pytest.raises(RuntimeError, match="no response is heard"):
        ear.goes_on([ns(1.2)], [2400])
