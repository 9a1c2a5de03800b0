"""The figures of two reference documents come back from short runs, within what their few turns allow; and from no other profile."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import run

from analysis import load
from benchmarks.reference import SCENARIOS
from benchmarks.stated import STUDIES, Shown, Study, shown
from metrics.records import TurnRecord

LEVEL = 0.999
RUNS = {
    "voice-bot": ("voice-bot", 10),
    "voice-bot-interrupted": ("voice-bot", 10),
    "livekitex": ("livekitex", 40),
}
"""Scenario: profile, talkers."""


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[TurnRecord]]:
    """The turns of each run, made at once."""
    folder = tmp_path_factory.mktemp("reference")

    def made(scenario: str) -> list[TurnRecord]:
        profile, talkers = RUNS[scenario]
        path = str(SCENARIOS / f"{scenario}.yml")
        done = run(
            folder / scenario, "--scenario", path, "--users", str(talkers), "--run-time", "25s", "--stop-timeout", "2", profile=profile
        )
        assert done.folder is not None, done.err
        return [record for record in load(done.folder).records() if isinstance(record, TurnRecord)]

    with ThreadPoolExecutor() as at_once:
        return dict(zip(RUNS, at_once.map(made, RUNS), strict=True))


def study(scenario: str) -> Study:
    return next(study for study in STUDIES if study.scenario == scenario and study.talkers != 50)


def figures(scenario: str, turns: Iterable[TurnRecord]) -> dict[str, Shown]:
    """What the turns show of the figures of a study, but for those that 25 s tell nothing of."""
    rare = {"Failures that are timeouts"}
    kept = list(turns)
    return {figure.what: shown(figure, kept, LEVEL) for figure in study(scenario).figures if figure.what not in rare}


@pytest.mark.parametrize("scenario", RUNS)
def test_the_figures_come_back(scenario: str, turns: dict[str, list[TurnRecord]]) -> None:
    found = figures(scenario, turns[scenario])
    assert not [one for one in found.values() if not one.within]
    assert all(one.count >= 10 for one in found.values())


def test_another_profile_is_told_apart(turns: dict[str, list[TurnRecord]]) -> None:
    """Against the same figures, turns of the other profile are far off."""
    assert not figures("livekitex", turns["voice-bot"])["End-to-end latency p50"].within
    found = figures("voice-bot", turns["livekitex"])
    assert not found["TTFT mean"].within
    assert not found["Total response mean"].within
