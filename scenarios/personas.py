"""Personas: who calls. Voice, accent, noise and patience of a share of the talkers, and how they converse where it is not as the rest."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from audio import NoiseKind
from scenarios.conversation import BargeIn, Conversation, FalseAlarms
from scenarios.draws import Draw
from scenarios.parts import Label, Part, Positive

MOST = 20
"""Personas of a scenario, at most: what is prepared for each noise takes memory."""

Decibels = Annotated[float, Field(ge=0, le=60, strict=True, allow_inf_nan=False)]


class Noise(Part):
    """What the microphone hears all along besides the talker."""

    kind: NoiseKind = Field(NoiseKind.STREET, description="where the talker is")
    snr_db: Decibels = Field(20.0, description="active speech level of the talker's voice less the level of the noise, in dB")


class Persona(Part):
    """A kind of caller. What is null is as for everybody."""

    name: Label = Field(description="letters, digits, '.', '_' and '-'; it is in the records")
    share: Positive = Field(1.0, description="weight: its part of the talkers, against those of the other personas")
    voices: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="voices of the corpus that it may have; null: any"
    )
    accent: str | None = Field(None, min_length=1, description="accent of these voices, as the corpus names it; null: any")
    noise: Noise | None = Field(None, description="noise around it, `{kind: street, snr_db: 10}`; null: none")
    network: str | None = Field(
        None, description="network profile, in place of the scenario's `network`: a name as there; null: as for everybody"
    )
    patience_s: Draw | None = Field(
        None, description="drawn per call: it hangs up where no answer is heard for so long after its speech; null: it waits on"
    )
    turns: Draw | None = Field(None, description="in place of `conversation.turns`")
    think_s: Draw | None = Field(None, description="in place of `conversation.think_s`")
    between_calls_s: Draw | None = Field(None, description="in place of `conversation.between_calls_s`")
    barge_in: BargeIn | None = Field(None, description="in place of `conversation.barge_in`, all of it")
    false_alarms: FalseAlarms | None = Field(None, description="in place of `conversation.false_alarms`, all of it")

    def conversation(self, others: Conversation) -> Conversation:
        """How this persona converses where `others` is how everybody does."""
        own = {name: getattr(self, name) for name in Conversation.model_fields}
        return others.model_copy(update={name: value for name, value in own.items() if value is not None})


def _told_apart(personas: tuple[Persona, ...]) -> tuple[Persona, ...]:
    names = [persona.name for persona in personas]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"two personas are called {twice[0]}: give each a name of its own")
    return personas


Personas = Annotated[tuple[Persona, ...], Field(max_length=MOST), AfterValidator(_told_apart)]
