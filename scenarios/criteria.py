"""Whether the criteria of a scenario can be judged: told with the place where each is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from scenarios.errors import ScenarioError
from scenarios.model import Scenario


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
    none."""
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
    if scenario.load.search is not None and not made:
        raise ScenarioError(f"{scenario.place('load', 'search')}: a search needs criteria to keep")
    return tuple(made)
