"""Profiles: how the reference assistant behaves, as a person writes it.

A profile is a YAML file. Every field has a default, so an empty file is the `ideal` assistant: it answers after short fixed
delays, at once and without a fault. Times are seconds, rates are shares between 0 and 1.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PROFILES = Path(__file__).parent / "profiles"
MAX_DELAY_S = 3600.0
MAX_SESSION_S = 7 * 86400.0
P95_OF_NORMAL = 1.6448536269514722  # 95th percentile of the standard normal distribution

Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=MAX_DELAY_S)]


class ProfileError(ValueError):
    """A profile that cannot be used; the text is one line that names the file, the key and what is allowed."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogNormal(Section):
    """A long-tailed delay, given by two numbers that people quote."""

    median: float = Field(gt=0, le=MAX_DELAY_S)
    p95: float = Field(gt=0, le=MAX_DELAY_S)

    @model_validator(mode="after")
    def _ordered(self) -> LogNormal:
        if self.p95 < self.median:
            raise ValueError("p95 must not be below the median")
        return self


class Distribution(Section):
    """Seconds to draw: exactly one of fixed, normal [mean, sd], lognormal {median, p95}, uniform [low, high]."""

    fixed: Seconds | None = None
    normal: tuple[Seconds, Seconds] | None = None
    lognormal: LogNormal | None = None
    uniform: tuple[Seconds, Seconds] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of fixed, normal, lognormal, uniform")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform is [low, high] with low <= high")
        return self

    def sample(self, rng: random.Random) -> float:
        """One draw in seconds, never negative (a normal draw below zero becomes zero)."""
        if self.fixed is not None:
            return self.fixed
        if self.normal is not None:
            return max(0.0, rng.gauss(*self.normal))
        if self.uniform is not None:
            return rng.uniform(*self.uniform)
        assert self.lognormal is not None
        median, p95 = self.lognormal.median, self.lognormal.p95
        return median * math.exp(rng.gauss(0.0, 1.0) * math.log(p95 / median) / P95_OF_NORMAL)


def fixed(seconds: float) -> Distribution:
    """The distribution that always gives `seconds`."""
    return Distribution(fixed=seconds)


class Asr(Section):
    delay: Distribution = Field(fixed(0.05), description="end of turn -> final transcript")
    word_error_rate: Rate = Field(0.0, description="share of words replaced, dropped or doubled in transcripts")


class Llm(Section):
    delay: Distribution = Field(fixed(0.05), description="response.created -> first transcript delta")


class Tts(Section):
    delay: Distribution = Field(fixed(0.05), description="first transcript delta -> first audio delta")


class Endpointing(Section):
    extra: Distribution = Field(fixed(0.0), description="added to the VAD's silence window before speech_stopped is sent")


class Gaps(Section):
    """Stalls in the middle of an answer, timed so that a listener hears them whatever the lead of the audio sent so far."""

    rate: Rate = Field(0.0, description="share of responses with one stall")
    after_s: Seconds = Field(1.0, description="audio sent before the stall")
    silence_s: Distribution = Field(fixed(0.4), description="silence that a listener with the usual playout delay hears")


class Interruption(Section):
    stop_delay_s: Distribution = Field(fixed(0.0), description="speech_started -> the audio stops")
    ignore_rate: Rate = Field(0.0, description="share of barge-ins not reacted to; answered after the response has ended")


class FalseAlarm(Section):
    """What a backchannel or a noise does while the assistant is heard. What is left of the two rates is ignored."""

    mistake_rate: Rate = Field(0.0, description="share taken for an interruption: the audio pauses")
    resume_rate: Rate = Field(1.0, description="share of the mistakes that resume; the others stay silent")
    resume_delay_s: Distribution = Field(fixed(0.8), description="end of the false alarm's speech -> the audio goes on")
    answer_rate: Rate = Field(0.0, description="share taken for a turn: the response is cancelled and an answer made")
    announce: bool = Field(False, description="send speech_started and speech_stopped for ignored ones too")

    @model_validator(mode="after")
    def _shares(self) -> FalseAlarm:
        if self.mistake_rate + self.answer_rate > 1:
            raise ValueError("mistake_rate + answer_rate must not exceed 1")
        return self


