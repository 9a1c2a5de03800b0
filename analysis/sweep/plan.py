"""A sweep as its author writes it, and the runs that it comes to. Pure but for the reading of the file.

```yaml
scenario: listeners-quick
repeats: 2
over:
  session.vad_threshold: [0.2, 0.5, 0.8]     # a key of the scenario
  options.frame-ms: [20, 40]                 # an option of locust
  assistant.model: [small, large]            # fills {model} in the assistant's command
  profile.llm.delay: [{fixed: 0.1}]          # a key of the bundled assistant's profile
assistant:
  command: python -m assistant --port {port} --profile {profile} --seed {seed}
  profile: {like: demo}
```
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from analysis import written
from analysis.files import RunError
from analysis.sweep.manifest import Cell, shown

MOST = 1000
"""Runs of a sweep, at most: at a minute each it takes most of a day."""
OPTIONS, ASSISTANT, PROFILE = "options.", "assistant.", "profile."
"""What an axis varies, by how its name begins; anything else is a key of the scenario."""
GIVEN = ("port", "seed")
"""Names that a sweep fills in a command by itself."""
_OURS = {"headless", "runs", "seed", "scenario", "set", "host"}
"""Options of locust that a sweep sets by itself."""

Plain = str | int | float | bool | None | list[Any] | dict[str, Any]


class Part(BaseModel):
    """A part of the file: no key but these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Assistant(Part):
    """What is started before each run and ended after it. `{port}`: a free one; `{seed}`: the run's; `{profile}`: of the bundled assistant,
    the name or the file made of `profile`; `{anything}`: the value of the axis `assistant.anything`."""

    command: str = Field(min_length=1)
    host: str = "http://127.0.0.1:{port}"
    ready_s: float = Field(30.0, gt=0)
    env: dict[str, str] = {}
    profile: str | dict[str, Any] = "demo"


class Plan(Part):
    """The whole file. `host`: an assistant that is there already, in place of `assistant`. `limit_s`: longest that a run may take; None:
    the scenario's length and two minutes."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
    scenario: str = Field(min_length=1)
    seed: int = 1
    repeats: int = Field(1, ge=1, le=100)
    set: dict[str, Plain] = {}
    options: dict[str, str | int | float | bool] = {}
    over: dict[str, Annotated[list[Plain], Field(min_length=1)]] = Field(min_length=1)
    assistant: Assistant | None = None
    host: str | None = None
    limit_s: float | None = Field(None, gt=0)


def read(path: Path) -> Plan:
    """The plan in this file. Raises RunError: what is wrong, and where."""
    node, told = written.mapping(written.text_of(path), str(path))
    return plan({"name": re.sub(r"[^\w.-]", "-", path.stem)[:60], **told}, str(path), node)


def plan(told: dict[str, Any], where: str, node: yaml.Node | None = None) -> Plan:
    """The plan that says this. Raises RunError; `where` names its source in it, `node` has the lines of its YAML."""
    made = written.checked(told, where, Plan, node)
    wrong = _mistake(made)
    if wrong:
        raise RunError(f"{where}{written.line_of(node, wrong[0])}: {wrong[1]}")
    return made


def over(texts: Sequence[str]) -> dict[str, list[Any]]:
    """The axes of `--over KEY=VALUE,VALUE`; values as YAML has them. Raises RunError."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        try:
            listed = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError:
            listed = []
        if not key or not equals or not listed:
            raise RunError(f"--over {text}: write it as load.talkers=5,10,20: a key, '=', values with commas between them")
        axes[key] = listed
    return axes


def cells(made: Plan) -> tuple[Cell, ...]:
    """The runs, in their order: repeat after repeat, so that what drifts in the meantime meets all settings alike, and within a repeat
    shuffled by the seed. Those of a repeat have one seed: they meet the same talkers."""
    grid = [dict(zip(made.over, values, strict=True)) for values in itertools.product(*made.over.values())]
    drawn = random.Random(made.seed)
    ordered = [(repeat, settings) for repeat in range(1, made.repeats + 1) for settings in drawn.sample(grid, len(grid))]
    return tuple(Cell(i, settings, repeat, made.seed + repeat - 1) for i, (repeat, settings) in enumerate(ordered, start=1))


