"""How well the assistant heard its callers: word errors of its transcripts against what was spoken.

An error is a word replaced, dropped or added: the least number of these that makes one text the other (Levenshtein, over words). The rate
is errors over words spoken, and may exceed 1. Case and punctuation do not count.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd

from analysis.load import Loaded
from analysis.statistics import sampled
from analysis.statistics.sampled import Sampled

_NOT_A_WORD = re.compile(r"[^\w']+")


@cache
def errors(spoken: str, transcript: str) -> int:
    """Words replaced, dropped or added."""
    said, heard = words(spoken), words(transcript)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        above, row = row, [i]
        for j, other in enumerate(heard, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
    return row[-1]


def words(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return [word for part in _NOT_A_WORD.split(text.lower()) if (word := part.strip("'"))]


def counted(run: Loaded) -> pd.DataFrame:
    """A row per utterance and barge-in that was transcribed, with the index of its turn: `numerator` (int, errors) and `denominator`
    (int, words spoken), and `session`. Without those of which the assistant told no transcript: they are failures, not errors."""
    turns = run.turns
    heard = turns[(turns["kind"] != "false_alarm") & turns["transcript"].notna() & (turns["spoken"] != "")]
    pairs = list(zip(heard["spoken"], heard["transcript"], strict=True))
    return pd.DataFrame(
        {
            "numerator": np.array([errors(*pair) for pair in pairs], dtype=np.int64),
            "denominator": np.array([len(words(spoken)) for spoken, _ in pairs], dtype=np.int64),
            "session": heard["session"].to_numpy(np.int64),
        },
        index=heard.index,
    )


def rate(counted: pd.DataFrame) -> Sampled:
    """Errors over words spoken, with the session as the unit: of columns `numerator`, `denominator` and `session`."""
    errors, spoken = counted["numerator"].to_numpy(float), counted["denominator"].to_numpy(float)
    return sampled.rate(errors, spoken, counted["session"].to_numpy(np.int64))
