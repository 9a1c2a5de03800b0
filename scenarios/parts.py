"""What the parts of a scenario are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=1, strict=True, allow_inf_nan=False)]
"""Seconds from one time to the next of what is done again and again."""
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][\w.-]*$")]
"""Of something within a scenario that criteria name."""
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w.-]+$")]
"""What records and folders are told apart by."""


class Part(BaseModel):
    """A mapping of a scenario file: keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
