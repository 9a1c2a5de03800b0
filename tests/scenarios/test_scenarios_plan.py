"""The planner: plans that depend on (seed, talker, turn) alone, and interruptions with the hazard asked for."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from audio import Clip, ClipKind, Corpus
from scenarios import Planner, ScenarioError, TurnPlan
from scenarios.model import Conversation

VOICES = ("awb", "rms", "slt")


def clip(kind: ClipKind, voice: str, number: int) -> Clip:
    return Clip(f"{kind}-{voice}-{number}", kind, voice, "words", "CC0", 24000, np.zeros(240, np.int16), 0, 239)


CORPUS = Corpus(
    tuple(
        clip(kind, voice, i)
        for kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL)
        for voice in VOICES
        for i in range(5)
    )
    + tuple(clip(ClipKind.NOISE, "", i) for i in range(4))
)


def planner(seed: int = 1, **conversation: Any) -> Planner:
    return Planner(seed, Conversation.model_validate(conversation), CORPUS)


def plans(made: Planner, talkers: int = 40, turns: int = 50) -> list[TurnPlan]:
    return [made.turn(talker, turn) for talker in range(talkers) for turn in range(turns)]


BOTH = {"barge_in": {"per_second": 0.2, "not_before_s": 0.5}, "false_alarms": {"per_second": 0.3, "not_before_s": 0.5, "noise": 0.25}}


def test_the_same_seed_makes_the_same_plans() -> None:
    assert plans(planner(1, **BOTH)) == plans(planner(1, **BOTH))
    assert [planner(1).call(3, i) for i in range(9)] == [planner(1).call(3, i) for i in range(9)]


def test_the_order_of_asking_does_not_matter() -> None:
    forward, backward = planner(1, **BOTH), planner(1, **BOTH)
    asked = [(talker, turn) for talker in range(5) for turn in range(5)]
    there = {key: forward.turn(*key) for key in asked}
    for talker in range(5):
        backward.call(talker, 0)
    assert {key: backward.turn(*key) for key in reversed(asked)} == there


def test_seeds_talkers_turns_and_calls_differ() -> None:
    def thoughts(of: list[TurnPlan]) -> set[float]:
        return {plan.think_s for plan in of}

    one, other = thoughts(plans(planner(1))), thoughts(plans(planner(2)))
    assert len(one) == len(other) == 2000
    assert not one & other
    assert len({planner(1, between_calls_s={"exponential": 1}).call(t, c).pause_s for t in range(10) for c in range(10)}) == 100


def test_what_is_said_and_when_does_not_depend_on_how_long_the_talker_thinks() -> None:
    def without_thinking(of: Planner) -> list[tuple[Any, ...]]:
        return [(p.utterance, p.interruption, p.false_alarm, p.barge_in_after_s, p.false_alarm_after_s) for p in plans(of)]

    assert without_thinking(planner(1, think_s=1, **BOTH)) == without_thinking(
        planner(1, think_s={"lognormal": {"median": 1, "p95": 3}}, **BOTH)
    )


def test_voices_go_round() -> None:
    made = planner()
    assert [made.voice(talker) for talker in range(7)] == ["awb", "rms", "slt", "awb", "rms", "slt", "awb"]
    for talker in range(6):
        plan = made.turn(talker, 0)
        assert plan.utterance.voice == plan.interruption.voice == made.voice(talker)
        assert plan.false_alarm.voice in ("", made.voice(talker))


def test_clips_are_of_their_kind_and_all_are_used_evenly() -> None:
    made = plans(planner(1, **BOTH), talkers=60)
    for name, kind, different in (("utterance", ClipKind.QUESTION, 15), ("interruption", ClipKind.INTERRUPTION, 15)):
        counts = Counter(getattr(plan, name).name for plan in made)
        assert {getattr(plan, name).kind for plan in made} == {kind}
        assert len(counts) == different
        assert min(counts.values()) > 0.7 * len(made) / different
    noises = sum(plan.false_alarm.kind is ClipKind.NOISE for plan in made)
    assert noises / len(made) == pytest.approx(0.25, abs=0.03)
    assert {plan.false_alarm.kind for plan in made} == {ClipKind.NOISE, ClipKind.BACKCHANNEL}


def test_calls() -> None:
    made = planner(1, turns={"uniform": [4, 8]}, between_calls_s={"exponential": 2})
    calls = [made.call(talker, call) for talker in range(50) for call in range(20)]
    assert {call.turns for call in calls} == {4, 5, 6, 7, 8}
    assert np.mean([call.turns for call in calls]) == pytest.approx(6.0, abs=0.15)
    assert np.mean([call.pause_s for call in calls]) == pytest.approx(2.0, rel=0.1)
    assert planner(1, turns=0).call(0, 0).turns == 1
    assert planner(1, turns=2.6).call(0, 0).turns == 3


def test_thinking() -> None:
    thoughts = [plan.think_s for plan in plans(planner(1, think_s={"lognormal": {"median": 1, "p95": 3}}))]
    assert np.quantile(thoughts, [0.5, 0.95]) == pytest.approx([1.0, 3.0], rel=0.08)


def test_without_a_hazard_nobody_interrupts() -> None:
    made = plans(planner(1))
    assert {(plan.barge_in_after_s, plan.false_alarm_after_s) for plan in made} == {(None, None)}


@pytest.mark.parametrize(("kind", "field"), [("barge_in", "barge_in_after_s"), ("false_alarms", "false_alarm_after_s")])
def test_a_hazard(kind: str, field: str) -> None:
    """Kolmogorov and Smirnov: the greatest distance to 1 - exp(-rate (t - not before)) is under 1.36 / sqrt(n), the 5 % point."""
    made = plans(planner(1, **{kind: {"per_second": 0.25, "not_before_s": 0.8}}))
    found = np.sort([getattr(plan, field) for plan in made])
    n = len(found)
    assert found[0] >= 0.8
    theory = 1 - np.exp(-0.25 * (found - 0.8))
    ranks = np.arange(n)
    distance = max((theory - ranks / n).max(), ((ranks + 1) / n - theory).max())
    assert distance < 1.36 / math.sqrt(n)
    other = "false_alarm_after_s" if field == "barge_in_after_s" else "barge_in_after_s"
    assert {getattr(plan, other) for plan in made} == {None}


def test_at_most_one_of_the_two_and_the_first_comes_first() -> None:
    """Competing hazards: the shares are as the rates, and the first of both comes at the rate of their sum."""
    made = plans(planner(1, **BOTH))
    assert all((plan.barge_in_after_s is None) is not (plan.false_alarm_after_s is None) for plan in made)
    barge_ins = [plan.barge_in_after_s for plan in made if plan.barge_in_after_s is not None]
    alarms = [plan.false_alarm_after_s for plan in made if plan.false_alarm_after_s is not None]
    assert len(barge_ins) / len(made) == pytest.approx(0.4, abs=0.03)
    assert min(barge_ins + alarms) >= 0.5
    assert np.mean(barge_ins + alarms) - 0.5 == pytest.approx(1 / 0.5, rel=0.06)


def test_hazards_do_not_disturb_one_another() -> None:
    """Where the barge-in comes first, it comes when it would have come without false alarms."""
    alone, both = planner(1, barge_in=BOTH["barge_in"]), planner(1, **BOTH)
    pairs = [(a.barge_in_after_s, b.barge_in_after_s) for a, b in zip(plans(alone), plans(both), strict=True)]
    assert all(b in (None, a) for a, b in pairs)


@pytest.mark.parametrize("lacking", [ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL, ClipKind.NOISE])
def test_a_corpus_that_lacks_a_kind(lacking: ClipKind) -> None:
    clips = tuple(c for c in CORPUS.clips if c.kind is not lacking)
    with pytest.raises(ScenarioError, match=f"no clips of kind {lacking.value}: add some, or use the built-in corpus"):
        Planner(1, Conversation(), Corpus(clips))


def test_clips_of_another_voice_where_the_talkers_own_has_none() -> None:
    clips = tuple(c for c in CORPUS.clips if c.kind is not ClipKind.INTERRUPTION or c.voice == "rms")
    made = Planner(1, Conversation(), Corpus(clips))
    assert {made.turn(talker, 0).interruption.voice for talker in range(3)} == {"rms"}