class Failures(Section):
    """Faults per turn, each a share of turns; `mint` is a share of token requests."""

    asr: Rate = Field(0.0, description="transcription fails, response.done failed")
    llm: Rate = Field(0.0, description="fails before the first token")
    tts: Rate = Field(0.0, description="fails between the first token and the first audio")
    rate_limit: Rate = Field(0.0, description="response.done failed with code rate_limit_exceeded")
    no_answer: Rate = Field(0.0, description="the turn is transcribed and never answered")
    drop_session: Rate = Field(0.0, description="the connection is lost after the turn, without a close frame")
    mint: Rate = Field(0.0, description="a token request gets HTTP 500")


class Sessions(Section):
    max_s: Annotated[float, Field(gt=0, le=MAX_SESSION_S)] = Field(3600.0, description="longest session: then session_expired, close 1001")
    max_concurrent: Annotated[int, Field(ge=1)] | None = Field(None, description="more get HTTP 503; null: no limit")


class Capacity(Section):
    slots: Annotated[int, Field(ge=1)] | None = Field(None, description="responses made at a time; the others queue")
    slowdown_per_session: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="LLM delay grows by this share per other open session"
    )


class Tokens(Section):
    per_second: Annotated[float, Field(ge=0.001, le=1e6)] = Field(100.0, description="tokens a client may mint per second")
    burst: Annotated[int, Field(ge=1)] = Field(200, description="tokens a client may mint at once")
    ttl_s: Annotated[int, Field(ge=10, le=7200)] = Field(600, description="life of a token from /rt-token")
    delay: Distribution = Field(fixed(0.0), description="time to mint a token")


class Profile(Section):
    """One behaviour of the assistant; see the sections."""

    name: str = "ideal"
    description: str = ""
    asr: Asr = Asr()
    llm: Llm = Llm()
    tts: Tts = Tts()
    endpointing: Endpointing = Endpointing()
    pace: Literal["burst"] | Annotated[float, Field(ge=0.1, le=1000)] = Field(1.0, description="audio per real time, or burst")
    chunk_ms: Annotated[int, Field(ge=10, le=1000, multiple_of=10)] = Field(40, description="audio per delta")
    gaps: Gaps = Gaps()
    interruption: Interruption = Interruption()
    false_alarm: FalseAlarm = FalseAlarm()
    failures: Failures = Failures()
    sessions: Sessions = Sessions()
    capacity: Capacity = Capacity()
    tokens: Tokens = Tokens()
    leak_kib_per_turn: Annotated[int, Field(ge=0, le=1024**2)] = Field(0, description="memory kept for good after each turn")


def profile_names() -> list[str]:
    """Names of the profiles that come with the assistant, sorted."""
    return sorted(path.stem for path in PROFILES.glob("*.yml"))


def load_profile(name: str) -> Profile:
    """The built-in profile of that name, else the profile in that file. Raises ProfileError with one line."""
    built_in = PROFILES / f"{name}.yml"
    path = built_in if name in profile_names() else Path(name)
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
    try:
        return Profile.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        raise ProfileError(f"profile {name}: {_first_error(error)}") from None


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
    where = ".".join(str(part) for part in first["loc"])
    if first["loc"][0] == "pace":
        return f"pace: expected burst, or a number from 0.1 to 1000 (given: {first['input']!r})"
    if first["type"] in {"extra_forbidden", "invalid_key"}:
        section = _section(first["loc"][:-1])
        return f"{where}: unknown key" + (f"; allowed: {', '.join(section.model_fields)}" if section else "")
    section = _section(first["loc"])
    if first["type"] == "model_type" and section is not None:
        return f"{where}: expected a mapping with keys of {', '.join(section.model_fields)} (given: {first['input']!r})"
    return f"{where}: {first['msg'].removeprefix('Value error, ')} (given: {first['input']!r})"


def _section(keys: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model under these keys; None: there is none."""
    section: type[BaseModel] | None = Profile
    for key in keys:
        field = section.model_fields.get(str(key)) if section else None
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return section