def locust_options(made: Plan, settings: dict[str, Any]) -> list[str]:
    """What `locust` gets for these settings, but for scenario, seed, host and folder."""
    varied = {key.removeprefix(OPTIONS): value for key, value in settings.items() if key.startswith(OPTIONS)}
    line = []
    for name, value in {**made.options, **varied}.items():
        if value is not False:
            line += [f"--{name}"] if value is True else [f"--{name}", shown(value)]
    for change in scenario_changes(made, settings):
        line += ["--set", change]
    return line


def scenario_changes(made: Plan, settings: dict[str, Any]) -> list[str]:
    """The values of `--set` for these settings."""
    varied = {key: value for key, value in settings.items() if not key.startswith((OPTIONS, ASSISTANT, PROFILE))}
    return [f"{key}={shown(value)}" for key, value in {**made.set, **varied}.items()]


def profile(made: Plan, settings: dict[str, Any]) -> str | dict[str, Any]:
    """The bundled assistant's profile for these settings: its name, or what its file is to hold. An axis `assistant.profile` names the one
    that axes `profile.KEY` change."""
    varied = {key.removeprefix(PROFILE): value for key, value in settings.items() if key.startswith(PROFILE)}
    base: str | dict[str, Any] = settings.get(f"{ASSISTANT}profile", made.assistant.profile if made.assistant else "")
    if not varied:
        return base
    held: dict[str, Any] = {"like": base} if isinstance(base, str) else _copied(base)
    for key, value in varied.items():
        *above, last = key.split(".")
        place = held
        for part in above:
            below = place.get(part)
            place[part] = below if isinstance(below, dict) else {}
            place = place[part]
        place[last] = value
    return held


def filled(template: str, values: dict[str, Any]) -> str:
    """A template with `{name}` replaced by what `values` has for it. Other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda found: shown(values[found[1]]) if found[1] in values else found[0], template)


def _copied(held: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in held.items()}


def _mistake(made: Plan) -> tuple[Sequence[int | str], str] | None:
    """Where the first mistake is that the types do not tell, and what it is."""
    runs = made.repeats * math.prod(len(values) for values in made.over.values())
    if runs > MOST:
        return ("over",), f"over: these are {runs} runs; {MOST} are the most: vary fewer settings, or write fewer values"
    if made.assistant and made.host:
        return ("host",), "host: leave it out: the assistant that is started has a host of its own"
    places = [(("options", key), key, key) for key in made.options]
    places += [(("over", axis), axis, axis.removeprefix(OPTIONS)) for axis in made.over if axis.startswith(OPTIONS)]
    for place, key, option in places:
        if option.lstrip("-") in _OURS:
            return place, f"{place[0]}: {key}: a sweep sets it by itself"
        if option.startswith("-"):
            return place, f"{place[0]}: {key}: write it without the dashes in front"
    for axis, values in made.over.items():
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            return ("over", axis), f"over: {axis}: {shown(twice)} is there twice: keep one"
        if not axis.startswith((ASSISTANT, PROFILE)):
            continue
        if made.assistant is None:
            return ("over", axis), f"over: {axis}: there is no assistant.command that it could change"
        name = "profile" if axis.startswith(PROFILE) else axis.removeprefix(ASSISTANT)
        if axis.startswith(ASSISTANT) and name in GIVEN:
            return ("over", axis), f"over: {axis}: a sweep fills in {name} by itself; call it otherwise"
        if f"{{{name}}}" not in " ".join([made.assistant.command, *made.assistant.env.values()]):
            return ("over", axis), f"over: {axis}: assistant.command has no {{{name}}} that it could fill"
    return None
