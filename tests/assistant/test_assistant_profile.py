"""Profiles: the built-in ones, what a broken one says, and the distributions."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.delays import Distribution, LogNormal, at_share
from assistant.profile import Profile, ProfileError, load_profile, profile_names


def test_built_in_profiles_load() -> None:
    assert {"ideal", "demo", "broken"} <= set(profile_names())
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.description


def test_ideal_has_no_fault() -> None:
    profile = load_profile("ideal")
    assert set(profile.failures.model_dump().values()) == {0.0}
    assert profile.gaps.rate == profile.false_alarm.mistake_rate == profile.asr.word_error_rate == 0.0


def test_every_field_is_described() -> None:
    for section in (Profile.model_fields[name].annotation for name in Profile.model_fields):
        if isinstance(section, type) and issubclass(section, Profile.__base__ or object):
            for name, field in section.model_fields.items():
                assert field.description, name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("asr: {delay: {fixed: 0.1, uniform: [0, 1]}}", "asr.delay: give exactly one of fixed, normal"),
        ("asr: {delay: {}}", "asr.delay: give exactly one of"),
        ("asr: {delay: {fixed: -1}}", "asr.delay.fixed: Input should be greater than or equal to 0"),
        ("asr: {delay: {lognormal: {median: 2, p95: 1}}}", "p95 must not be below the median"),
        ("asr: {delay: {uniform: [2, 1]}}", "low <= high"),
        ("asr: {word_error_rate: 1.5}", "asr.word_error_rate: Input should be less than or equal to 1"),
        ("asr: {wer: 0.1}", "asr.wer: unknown key; allowed: delay, word_error_rate"),
        ("nonsense: 1", "nonsense: unknown key; allowed: name, description, like, asr, llm"),
        ("asr: {delay: 0.2}", "asr.delay: expected a mapping with keys of fixed, normal, lognormal, uniform, quantiles (given: 0.2)"),
        ("asr: 5", "asr: expected a mapping with keys of delay, word_error_rate"),
        ("1: 2", "1: unknown key; allowed: name, description, like, asr"),
        ("? [a]\n: 2", "not usable as YAML: line 1, column 3"),
        ("pace: fast", "pace: expected burst, or a number from 0.1 to 1000 (given: 'fast')"),
        ("pace: .inf", "pace: expected burst, or a number from 0.1 to 1000 (given: inf)"),
        ("pace: 1\npace: 2", "not usable as YAML: line 2, column 1: the key pace comes twice"),
        ("sessions: {max_s: .inf}", "sessions.max_s: Input should be less than or equal to 604800"),
        ("tokens: {per_second: 1.0e-9}", "tokens.per_second: Input should be greater than or equal to 0.001"),
        ("llm: {delay: {fixed: .nan}}", "llm.delay.fixed: Input should be"),
        ("chunk_ms: 15", "chunk_ms: Input should be a multiple of 10"),
        ("false_alarm: {mistake_rate: 0.6, answer_rate: 0.6}", "must not exceed 1"),
        ("like: nosuch", "like: no such profile; profiles: broken, demo"),
        ("like: [demo]", "like: no such profile; profiles: broken, demo"),
        ("[1, 2]", "must be a mapping"),
        ("llm: {delay: {quantiles: {p50: 1}}}", "llm.delay.quantiles: give two quantiles or more"),
        ("llm: {delay: {quantiles: {p50: 1, p90: 0.5}}}", "llm.delay.quantiles: a higher quantile cannot be shorter"),
        ("llm: {delay: {quantiles: {p50: 1, half: 2}}}", "'half' is no quantile: expected p50, p95, p99.9 and the like"),
        ("capacity: {held_by: me}", "capacity.held_by: Input should be 'response' or 'session'"),
        ("outages: {at_s: 1}", "outages: expected a list of mappings with keys of at_s, every_s, down_s"),
        ("outages: [{down_s: 5}]", "outages.0: give at_s, every_s, or both"),
        ("outages: [{at_s: 3}]", "outages.0.down_s: must be given"),
        ("outages: [{every_s: 3, down_s: 5}]", "outages.0: it lasts 5 s, so every_s must be more than that"),
        ("faults: [{at_s: 1, for_s: 2, profile: {chunk_ms: 20}}]", "faults.0.profile.chunk_ms: unknown key; allowed: asr, llm"),
        ("faults: [{at_s: 1, for_s: 2, profile: {pace: fast}}]", "faults.0.profile.pace: expected burst, or a number"),
        ("faults: [{at_s: 1, for_s: 2, profile: {llm: {wait: 3}}}]", "faults.0.profile.llm.wait: unknown key; allowed: delay"),
        (
            "false_alarm: {mistake_rate: 0.6}\nunder_load: [{sessions: 2, profile: {false_alarm: {answer_rate: 0.6}}}]",
            "under_load.0.profile: mistake_rate + answer_rate must not exceed 1",
        ),
        ("asr: {delay", "not usable as YAML: line 1, column 12: "),
    ],
)
def test_a_broken_profile_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(ProfileError) as error:
        load_profile(str(path))
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_profile_leaves_out_is_as_in_the_one_that_it_is_like(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("like: demo\nasr: {word_error_rate: 0.5}\npace: burst\nfailures: {llm: 0.1}")
    mine, demo = load_profile(str(path)), load_profile("demo")
    assert (mine.name, mine.asr.word_error_rate, mine.asr.delay) == ("mine", 0.5, demo.asr.delay)
    assert (mine.pace, mine.gaps, mine.failures.llm) == ("burst", demo.gaps, 0.1)


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("slow-stage", {"llm"}),
        ("leaky", {"leak_kib_per_session"}),
        ("failing", {"failures"}),
        ("outage", {"outages"}),
        ("no-recovery", {"outages"}),
        ("forty-slots", {"capacity"}),
        ("rate-limited-tokens", {"tokens"}),
    ],
)
def test_what_scenarios_must_fail_against_is_as_demo_but_for_one_thing(name: str, differs: set[str]) -> None:
    twin, demo = dict(load_profile(name)), dict(load_profile("demo"))
    assert {key for key in twin if twin[key] != demo[key]} == differs | {"name", "description", "like"}


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"profile nosuch: no such profile or file; profiles: .*demo"):
        load_profile("nosuch")


def test_a_file_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "bare.yml").write_text("")
    assert load_profile(str(tmp_path / "bare.yml")) == Profile(name="bare")


@pytest.mark.parametrize(
    ("distribution", "median", "p95"),
    [
        (Distribution(fixed=0.2), 0.2, 0.2),
        (Distribution(uniform=(0.1, 0.3)), 0.2, 0.29),
        (Distribution(normal=(0.5, 0.1)), 0.5, 0.6645),
        (Distribution(lognormal=LogNormal(median=0.16, p95=0.32)), 0.16, 0.32),
    ],
)
def test_draws_have_the_quantiles_asked_for(distribution: Distribution, median: float, p95: float) -> None:
    rng = random.Random(5)
    draws = statistics.quantiles([distribution.sample(rng) for _ in range(20_000)], n=20)
    assert draws[9] == pytest.approx(median, rel=0.03)
    assert draws[18] == pytest.approx(p95, rel=0.03)


def test_draws_have_the_given_quantiles() -> None:
    given = {"p50": 0.35, "p90": 0.8, "p95": 1.2, "p99": 2.0}
    rng = random.Random(5)
    draws = statistics.quantiles([Distribution(quantiles=given).sample(rng) for _ in range(50_000)], n=100)
    for name, value in given.items():
        assert draws[int(name[1:]) - 1] == pytest.approx(value, rel=0.03), name


@pytest.mark.parametrize(("share", "delay_s"), [(0.5, 0.1), (0.7, 0.2), (0.9, 0.4), (0.3, 0.05), (1.0, 0.4 * 2**0.5)])
def test_between_and_beyond_quantiles_the_logarithm_is_straight(share: float, delay_s: float) -> None:
    assert at_share({"p90": 0.4, "p50": 0.1}, share) == pytest.approx(delay_s)


def test_what_is_replaced_is_replaced_key_by_key() -> None:
    profile = Profile.model_validate(
        {
            "failures": {"llm": 0.1, "tts": 0.2},
            "under_load": [
                {"sessions": 2, "profile": {"failures": {"llm": 0.3}, "pace": "burst"}},
                {"sessions": 4, "profile": {"pace": 3}},
            ],
            "faults": [{"at_s": 1, "for_s": 2, "profile": {"llm": {"delay": {"fixed": 3}}, "pace": 2}}],
        }
    )
    assert profile.at(1, ()) == profile
    two, four, faulty = profile.at(2, ()), profile.at(4, ()), profile.at(1, (0,))
    assert (two.failures.llm, two.failures.tts, two.pace, two.llm) == (0.3, 0.2, "burst", profile.llm)
    assert (four.failures.llm, four.pace) == (0.3, 3)
    assert (faulty.failures.llm, faulty.llm.delay.fixed, faulty.pace) == (0.1, 3.0, 2)
    assert profile.at(9, (0,)).pace == 2


@given(st.integers(), st.floats(0, 1), st.floats(0, 10))
def test_draws_are_never_negative(seed: int, mean: float, sd: float) -> None:
    assert Distribution(normal=(mean, sd)).sample(random.Random(seed)) >= 0.0
