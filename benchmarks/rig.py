"""The rig of the benchmarks: programs in C built on the spot, the scripted peer, processes pinned to a core, and what machine this is."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILT = HERE.parent / "runs" / "bench" / "built"
CLIENT_CORE, PEER_CORE = 0, 1
_PATIENCE_S = 20


class RigError(Exception):
    """The machine lacks something; the text says what, and what to do."""


def build(name: str) -> Path:
    """Compile `<name>.c` of this folder; returns the program. Raises RigError."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RigError("no C compiler: install gcc (on Debian and Ubuntu: apt-get install gcc libc6-dev)")
    BUILT.mkdir(parents=True, exist_ok=True)
    program = BUILT / name
    command = [compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", str(program), str(HERE / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RigError(f"{name}.c does not compile: {done.stderr.strip().splitlines()[0]}")
    return program


def check_machine() -> None:
    """Raises RigError where client and peer cannot have a core each, or the descriptors of a thousand sessions are not to be had."""
    if sys.platform != "linux":
        raise RigError("the benchmarks need Linux: epoll, timerfd and the kernel's arrival times")
    if len(os.sched_getaffinity(0)) < 2:
        raise RigError("the benchmarks need two cores: one for the talkers, one for their peer")


def machine() -> dict[str, Any]:
    """What this was measured on."""
    models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
    }


def pinned(command: Sequence[str | Path], core: int, **kwargs: Any) -> subprocess.Popen[str]:
    """Start a program on one core. `kwargs`: as Popen's."""
    return subprocess.Popen([str(part) for part in command], text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **kwargs)


class Peer:
    """The scripted peer while it runs. `stats`: what it says of itself once it has stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.stats: dict[str, Any] = {}
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            raise RigError(f"the peer did not start: {line.strip() or 'it said nothing'}")
        self.url = line.split()[-1]

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return int(self.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End it and read its statistics."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=_PATIENCE_S)
        self.stats = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}


@contextmanager
def peer(**options: Any) -> Iterator[Peer]:
    """The scripted peer on its own core; `options` as its command line's, with `_` for `-`. See the head of `peer.c`."""
    command: list[str | Path] = [build("peer"), *(f"--{name.replace('_', '-')}={value}" for name, value in options.items())]
    started = Peer(pinned(command, PEER_CORE, stdout=subprocess.PIPE))
    try:
        yield started
    finally:
        started.stop()
