"""The page about scenario files, made from the model that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scenarios.draws import Draw
from scenarios.model import Scenario
from scenarios.read import FOLDER, load_scenario, names, part_of

_EXAMPLE = "demo"
_WORDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "string": "text",
    "array": "list of text",
    "object": "names with text",
}

_INTRO = """# Scenario files

A scenario says what is run: how many talkers, how they converse, what they ask of the assistant, and which criteria decide the exit code.
It is one YAML file. Every key may be left out, and then has the default shown here; a key that is not listed, a value of another type, or a
key that is there twice is refused with the file and the line before anything starts.

`locust --scenario demo` runs one that comes with Doubletalk, `locust --scenario path/to/mine.yml` one of your own. `--set load.talkers=50`
changes a value without a change of the file; a part of a list is told by its name or its number, from 0: `--set load.stages.peak.hold_s=5`.

`based_on: spike` at the top of a file takes over what the file does not say itself from another scenario, by name or as a file beside it:
mappings key by key, lists and draws as a whole.

```
python -m scenarios list                what comes with Doubletalk
python -m scenarios check mine.yml      whether a run with it could start
python -m scenarios show spike          the load over time, how long it takes and what it costs
```

This page is made from `scenarios/model.py` by `python -m scenarios docs`."""

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

_LOAD = """## Load

Without `stages`, `talkers` talkers start at `spawn_per_s` and stay until the run is `duration_s` old.

With stages the load changes evenly for `over_s` seconds to what the stage reaches, and stays for `hold_s`. A stage has a name, by which
criteria and the summary tell what was measured in it: what began in it, however long it took. Talkers who are to leave end their turn
first.

```yaml
load:
  stages:
    - {name: first, talkers: 1, hold_s: 60}
    - {name: rise, talkers: 100, over_s: 300}
    - {name: top, hold_s: 60}
criteria:
  - e2e_latency p50 in top < 120 % of first
```

With `arrivals: poisson` (or `constant`) calls begin at `calls_per_s` whatever became of those before, as callers do who know nothing of
each other; `talkers` is how many can be on the line at the same time. When calls begin, and whose they are, depends on the seed alone: of
*n* talkers number *i* makes the calls *i*, *n* + *i*, 2*n* + *i* and so on. A call whose talker is still on the line at its instant, even
if others are free, or whose tester is late by more than 100 ms, is not made: a caller turned away by the tester; only what is due in the
first two seconds, while talkers come, may begin late. `calls_begun` is the share of the planned calls that were made, and a run in which it
is not above 95 % has failed, unless the scenario has a criterion of its own on it. So give more talkers than calls overlap: `talkers` /
`calls_per_s` seconds, which lie between two calls of one talker on average, should be several times as long as a call.

With `search` the run answers how many talkers the deployment holds: it tries `least` talkers, `growth` times as many until a criterion is
missed, halves the distance to what held, and tries both sides of the edge `repeats` times at least. Each step's criteria are judged by what
was over in its `measure_s` seconds, which begin `settle_s` after its talkers are there; both together are longer than it takes until a
turn that gets no answer is over (`limits.response_s` and the speech before it). The answer is an interval: so many hold, so many do
not. A step decides nothing by fewer than ten values of a metric: it goes on until there are as many. One that has too few when the run's
time is over ends the search undecided, and the verdict says so; a criterion missed on enough values decides whatever the others have.

`tokens_per_s` asks for tokens besides those of the talkers; stages may change it."""

_ABORT = """## Giving a run up

A run that is hopeless need not go on for half an hour. From `abort.grace_s` on, each second, the criteria of `abort.unless` are judged by
what was measured so far; where one does not hold, the run ends as `ABORTED`, with exit code 1 and everything that it measured. One that
names a stage is looked at from that stage's start and the grace on. Where nothing was measured by then, it does not hold. A grace that the
run does not outlast is refused. While the last turns end, nothing is judged any more."""

_INTERRUPTIONS = """## Barge-ins and false alarms

`per_second` is a hazard: while the assistant's answer is heard, the chance of the event in the next second, given that it has not happened
yet. So the time to the first one is exponential with mean 1 / `per_second`, counted from `not_before_s` on; at 0.1, one in ten answers is
interrupted within the first second that may be, two in three within eleven. A turn has at most one barge-in or false alarm: the one that
comes first. An answer that ends before the planned instant is not interrupted.

`share` and `after_s` say it another way: so many of the answers are spoken into, so long after they are first heard.
`barge_in: {share: 1, after_s: {uniform: [0.5, 2]}}` interrupts every reply that lasts long enough, and the reply to a barge-in, too."""

_CRITERIA = """## Criteria

A criterion is one line: a metric, an aggregate, an operator, a number and its unit, such as `e2e_latency p95 < 1200 ms`.

`success in peak > 95 %` is about one stage of the load alone, and `e2e_latency p50 in peak < 120 % of first` compares it with another; the
bound is then `%` or `x` of the value in that stage.

