"""python -m benchmarks.golden [DIALECT ...]: tapes of a short conversation with the reference assistant over each wire, for the tests.

A talker says something, interrupts the answer, and coughs into the next one. What it sent and heard, and the records that came of it, are
taken down (`metrics/tape.py`) in `tests/metrics/golden`; a test replays them. Made anew where a dialect is to decode otherwise than before.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from audio import Clip, ClipKind, load_corpus
from benchmarks.wires import below, names
from metrics.tape import read, records_on
from protocol import DIALECTS

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "metrics" / "golden"
SCENARIO = """
name: golden
load: {talkers: 1, spawn_per_s: 1, duration_s: 9}
conversation: {turns: 3, think_s: 0.4, barge_in: {per_second: 0.5}, false_alarms: {per_second: 0.9, noise: 0.0}}
"""
PROFILE = """
asr: {delay: {fixed: 0.05}}
llm: {delay: {fixed: 0.1}}
tts: {delay: {fixed: 0.05}}
pace: 1.5
"""
ANSWER_S = 1.8
RATE = 24_000
TURNS = 3
_KEY = "GOLDEN_KEY"
"""Environment variable of the key that both sides have."""


def corpus(folder: Path) -> Path:
    """A folder with two questions, an interruption, a backchannel and a short answer, so that tapes are small."""
    clips = load_corpus(rate=RATE)
    rows: list[str] = []
    for kind in (ClipKind.QUESTION, ClipKind.QUESTION, ClipKind.INTERRUPTION, ClipKind.BACKCHANNEL, ClipKind.ANSWER):
        names = {row.split("\t")[0] for row in rows}
        clip = min((c for c in clips.of(kind) if f"{c.name}.wav" not in names), key=_length)
        pcm = clip.pcm[: round(ANSWER_S * RATE)] if kind is ClipKind.ANSWER else clip.pcm
        soundfile.write(folder / f"{clip.name}.wav", np.asarray(pcm, np.int16), RATE, subtype="PCM_16")
        rows.append(f"{clip.name}.wav\t{clip.transcript}\t{kind.value}\tgolden")
    (folder / "transcripts.tsv").write_text("file\ttranscript\tkind\tvoice\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _length(clip: Clip) -> int:
    return len(clip.pcm)


def tape(dialect: str, folder: Path) -> Path:
    """Talk to the assistant over this dialect; returns the tape. A run on a busy machine will do, as long as it had its turns.

    Raises CalledProcessError where it had none.
    """
    (folder / "profile.yml").write_text(PROFILE, encoding="utf-8")
    (folder / "golden.yml").write_text(SCENARIO, encoding="utf-8")
    made = GOLDEN / f"{dialect}.jsonl.gz"
    sounds = ["--corpus", str(corpus(folder))]
    serve = [
        sys.executable,
        "-m",
        "assistant",
        "--port",
        "0",
        "--profile",
        str(folder / "profile.yml"),
        *sounds,
        "--api-key-env",
        _KEY,
        "--",
    ]
    here = ["sh", "-c", f'exec "$@" --host "$LOCUST_HOST{below(dialect)}"', "sh"] if dialect in names() else []
    talk = [
        *here,
        sys.executable,
        "-m",
        "locust",
        "--headless",
        "--no-report",
        "--scenario",
        str(folder / "golden.yml"),
        "--dialect",
        dialect,
    ]
    rest = [*sounds, "--tape", str(made), "--runs", str(folder / "runs"), "--seed", "3", "--frame-ms", "40", "--api-key-env", _KEY]
    made.unlink(missing_ok=True)
    environment = {**os.environ, _KEY: secrets.token_hex(16)}
    done = subprocess.run([*serve, *talk, *rest], cwd=ROOT, env=environment, capture_output=True, text=True)
    if not made.exists() or len(records_on(read(made))) < TURNS:
        done.check_returncode()
        raise subprocess.CalledProcessError(0, "locust", done.stdout, "too few turns")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the tapes. Exit code 2 for a dialect that there is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.golden", description="Tape a conversation over each wire.")
    parser.add_argument("dialects", nargs="*", help="all of ours, unless some are named")
    wanted = parser.parse_args(arguments).dialects or list(DIALECTS)
    for dialect in wanted:
        if dialect not in DIALECTS:
            print(f"benchmarks.golden: no dialect {dialect!r}: there are {', '.join(DIALECTS)}", file=sys.stderr)
            return 2
        GOLDEN.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = tape(dialect, Path(folder))
            except subprocess.CalledProcessError as error:
                print(f"{dialect}: {(error.stdout + error.stderr).strip()[-2000:]}", file=sys.stderr)
                continue
        told = ", ".join(f"{record['kind']} {record['outcome']}" for record in records_on(read(made)))
        print(f"{dialect}: {made.stat().st_size / 1000:.0f} kB: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
