"""Whether the criteria of a scenario can be judged: told with the place where each is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from scenarios.errors import ScenarioError
from scenarios.model import Scenario

_SPEECH_S = 5.0
"""What a talker needs at most, as a rule, until it has said its first sentence."""


class Parsed(Protocol):
    """A criterion that was read."""

    @property
    def metric(self) -> str:
        """The name of its metric."""
        ...


C = TypeVar("C", bound=Parsed)


def check_criteria(scenario: Scenario, parse: Callable[[str, list[str]], C]) -> tuple[C, ...]:
    """The criteria as `parse` makes them of a text and the names of the load's stages. Raises ScenarioError for one on which it raises
    ValueError or that asks for what nobody tells of the target, also among those by which the run is given up, and for a search that has
    none, or whose steps are over before a turn without an answer is: whatever went wrong in them, they would hold."""
    stages = [name for _, name in scenario.load.timetable]
    made = []
    for path, texts in ((("criteria",), scenario.criteria), (("abort", "unless"), scenario.abort.unless)):
        for number, text in enumerate(texts):
            try:
                criterion = parse(text, stages)
            except ValueError as error:
                raise ScenarioError(f"{scenario.place(*path, number)}: {error}") from None
            unmeasured = scenario.target.unmeasured(criterion.metric)
            if unmeasured is not None:
                raise ScenarioError(f"{scenario.place(*path, number)}: criterion {text!r}: {unmeasured}")
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
