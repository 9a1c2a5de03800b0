"""What a response cost, in tokens, as OpenAI counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Tokens: OpenAI counts one audio token per 100 ms heard and one per 50 ms spoken; a word is about 1.3 text tokens.
HEARD_TOKENS_PER_S = 10
SPOKEN_TOKENS_PER_S = 20
TOKENS_PER_WORD = 1.3


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response."""

    text_in: int
    audio_in: int
    cached: int
    text_out: int
    audio_out: int

    @classmethod
    def of(cls, *, history_words: int, heard_s: float, words: int, spoken_s: float) -> Usage:
        """Plausible counts: instructions and history as text (cached), the utterance as audio, the answer as both."""
        history = 32 + round(history_words * TOKENS_PER_WORD)
        return cls(
            text_in=history,
            audio_in=round(heard_s * HEARD_TOKENS_PER_S),
            cached=history // 64 * 64,
            text_out=round(words * TOKENS_PER_WORD),
            audio_out=round(spoken_s * SPOKEN_TOKENS_PER_S),
        )

    def as_dict(self) -> dict[str, Any]:
        tokens_in, tokens_out = self.text_in + self.audio_in, self.text_out + self.audio_out
        return {
            "total_tokens": tokens_in + tokens_out,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "input_token_details": {
                "text_tokens": self.text_in,
                "audio_tokens": self.audio_in,
                "image_tokens": 0,
                "cached_tokens": self.cached,
                "cached_tokens_details": {"text_tokens": self.cached, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": self.text_out, "audio_tokens": self.audio_out},
        }
