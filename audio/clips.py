"""Clips: what a talker can say and what the reference assistant answers, with the truth about where the sound is.

The built-in corpus lies in ``audio/corpus`` (made by ``audio.make_corpus``). A folder of the user's own holds WAV or
FLAC files and ``transcripts.tsv``, a tab-separated table with a header:

    file    transcript                      and, optionally: kind, voice, accent, onset_s, offset_s

A missing kind is ``question``, a missing voice is the folder's name, missing bounds of the speech are found by voice
activity refined by energy. Kinds that the folder lacks are filled from the built-in corpus.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio.bounds import detect_bounds
from audio.files import CorpusError, Row, read_sound, read_table
from audio.onset import sound_bounds
from audio.vad import RATES

BUILT_IN = Path(__file__).parent / "corpus"
BUILT_IN_RATE = 24000


class ClipKind(StrEnum):
    """What a clip is for."""

    QUESTION = "question"  # a talker's turn that wants an answer
    INTERRUPTION = "interruption"  # a talker's turn that must stop the assistant
    BACKCHANNEL = "backchannel"  # "mm-hm": must not stop the assistant
    NOISE = "noise"  # no words: must not stop the assistant either
    ANSWER = "answer"  # what the reference assistant says


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One recording. Two clips are equal only where they are the same object.

    ``pcm`` is int16, mono, shape (samples,), read-only, at ``rate`` Hz. ``transcript`` is "" where there are no words,
    ``voice`` is "" where nobody speaks, ``accent`` is "" where none is known. ``onset_sample`` and ``offset_sample`` are the
    first and the last sample of real speech (of real sound, for noise): labels, not the decisions of a detector that works in
    real time.
    """

    name: str
    kind: ClipKind
    voice: str
    transcript: str
    licence: str
    rate: int
    pcm: npt.NDArray[np.int16]
    onset_sample: int
    offset_sample: int
    accent: str = ""

    @property
    def duration_s(self) -> float:
        """Duration of the whole clip, with the silence around the speech."""
        return len(self.pcm) / self.rate

    @property
    def onset_s(self) -> float:
        """From the clip's start to the capture of the first sample of speech."""
        return self.onset_sample / self.rate

    @property
    def offset_s(self) -> float:
        """From the clip's start to the capture of the last sample of speech."""
        return self.offset_sample / self.rate


