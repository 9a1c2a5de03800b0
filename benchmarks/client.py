"""A client under measurement: a program on the clients' core, its CPU time and memory read from outside, ended whatever happens."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rig

ROOT = Path(__file__).parent.parent
SECOND_NS = 1_000_000_000
_EVERY_S = 0.5
_GRACE_S = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Sample:
    """What /proc told at an instant (monotonic ns): CPU time of all threads so far in s, and resident memory in KiB."""

    t_ns: int
    cpu_s: float
    rss_kib: int


class Client:
    """Use as a context manager: started on entering, ended on leaving. What it prints goes into the file `log`.

    `env`: variables to set; those that would configure Locust or Doubletalk behind the benchmark's back are not passed on.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._command, self._log = command, log
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "DOUBLETALK_"))} | dict(env or {})
        self._samples: list[Sample] = []
        self.code: int | None = None
        """Its exit code; None until it has ended by itself."""

    def __enter__(self) -> Client:
        with self._log.open("w", encoding="utf-8") as log:
            self._process = rig.pinned(
                self._command, rig.CLIENT_CORE, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=self._env
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def watch(self, limit_s: float, until: Callable[[], bool] | None = None) -> bool:
        """Sample it until it has ended or `until` holds, for at most `limit_s`; returns False where that time ran out."""
        end_ns = time.monotonic_ns() + round(limit_s * SECOND_NS)
        while time.monotonic_ns() < end_ns:
            self._sample()
            try:
                self.code = self._process.wait(_EVERY_S)
                return True
            except subprocess.TimeoutExpired:
                if until is not None and until():
                    return True
        return False

    def cpu_percent(self, start_ns: int, end_ns: int) -> float | None:
        """CPU of one core that it took between two instants, in percent; None where it was not sampled twice between them."""
        inside = self._inside(start_ns, end_ns)
        if len(inside) < 2:
            return None
        first, last = inside[0], inside[-1]
        return 100 * (last.cpu_s - first.cpu_s) / ((last.t_ns - first.t_ns) / SECOND_NS)

    def memory_kib(self, start_ns: int, end_ns: int) -> float | None:
        """The most resident memory that was seen between two instants, in KiB; None where it was not sampled."""
        return max((sample.rss_kib for sample in self._inside(start_ns, end_ns)), default=None)

    def last_words(self) -> str:
        """The last line that it printed; empty where it printed none."""
        lines = [line.strip() for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def _inside(self, start_ns: int, end_ns: int) -> list[Sample]:
        return [sample for sample in self._samples if start_ns <= sample.t_ns <= end_ns]

    def _sample(self) -> None:
        proc = Path("/proc") / str(self._process.pid)
        try:
            status = (proc / "status").read_text()
            ticks = (proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            return
        rss = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        if rss:  # a process that has ended and not been waited for has none
            self._samples.append(Sample(time.monotonic_ns(), sum(map(int, ticks)) / _TICKS_PER_S, int(rss[0].split()[1])))


def connections(port: int) -> int:
    """How many TCP connections to this port of 127.0.0.1 are established, seen from the clients' side."""
    wanted = f"0100007F:{port:04X}"
    rows = [line.split()[2:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return rows.count([wanted, _ESTABLISHED])
