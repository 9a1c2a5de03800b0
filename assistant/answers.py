"""Answer clips, cut and encoded once for all sessions."""

from __future__ import annotations

import random
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property

from assistant.wires.base import REALTIME, Format, Message
from audio import Clip, ClipKind, Corpus, encode

TEXT_SHARE = 0.6  # the words of an answer are out by this share of its audio: text is made faster than sound


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer clip as deltas. `chunks`: bytes, or base64 text, in the format of its book; `samples[k]`: samples in chunk k;
    `texts[k]`: transcript delta sent before chunk k, None for none; `first_text`: the first token, sent before all audio."""

    clip: str
    transcript: str
    first_text: str
    chunks: tuple[Message, ...]
    samples: tuple[int, ...]
    texts: tuple[str | None, ...]
    total_samples: int


def prepare(clip: Clip, chunk_samples: int, spoken: Format = REALTIME) -> Answer:
    """Cuts a clip into chunks of `chunk_samples` (the last may be shorter) with its words spread over them. `spoken`: how they are written;
    the clip has its rate."""
    starts = range(0, len(clip.pcm), chunk_samples)
    pieces = [clip.pcm[start : start + chunk_samples] for start in starts]
    words = clip.transcript.split() or ["..."]
    deltas = [words[0]] + [f" {word}" for word in words[1:]]
    texts: list[str | None] = [None] * len(pieces)
    spread = max(1, int(len(pieces) * TEXT_SHARE))
    for index, delta in enumerate(deltas[1:], start=1):
        at = index * spread // len(deltas)
        texts[at] = (texts[at] or "") + delta
    return Answer(
        clip=clip.name,
        transcript="".join(deltas),
        first_text=deltas[0],
        chunks=tuple(_written(piece.astype("<i2").tobytes(), spoken) for piece in pieces),
        samples=tuple(len(piece) for piece in pieces),
        texts=tuple(texts),
        total_samples=len(clip.pcm),
    )


def _written(pcm: bytes, spoken: Format) -> Message:
    audio = encode(spoken.encoding, pcm)
    return b64encode(audio).decode() if spoken.base64 else audio


class AnswerBook:
    """All answers of a corpus, in one format. Raises ValueError where the corpus has no clip of kind `answer`."""

    def __init__(self, corpus: Corpus, chunk_samples: int, spoken: Format = REALTIME) -> None:
        self.spoken = spoken
        self._clips = corpus.of(ClipKind.ANSWER)
        self._chunk_samples = chunk_samples
        if not self._clips:
            raise ValueError("the corpus has no clip of kind answer: the assistant would have nothing to say")

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(prepare(clip, self._chunk_samples, self.spoken) for clip in self._clips)

    def choose(self, rng: random.Random) -> Answer:
        return rng.choice(self.answers)
