"""Reads scenario files, and tells the author of one in a line what is wrong with it and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from scenarios.errors import ScenarioError
from scenarios.model import Scenario

FOLDER = Path(__file__).parent
"""The scenarios that come with Doubletalk."""

_LONGEST_SHOWN = 60


def names(folder: Path = FOLDER) -> list[str]:
    """Names of the scenarios that come with Doubletalk."""
    return sorted(p.stem for p in folder.glob("*.yml"))


def load_scenario(which: str, folder: Path = FOLDER) -> Scenario:
    """The scenario with this name, or in this file. Raises ScenarioError: unknown name, unreadable file, broken YAML, or a key or value
    that is not allowed, with the file and, where YAML tells it, the line."""
    path = Path(which)
    if path.suffix not in (".yml", ".yaml"):
        path = folder / f"{which}.yml"
        if not path.is_file():
            raise ScenarioError(f"no scenario {which!r}: there are {', '.join(names(folder))}; or name a .yml file")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"scenario {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"scenario {path}: cannot be read: it is not UTF-8 text") from None
    except ValueError as error:
        raise ScenarioError(f"scenario {str(path)!r}: cannot be read: {error}") from None
    return parse_scenario(text, str(path), re.sub(r"[^\w.-]", "-", path.stem)[:60])


def parse_scenario(text: str, where: str, default_name: str) -> Scenario:
    """The scenario in YAML `text`; `where` names its source in errors, `default_name` is used if it has no name. Raises ScenarioError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        for key in _repeated(node):
            raise ScenarioError(f"scenario {where}, line {key.start_mark.line + 1}: {key.value} is there twice: keep one")
        plain: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ScenarioError(f"scenario {where}{line}: broken YAML: {_problem(error)}") from None
    except RecursionError:
        raise ScenarioError(f"scenario {where}: broken YAML: nested too deep") from None
    except ScenarioError:
        raise
    except ValueError as error:
        raise ScenarioError(f"scenario {where}: broken YAML: {error}; put text in quotes") from None
    if not isinstance(plain, dict):
        raise ScenarioError(f"scenario {where}: it must be a mapping of keys to values, such as 'load:'")
    plain.setdefault("name", default_name)
    try:
        return Scenario.model_validate(plain)
    except ValidationError as error:
        first: dict[str, Any] = {**error.errors()[0]}
        raise ScenarioError(f"scenario {where}{_line(node, first['loc'])}: {_told(first)}") from None


def _told(error: dict[str, Any]) -> str:
    """What is wrong with a key or a value, and what is allowed."""
    path, kind, found = error["loc"], error["type"], error["input"]
    key = ".".join(str(p) for p in path)
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
        case "model_type", _:
            text = "write its keys below it, indented, or leave it out"
        case "tuple_type", _:
            text = "write a list"
        case "missing", _:
            return f"{key} is missing"
        case _:
            text = error["msg"].removeprefix("Value error, ")
    if found is None or isinstance(found, dict):
        return f"{key}: {text}"
    shown = repr(found)
    return f"{key}: {text} (found {shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + '...'})"


def _allowed(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the part of a scenario at `path`."""
    model: type[BaseModel] = Scenario
    for part in path:
        if str(part) not in model.model_fields:  # a name, or a place in a list
            continue
        annotation = model.model_fields[str(part)].annotation
        options = get_args(annotation) or (annotation,)
        model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(model.model_fields)


def _problem(error: yaml.YAMLError) -> str:
    """YAML's own words in one line, without its quotation of the file."""
    told = [getattr(error, name, None) for name in ("context", "problem")]
    text = ", ".join(str(part) for part in told if part) or str(error)
    return " ".join(text.split())


def _repeated(top: yaml.Node | None) -> Iterator[yaml.Node]:
    """Keys that a mapping has twice: YAML would keep the last in silence. Each node is looked at once, as aliases may lead in circles."""
    seen: set[int] = set()
    left = [top]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        yield key
                    keys.add(key.value)
                left.append(value)
        elif isinstance(node, yaml.SequenceNode):
            left.extend(node.value)


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> str:
    """Line of the innermost key on `path` that the file has."""
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return f", line {line}" if line else ""
