"""Reads what a person writes as YAML into a pydantic model; each mistake is told with file, line and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from analysis.files import RunError

Model = TypeVar("Model", bound=BaseModel)
Place = Sequence[int | str]
_LONGEST_SHOWN = 60


def read(path: Path, model: type[Model], defaults: dict[str, Any]) -> Model:
    """What is written in this file; `defaults`: of keys that it does not have. Raises RunError."""
    return parse(text_of(path), str(path), model, defaults)


def text_of(path: Path) -> str:
    """A file's text. Raises RunError where it cannot be read, or is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RunError(f"{path}: cannot be read: it is not UTF-8 text") from None


def parse(text: str, where: str, model: type[Model], defaults: dict[str, Any]) -> Model:
    """What this YAML says; `where` names its source. Raises RunError."""
    node, plain = mapping(text, where)
    return checked({**defaults, **plain}, where, model, node)


def mapping(text: str, where: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    """The keys and values of this YAML, and its node, which knows their lines. Raises RunError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        plain: Any = yaml.safe_load(text)
        json.dumps(plain, default=str, skipkeys=True)  # an alias may lead in a circle, which nobody further on expects
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RunError(f"{where}{line}: broken YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(plain, dict):
        raise RunError(f"{where}: it must be a mapping of keys to values, a line 'key: value' for each")
    twice = _twice(node)
    if twice is not None:
        raise RunError(f"{where}, line {twice.start_mark.line + 1}: {twice.value} is there twice: keep one")
    return node, plain


def checked(plain: dict[str, Any], where: str, model: type[Model], node: yaml.Node | None = None) -> Model:
    """What these keys and values say; `node` has their lines, None where they have none. Raises RunError."""
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        errors = error.errors()  # an unknown key is why another is missing
        first: dict[str, Any] = {**next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])}
        raise RunError(f"{where}{line_of(node, first['loc'])}: {_told(first, model)}") from None


def _told(error: dict[str, Any], model: type[BaseModel]) -> str:
    path: Place = error["loc"]
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        allowed = _allowed(model, path[:-1])
        near = get_close_matches(str(path[-1]), allowed, n=1)
        return f"unknown key {key}; {f'did you mean {near[0]}? ' if near else ''}allowed there: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    says = error["msg"].removeprefix("Value error, ")
    text = f"{key}: {says[:1].lower()}{says[1:]}" if key else says
    found = error["input"]
    if found is None or isinstance(found, dict | list | BaseModel) or (isinstance(found, str) and "://" in found):  # may hold a password
        return text
    return f"{text} (found {repr(found)[:_LONGEST_SHOWN]})"


def _allowed(model: type[BaseModel], path: Place) -> list[str]:
    """The keys of the part of a model at `path`."""
    for part in path:
        if str(part) in model.model_fields:
            model = _part(model.model_fields[str(part)].annotation) or model
    return list(model.model_fields)


def _part(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for option in get_args(annotation) if (found := _part(option)) is not None), None)


def line_of(node: yaml.Node | None, path: Place) -> str:
    """Line of the innermost key on `path` that is written, as errors say it; empty where none is."""
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
    return f", line {line}" if line else ""


def _twice(node: yaml.Node | None) -> yaml.ScalarNode | None:
    """A key that a mapping has twice, of which YAML would keep the last in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    return key
                seen.add(key.value)
            if (found := _twice(value)) is not None:
                return found
    if isinstance(node, yaml.SequenceNode):
        return next((found for value in node.value if (found := _twice(value)) is not None), None)
    return None
