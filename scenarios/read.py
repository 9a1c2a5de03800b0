"""Reads scenario files, and tells the author of one in a line what is wrong with it and where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from scenarios.changes import ACCESS, change, shown
from scenarios.checks import check_chaos, check_networks
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.source import Source, over, read_source

FOLDER = Path(__file__).parent
"""The scenarios that come with Doubletalk."""

_LONGEST_SHOWN = 60
_DEEPEST = 10


def names(folder: Path = FOLDER) -> list[str]:
    """Names of the scenarios that come with Doubletalk."""
    return sorted(p.stem for p in folder.glob("*.yml"))


def load_scenario(which: str, folder: Path = FOLDER, changes: Sequence[str] = ()) -> Scenario:
    """The scenario with this name, or in this file. `changes`: values to take instead of the file's, such as `load.talkers=50`. Raises
    ScenarioError: unknown name, unreadable file, broken YAML, or a key or value that is not allowed, with the file and, where YAML tells
    it, the line."""
    path = _path(which, folder)
    return _scenario(read_source(path), path.parent, re.sub(r"[^\w.-]", "-", path.stem)[:60], changes)


def parse_scenario(text: str, where: str, default_name: str, changes: Sequence[str] = ()) -> Scenario:
    """The scenario in YAML `text`; `where` names its source in errors, `default_name` is used if it has no name; `changes` as for
    `load_scenario`. Raises ScenarioError."""
    return _scenario(Source(text, where), FOLDER, default_name, changes)


def _path(which: str, folder: Path) -> Path:
    path = Path(which)
    if path.suffix in (".yml", ".yaml"):
        return path
    if not (folder / f"{which}.yml").is_file():
        raise ScenarioError(f"no scenario {which!r}: there are {', '.join(names(folder))}; or name a .yml file")
    return folder / f"{which}.yml"


def _sources(source: Source, folder: Path) -> list[Source]:
    """A source, and those that it is based on: the nearest first."""
    found = [source]
    while (base := found[-1].plain.pop("based_on", None)) is not None:
        where = f"scenario {found[-1].where}{found[-1].line(('based_on',))}"
        if not isinstance(base, str):
            raise ScenarioError(f"{where}: based_on: write the name of a scenario, or a .yml file (found {base!r})")
        if len(found) > _DEEPEST:
            raise ScenarioError(f"{where}: based_on goes round in circles, or is deeper than {_DEEPEST}")
        try:
            path = _path(base, FOLDER)
            path = path if path.is_absolute() or path.parent == FOLDER else folder / path
            found.append(read_source(path))
        except ScenarioError as error:
            raise ScenarioError(f"{where}: based_on: {error}") from None
        folder = path.parent
    return found


def _scenario(source: Source, folder: Path, default_name: str, changes: Sequence[str]) -> Scenario:
    sources = _sources(source, folder)
    plain = sources[-1].plain
    for nearer in reversed(sources[:-1]):
        plain = over(plain, {"name": default_name, "description": "", **nearer.plain} if nearer is source else nearer.plain)
    plain.setdefault("name", default_name)
    changed = {change(plain, text): text for text in changes}

    def place(path: tuple[int | str, ...]) -> str:
        for made, text in changed.items():
            if path and made[: len(path)] == path[: len(made)]:
                return f"--set {shown(text)}"
        writer = next((one for one in sources if one.has(path)), source)
        return f"scenario {writer.where}{writer.line(path)}"

    try:
        scenario = Scenario.model_validate(plain)
    except ValidationError as error:
        errors = error.errors()  # an unknown key is why another is missing
        first: dict[str, Any] = {**next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])}
        raise ScenarioError(f"{place(first['loc'])}: {_told(first)}") from None
    scenario.keep_places(place)
    check_networks(scenario)
    check_chaos(scenario)
    return scenario


def _told(error: dict[str, Any]) -> str:
    """What is wrong with a key or a value, and what is allowed."""
    path, kind, found = error["loc"], error["type"], error["input"]
    key = ".".join(str(p) for p in path if p != "[key]")
    if kind == "extra_forbidden":
        allowed = _allowed(path[:-1])
        near = get_close_matches(str(path[-1]), allowed, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"unknown key {key}; {hint}allowed there: {', '.join(allowed)}"
    match kind, error.get("ctx", {}).get("class_name"):
        case "model_type", "Draw":
            text = "write a number, or one of fixed, uniform, exponential, lognormal"
        case "model_type", "Lognormal":
            text = "write {median: ..., p95: ...}"
        case "model_type", _ if path and isinstance(path[-1], int):
            text = f"write its keys, such as {{{', '.join(f'{name}: ...' for name in _allowed(path)[:2])}}}"
        case "model_type", _:
            text = "write its keys below it, indented, or leave it out"
        case "dict_type", _:
            text = "write {name: value}, or leave it out"
        case "tuple_type", _:
            text = "write a list"
        case "missing", _:
            return f"{key} is missing"
        case _:
            text = error["msg"].removeprefix("Value error, ")
    hidden = path[:1] == (ACCESS,) or (isinstance(found, str) and "://" in found)  # a URL may hold a password
    if found is None or isinstance(found, dict) or hidden:
        return f"{key}: {text}"
    value = repr(found)
    return f"{key}: {text} (found {value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + '...'})"


def _allowed(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the part of a scenario at `path`."""
    model: type[BaseModel] = Scenario
    for part in path:
        if str(part) in model.model_fields:  # else a place in a list, or a name of the author's own
            model = part_of(model.model_fields[str(part)].annotation) or model
    return list(model.model_fields)


def part_of(annotation: Any) -> type[BaseModel] | None:
    """The part of a scenario that a field holds, or holds several of; None where it holds plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (part_of(option) for option in get_args(annotation))
    return next((part for part in found if part is not None), None)
