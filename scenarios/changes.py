"""Changes to a scenario on the command line: `load.talkers=50`."""

from __future__ import annotations

from typing import Any

import yaml

from scenarios.errors import ScenarioError

ACCESS = "access"
"""The part of a scenario whose values are not shown: somebody may write a secret there."""


def change(plain: dict[str, Any], text: str) -> tuple[int | str, ...]:
    """Make a change in a scenario that was read: keys with dots between them, `=`, and a value as YAML has it. A part of a list is told by
    its number, from 0, or its name (`load.stages.peak.talkers=80`). Returns where it was made. Raises ScenarioError, with one line."""
    keys, equals, written = text.partition("=")
    text = shown(text)
    if not equals or not all(key.strip() for key in keys.split(".")):
        raise ScenarioError(f"--set {text!r}: write it as load.talkers=50: a key, '=', a value")
    try:
        value = yaml.safe_load(written)
    except (yaml.YAMLError, ValueError):
        raise ScenarioError(f"--set {text}: the value is not YAML: put text in quotes") from None
    *above, last = (key.strip() for key in keys.split("."))
    path: list[int | str] = []
    place: Any = plain
    for key in above:
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = _below(place, key, path, text)
    if isinstance(place, dict):
        place[last] = value
        path.append(last)
    else:
        _below(place, last, path, text)
        place[path[-1]] = value
    return tuple(path)


def shown(text: str) -> str:
    """A change as it may be shown: without a value that should have been the name of a secret."""
    keys = text.partition("=")[0]
    return keys if keys.partition(".")[0].strip() == ACCESS else text


def _below(place: Any, key: str, path: list[int | str], text: str) -> Any:
    """What is at `key` of a mapping or a list, whose place is added to `path`."""
    if isinstance(place, dict):
        path.append(key)
        return place[key]
    if not isinstance(place, list):
        raise ScenarioError(f"--set {text}: {'.'.join(str(part) for part in path)} has no keys")
    names = [part.get("name") if isinstance(part, dict) else None for part in place]
    index = int(key) if key.isdecimal() else names.index(key) if key in names else -1
    if not 0 <= index < len(place):
        known = ", ".join(str(name) for name in names if name) or f"0 to {len(place) - 1}"
        raise ScenarioError(f"--set {text}: {'.'.join(str(part) for part in path)} has no {key}; there is {known}")
    path.append(index)
    return place[index]
