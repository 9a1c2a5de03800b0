"""How talkers converse: turns, pauses, and when they speak while the assistant does."""

from __future__ import annotations

from pydantic import Field, model_validator

from scenarios.draws import Draw, Lognormal
from scenarios.parts import NotNegative, Part, Share, Switch


class _Speech(Part):
    """When something is said into the assistant's answer: as a hazard, or in a share of the answers."""

    @model_validator(mode="after")
    def _one_way(self) -> _Speech:
        share, after_s, per_second = (getattr(self, name) for name in ("share", "after_s", "per_second"))
        if (share is None) is not (after_s is None):
            raise ValueError("share and after_s go together: in which share of the answers, and when")
        if share is not None and per_second:
            raise ValueError("give per_second, or share and after_s, not both")
        return self


class BargeIn(_Speech):
    """When and how the talker interrupts."""

    per_second: NotNegative = Field(0.0, description="chance per second of the assistant's speech that the talker barges in (hazard)")
    not_before_s: NotNegative = Field(0.5, description="seconds of the assistant's speech that such a chance lets pass")
    share: Share | None = Field(None, description="instead: share of the answers into which the talker barges in; 1: every one")
    after_s: Draw | None = Field(None, description="with `share`: seconds of the assistant's speech until it does")
    cancel: Switch = Field(
        False,
        description="the talker sends a cancel too, on OpenAI Realtime's, Azure's and xAI's wire; elsewhere, and without it, the assistant "
        "has to notice by itself",
    )


class FalseAlarms(_Speech):
    """Backchannels, coughs and noise while the assistant speaks."""

    per_second: NotNegative = Field(0.0, description="chance per second of the assistant's speech of a false alarm (hazard)")
    not_before_s: NotNegative = Field(0.5, description="seconds of the assistant's speech that such a chance lets pass")
    share: Share | None = Field(None, description="instead: share of the answers with a false alarm; 1: every one")
    after_s: Draw | None = Field(None, description="with `share`: seconds of the assistant's speech until it comes")
    noise: Share = Field(0.3, description="share of false alarms that are coughs and noise; the others are backchannels")


class Conversation(Part):
    """How the talkers converse."""

    turns: Draw = Field(Draw(uniform=(4, 8)), description="turns of a call, barge-ins included; rounded, at least 1")
    think_s: Draw = Field(Draw(lognormal=Lognormal(median=1.0, p95=3.0)), description="pause before the next utterance")
    between_calls_s: Draw = Field(Draw(fixed=1.0), description="pause between hanging up and calling again")
    barge_in: BargeIn = BargeIn()
    false_alarms: FalseAlarms = FalseAlarms()
