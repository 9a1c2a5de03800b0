"""Make the built-in corpus: ``python -m audio.make_corpus [FOLDER]`` (default: ``audio/corpus``).

Speech is synthesised by flite (Debian's package), noise is generated with a fixed seed: the same flite makes the same
corpus. What is done to each clip:

1. Speech is cut to where its RMS over 10 ms is above the voice's edge level; noise is taken whole.
2. Silences within questions and interruptions (RMS below -40 dBFS) are shortened to 100 ms, so that an assistant that
   waits for 200 ms of silence does not take one utterance for two; a clip that still has a pause above 180 ms, by
   energy or by voice activity detection, stops the program.
3. Loudness is brought to -20 dBFS RMS, measured over the 10 ms windows less than 30 dB below the loudest.
4. Everything before the first and after the last sound is replaced by 100 ms of digital silence.
   The bounds are those of ``audio.onset``: -40 dBFS over 10 ms, which for speech must hold for 50 ms at the onset. These
   two sample indices are the clip's labels.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from audio.clips import BUILT_IN, BUILT_IN_RATE, ClipKind
from audio.corpus_texts import ACCENTS, ASSISTANT, SAID_BY_ASSISTANT, SAID_BY_TALKERS, SPOKEN_AS, TALKERS
from audio.noises import Sound, cough, keyboard, street
from audio.onset import THRESHOLD_DBFS, FirstSound, last_sound, sound_bounds
from audio.vad import Vad

SPEECH_DBFS = -20.0
NOISE_DBFS = {"cough": -20.0, "keyboard": -26.0, "street": -24.0}
# The diphone voice hums at -38 dBFS before and after it speaks; the others are below -50 dBFS there.
EDGE_DBFS = {ASSISTANT: -33.0}
AROUND = BUILT_IN_RATE // 10
WINDOW = BUILT_IN_RATE // 100
LONGEST_PAUSE_MS = 180
KEPT_PAUSE_MS = 100
SEED = 20_01
FLITE_LICENCE = "CMU Flite licence (BSD-like), see LICENCE.txt"
NOISE_LICENCE = "same as Doubletalk (generated)"
COLUMNS = ("name", "kind", "voice", "accent", "transcript", "licence", "onset_sample", "offset_sample")
DEBIAN_COPYRIGHT = Path("/usr/share/doc/flite/copyright")

Pcm = npt.NDArray[np.int16]


class CannotMake(Exception):
    """The corpus cannot be made; says what to do."""


def find_flite() -> str:
    """Path of flite. Raises ``CannotMake`` where it, or one of the voices, is missing: it would take another silently."""
    flite = shutil.which("flite")
    if flite is None:
        raise CannotMake("flite is not installed: run 'apt-get install flite'")
    listed = subprocess.run([flite, "-lv"], capture_output=True, text=True, check=False).stdout.split()
    missing = [voice for voice in (*TALKERS, ASSISTANT) if voice not in listed]
    if missing:
        raise CannotMake(f"{flite} lacks the voice {', '.join(missing)}: run 'apt-get install flite'")
    return flite


def synthesise(flite: str, text: str, voice: str) -> Sound:
    """``text`` said by a voice of ``flite``, at 24 kHz. Raises ``CannotMake`` where flite fails."""
    done = subprocess.run([flite, "-voice", voice, "-t", text, "-o", "/dev/stdout"], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise CannotMake(f"flite could not say '{text}' with voice {voice}: {reason}")
    sound, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float64")
    resampled: Sound = soxr.resample(sound, rate, BUILT_IN_RATE)
    return resampled


def levels(sound: Sound) -> Sound:
    """RMS of each whole window of 10 ms."""
    whole = len(sound) // WINDOW
    windows: Sound = np.sqrt(np.square(sound[: whole * WINDOW]).reshape(whole, WINDOW).mean(axis=1))
    return windows


def loudness_to(sound: Sound, dbfs: float) -> Sound:
    """``sound`` at ``dbfs`` RMS over the windows less than 30 dB below the loudest, or just below clipping."""
    level = levels(sound)
    active = level[level > level.max() * 10 ** (-30 / 20)]
    gain = 10 ** (dbfs / 20) / float(np.sqrt(np.square(active).mean()))
    return sound * min(gain, 0.98 / float(np.abs(sound).max()))


def pauses(level: Sound) -> Iterator[tuple[int, int]]:
    """Runs of windows below -40 dBFS between louder ones: first window, number of windows."""
    loud = np.flatnonzero(level > 10 ** (THRESHOLD_DBFS / 20))
    for before, after in pairwise(loud):
        if after - before > 1:
            yield int(before) + 1, int(after - before) - 1


def shorten_pauses(sound: Sound) -> Sound:
    """``sound`` with every inner pause cut to 100 ms, in its middle, where it is quietest."""
    parts, begin = [], 0
    for first, length in pauses(levels(sound)):
        if length > KEPT_PAUSE_MS // 10:
            parts.append(sound[begin : (first + KEPT_PAUSE_MS // 20) * WINDOW])
            begin = (first + length - KEPT_PAUSE_MS // 20) * WINDOW
    return np.concatenate([*parts, sound[begin:]])


def longest_pause_ms(pcm: Pcm, onset: int, offset: int) -> int:
    """The longest pause between onset and offset, by energy or by voice activity detection, whichever is longer."""
    by_energy = max((length for _, length in pauses(levels(pcm[onset:] / 32768))), default=0)
    flags = Vad(BUILT_IN_RATE).decide(pcm[: len(pcm) // WINDOW * WINDOW].tobytes())
    voiced = [i for i, flag in enumerate(flags) if flag]
    by_vad = max((b - a - 1 for a, b in pairwise(voiced)), default=0)
    return 10 * max(by_energy, by_vad)


def speech(flite: str, text: str, voice: str, kind: ClipKind) -> tuple[Pcm, int, int]:
    """A clip of speech and its two labels."""
    sound = loudness_to(synthesise(flite, SPOKEN_AS.get(text, text), voice), SPEECH_DBFS)
    loud = np.flatnonzero(levels(sound) > 10 ** (EDGE_DBFS.get(voice, THRESHOLD_DBFS) / 20))
    sound = sound[max(0, int(loud[0]) - 1) * WINDOW : (int(loud[-1]) + 2) * WINDOW]
    if voice in EDGE_DBFS:
        sound = sound[WINDOW:-WINDOW]
    if kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION):
        sound = shorten_pauses(sound)
    pcm = np.rint(loudness_to(sound, SPEECH_DBFS) * 32767).astype(np.int16)
    # A sound that lasts to the very end of a synthesis needs something after it to be looked at.
    pcm = np.concatenate([pcm, np.zeros(AROUND, np.int16)])
    onset = FirstSound(BUILT_IN_RATE).feed(pcm.tobytes())
    offset = last_sound(pcm, BUILT_IN_RATE)
    if onset is None or offset is None:
        raise CannotMake(f"'{text}' said by {voice} has no 50 ms of sound: choose another text")
    pcm, first, last = with_silence(pcm, onset, offset)
    if kind in (ClipKind.QUESTION, ClipKind.INTERRUPTION):
        pause = longest_pause_ms(pcm, first, last)
        if pause > LONGEST_PAUSE_MS:
            raise CannotMake(f"'{text}' said by {voice} has a pause of {pause} ms: choose another text")
    return pcm, first, last


def with_silence(pcm: Pcm, onset: int, offset: int) -> tuple[Pcm, int, int]:
    """The samples from ``onset`` to ``offset`` between 100 ms of digital silence, and their new indices."""
    around = np.zeros(AROUND, np.int16)
    return np.concatenate([around, pcm[onset : offset + 1], around]), AROUND, AROUND + offset - onset


def noises() -> Iterator[tuple[str, Sound]]:
    """Name and sound of each noise."""
    rng = np.random.default_rng(SEED)
    for number, bursts in enumerate((1, 2, 3), start=1):
        yield f"noise-cough-{number}", loudness_to(cough(rng, BUILT_IN_RATE, bursts), NOISE_DBFS["cough"])
    for number, seconds in enumerate((1.0, 1.8), start=1):
        yield f"noise-keyboard-{number}", loudness_to(keyboard(rng, BUILT_IN_RATE, seconds), NOISE_DBFS["keyboard"])
    for number, horn in enumerate((False, True), start=1):
        yield f"noise-street-{number}", loudness_to(street(rng, BUILT_IN_RATE, 2.2, horn), NOISE_DBFS["street"])


def clips() -> Iterator[tuple[tuple[str, ...], Pcm]]:
    """Each clip's line in the index and its samples."""
    flite = find_flite()
    for kind, texts in SAID_BY_TALKERS.items():
        for number, text in enumerate(texts):
            voice = TALKERS[number % len(TALKERS)]
            name = f"{kind}-{voice}-{number // len(TALKERS) + 1:02}"
            pcm, onset, offset = speech(flite, text, voice, kind)
            yield (name, kind, voice, ACCENTS[voice], text, FLITE_LICENCE, str(onset), str(offset)), pcm
    for name, sound in noises():
        raw = np.rint(sound * 32767).astype(np.int16)
        bounds = sound_bounds(raw, BUILT_IN_RATE)
        if bounds is None:
            raise CannotMake(f"{name} is too quiet: make it louder")
        pcm, onset, offset = with_silence(raw, *bounds)
        yield (name, ClipKind.NOISE, "", "", "", NOISE_LICENCE, str(onset), str(offset)), pcm
    for number, text in enumerate(SAID_BY_ASSISTANT, start=1):
        pcm, onset, offset = speech(flite, text, ASSISTANT, ClipKind.ANSWER)
        name = f"answer-{ASSISTANT}-{number:02}"
        yield (name, ClipKind.ANSWER, ASSISTANT, ACCENTS[ASSISTANT], text, FLITE_LICENCE, str(onset), str(offset)), pcm


