"""The scenario: what is run. One YAML file each; every key is described here and checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from scenarios.access import Access
from scenarios.chaos import Action
from scenarios.conversation import Conversation
from scenarios.load import Load
from scenarios.network import Network, check_network
from scenarios.parts import Count, Label, NotNegative, Part, Positive, Share, Switch
from scenarios.personas import Personas
from scenarios.target import Target


class Session(Part):
    """What a talker asks of the assistant. null leaves the assistant's own default."""

    model: str | None = Field(
        None, description="model that answers, told as the wire has it; `twilio`, `raw-pcm`, `pipecat` and `vapi` are told none"
    )
    instructions: str | None = Field(None, description="what the assistant is told to be and do")
    voice: str | None = Field(None, description="voice that the assistant speaks with")
    transcription_model: str | None = Field("whisper-1", description="model that transcribes what the talker says")
    vad_threshold: Share | None = Field(0.5, description="how sure the assistant's VAD must be to hear speech")
    prefix_padding_ms: Annotated[Count, Field(le=5000)] | None = Field(300, description="audio before the start of speech that it keeps")
    silence_duration_ms: Annotated[Count, Field(le=10000)] | None = Field(
        500, description="silence after which it takes a turn as over; told on OpenAI Realtime's, Azure's, xAI's and Gemini's wire only"
    )
    interrupt_response: Switch = Field(True, description="the assistant is to stop by itself when it hears the talker")
    wire: dict[str, str | int | float | bool] = Field(
        {}, description="options of the dialect, name: value, such as `{input_rate: 8000}`; [dialects](dialects.md) has them"
    )


class Speaker(Part):
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


class Limits(Part):
    """How long a talker waits."""

    setup_s: Positive = Field(10.0, description="TCP connect to session ready, and each token request")
    greeting_s: NotNegative = Field(
        0.0, description="session ready to the assistant greeting the talker, who hears it out before it speaks"
    )
    response_s: Positive = Field(10.0, description="end of speech to an answer opening")
    stall_s: Positive = Field(6.0, description="speaker run dry to an open answer given up")
    quiet_s: Positive = Field(
        1.5, description="silence after which an answer is over, where the wire does not tell: see [dialects](dialects.md)"
    )
    reconnects: Count = Field(5, description="attempts in a row to get a session back before the call is given up")
    lost_workers: Count = Field(0, description="workers that may be lost before the run is invalid")


class Abort(Part):
    """When a run is given up before its time."""

    unless: tuple[str, ...] = Field((), description="criteria, as below; where one does not hold of the run so far, the run is given up")
    grace_s: NotNegative = Field(30.0, description="seconds of the run, or of the stage that a criterion names, before it is looked at")


class Scenario(Part):
    """One load test, as a user writes it."""

    name: Label = Field(description="letters, digits, '.', '_' and '-'")
    description: str = Field("", description="what it is for, in a sentence")
    load: Load = Load()
    conversation: Conversation = Conversation()
    personas: Personas = Field((), description="kinds of callers, if they are not all alike; see [personas](personas.md)")
    session: Session = Session()
    access: Access = Access()
    speaker: Speaker = Speaker()
    limits: Limits = Limits()
    abort: Abort = Abort()
    target: Target = Target()
    chaos: tuple[Action, ...] = Field((), description="what is done to sessions or to the assistant, and when: [chaos](chaos.md)")
    networks: dict[str, Network] = Field({}, description="network profiles of your own, by name; [networks](networks.md) has their keys")
    network: str | dict[str, Share] | None = Field(
        None,
        description="network profile of all talkers, or a mix: `{3g: 0.2, 4g: 0.5, wifi: 0.3}`; see [networks](networks.md)",
    )
    criteria: tuple[str, ...] = Field(
        (),
        description="thresholds that decide the exit code, such as 'e2e_latency p95 < 1200 ms'; one that ends in `where told` is left out "
        "where the wire or the way in does not tell its metric, any other is refused then",
    )

    @field_validator("network", mode="before")
    @classmethod
    def _known(cls, network: object, info: ValidationInfo) -> object:
        check_network(network, info.data.get("networks", {}))
        return network

    _places: Callable[[tuple[int | str, ...]], str] | None = PrivateAttr(None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.__dict__ == other.__dict__  # wherever it is written

    __hash__ = None  # type: ignore[assignment]  # it holds mappings; mypy wants a method

    def keep_places(self, places: Callable[[tuple[int | str, ...]], str]) -> None:
        """Remember where its keys are written, for errors that are found later."""
        self._places = places

    def place(self, *path: int | str) -> str:
        """Where a key is written: file and line, where that is known."""
        return self._places(path) if self._places is not None else f"scenario {self.name}"
