"""The processes of a sweep: the assistant, for as long as a run takes, and the run. What is started here is ended here."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from analysis.files import RunError

_GRACE_S = 40.0
"""For a process that was told to end: talkers have 20 s to end their turns, and the run's files are written after that."""
_LOOKS_S = 0.1


def free_port() -> int:
    """A port of this machine that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def assistant(command: str, host: str, ready_s: float, env: dict[str, str], log: Path) -> Iterator[None]:
    """Serves as long as the context lasts: started, and waited for until something listens on `host`. Raises RunError where it does not."""
    line = shlex.split(command)
    line[0] = sys.executable if line[0] == "python" else line[0]
    with log.open("wb") as written:
        try:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, env={**os.environ, **env}, start_new_session=True
            )
        except OSError as error:
            raise RunError(f"assistant.command: {line[0]} cannot be started: {error.strerror}") from None
        try:
            _wait(process, host, ready_s, log)
            yield
        finally:
            end(process, signal.SIGTERM)


def finish(line: Sequence[str], log: Path, limit_s: float, env: Mapping[str, str] | None = None) -> int:
    """Run this to its end, its output in `log`, with `env` added to its environment; returns its exit code. After `limit_s`, or where we
    are interrupted ourselves, it is told to end, and killed where it does not. Raises RunError where it took too long."""
    given = {**_environment(), **(env or {})}
    with log.open("wb") as written:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=given,
        )
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise RunError(f"{log}: the run was ended, as it took longer than {limit_s:.0f} s: raise limit_s") from None
        finally:
            end(process, signal.SIGINT)


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End a process, and all that it has started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM ends us as Ctrl-C does, so that what was started is ended, too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def last_words(log: Path) -> str:
    """The last line that says something, of what a process has printed."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing")


def _wait(process: subprocess.Popen[bytes], host: str, ready_s: float, log: Path) -> None:
    address = urlsplit(host)
    port = address.port or (443 if address.scheme in ("https", "wss") else 80)
    until = time.monotonic() + ready_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RunError(f"assistant.command: it ended with exit code {process.returncode}: {last_words(log)}")
        with suppress(OSError), socket.create_connection((address.hostname or "", port), timeout=1.0):
            return
        time.sleep(_LOOKS_S)
    raise RunError(f"assistant.command: nothing listens on {host} after {ready_s:g} s; what it printed is in {log}")


def _environment() -> dict[str, str]:
    """Ours, without options of locust: those of a sweep are in its file."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "DOUBLETALK_"))}
