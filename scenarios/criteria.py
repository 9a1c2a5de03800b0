"""Whether the criteria of a scenario can be judged: told with the place where each is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from scenarios.conversation import BargeIn, FalseAlarms
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.target import GROWTHS

OF_TOKENS = {"token_success", "token_mint_latency"}
"""Metrics of token requests."""
OF_PROFILES = {"network_delay", "assistant_latency"}
"""Metrics of talkers with a network profile."""
OF_OPEN_ARRIVALS = {"calls_begun"}
"""Metrics of calls that are planned to begin at an instant."""
OF_NO_DIALECT = {"chunk_drop_rate"}
"""Metrics that no dialect can tell."""
BARGE_INS, FALSE_ALARMS = "barge-in", "false alarms"
"""Tables of the catalogue whose metrics take barge-ins, or false alarms."""

WHERE_TOLD = " where told"
"""What a criterion ends in that is left out, rather than refused, where the wire or the way in does not tell its metric."""
_SPEECH_S = 5.0
"""What a talker needs at most, as a rule, until it has said its first sentence."""
_LOOKS = 3
"""A growth has no interval with fewer samples of memory (`metrics.trend`)."""


class Asked(Protocol):
    """What a criterion asks for: an aggregate of a metric, and the catalogue's table that the metric is in. `stage`: of which stage, empty
    for the whole run; `base`: the stage with which it is compared, None without."""

    @property
    def metric(self) -> str: ...

    @property
    def aggregate(self) -> str: ...

    @property
    def table(self) -> str: ...

    @property
    def stage(self) -> str: ...

    @property
    def base(self) -> str | None: ...


C = TypeVar("C", bound=Asked)


def check_criteria(
    scenario: Scenario, parse: Callable[[str, list[str]], C], tokens: bool = True, untold: Mapping[str, str] | None = None
) -> tuple[C, ...]:
    """The criteria as `parse` makes them of a text and the names of the load's stages. `tokens`: whether the run asks for tokens, as far as
    that is known; `untold`: metrics that its wire cannot tell, and why; None: that is not known.

    Raises ScenarioError for one on which it raises ValueError or that no run of this scenario can measure, also among those by which the
    run is given up, where it is one for a grace that the run does not outlast, too; and for a search that has none, or whose steps are over
    before a turn without an answer is: whatever went wrong in them, they would hold."""
    stages = [name for _, name in scenario.load.timetable]
    made = []
    for path, texts in ((("criteria",), scenario.criteria), (("abort", "unless"), scenario.abort.unless)):
        for number, text in enumerate(texts):
            try:
                criterion = parse(text.removesuffix(WHERE_TOLD), stages)
            except ValueError as error:
                raise ScenarioError(f"{scenario.place(*path, number)}: {error}") from None
            why = None if text.endswith(WHERE_TOLD) else _unasked(criterion, tokens, untold)
            if why is not None:
                why += f"; leave it out, or end it in{WHERE_TOLD} (docs/dialects.md)"
            else:
                why = unmeasured(scenario, criterion)
            if why is not None:
                raise ScenarioError(f"{scenario.place(*path, number)}: criterion {text!r}: {why}")
            if path == ("criteria",):
                made.append(criterion)
            else:
                _check_grace(scenario, criterion, text)
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


def asked_of(
    scenario: Scenario, parse: Callable[[str, list[str]], C], tokens: bool, untold: Mapping[str, str]
) -> tuple[Scenario, list[tuple[str, str]]]:
    """The scenario with what may be left out left out, where its wire or way in does not tell the metric, or asked like the rest; and what
    was left out, each with the reason. The arguments are those of `check_criteria`; raises ScenarioError as it does for what is no
    criterion."""
    stages, left = [name for _, name in scenario.load.timetable], []

    def kept(path: tuple[str, ...], texts: tuple[str, ...]) -> tuple[str, ...]:
        found = []
        for number, text in enumerate(texts):
            plain = text.removesuffix(WHERE_TOLD)
            why = None
            if plain != text:
                try:
                    why = _unasked(parse(plain, stages), tokens, untold)
                except ValueError as error:
                    raise ScenarioError(f"{scenario.place(*path, number)}: {error}") from None
            if why is None:
                found.append(plain)
            else:
                left.append((plain, why))
        return tuple(found)

    abort = scenario.abort.model_copy(update={"unless": kept(("abort", "unless"), scenario.abort.unless)})
    return scenario.model_copy(update={"criteria": kept(("criteria",), scenario.criteria), "abort": abort}), left


def _unasked(asked: Asked, tokens: bool, untold: Mapping[str, str] | None) -> str | None:
    """Why a run over this wire, with this way in, cannot measure what is asked; None where it can."""
    name = asked.metric
    if asked.aggregate == "count":
        return None
    if untold is not None and name in untold:
        return f"{name} cannot be measured: {untold[name]}"
    if name in OF_TOKENS and not tokens:
        return f"{name} is measured only with --auth token, as no other way in asks for tokens"
    return None


def unmeasured(scenario: Scenario, asked: Asked) -> str | None:
    """Why no run of this scenario can measure what is asked, and what to do; None where one can. How many there are is always known."""
    name = asked.metric
    if asked.aggregate == "count":
        return None
    if name in OF_NO_DIALECT:
        return f"{name} cannot be measured: no dialect numbers its audio chunks; leave it out"
    if name in OF_PROFILES and scenario.network is None and all(persona.network is None for persona in scenario.personas):
        return f"{name} is measured only of talkers with a network profile: say which with network"
    if name in OF_OPEN_ARRIVALS and not scenario.load.open:
        return f"{name} is measured only with open arrivals: load.arrivals constant or poisson, and calls_per_s"
    if asked.table == BARGE_INS and not any(_speaks(part) for part in _parts(scenario, "barge_in")):
        return f"nobody barges in, so {name} is never measured: give conversation.barge_in per_second, or share and after_s"
    if asked.table == FALSE_ALARMS and not any(_speaks(part) for part in _parts(scenario, "false_alarms")):
        return f"nobody makes a false alarm, so {name} is never measured: give conversation.false_alarms per_second, or share and after_s"
    return scenario.target.unmeasured(name) or (_unsettled(scenario, asked) if name in GROWTHS else None)


def _check_grace(scenario: Scenario, asked: Asked, text: str) -> None:
    """Raises ScenarioError for a criterion to give the run up by that is looked at after its end at the earliest."""
    begins_s = {name: begun_s for begun_s, name in scenario.load.timetable}
    since_s = max(begins_s.get(stage or "", 0.0) for stage in (asked.stage, asked.base))
    first_s, ends_s = since_s + scenario.abort.grace_s, scenario.load.length_s
    if first_s >= ends_s:
        raise ScenarioError(
            f"{scenario.place('abort', 'grace_s')}: abort.grace_s: {text!r} is first looked at after {first_s:g} s of the run, which ends "
            f"after {ends_s:g} s: it would never be; a shorter grace, or a longer run"
        )


def _unsettled(scenario: Scenario, asked: Asked) -> str | None:
    """Why a growth of memory has too few samples in the run, or the stages that are asked for; None where it has enough."""
    load, target = scenario.load, scenario.target
    least_s = _LOOKS * (target.every_s if asked.metric == "target_memory_growth" else 1.0)
    spans = {name: (begun_s, begun_s + stage.length_s) for (begun_s, name), stage in zip(load.timetable, load.stages, strict=True)}
    spans[""] = (0.0, load.length_s)
    from_s, where = load.risen_s + target.settle_s, "the run"
    if load.search is not None:
        step_s = load.search.settle_s + load.search.measure_s
        spans[""], from_s, where = (load.search.settle_s, step_s), target.settle_s, "each step"
    for stage in (asked.stage, asked.base):
        if stage is None:
            continue
        begins_s, ends_s = spans[stage]
        if ends_s - max(begins_s, from_s) < least_s:
            told = f"stage {stage}, which ends at {ends_s:g} s" if stage else f"{where}, which ends after {ends_s:g} s"
            return (
                f"{asked.metric} is measured from {from_s:g} s on, as memory counts target.settle_s ({target.settle_s:g} s) after the "
                f"talkers are there, and takes {least_s:g} s more: too long for {told}"
            )
    return None


def _parts(scenario: Scenario, name: str) -> list[BargeIn | FalseAlarms]:
    """This part of the conversation, of everybody who may have it."""
    conversations = [persona.conversation(scenario.conversation) for persona in scenario.personas] or [scenario.conversation]
    return [getattr(conversation, name) for conversation in conversations]


def _speaks(part: BargeIn | FalseAlarms) -> bool:
    return part.per_second > 0 or bool(part.share)