class Corpus:
    """The clips of one run, in a fixed order, so that a seeded choice is the same everywhere."""

    __slots__ = ("_by_kind", "_by_name", "clips", "voices")

    def __init__(self, clips: tuple[Clip, ...]) -> None:
        self.clips = clips
        self.voices = tuple(dict.fromkeys(clip.voice for clip in clips if clip.kind is ClipKind.QUESTION))
        self._by_name = {clip.name: clip for clip in clips}
        self._by_kind: dict[tuple[ClipKind, str | None], tuple[Clip, ...]] = {}

    def of(self, kind: ClipKind, voice: str | None = None) -> tuple[Clip, ...]:
        """The clips of ``kind``, in ``voice`` where that is given.

        Where the voice has no clip of the kind, as with noise and with kinds filled from the built-in corpus, all clips
        of the kind are returned. Empty only where a corpus not made by ``load_corpus`` lacks the kind.
        """
        found = self._by_kind.get((kind, voice))
        if found is None:
            of_kind = tuple(clip for clip in self.clips if clip.kind is kind)
            found = of_kind if voice is None else tuple(clip for clip in of_kind if clip.voice == voice) or of_kind
            self._by_kind[kind, voice] = found
        return found

    def accent(self, voice: str) -> str:
        """The accent of a voice; "" where none is known, or where there is no such voice."""
        return next((clip.accent for clip in self.clips if clip.voice == voice and clip.accent), "")

    def get(self, name: str) -> Clip:
        """The clip called ``name``. Raises ``CorpusError`` where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise CorpusError(f"there is no clip '{name}' in the corpus of {len(self.clips)} clips") from None


def load_corpus(folder: Path | str | None = None, *, rate: int = BUILT_IN_RATE) -> Corpus:
    """The clips of a user's folder, or the built-in ones where ``folder`` is None, decoded and resampled to ``rate``.

    Read once per process for each folder and rate. Raises ``CorpusError`` for whatever is wrong with the folder and
    ``ValueError`` for a rate that voice activity detection does not know.
    """
    if rate not in RATES:
        raise ValueError(f"clips cannot be used at {rate} Hz: choose one of {', '.join(map(str, RATES))}")
    if folder is None:
        return _built_in(rate)
    try:
        return _of_folder(Path(folder).resolve(), rate)
    except CorpusError:
        raise
    except (OSError, ValueError) as error:
        raise CorpusError(f"{str(folder)[:100]!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


@lru_cache(maxsize=8)
def _built_in(rate: int) -> Corpus:
    columns = ("name", "kind", "voice", "accent", "transcript", "licence", "onset_sample", "offset_sample")
    clips = []
    for row in read_table(BUILT_IN / "index.tsv", columns, ()):
        name, kind, voice, accent, transcript, licence, onset, offset = (row.cells[column] for column in columns)
        pcm = _read_only(read_sound(BUILT_IN / f"{name}.flac", rate))
        first, last = (int(sample) * rate // BUILT_IN_RATE for sample in (onset, offset))
        clips.append(Clip(name, ClipKind(kind), voice, transcript, licence, rate, pcm, first, last, accent))
    return Corpus(tuple(clips))


@lru_cache(maxsize=8)
def _of_folder(folder: Path, rate: int) -> Corpus:
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder: name one that holds sound files and transcripts.tsv")
    table = folder / "transcripts.tsv"
    if not any(folder.iterdir()):
        raise CorpusError(f"{folder} is empty: put sound files (WAV, FLAC) and transcripts.tsv there")
    if not table.is_file():
        raise CorpusError(f"{table} does not exist: list the sound files there, with the header file<TAB>transcript")
    rows = read_table(table, ("file", "transcript"), ("kind", "voice", "accent", "onset_s", "offset_s"))
    clips: dict[str, Clip] = {}
    accents: dict[str, str] = {}
    for row in rows:
        name = row.cells["file"]
        if not name or name in clips:
            raise CorpusError(f"{table}, line {row.number}: file '{name}' is left out or listed twice: name each once")
        clip = clips[name] = _user_clip(table, row, rate)
        if clip.accent and accents.setdefault(clip.voice, clip.accent) != clip.accent:
            raise CorpusError(
                f"{table}, line {row.number}: voice '{clip.voice}' has the accent '{clip.accent}' here and '{accents[clip.voice]}' above: "
                f"give it one"
            )
    present = {clip.kind for clip in clips.values()}
    filled = tuple(clip for clip in _built_in(rate).clips if clip.kind not in present)
    return Corpus((*clips.values(), *filled))


def _user_clip(table: Path, row: Row, rate: int) -> Clip:
    """The clip of one line of ``transcripts.tsv``."""
    where = f"{table}, line {row.number}"
    name = row.cells["file"]
    kind_name = row.cells.get("kind") or ClipKind.QUESTION.value
    if kind_name not in list(ClipKind):
        raise CorpusError(f"{where}: unknown kind '{kind_name}': choose one of {', '.join(ClipKind)}")
    kind = ClipKind(kind_name)
    voice = row.cells.get("voice") or ("" if kind is ClipKind.NOISE else table.parent.name)
    pcm = _read_only(read_sound(table.parent / name, rate))
    bounds = _labels(where, row, pcm, rate) or _found(kind, pcm, rate)
    if bounds is None:
        what = "sound above -40 dBFS" if kind is ClipKind.NOISE else "speech"
        raise CorpusError(f"{table.parent / name}: no {what} was found: record it louder or give onset_s and offset_s")
    return Clip(name, kind, voice, row.cells["transcript"], "user", rate, pcm, *bounds, row.cells.get("accent", ""))


def _labels(where: str, row: Row, pcm: npt.NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """The bounds that the line gives; None where it leaves both out."""
    texts = row.cells.get("onset_s", ""), row.cells.get("offset_s", "")
    if texts == ("", ""):
        return None
    try:
        onset, offset = (float(text) for text in texts)
    except ValueError:
        onset, offset = 1.0, 0.0
    if not 0 <= onset < offset <= len(pcm) / rate:
        raise CorpusError(
            f"{where}: onset_s '{texts[0]}' and offset_s '{texts[1]}' must be seconds with "
            f"0 <= onset_s < offset_s <= {len(pcm) / rate:.3f} (the clip's duration), or both be left empty"
        )
    return int(onset * rate), min(int(offset * rate), len(pcm) - 1)


def _found(kind: ClipKind, pcm: npt.NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """The bounds of speech, or of sound for noise, in a clip without labels; None where there is none."""
    return sound_bounds(pcm, rate) if kind is ClipKind.NOISE else detect_bounds(pcm, rate)


def _read_only(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    pcm.flags.writeable = False
    return pcm
