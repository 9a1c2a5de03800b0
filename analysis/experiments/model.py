"""An experiment as its author writes it (system design 7.2). Pure.

```yaml
name: faster-voice
scenario: demo
variant_a:
  name: current
  start: python -m assistant --port {port} --profile demo
variant_b:
  name: faster
  start: python -m assistant --port {port} --profile fast.yml
traffic_split: 0.5
metrics: [e2e_latency, tts_processing, success]
runs: 4
duration_s: 60
```
"""

from __future__ import annotations

import json
import math
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from analysis.compare.tolerance import tolerance
from analysis.files import RunError
from metrics.catalog import METRICS

Name = Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
_OURS = {"headless", "runs", "seed", "scenario", "set", "host", "run-time", "users"}
"""Options of locust that an experiment sets by itself."""


class Part(BaseModel):
    """A part of the file: no key but these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Variant(Part):
    """What is tried: an assistant at `host`, or one that `start` starts before each run (`{port}`: a free one), which is waited for. `set`:
    changes to the scenario. `options`: of locust, without dashes. `env`: of the started assistant and of locust. A mere text is a model's
    name: `session.model`."""

    name: Name
    host: str | None = None
    start: str | None = Field(None, min_length=1)
    ready_s: float = Field(30.0, gt=0, le=600)
    set: dict[str, Any] = {}
    options: dict[str, str | int | float | bool] = {}
    env: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _model(cls, told: Any) -> Any:
        return {"name": told, "set": {"session.model": told}} if isinstance(told, str) else told

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.host and self.start:
            raise ValueError("host and start exclude one another: what is started here listens on this machine")
        return self

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name.startswith("-") or name in _OURS:
                raise ValueError(f"{name}: {'write it without dashes' if name.startswith('-') else 'the experiment sets it by itself'}")
        return options


class Experiment(Part):
    """The whole file. `traffic_split`: which part of the runs is B's. `metrics`: those that decide; none: all that can be judged. `runs`:
    of both together. `duration_s`: of each; None: the scenario's. `duration_days`: over which the runs are spread evenly; 0: one after
    the other. `limit_s`: longest that a run may take; None: its length and two minutes."""

    name: Name
    description: str = ""
    scenario: str = Field("baseline", min_length=1)
    variant_a: Variant
    variant_b: Variant
    traffic_split: float = Field(0.5, gt=0, lt=1)
    metrics: list[str] = []
    tolerance: str | None = None
    runs: int = Field(4, ge=2, le=200)
    duration_s: float | None = Field(None, gt=0)
    duration_days: float = Field(0.0, ge=0, le=90)
    talkers: int | None = Field(None, ge=1)
    seed: int = Field(1, ge=0)
    limit_s: float | None = Field(None, gt=0)

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in METRICS:
                near = get_close_matches(name, METRICS, 1)
                raise ValueError(f"no metric {name!r}; {f'did you mean {near[0]}? ' if near else ''}docs/metrics.md has them all")
        return names

    @field_validator("tolerance")
    @classmethod
    def _allowed(cls, text: str | None) -> str | None:
        try:
            tolerance(text)
        except RunError as error:
            raise ValueError(str(error).removeprefix("--tolerance ")) from None
        return text

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.variant_a.name == self.variant_b.name:
            raise ValueError("variant_a and variant_b have one name: give each its own")
        if self.variant_a.model_copy(update={"name": ""}) == self.variant_b.model_copy(update={"name": ""}):
            raise ValueError("variant_a and variant_b differ in nothing but their names")
        return self


def turns(made: Experiment) -> list[bool]:
    """Which runs are B's, in their order: A B B A. The second half mirrors the first, so that what drifts evenly meanwhile adds as much to
    both. At least one run is of each."""
    of_b = min(max(round(made.runs * made.traffic_split), 1), made.runs - 1)
    half, pairs = made.runs // 2, of_b // 2
    first = [math.floor((i + 1) * pairs / half) > math.floor(i * pairs / half) for i in range(half)]
    if made.runs % 2:
        return [*first, of_b % 2 == 1, *reversed(first)]
    if of_b % 2:  # no mirror has that: the two in the middle are unlike
        return [*first[::-1], True, *first[1:]]
    return [*first, *first[::-1]]


def seeds(made: Experiment) -> list[int]:
    """Of the runs, in their order: both variants go through the same ones."""
    order = turns(made)
    many = min(order.count(True), order.count(False))
    counts, found = {True: 0, False: 0}, []
    for is_b in order:
        found.append(made.seed + counts[is_b] % many)
        counts[is_b] += 1
    return found


def changes(made: Experiment, variant: Variant) -> list[str]:
    """The values of `--set` of a variant's runs."""
    talkers = {} if made.talkers is None else {"load.talkers": made.talkers}
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in {**talkers, **variant.set}.items()]


def options(made: Experiment, variant: Variant) -> list[str]:
    """What `locust` gets for a variant, but for scenario, seed, host and folder."""
    line = [] if made.duration_s is None else ["--run-time", f"{math.ceil(made.duration_s)}s"]
    for name, value in variant.options.items():
        if value is not False:
            line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    for change in changes(made, variant):
        line += ["--set", change]
    return line
