"""Whether the criteria of a scenario can be judged: told with the place where each is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from scenarios.conversation import BargeIn, FalseAlarms
from scenarios.errors import ScenarioError
from scenarios.model import Scenario

OF_TOKENS = {"token_success", "token_mint_latency"}
"""Metrics of token requests."""
OF_PROFILES = {"network_delay", "assistant_latency"}
"""Metrics of talkers with a network profile."""
OF_NO_DIALECT = {"chunk_drop_rate"}
"""Metrics that no dialect can tell."""
BARGE_INS, FALSE_ALARMS = "barge-in", "false alarms"
"""Tables of the catalogue whose metrics take barge-ins, or false alarms."""

_SPEECH_S = 5.0
"""What a talker needs at most, as a rule, until it has said its first sentence."""


class Asked(Protocol):
    """What a criterion asks for: an aggregate of a metric, and the catalogue's table that the metric is in."""

    @property
    def metric(self) -> str: ...

    @property
    def aggregate(self) -> str: ...

    @property
    def table(self) -> str: ...


C = TypeVar("C", bound=Asked)


def check_criteria(scenario: Scenario, parse: Callable[[str, list[str]], C], tokens: bool = True) -> tuple[C, ...]:
    """The criteria as `parse` makes them of a text and the names of the load's stages. `tokens`: whether the run asks for tokens, as far as
    that is known. Raises ScenarioError for one on which it raises ValueError or that no run of this scenario can measure, also among those
    by which the run is given up, and for a search that has none, or whose steps are over before a turn without an answer is: whatever went
    wrong in them, they would hold."""
    stages = [name for _, name in scenario.load.timetable]
    made = []
    for path, texts in ((("criteria",), scenario.criteria), (("abort", "unless"), scenario.abort.unless)):
        for number, text in enumerate(texts):
            try:
                criterion = parse(text, stages)
            except ValueError as error:
                raise ScenarioError(f"{scenario.place(*path, number)}: {error}") from None
            why = unmeasured(scenario, criterion, tokens)
            if why is not None:
                raise ScenarioError(f"{scenario.place(*path, number)}: criterion {text!r}: {why}")
            if path == ("criteria",):
                made.append(criterion)
    search, response_s = scenario.load.search, scenario.limits.response_s
    if search is not None and not made:
        raise ScenarioError(f"{scenario.place('load', 'search')}: a search needs criteria to keep")
    if search is not None and search.settle_s + search.measure_s < _SPEECH_S + response_s:
        raise ScenarioError(
            f"{scenario.place('load', 'search')}: load.search: settle_s and measure_s, {search.settle_s + search.measure_s:g} s, are over "
            f"before a turn that gets no answer is, after {_SPEECH_S:g} s of speech and limits.response_s ({response_s:g} s): such turns "
            "would not count; make the one longer or the other shorter"
        )
    return tuple(made)


def unmeasured(scenario: Scenario, asked: Asked, tokens: bool = True) -> str | None:
    """Why no run of this scenario can measure what is asked, and what to do; None where one can. How many there are is always known."""
    name = asked.metric
    if asked.aggregate == "count":
        return None
    if name in OF_NO_DIALECT:
        return f"{name} cannot be measured: no dialect numbers its audio chunks; leave it out"
    if name in OF_TOKENS and not tokens:
        return f"{name} is measured only with --auth token, as no other way in asks for tokens"
    if name in OF_PROFILES and scenario.network is None and all(persona.network is None for persona in scenario.personas):
        return f"{name} is measured only of talkers with a network profile: say which with network"
    if asked.table == BARGE_INS and not any(_speaks(part) for part in _parts(scenario, "barge_in")):
        return f"nobody barges in, so {name} is never measured: give conversation.barge_in per_second, or share and after_s"
    if asked.table == FALSE_ALARMS and not any(_speaks(part) for part in _parts(scenario, "false_alarms")):
        return f"nobody makes a false alarm, so {name} is never measured: give conversation.false_alarms per_second, or share and after_s"
    return scenario.target.unmeasured(name)


def _parts(scenario: Scenario, name: str) -> list[BargeIn | FalseAlarms]:
    """This part of the conversation, of everybody who may have it."""
    conversations = [persona.conversation(scenario.conversation) for persona in scenario.personas] or [scenario.conversation]
    return [getattr(conversation, name) for conversation in conversations]


def _speaks(part: BargeIn | FalseAlarms) -> bool:
    return part.per_second > 0 or bool(part.share)
