"""The corpus as each wire writes audio: what users may say, to be recognised, and the answers, cut and encoded. Made once per format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from assistant.answers import AnswerBook
from assistant.recognise import ClipIndex
from assistant.wires.base import Format
from audio import Corpus, decode, encode
from audio.codecs import PCM16


class Sounds:
    """`corpus` at its own `rate`, and at others by `at_rate`, which is slow. `chunk_ms`: length of a piece of an answer.

    Raises ValueError where the corpus has no clip of kind `answer`.
    """

    def __init__(self, corpus: Corpus, rate: int, chunk_ms: int, at_rate: Callable[[int], Corpus]) -> None:
        self._corpora = {rate: corpus}
        self._chunk_ms = chunk_ms
        self._at_rate = at_rate
        self._indexes: dict[tuple[int, str], ClipIndex] = {}
        self._books: dict[Format, AnswerBook] = {}
        self._making = asyncio.Lock()
        self.book(Format(rate))

    async def make(self, heard: Format, spoken: Format) -> tuple[ClipIndex, AnswerBook]:
        """Those for a session that hears and speaks so; sessions that are open go on while they are made."""
        if (heard.rate, heard.encoding) not in self._indexes or spoken not in self._books:
            async with self._making:
                return await asyncio.to_thread(lambda: (self.index(heard), self.book(spoken)))
        return self.index(heard), self.book(spoken)

    def index(self, heard: Format) -> ClipIndex:
        """Everything a user may say, as it is after the way through this format."""
        key = heard.rate, heard.encoding
        if key not in self._indexes:
            corpus = self._corpus(heard.rate)
            if heard.encoding != PCM16:
                clips = [replace(clip, pcm=_passed(heard.encoding, clip.pcm.astype("<i2").tobytes())) for clip in corpus.clips]
                corpus = Corpus(tuple(clips))
            self._indexes[key] = ClipIndex(corpus, heard.rate)
        return self._indexes[key]

    def book(self, spoken: Format) -> AnswerBook:
        """The answers in this format."""
        if spoken not in self._books:
            self._books[spoken] = AnswerBook(self._corpus(spoken.rate), spoken.rate * self._chunk_ms // 1000, spoken)
        return self._books[spoken]

    def _corpus(self, rate: int) -> Corpus:
        if rate not in self._corpora:
            self._corpora[rate] = self._at_rate(rate)
        return self._corpora[rate]


def _passed(encoding: str, pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.frombuffer(decode(encoding, encode(encoding, pcm)), "<i2")