def licence_text() -> str:
    """What LICENCE.txt says. Raises ``CannotMake`` where flite's own copyright file is missing."""
    try:
        text = DEBIAN_COPYRIGHT.read_text(encoding="utf-8")
    except OSError as error:
        raise CannotMake(f"{DEBIAN_COPYRIGHT} cannot be read ({error}): reinstall Debian's package flite") from error
    found = re.search(r"All other files are under following license:\n=+\n(.*?)(?:\n\n\n\n|\Z)", text, re.DOTALL)
    if found is None:
        raise CannotMake(f"{DEBIAN_COPYRIGHT} has another form than expected: look the licence up by hand")
    return (
        "Where the sound in this folder comes from\n\n"
        "Speech (question-*, interruption-*, backchannel-*, answer-*) was synthesised with CMU Flite, Debian's\n"
        "package flite, and its voices slt, rms, awb and kal16. The sentences were written for Doubletalk. By\n"
        "Debian's copyright file flite and these voices are under the licence below, which permits use, modification\n"
        "and distribution as long as the notice is kept.\n\n"
        "Noise (noise-*) was generated by audio/noises.py and is under the licence of Doubletalk.\n\n"
        f"---- the licence of CMU Flite ----\n\n{found[1].strip()}\n"
    )


def make(folder: Path) -> int:
    """Write the corpus into ``folder``, replacing one that is there; returns the number of clips."""
    licence = licence_text()
    made = list(clips())
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.flac"):
        old.unlink()
    for row, pcm in made:
        soundfile.write(str(folder / f"{row[0]}.flac"), pcm, BUILT_IN_RATE, subtype="PCM_16", format="FLAC")
    index = "".join("\t".join(row) + "\n" for row in (COLUMNS, *(row for row, _ in made)))
    (folder / "index.tsv").write_text(index, encoding="utf-8")
    (folder / "LICENCE.txt").write_text(licence, encoding="utf-8")
    return len(made)


def main(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    folder = Path(arguments[0]) if arguments else BUILT_IN
    try:
        count = make(folder)
    except CannotMake as error:
        print(f"make_corpus: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in folder.glob("*.flac"))
    print(f"{count} clips, {size / 1e6:.1f} MB, in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