- The metric is a name from `docs/metrics.md`.
- The aggregate of a metric with many values is `mean`, `min`, `max`, `sum`, `count`, or a percentile from `p0` to `p100` (`p99.9` too).
  A share or a rate has one value, so that the aggregate is left out (`success > 95 %`), or is `count`.
- The operator is `<`, `<=`, `>` or `>=`.
- The unit is that of the metric, and may not be left out: `ms` or `s` for durations, `%` for shares, `/min` and `/h` for rates, `x` or none
  for factors, `kB`, `MB` or `GB` for memory and `MB/h` for its growth, none for indices and for `count`.
- A growth is judged by its confidence interval: all of it must be on the right side of the bound ([growth](target.md#growth)).

All criteria are checked for sense before the run starts, those of `abort.unless` too. One that no run of the scenario can measure is
refused: on barge-ins where nobody barges in, on false alarms where nobody makes one, on the target where nothing says where it tells of
itself, on a network profile's delay where no talker has one, on tokens with `--auth key` or `none`, on calls begun where arrivals are not
open, on a growth of memory where the run or the stage is over before memory counts (`target.settle_s`).

The run ends with exit code 0 only if it was valid, measured a turn, and all criteria hold. A criterion on a metric of which nothing was
measured does not hold. With open arrivals there is one more, `calls_begun > 95 %`, unless the scenario has one on that metric."""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n\n".join([_INTRO, _keys(), _DRAWS, _LOAD, _INTERRUPTIONS, _CRITERIA, _ABORT, _shipped(), _example()]) + "\n"


def _keys() -> str:
    rows = [(f"`{path}`", kind, default, told) for path, kind, default, told in _rows(Scenario, "", {})]
    return "## Keys\n\n" + _table(("key", "value", "default", "is"), rows)


def _rows(model: type[BaseModel], above: str, listed: dict[type[BaseModel], str]) -> Iterator[tuple[str, str, str, str]]:
    """Key, kind of value, default and meaning of each key. `listed`: the parts whose keys were listed so far, and where."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        part = part_of(field.annotation)
        told = field.description or ""
        if part is None or part is Draw:
            default = _default(field, above)
            yield f"{above}{name}", _kind(schema["properties"][name], schema.get("$defs", {})), default, told
        elif isinstance(field.annotation, type):
            listed[part] = f"{above}{name}"
            yield from _rows(part, f"{above}{name}.", listed)
        elif part in listed:
            yield f"{above}{name}", f"as `{listed[part]}`, or `null`", _default(field, above), told
        else:
            held, below = _held(schema["properties"][name])
            listed[part] = f"{above}{name}"
            yield f"{above}{name}", held, _default(field, above), told
            yield from _rows(part, f"{above}{name}{below}.", listed)


def _default(field: FieldInfo, above: str) -> str:
    if field.is_required():
        return "the file's name" if not above and field.annotation is str else "none: it must be given"
    return f"`{_shown(field.get_default(call_default_factory=True))}`"


def _held(schema: dict[str, Any]) -> tuple[str, str]:
    """How a key holds several parts, or one that may be left out: in words, and in the path of the keys below."""
    if schema.get("type") == "array":
        return "list of parts", "[]"
    if schema.get("type") == "object":
        return "parts by name", ".NAME"
    return "part, or `null`", ""


def _parts_kind(several: bool, like: str | None) -> str:
    """What a key holds that may hold a part, or several; `like`: the key whose part has the same keys, None where they are listed below."""
    if like is not None:
        return f"as `{like}`, or `null`"
    return "list of parts" if several else "part, or `null`"


def _part(annotation: Any) -> type[BaseModel] | None:
    """The part of a scenario that a key holds: one, one or null, or several; None where it holds a plain value or a draw."""
    for option in get_args(annotation) or (annotation,):
        if isinstance(option, type) and issubclass(option, BaseModel) and option is not Draw:
            return option
    return None


def _kind(schema: dict[str, Any], parts: dict[str, Any]) -> str:
    """Type and bounds of a key's value in words, from its JSON schema."""
    options = [parts[option["$ref"].rpartition("/")[2]] if "$ref" in option else option for option in schema.get("anyOf", [schema])]
    plain = [option for option in options if option.get("type") != "null"]
    return " or ".join(_plainly(option) for option in plain) + (", or `null`" if len(plain) < len(options) else "")


def _plainly(schema: dict[str, Any]) -> str:
    if schema.get("title") == Draw.__name__:
        return "draw"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "object":
        values = schema["additionalProperties"]
        words = [_WORDS[one["type"]] for one in values.get("anyOf", [values])]
        return f"{', '.join(words[:-1]) + ' or ' if words[1:] else ''}{words[-1]} by name"
    return ", ".join([_WORDS[schema["type"]], *_bounds(schema)])


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']:g} to {schema['maximum']:g}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']:g}"
    elif "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']:g}" + (f", at most {schema['maximum']:g}" if "maximum" in schema else "")
    if "maxLength" in schema and "minLength" in schema:
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
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str) and "{" in value:
        return f"'{value}'"
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
