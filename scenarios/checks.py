"""Whether the parts of a scenario go together: told with the place where they do not."""

from __future__ import annotations

from audio import Corpus
from scenarios.chaos import Action
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.network import check_network
from scenarios.voices import voices_of


def check_networks(scenario: Scenario) -> None:
    """Raises ScenarioError for a persona with a network that is not there."""
    for number, persona in enumerate(scenario.personas):
        try:
            check_network(persona.network, scenario.networks)
        except ValueError as error:
            where = scenario.place("personas", number, "network")
            raise ScenarioError(f"{where}: personas.{number}.network: {error}") from None


def check_chaos(scenario: Scenario) -> None:
    """Raises ScenarioError for an action that no run of this length ever does, and for one that, however often a run of so many talkers
    does it, hits none of them, rounded."""
    ends_s, peak = scenario.load.length_s, scenario.load.peak
    for number, action in enumerate(scenario.chaos):
        first_s, key = _first(action)
        hits = action.share * peak * max(1.0, _times(action, ends_s))
        if first_s >= ends_s:
            told = f"it is first due at {first_s:g} s of the run, which ends after {ends_s:g} s: it would never be done"
        elif action.until_s is not None and first_s > action.until_s:
            told = f"it is first due at {first_s:g} s of the run, after until_s ({action.until_s:g} s): it would never be done"
        elif action.run is None and hits < 0.5:
            key = "share"
            told = f"{action.share:g} of {peak} talkers hits nobody: {hits:.2g} in the whole run; a larger share, or more of them"
        else:
            continue
        raise ScenarioError(f"{scenario.place('chaos', number, key)}: chaos.{number}.{key}: {told}")


def check_voices(scenario: Scenario, corpus: Corpus) -> None:
    """Raises ScenarioError for a persona that wants a voice or an accent that the corpus lacks."""
    for number, persona in enumerate(scenario.personas):
        try:
            voices_of(persona, corpus)
        except ScenarioError as error:
            key = "accent" if persona.voices is None or set(persona.voices) <= set(corpus.voices) else "voices"
            raise ScenarioError(f"{scenario.place('personas', number, key)}: {error}") from None


def _first(action: Action) -> tuple[float, str]:
    """When an action is first due, in seconds of the run, and the key that says so; at random: at any time from 0 on."""
    if action.at_s is not None:
        return action.at_s, "at_s"
    return (action.every_s, "every_s") if action.every_s is not None else (0.0, "per_min")


def _times(action: Action, ends_s: float) -> float:
    """How often an action is done in a run that ends after so many seconds; at random: on average."""
    last_s = ends_s if action.until_s is None else min(action.until_s, ends_s)
    if action.every_s is not None:
        return last_s // action.every_s
    return last_s * action.per_min / 60.0 if action.per_min is not None else 1.0
