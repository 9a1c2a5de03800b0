"""Personas: what may be written, what the corpus can serve, and the plans that come of them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from audio import Background, Clip, ClipKind, Corpus, NoiseKind, load_corpus
from scenarios import Planner, Scenario, ScenarioError, load_scenario, parse_scenario
from scenarios.plan import Role

CORPUS = load_corpus()
MIX: list[dict[str, Any]] = [
    {"name": "calm", "share": 5},
    {"name": "street", "share": 3, "accent": "en-US", "noise": {"kind": "street", "snr_db": 10}},
    {"name": "hurried", "share": 2, "patience_s": {"uniform": [2, 5]}, "think_s": 0.1, "turns": 2, "between_calls_s": 7, "voices": ["awb"]},
]


def scenario(*personas: dict[str, Any], **conversation: Any) -> Scenario:
    return Scenario.model_validate({"name": "x", "conversation": conversation, "personas": personas})


def planner(*personas: dict[str, Any], seed: int = 1, corpus: Corpus = CORPUS, **conversation: Any) -> Planner:
    made = scenario(*personas, **conversation)
    return Planner(seed, made.conversation, corpus, made.personas)


BAD = {
    "no name": ("- {share: 1}", ", line 2: personas.0.name is missing"),
    "an unknown key": ("- name: a\n    patient: 3", "personas.0.patient; did you mean patience_s? allowed there: name, share, voices,"),
    "an unknown key of the noise": (
        "- name: a\n    noise: {snr: 3}",
        "personas.0.noise.snr; did you mean snr_db? allowed there: kind, snr_db",
    ),
    "a noise that is not there": (
        "- {name: a, noise: {kind: rain}}",
        "line 2: personas.0.noise.kind: Input should be 'street', 'car', 'cafe', 'keyboard' or 'hiss' (found 'rain')",
    ),
    "speech below the noise": ("- {name: a, noise: {snr_db: -3}}", "noise.snr_db: Input should be greater than or equal to 0 (found -3)"),
    "no share": ("- {name: a, share: 0}", "personas.0.share: Input should be greater than 0 (found 0)"),
    "no network": (
        "- name: a\n    network: 5g",
        "mine.yml, line 3: personas.0.network: no network '5g': there are ideal, wifi, 4g, 3g, lossy, satellite; or describe it",
    ),
    "a mix of networks": ("- {name: a, network: {3g: 1}}", "line 2: personas.0.network: Input should be a valid string"),
    "no voice": ("- {name: a, voices: []}", "personas.0.voices: Tuple should have at least 1 item"),
    "twice": ("- {name: a}\n  - {name: a}", "line 1: personas: two personas are called a: give each a name of its own"),
    "no list": ("{name: a}", "personas: write a list"),
    "too many": ("\n  ".join(f"- {{name: p{i}}}" for i in range(21)), "Tuple should have at most 20 items"),
    "no draw": ("- {name: a, patience_s: soon}", "personas.0.patience_s: write a number, or one of fixed, uniform"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused_is_told_with_its_line(case: str) -> None:
    written, told = BAD[case]
    with pytest.raises(ScenarioError) as refusal:
        parse_scenario(f"personas:\n  {written}\n", "mine.yml", "mine")
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


CANNOT = [
    ({"voices": ["bob"]}, "persona x: the corpus asks nothing with the voice 'bob': there are awb (en-scotland), rms (en-US), slt (en-US)"),
    (
        {"accent": "en-IN"},
        "persona x: no voice of the corpus has the accent 'en-IN': there are awb (en-scotland), rms (en-US), slt (en-US)",
    ),
    ({"voices": ["slt"], "accent": "en-scotland"}, "persona x: none of its voices has the accent 'en-scotland': there are awb"),
]


@pytest.mark.parametrize(("persona", "told"), CANNOT)
def test_what_the_corpus_cannot_serve_is_refused(persona: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        planner({"name": "x", **persona})
    assert str(refusal.value).startswith(told)


def test_a_scenario_with_personas_travels_to_workers() -> None:
    made = scenario(*MIX)
    assert Scenario.model_validate(made.model_dump(mode="json")) == made


def test_without_personas_everybody_is_alike() -> None:
    made = planner()
    assert made.role(4) == Role("", "rms", None, scenario().conversation)
    assert made.call(4, 0).patience_s is None
    assert {around for _, around in made.spoken()} == {None}
    assert [clip for clip, _ in made.spoken()] == list(made.clips)


def test_one_persona_without_a_wish_changes_no_plan() -> None:
    alone, plain = planner({"name": "a"}), planner()
    for talker in range(30):
        assert alone.voice(talker) == plain.voice(talker)
        assert alone.call(talker, 1) == plain.call(talker, 1)
        assert alone.turn(talker, 3) == plain.turn(talker, 3)


def test_who_they_are() -> None:
    made = planner(*MIX)
    roles = [made.role(talker) for talker in range(100)]
    assert Counter(role.persona for role in roles) == {"calm": 50, "street": 30, "hurried": 20}
    voices = Counter((role.persona, role.voice) for role in roles)
    assert [voices["street", voice] for voice in ("rms", "slt", "awb")] == [15, 15, 0]
    assert [voices["calm", voice] for voice in ("awb", "rms", "slt")] == [17, 17, 16]
    assert {role.background for role in roles if role.persona == "street"} == {Background(NoiseKind.STREET, -30.0)}
    assert {role.background for role in roles if role.persona != "street"} == {None}
    for talker, role in enumerate(roles):
        call, turn = made.call(talker, 2), made.turn(talker, 5)
        assert turn.utterance.voice == role.voice
        assert (call.patience_s is not None) is (role.persona == "hurried")
        if role.persona == "hurried":
            assert (call.turns, call.pause_s, turn.think_s) == (2, 7.0, 0.1)
            assert call.patience_s is not None
            assert 2 <= call.patience_s <= 5
    assert len({made.call(talker, call).patience_s for talker in range(100) for call in range(3)}) == 61, "one per call, and None"


def test_plans_are_the_same_whatever_the_order_in_which_they_are_asked_for() -> None:
    """As on any number of workers: each asks for some of the talkers, in its own order."""
    wanted = {
        talker: (planner(*MIX).role(talker), planner(*MIX).call(talker, 1), planner(*MIX).turn(talker, 7)) for talker in range(0, 200, 7)
    }
    whole = planner(*MIX)
    plans = {talker: (whole.role(talker), whole.call(talker, 1), whole.turn(talker, 7)) for talker in range(200)}
    assert {talker: plans[talker] for talker in wanted} == wanted
    workers = [planner(*MIX) for _ in range(4)]
    talkers = list(range(200))
    random.Random(3).shuffle(talkers)
    for talker in talkers:
        worker = workers[talker % 4]
        assert (worker.turn(talker, 7), worker.call(talker, 1), worker.role(talker)) == plans[talker][::-1]


def test_what_is_prepared_is_what_can_be_said() -> None:
    made = planner(*MIX, barge_in={"per_second": 1}, false_alarms={"per_second": 1})
    prepared = {(clip.name, around) for clip, around in made.spoken()}
    for talker in range(60):
        around = made.role(talker).background
        for turn in range(10):
            plan = made.turn(talker, turn)
            assert {(clip.name, around) for clip in (plan.utterance, plan.interruption, plan.false_alarm)} <= prepared
    noisy = [clip for clip, around in prepared if around is not None]
    assert not any("awb" in clip for clip in noisy)
    assert any("cough" in clip for clip in noisy), "a cough in the street is in its noise, too"


def test_noise_lies_below_the_voice_that_speaks_in_it() -> None:
    """Of two voices, the second 20 dB softer."""
    clips = []
    for voice, level in (("loud", 1.0), ("soft", 0.1)):
        for kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL):
            pcm = (CORPUS.get("question-slt-01").pcm * level).astype(np.int16)
            clips.append(Clip(f"{kind}-{voice}", kind, voice, "words", "test", 24000, pcm, 2400, 60281))
    clips += CORPUS.of(ClipKind.NOISE)
    made = planner({"name": "x", "noise": {"kind": "car", "snr_db": 15}}, corpus=Corpus(tuple(clips)))
    found = {made.role(talker).voice: made.role(talker).background for talker in range(2)}
    assert found == {"loud": Background(NoiseKind.CAR, -35.0), "soft": Background(NoiseKind.CAR, -55.0)}


@pytest.mark.parametrize(("kind", "field"), [("barge_in", "barge_in_after_s"), ("false_alarms", "false_alarm_after_s")])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_answers(kind: str, field: str, share: float) -> None:
    made = planner(**{kind: {"share": share, "after_s": {"uniform": [0.5, 2.5]}}})
    instants = [getattr(made.turn(talker, turn), field) for talker in range(40) for turn in range(50)]
    given = [instant for instant in instants if instant is not None]
    assert len(given) / 2000 == pytest.approx(share, abs=0.03)
    if given:
        assert 0.5 <= min(given) < 0.6
        assert 2.4 < max(given) <= 2.5
        assert np.mean(given) == pytest.approx(1.5, abs=0.08)


def test_a_share_changes_nothing_else_of_a_plan() -> None:
    plain, every = planner(), planner(barge_in={"share": 1.0, "after_s": 1.0})
    for talker in range(20):
        one, other = plain.turn(talker, 2), every.turn(talker, 2)
        assert (one.utterance, one.interruption, one.false_alarm, one.think_s) == (
            other.utterance, other.interruption, other.false_alarm, other.think_s,
        )  # fmt: skip
        assert other.barge_in_after_s == 1.0


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{share: 1}", "share and after_s go together"),
        ("{after_s: 1}", "share and after_s go together"),
        ("{share: 1, after_s: 1, per_second: 0.1}", "give per_second, or share and after_s, not both"),
        ("{share: 2, after_s: 1}", "barge_in.share: Input should be less than or equal to 1"),
    ],
)
def test_a_share_that_makes_no_sense(written: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        parse_scenario(f"conversation:\n  barge_in: {written}\n", "x.yml", "x")


@pytest.mark.parametrize(("name", "field", "least"), [("interrupters", "barge_in_after_s", 1.0), ("listeners", "false_alarm_after_s", 0.7)])
def test_scenarios_that_speak_into_the_answers(name: str, field: str, least: float) -> None:
    whole, quick = load_scenario(name), load_scenario(f"{name}-quick")
    assert (quick.conversation, quick.session, quick.criteria) == (whole.conversation, whole.session, whole.criteria), "the same shape"
    assert (quick.load.talkers, quick.load.duration_s) <= (8, 60)
    made = Planner(1, quick.conversation, CORPUS, quick.personas)
    instants = [getattr(made.turn(talker, turn), field) for talker in range(8) for turn in range(40)]
    assert sum(instant is not None for instant in instants) >= least * len(instants)
