"""The file of prices, as a person writes it: checked, and mistakes told in a line."""

from __future__ import annotations

import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from analysis import written
from analysis.files import RunError

UNITS = {
    "call": "calls",
    "session_hour": "hours connected",
    "request": "utterances and barge-ins",
    "response": "answers begun",
    "minute_sent": "minutes of microphone, silence included",
    "minute_spoken": "minutes of speech in it",
    "minute_received": "minutes of the assistant's audio",
    "million_input_tokens": "million tokens in, of all kinds",
    "million_input_text_tokens": "million text tokens in, not cached",
    "million_input_audio_tokens": "million audio tokens in, not cached",
    "million_cached_text_tokens": "million cached text tokens in",
    "million_cached_audio_tokens": "million cached audio tokens in",
    "million_output_tokens": "million tokens out, of all kinds",
    "million_output_text_tokens": "million text tokens out",
    "million_output_audio_tokens": "million audio tokens out",
}
"""What a price may be for: the word in the file, and what is counted."""


class Price(BaseModel):
    """One line of a bill. `price` of 0: free."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    component: str = Field(min_length=1)
    price: float = Field(ge=0, allow_inf_nan=False)
    per: str
    note: str = ""

    @field_validator("per")
    @classmethod
    def _known(cls, per: str) -> str:
        if per not in UNITS:
            raise ValueError(f"use one of {', '.join(UNITS)}")
        return per


class Prices(BaseModel):
    """The whole file. `as_of`: the day on which somebody looked the prices up; `source`: where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field(default="USD", min_length=1)
    as_of: datetime.date
    source: str
    prices: tuple[Price, ...] = Field(min_length=1)

    def money(self, amount: float | None) -> str:
        """`$0.48`, `EUR 1,204.00`; more decimals below a tenth; a dash where there is none."""
        if amount is None:
            return "-"
        sign = "$" if self.currency == "USD" else f"{self.currency} "
        size = abs(amount)
        shown = f"{size:,.2f}" if size >= 0.1 or size == 0 else f"{size:.{4 if size >= 0.001 else 6}f}"
        return f"{'-' if amount < 0 else ''}{sign}{shown}"


def read(path: Path) -> Prices:
    """The prices in this file. Raises RunError: what is wrong with which line of it."""
    if not path.exists():
        raise RunError(f"{path}: no such file of prices; docs/prices/ has examples")
    return written.read(path, Prices, {})
