"""The page about scenario files, made from the model that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from scenarios.draws import Draw
from scenarios.model import Scenario
from scenarios.read import FOLDER, load_scenario, names

_EXAMPLE = "demo"
_WORDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "string": "text",
    "array": "list of text",
    "object": "mapping",
}

_INTRO = """# Scenario files

A scenario says what is run: how many talkers, how they converse, what they ask of the assistant, and which criteria decide the exit code.
It is one YAML file. Every key may be left out, and then has the default shown here; a key that is not listed, a value of another type, or a
key that is there twice is refused with the file and the line before anything starts.

`locust --scenario demo` runs one that comes with Doubletalk, `locust --scenario path/to/mine.yml` one of your own.

This page is made from `scenarios/model.py` by `python -m scenarios`."""

_DRAWS = """## Draws

Where the table says *draw*, every talker draws a value of its own each time, from a distribution. What is drawn depends on the run's seed,
the talker's number and the turn's number alone: two runs with one seed, or two assistants, meet the same talkers.

| form | means |
|------|-------|
| `2` | always 2; the same as `fixed: 2` |
| `{fixed: 2}` | always 2 |
| `{uniform: [1, 3]}` | anything from 1 to 3, evenly |
| `{exponential: 2}` | exponential with mean 2: mostly short, now and then long |
| `{lognormal: {median: 1.5, p95: 4}}` | lognormal: half of all below 1.5, 95 % below 4; people's pauses are like that |

Exactly one form is given; values are finite and not negative. What is a number of things is rounded."""

_INTERRUPTIONS = """## Barge-ins and false alarms

`per_second` is a hazard: while the assistant's answer is heard, the chance of the event in the next second, given that it has not happened
yet. So the time to the first one is exponential with mean 1 / `per_second`, counted from `not_before_s` on; at 0.1, one in ten answers is
interrupted within the first second that may be, two in three within eleven. A turn has at most one barge-in or false alarm: the one that
comes first. An answer that ends before the planned instant is not interrupted."""

_CRITERIA = """## Criteria

A criterion is one line: a metric, an aggregate, an operator, a number and its unit, such as `e2e_latency p95 < 1200 ms`.

- The metric is a name from `docs/metrics.md`.
- The aggregate of a metric with many values is `mean`, `min`, `max`, `sum`, `count`, or a percentile from `p0` to `p100` (`p99.9` too).
  A share or a rate has one value, so that the aggregate is left out (`success > 95 %`), or is `count`.
- The operator is `<`, `<=`, `>` or `>=`.
- The unit is that of the metric, and may not be left out: `ms` or `s` for durations, `%` for shares, `/min` and `/h` for rates, `x` or none
  for factors, none for indices and for `count`.

All criteria are checked for sense before the run starts. The run ends with exit code 0 only if it was valid, measured a turn, and all of
them hold. A criterion on a metric of which nothing was measured does not hold."""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n\n".join([_INTRO, _keys(), _DRAWS, _INTERRUPTIONS, _CRITERIA, _shipped(), _example()]) + "\n"


def _keys() -> str:
    rows = [(f"`{path}`", kind, default, told) for path, kind, default, told in _rows(Scenario, "")]
    return "## Keys\n\n" + _table(("key", "value", "default", "is"), rows)


def _rows(model: type[BaseModel], above: str) -> Iterator[tuple[str, str, str, str]]:
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not Draw:
            yield from _rows(inner, f"{above}{name}.")
            continue
        kind = "draw" if inner is Draw else _kind(schema[name])
        default = "the file's name" if field.is_required() else f"`{_shown(field.default)}`"
        yield f"{above}{name}", kind, default, field.description or ""


def _kind(schema: dict[str, Any]) -> str:
    """Type and bounds of a key's value in words, from its JSON schema."""
    options = schema.get("anyOf", [schema])
    kinds = [", ".join([_WORDS[option["type"]], *_bounds(option)]) for option in options if option["type"] != "null"]
    return " or ".join(kinds) + (", or `null`" if len(kinds) < len(options) else "")


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']:g} to {schema['maximum']:g}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']:g}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']:g}"
    if "maxLength" in schema:
        yield f"{schema['minLength']} to {schema['maxLength']} characters"


def _shown(value: Any) -> str:
    """A default as one would write it in YAML."""
    if isinstance(value, BaseModel):
        given = {name: _shown(inner) for name, inner in value if inner is not None}
        return given["fixed"] if list(given) == ["fixed"] else "{" + ", ".join(f"{k}: {v}" for k, v in given.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(v) for v in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else (str(value) or '""')


def _shipped() -> str:
    rows = [(f"`{name}`", load_scenario(name).description) for name in names()]
    return "## Scenarios that come with Doubletalk\n\n" + _table(("name", "is for"), rows)


def _example() -> str:
    text = (FOLDER / f"{_EXAMPLE}.yml").read_text(encoding="utf-8").rstrip()
    return f"## An example\n\n`scenarios/{_EXAMPLE}.yml`:\n\n```yaml\n{text}\n```"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])
