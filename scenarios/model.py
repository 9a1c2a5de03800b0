"""The scenario: what is run. One YAML file each; every key is described here and checked before anything starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from scenarios.draws import Draw, Lognormal, NotNegative, Positive
from scenarios.network import Network, check_network

Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Switch = Annotated[bool, Field(strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Load(_Part):
    """How many talkers, for how long."""

    talkers: int = Field(1, ge=1, strict=True, description="virtual talkers that call at the same time")
    spawn_per_s: Positive = Field(1.0, description="talkers that start per second")
    duration_s: Positive = Field(60.0, description="length of the run in seconds, ramp included")
    tokens_per_s: NotNegative = Field(
        0.0, description="rate at which a token minter asks for tokens besides those of the talkers, on an open timetable; 0: no minter"
    )


class BargeIn(_Part):
    """When and how the talker interrupts."""

    per_second: NotNegative = Field(0.0, description="chance per second of the assistant's speech that the talker barges in (hazard)")
    not_before_s: NotNegative = Field(0.5, description="seconds of the assistant's speech that are always let pass")
    cancel: Switch = Field(False, description="the talker sends a cancel too; else the assistant has to notice by itself")


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
    instructions: str | None = Field(None, description="what the assistant is told to be and do")
    voice: str | None = Field(None, description="voice that the assistant speaks with")
    transcription_model: str | None = Field("whisper-1", description="model that transcribes what the talker says")
    vad_threshold: Share | None = Field(0.5, description="how sure the assistant's VAD must be to hear speech")
    prefix_padding_ms: Annotated[Count, Field(le=5000)] | None = Field(300, description="audio before the start of speech that it keeps")
    silence_duration_ms: Annotated[Count, Field(le=10000)] | None = Field(500, description="silence after which it takes a turn as over")
    interrupt_response: Switch = Field(True, description="the assistant is to stop by itself when it hears the talker")


class Speaker(_Part):
    """The virtual speaker."""

    playout_delay_s: Annotated[NotNegative, Field(le=5)] = Field(
        0.06, description="arrival of a response's first audio to its first sample"
    )
    output_s: Annotated[NotNegative, Field(le=1)] = Field(0.01, description="part of it that is the sound device's buffer (L9)")

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
    reconnects: Count = Field(5, description="attempts in a row to get a session back before the call is given up")
    lost_workers: Count = Field(0, description="workers that may be lost before the run is invalid")


class Scenario(_Part):
    """One load test, as a user writes it."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w.-]+$", description="letters, digits, '.', '_' and '-'")
    description: str = Field("", description="what it is for, in a sentence")
    load: Load = Load()
    conversation: Conversation = Conversation()
    session: Session = Session()
    speaker: Speaker = Speaker()
    limits: Limits = Limits()
    networks: dict[str, Network] = Field({}, description="network profiles of your own, by name; [networks](networks.md) has their keys")
    network: str | dict[str, Share] | None = Field(
        None,
        description="network profile of all talkers, or a mix: `{3g: 0.2, 4g: 0.5, wifi: 0.3}`; see [networks](networks.md)",
    )
    criteria: tuple[str, ...] = Field((), description="thresholds that decide the exit code, such as 'e2e_latency p95 < 1200 ms'")

    @field_validator("network", mode="before")
    @classmethod
    def _known(cls, network: object, info: ValidationInfo) -> object:
        check_network(network, info.data.get("networks", {}))
        return network
