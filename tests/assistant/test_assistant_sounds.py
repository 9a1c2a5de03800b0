"""The corpus as each wire writes audio: at its rate, after the way through its encoding, and made once."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode

import numpy as np
import pytest

from assistant.sounds import Sounds
from assistant.wires.base import Format
from audio import Clip, ClipKind, Corpus, decode, encode

CHUNK_MS = 40
MULAW = Format(8000, "mulaw", base64=False)


def a_corpus(rate: int, *kinds: ClipKind) -> Corpus:
    """Clips of 0.1 s of noise, one of each kind."""
    draw = np.random.default_rng(rate)
    pcms = [draw.integers(-9000, 9000, rate // 10).astype(np.int16) for _ in kinds]
    return Corpus(tuple(Clip(kind, kind, "v", "two words", "CC0", rate, pcm, 0, len(pcm)) for kind, pcm in zip(kinds, pcms, strict=True)))


class Corpora:
    """What is at hand, and the rates that were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def at_rate(self, rate: int) -> Corpus:
        self.asked.append(rate)
        time.sleep(0.02)  # so that whoever else asks does so meanwhile
        return a_corpus(rate, ClipKind.QUESTION, ClipKind.ANSWER)

    def sounds(self) -> Sounds:
        return Sounds(a_corpus(24_000, ClipKind.QUESTION, ClipKind.ANSWER), 24_000, CHUNK_MS, self.at_rate)


def test_a_corpus_without_answers_is_refused() -> None:
    with pytest.raises(ValueError):
        Sounds(a_corpus(24_000, ClipKind.QUESTION), 24_000, CHUNK_MS, Corpora().at_rate)


def test_answers_are_written_as_the_format_says() -> None:
    corpora = Corpora()
    sounds = corpora.sounds()
    (plain,) = sounds.book(Format()).answers
    assert ([len(b64decode(chunk)) for chunk in plain.chunks], plain.samples) == ([1920, 1920, 960], (960, 960, 480))
    (narrow,) = sounds.book(MULAW).answers
    spoken = corpora.at_rate(8000).of(ClipKind.ANSWER)[0].pcm
    assert [len(chunk) for chunk in narrow.chunks] == [320, 320, 160]
    assert b"".join(chunk for chunk in narrow.chunks if isinstance(chunk, bytes)) == encode("mulaw", spoken.astype("<i2").tobytes())


def test_what_users_say_is_known_as_it_is_after_the_way_through_the_format() -> None:
    corpora = Corpora()
    sounds = corpora.sounds()
    said = corpora.at_rate(8000).of(ClipKind.QUESTION)[0].pcm.astype("<i2").tobytes()
    passed = decode("mulaw", encode("mulaw", said))
    plain, narrow = sounds.index(Format(8000)), sounds.index(MULAW)
    block = slice(2 * plain.block_bytes, 3 * plain.block_bytes)
    assert [index.rate for index in (plain, narrow)] == [8000, 8000]
    assert [plain.find(said[block]), narrow.find(passed[block])] == [(0, 2), (0, 2)]
    assert [plain.find(passed[block]), narrow.find(said[block])] == [None, None]


def test_everything_is_made_once_however_many_sessions_ask() -> None:
    corpora = Corpora()

    async def sessions() -> list[object]:
        sounds = corpora.sounds()
        made = await asyncio.gather(*(sounds.make(Format(8000), MULAW) for _ in range(4)))
        return [*made, await sounds.make(Format(8000, base64=False), MULAW), (sounds.index(Format(8000)), sounds.book(MULAW))]

    first, *others = asyncio.run(sessions())
    assert all(other == first for other in others)
    assert corpora.asked == [8000]
