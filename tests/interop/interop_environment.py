"""Environments of vendors' own clients: made by the test, kept under .venv-interop, apart from ours, whose dependencies they would fight.

And our side for them: the reference assistant as a process, and the conversation that each client is to hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audio import Clip, ClipKind, load_corpus

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
PATIENCE_S = 120


def python_with(*requirements: str) -> Path:
    """The Python of an environment with these packages. Skips the test where they cannot be installed here."""
    key = hashlib.sha256("\n".join([sys.version, *sorted(requirements)]).encode()).hexdigest()[:16]
    folder = ROOT / ".venv-interop" / key
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", *requirements]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
        if done.returncode:
            pytest.skip(f"cannot be installed here: {' '.join(requirements)}: {done.stderr.strip().splitlines()[-1:]}")
        (folder / "installed").touch()
    return python


@contextmanager
def assistant(folder: Path, profile: str = "demo", seed: int = 1, options: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """The reference assistant on a free port, with `options` of its command line besides: its URL, and its truth file."""
    truth, told = folder / "truth.jsonl", folder / "assistant.log"
    command = [sys.executable, "-m", "assistant", "--port", "0", "--profile", profile, "--seed", str(seed), "--truth", str(truth), *options]
    with told.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listening on" in line, told.read_text()
        yield line.split("listening on ")[1].split(",")[0], truth
    finally:
        process.terminate()
        process.wait(30)


def wav(clip: Clip, rate: int, path: Path) -> Path:
    """A clip as a WAV file: PCM16 mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(clip.pcm.astype("<i2").tobytes())
    return path


def questions(folder: Path, rate: int) -> tuple[Path, Path]:
    """What a client says first, and what it interrupts the answer with."""
    first, second = load_corpus(rate=rate).of(ClipKind.QUESTION)[:2]
    return wav(first, rate, folder / "first.wav"), wav(second, rate, folder / "second.wav")


def held(python: Path, client: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What a client of ours under clients/ prints as its last line, in JSON, once it has held its conversation."""
    command = [str(python), str(CLIENTS / client), *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(truth: Path, kind: str) -> list[dict[str, Any]]:
    """What the assistant's truth says, of one kind."""
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]
