"""Profiles: how the reference assistant behaves, as a person writes it.

A profile is a YAML file. Every field has a default, so an empty file is the `ideal` assistant: it answers after short fixed
delays, at once and without a fault. Times are seconds, rates are shares between 0 and 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from assistant.delays import Section
from assistant.profile_parts import (
    Asr,
    Capacity,
    Endpointing,
    Failures,
    FalseAlarm,
    Gaps,
    Interruption,
    Llm,
    Pace,
    Sessions,
    Tokens,
    Tts,
)
from assistant.timetable import Changes, Fault, Outage, UnderLoad

PROFILES = Path(__file__).parent / "profiles"

Leak = Annotated[int, Field(ge=0, le=1024**2)]


class ProfileError(ValueError):
    """A profile that cannot be used; the text is one line that names the file, the key and what is allowed."""


class Profile(Section):
    """One behaviour of the assistant; see the sections."""

    name: str = "ideal"
    description: str = ""
    like: str | None = Field(None, description="profile that comes with the assistant; what this one leaves out is as there")
    asr: Asr = Asr()
    llm: Llm = Llm()
    tts: Tts = Tts()
    greets: bool = Field(False, description="it speaks first, as soon as a session is open")
    endpointing: Endpointing = Endpointing()
    pace: Pace = Field(1.0, description="audio per real time, or burst")
    chunk_ms: Annotated[int, Field(ge=10, le=1000, multiple_of=10)] = Field(40, description="audio per delta")
    gaps: Gaps = Gaps()
    interruption: Interruption = Interruption()
    false_alarm: FalseAlarm = FalseAlarm()
    failures: Failures = Failures()
    sessions: Sessions = Sessions()
    capacity: Capacity = Capacity()
    tokens: Tokens = Tokens()
    leak_kib_per_turn: Leak = Field(0, description="memory kept for good after each turn")
    leak_kib_per_session: Leak = Field(0, description="memory kept for good after each session")
    under_load: tuple[UnderLoad, ...] = Field((), description="parts that are replaced while many sessions are open")
    faults: tuple[Fault, ...] = Field((), description="parts that are replaced on a timetable")
    outages: tuple[Outage, ...] = Field((), description="when the serving process is killed, and for how long")

    @model_validator(mode="after")
    def _changeable(self) -> Profile:
        changes = [(f"under_load.{number}", step.profile) for number, step in enumerate(self.under_load)]
        changes += [(f"faults.{number}", fault.profile) for number, fault in enumerate(self.faults)]
        for where, parts in changes:
            try:
                self.changed(parts, check=True)
            except ValidationError as error:
                raise ValueError(f"{where}.profile: {_reason(error)}") from None
        return self

    def changed(self, changes: Changes, *, check: bool = False) -> Profile:
        """This profile with parts replaced, key by key. `check`: raises ValidationError where the parts do not go together."""
        replaced: dict[str, Any] = {}
        for name in changes.model_fields_set:
            given = getattr(changes, name)
            if isinstance(given, Section):
                before = getattr(self, name)
                keys = {key: getattr(given, key) for key in given.model_fields_set}
                given = type(before)(**{**dict(before), **keys}) if check else before.model_copy(update=keys)
            if given is not None:
                replaced[name] = given
        return self.model_copy(update=replaced)

    def at(self, sessions: int, faults: tuple[int, ...]) -> Profile:
        """The profile in force with so many sessions open and these faults (places in `faults`) under way."""
        profile = self
        for step in sorted(self.under_load, key=lambda step: step.sessions):
            if sessions >= step.sessions:
                profile = profile.changed(step.profile)
        for number in faults:
            profile = profile.changed(self.faults[number].profile)
        return profile


def profile_names() -> list[str]:
    """Names of the profiles that come with the assistant, sorted."""
    return sorted(path.stem for path in PROFILES.glob("*.yml"))


def load_profile(name: str) -> Profile:
    """The built-in profile of that name, else the profile in that file. Raises ProfileError with one line."""
    data = _read(name)
    try:
        return Profile.model_validate({"name": Path(name).stem, **data})
    except ValidationError as error:
        raise ProfileError(f"profile {name}: {_first_error(error)}") from None


def _read(name: str) -> dict[Any, Any]:
    """What the file says, on top of what the profile says that it is `like`. Raises ProfileError."""
    path = PROFILES / f"{name}.yml" if name in profile_names() else Path(name)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ProfileError(f"profile {name}: no such profile or file; profiles: {', '.join(profile_names())}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {name}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {name}: {_yaml_error(error)}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ProfileError(f"profile {name}: must be a mapping; keys: {', '.join(Profile.model_fields)}")
    like = data.get("like")
    if like is None:
        return data
    others = [known for known in profile_names() if known != name]
    if like not in others:
        raise ProfileError(f"profile {name}: like: no such profile; profiles: {', '.join(others)} (given: {like!r})")
    below = {key: value for key, value in _read(like).items() if key not in ("name", "description")}
    own = {key: {**below[key], **value} if _both_mappings(below.get(key), value) else value for key, value in data.items()}
    return {**below, **own}


def _both_mappings(below: Any, own: Any) -> bool:
    return isinstance(below, dict) and isinstance(own, dict)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which no key comes twice: of two, one would be ignored without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} comes twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _yaml_error(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"not usable as YAML: {where}{' '.join(problem.split())}"


def _first_error(error: ValidationError) -> str:
    """The first error: the key, what is wrong, and what is allowed there."""
    first = error.errors()[0]
    keys = first["loc"]
    where, given = ".".join(map(str, keys)), f" (given: {first['input']!r})"
    section = _section(keys)
    if not keys:  # of the whole profile: the reason names the key
        return _reason(error)
    if "pace" in keys:
        where = where[: where.index("pace") + len("pace")]
        return f"{where}: expected burst, or a number from 0.1 to 1000{given}"
    if first["type"] in {"extra_forbidden", "invalid_key"}:
        above = _section(keys[:-1])
        return f"{where}: unknown key" + (f"; allowed: {', '.join(above.model_fields)}" if above else "")
    if first["type"] == "model_type" and section is not None:
        return f"{where}: expected a mapping with keys of {', '.join(section.model_fields)}{given}"
    if first["type"] == "tuple_type" and section is not None:
        return f"{where}: expected a list of mappings with keys of {', '.join(section.model_fields)}{given}"
    if first["type"] == "missing":
        return f"{where}: must be given"
    return f"{where}: {_reason(error)}{given}"


def _reason(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def _section(keys: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model under these keys; None: there is none. A place in a list leads to the list's items."""
    section: type[BaseModel] | None = Profile
    for key in keys:
        if isinstance(key, int):
            continue
        field = section.model_fields.get(key) if section else None
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return section
