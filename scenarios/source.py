"""The YAML of a scenario: what it says, and where each key is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scenarios.draws import Draw
from scenarios.errors import ScenarioError

_FORMS = set(Draw.model_fields)


class Source:
    """YAML `text` with a mapping, whose place in errors is `where`. Raises ScenarioError. `plain`: what it says."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        try:
            self._node = yaml.compose(text, Loader=yaml.SafeLoader)
            for key in _repeated(self._node):
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
        self.plain: dict[Any, Any] = plain

    def has(self, path: tuple[int | str, ...]) -> bool:
        """Whether it says something at this place."""
        place: Any = self.plain
        for part in path:
            inside = isinstance(place, dict) and part in place
            if not inside and not (isinstance(place, list) and isinstance(part, int) and part < len(place)):
                return False
            place = place[part]
        return True

    def line(self, path: tuple[int | str, ...]) -> str:
        """Line of the innermost key on `path` that it has, as errors say it; empty where it has none."""
        node, line = self._node, None
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


def read_source(path: Path) -> Source:
    """The source in a file. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"scenario {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"scenario {path}: cannot be read: it is not UTF-8 text") from None
    except ValueError as error:
        raise ScenarioError(f"scenario {str(path)!r}: cannot be read: {error}") from None
    return Source(text, str(path))


def over(base: dict[Any, Any], plain: dict[Any, Any]) -> dict[Any, Any]:
    """What `plain` says, and where it says nothing, what `base` does: mappings key by key, all else, and draws, as a whole."""
    made = dict(base)
    for key, value in plain.items():
        below = made.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and not set(value) <= _FORMS:
            made[key] = over(below, value)
        else:
            made[key] = value
    return made


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
