"""The scenario: what is run. One YAML file each; every key is described here and checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scenarios.draws import Draw, Lognormal, NotNegative, Positive
from scenarios.errors import ScenarioError

FOLDER = Path(__file__).parent
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Load(_Part):
    """How many talkers, for how long."""

    talkers: int = Field(1, ge=1, description="virtual talkers that call at the same time")
    spawn_per_s: Positive = Field(1.0, description="talkers that start per second")
    duration_s: Positive = Field(60.0, description="length of the run in seconds, ramp included")
    tokens_per_s: NotNegative = Field(
        0.0, description="rate at which a token minter asks for tokens besides those of the talkers, on an open timetable; 0: no minter"
    )


class BargeIn(_Part):
    """When and how the talker interrupts."""

    per_second: NotNegative = Field(0.0, description="chance per second of the assistant's speech that the talker barges in (hazard)")
    not_before_s: NotNegative = Field(0.5, description="seconds of the assistant's speech that are always let pass")
    cancel: bool = Field(False, description="the talker sends a cancel too; else the assistant has to notice by itself")


class FalseAlarms(_Part):
    """Backchannels, coughs and noise while the assistant speaks."""

    per_second: NotNegative = Field(0.0, description="chance per second of the assistant's speech of a false alarm (hazard)")
    not_before_s: NotNegative = Field(0.5, description="seconds of the assistant's speech that are always let pass")
    noise: Share = Field(0.3, description="share of false alarms that are coughs and noise; the others are backchannels")


class Conversation(_Part):
    """How the talkers converse."""

    turns: Draw = Field(Draw(uniform=(4, 8)), description="turns of a call, barge-ins included; rounded, at least 1")
    think_s: Draw = Field(Draw(lognormal=Lognormal(median=1.0, p95=3.0)), description="pause before the next utterance")
    between_calls_s: Draw = Field(Draw(fixed=1.0), description="pause between hanging up and calling again")
    barge_in: BargeIn = BargeIn()
    false_alarms: FalseAlarms = FalseAlarms()


class Session(_Part):
    """What a talker asks of the assistant. null leaves the assistant's own default."""

    model: str | None = Field(None, description="model named in the URL")
    instructions: str | None = None
    voice: str | None = None
    transcription_model: str | None = "whisper-1"
    vad_threshold: Share | None = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] | None = 300
    silence_duration_ms: Annotated[int, Field(ge=0, le=10000)] | None = 500
    interrupt_response: bool = Field(True, description="the assistant is to stop by itself when it hears the talker")


class Speaker(_Part):
    """The virtual speaker."""

    playout_delay_s: Annotated[float, Field(ge=0, le=5)] = Field(
        0.06, description="arrival of a response's first audio to its first sample"
    )
    output_s: Annotated[float, Field(ge=0, le=1)] = Field(0.01, description="part of it that is the sound device's buffer (L9)")

    @model_validator(mode="after")
    def _contained(self) -> Speaker:
        if self.output_s > self.playout_delay_s:
            raise ValueError("output_s is part of playout_delay_s and cannot be longer")
        return self


class Limits(_Part):
    """How long a talker waits."""

    setup_s: Positive = Field(10.0, description="TCP connect to session ready, and each token request")
    response_s: Positive = Field(10.0, description="end of speech to an answer opening")
    stall_s: Positive = Field(6.0, description="speaker run dry to an open answer given up")
    reconnects: int = Field(5, ge=0, description="attempts in a row to get a session back before the call is given up")


class Scenario(_Part):
    """One load test, as a user writes it."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w.-]+$")
    description: str = ""
    load: Load = Load()
    conversation: Conversation = Conversation()
    session: Session = Session()
    speaker: Speaker = Speaker()
    limits: Limits = Limits()
    criteria: tuple[str, ...] = Field((), description="thresholds that decide the exit code, such as 'e2e_latency p95 < 1200 ms'")


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
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ScenarioError(f"scenario {path}: cannot be read: {reason}") from None
    return parse_scenario(text, str(path), path.stem)


def parse_scenario(text: str, where: str, default_name: str) -> Scenario:
    """The scenario in YAML `text`; `where` names its source in errors, `default_name` is used if it has no name. Raises ScenarioError."""
    try:
        plain: Any = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ScenarioError(f"scenario {where}{line}: broken YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(plain, dict):
        raise ScenarioError(f"scenario {where}: it must be a mapping of keys to values, such as 'load:'")
    plain.setdefault("name", default_name)
    try:
        return Scenario.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        path = list(first["loc"])
        line = _line(node, path)
        value = "" if isinstance(first["input"], dict) else f" (found {first['input']!r})"
        key = ".".join(str(p) for p in path) or "the file"
        if first["type"] == "extra_forbidden":
            raise ScenarioError(f"scenario {where}{line}: unknown key {key}; {_allowed(path[:-1])}") from None
        raise ScenarioError(f"scenario {where}{line}: {key}: {first['msg'].removeprefix('Value error, ')}{value}") from None


def _allowed(path: list[int | str]) -> str:
    model: type[BaseModel] = Scenario
    for part in path:
        found = model.model_fields[part].annotation if isinstance(part, str) and part in model.model_fields else None
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return "see docs/scenarios.md for what is allowed there"
        model = found
    return f"allowed there: {', '.join(model.model_fields)}"


def _line(node: yaml.Node | None, path: list[int | str]) -> str:
    """Line of the innermost key on `path` that the file has."""
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == part), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return f", line {line}" if line else ""
