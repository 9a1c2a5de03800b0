"""Read sound files and tables of clips, with one clear line for whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

LONGEST_S = 60.0
SILENT_DBFS = -60.0


class CorpusError(ValueError):
    """Clips cannot be used: what is wrong, in which file, and what to do about it. One line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: ``number`` counts from 1 for the header, ``cells`` maps column to text, stripped."""

    number: int
    cells: dict[str, str]


def read_table(path: Path, required: Collection[str], optional: Collection[str]) -> list[Row]:
    """The lines of a tab-separated table with a header; empty lines and lines that begin with ``#`` are left out.

    Raises ``CorpusError`` where the file cannot be read, where the header lacks a required column, repeats one or has
    one that is not known, where a line has more cells than the header, or where there is no line besides the header.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): it must be a UTF-8 text file") from error
    header = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    wanted = "<TAB>".join(required)
    for column in required:
        if column not in header:
            raise CorpusError(f"{path}, line 1: the header lacks '{column}': it must be {wanted}, separated by tabs")
    for column in header:
        if header.count(column) > 1 or (column not in required and column not in optional):
            known = ", ".join([*required, *optional])
            raise CorpusError(f"{path}, line 1: column '{column}' is unknown or repeated: columns are {known}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) > len(header):
            raise CorpusError(f"{path}, line {number}: {len(cells)} cells for {len(header)} columns: remove a tab")
        rows.append(Row(number, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))))
    if not rows:
        raise CorpusError(f"{path} lists no clip: add a line per sound file below the header {wanted}")
    return rows


def read_sound(path: Path, rate: int) -> npt.NDArray[np.int16]:
    """The sound of a WAV or FLAC file as int16 mono at ``rate``; several channels are averaged.

    Raises ``CorpusError`` where the file is missing, broken, empty, silent (peak below -60 dBFS) or longer than 60 s.
    """
    if not path.is_file():
        raise CorpusError(f"{path} does not exist: add the file or remove its line from the table")
    try:
        info = soundfile.info(str(path))
        if info.frames > LONGEST_S * info.samplerate:
            seconds = info.frames / info.samplerate
            raise CorpusError(f"{path} lasts {seconds:.1f} s: a clip may last {LONGEST_S:g} s, so cut it into several")
        sound, own_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path} cannot be read as sound ({reason}): it must be a WAV or FLAC file") from error
    mono = sound.mean(axis=1, dtype=np.float32)
    if not len(mono):
        raise CorpusError(f"{path} holds no samples: record it again or remove its line from the table")
    if not np.isfinite(mono).all():
        raise CorpusError(f"{path} holds samples that are not numbers: export it again as 16-bit WAV or FLAC")
    if float(np.abs(mono).max()) < 10 ** (SILENT_DBFS / 20):
        raise CorpusError(f"{path} is silent (nothing above {SILENT_DBFS:g} dBFS): record it again or remove its line")
    if own_rate != rate:
        mono = soxr.resample(mono, own_rate, rate)
    pcm: npt.NDArray[np.int16] = np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.int16)
    return pcm
