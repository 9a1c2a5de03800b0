"""The ways that are compared. Each runs a number of talkers against a fresh peer for a steady window and tells what was measured of it.

The conversation is the same everywhere: a clip of some 3 s is spoken, then there is silence until the reply has come, and for 1 to 2 s
more. The ways that react do so by themselves; the others repeat a cycle of that length. Starts are spread over a cycle, or more, so that
at any instant some talkers speak, some listen and some think, whatever their number.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.load import Loaded, RunError, load
from benchmarks import rig
from benchmarks.client import SECOND_NS, Client, connections
from benchmarks.figures import Measured

HERE = Path(__file__).parent
SCENARIO = HERE / "bench.yml"
PEER = {"delay_ms": 300, "reply_ms": 5000}
CYCLE_S, SPEECH_S = 9.95, 3.0
"""Of the ways that do not react: as long as the cycle of those that do is on average."""
SETTLE_S = 2.0
_STARTS_PER_S = 50.0
_CHUNK_S, _CHUNK_BYTES = 0.040, 2706
"""Audio of one delta of the peer, and its size on the wire."""
_PATIENCE_S = 40.0


def starts_per_s(talkers: int) -> float:
    """How fast talkers start."""
    return min(_STARTS_PER_S, talkers / CYCLE_S)


def ramp_s(talkers: int) -> float:
    """How long it takes until all have started."""
    return max(CYCLE_S, talkers / _STARTS_PER_S)


def doubletalk(
    talkers: int, frame_ms: float, seconds: float, out: Path, scenario: Path = SCENARIO, dialect: str = "", wire: str = "openai"
) -> Measured:
    """Full talkers: `locust` as a user runs it. `dialect`: "" is the usual one; `wire`: the peer's for it. Raises RigError where no run
    came about."""
    (runs := out / "runs").mkdir(parents=True, exist_ok=True)
    before = set(runs.iterdir())
    run_s = math.ceil(ramp_s(talkers) + SETTLE_S + seconds + 2)
    with rig.peer(**PEER, wire=wire) as peer:
        options = {
            "scenario": scenario, "host": peer.url, "users": talkers, "spawn-rate": starts_per_s(talkers), "run-time": run_s,
            "stop-timeout": 0, "frame-ms": frame_ms, "runs": runs,
        }  # fmt: skip
        given = (str(x) for name, value in options.items() for x in (f"--{name}", value))
        over = ["--dialect", dialect, "--auth", "none"] if dialect else []
        command = [sys.executable, "-m", "locust", "--headless", "--no-report", *given, *over]
        with Client(command, out / "doubletalk.log") as client:
            ended = client.watch(run_s + _PATIENCE_S)
    folders = set(runs.iterdir()) - before
    if ended and not folders:
        raise _cannot_run("doubletalk", client)
    try:
        return _of_run(load(max(folders)), client, talkers, frame_ms, peer.stats.get("busy_share"))
    except (ValueError, RunError) as error:
        return _unfit(talkers, frame_ms, peer, str(error) if ended else "")


def _of_run(run: Loaded, client: Client, talkers: int, frame_ms: float, busy: float | None) -> Measured:
    """What a run folder tells. Raises ValueError where all talkers were never there together for long enough."""
    steady = run.timeline[run.timeline["talkers"] == talkers].iloc[2:-1]
    if len(steady) < 2:
        raise ValueError("all talkers were never there together")
    start_ns, end_ns = (run.info["started_ns"] + round(t * SECOND_NS) for t in (steady["t_s"].iloc[0] - 1, steady["t_s"].iloc[-1]))
    heard = run.turns[["first_audio_ns", "last_audio_ns"]].dropna()
    spoken_ns = (heard["last_audio_ns"] + _CHUNK_S * SECOND_NS).clip(upper=end_ns) - heard["first_audio_ns"].clip(lower=start_ns)
    health, totals = run.info["health"], run.info["totals"]
    return Measured(
        talkers,
        frame_ms,
        cpu_percent=100 * float(steady["cpu_share"].mean()),
        memory_kib=client.memory_kib(start_ns, end_ns),
        send_lateness_p99_ms=1000 * health["send_lateness"]["p99_s"],
        frames_missed=health["frames_late"] + health["frames_dropped"],
        turns=int(steady["turns"].sum()),
        peer_busy_share=busy,
        reply_share=float(spoken_ns.clip(lower=0).sum()) / ((end_ns - start_ns) * talkers),
        failed=sum(count for name, count in totals.items() if name.startswith("errors.")),
        fault="; ".join(fault.partition(": ")[0] for fault in run.info["faults"]),
    )


def usual(talkers: int, frame_ms: float, seconds: float, out: Path) -> Measured:
    """The usual Locust way: `usual.py`. Raises RigError where it does not run."""
    result = _fresh(out / "usual.json")
    env = {"USUAL_FRAME_MS": f"{frame_ms:g}", "USUAL_SECONDS": f"{seconds:g}", "USUAL_RESULT": str(result.resolve())}
    with rig.peer(**PEER) as peer:
        options = ["--users", str(talkers), "--spawn-rate", str(starts_per_s(talkers)), "--host", peer.url, "--stop-timeout", "0"]
        command = [sys.executable, "-m", "locust", "--headless", "-f", str(HERE / "usual.py"), *options]
        with Client(command, out / "usual.log", env) as client:
            client.watch(ramp_s(talkers) + SETTLE_S + seconds + _PATIENCE_S, result.exists)
            if client.code:
                raise _cannot_run("usual", client)
    if not result.exists():
        return _unfit(talkers, frame_ms, peer)
    told = json.loads(result.read_text())
    return Measured(
        talkers,
        frame_ms,
        cpu_percent=client.cpu_percent(told["start_ns"], told["end_ns"]),
        memory_kib=client.memory_kib(told["start_ns"], told["end_ns"]),
        peer_busy_share=peer.stats.get("busy_share"),
        **{name: told[name] for name in ("send_lateness_p99_ms", "frames_missed", "turns", "reply_share", "failed")},
    )


def c(talkers: int, frame_ms: float, seconds: float, out: Path) -> Measured:
    """The C program that only moves the bytes, for the whole number of cycles that is nearest to `seconds`. Raises RigError."""
    window_s = max(1, round(seconds / CYCLE_S)) * CYCLE_S
    with rig.peer(**PEER) as peer:
        options = {
            "port": peer.port, "sessions": talkers, "frame-ms": frame_ms, "seconds": window_s, "ramp-per-s": talkers / CYCLE_S,
            "cycle-ms": 1000 * CYCLE_S, "speech-ms": 1000 * SPEECH_S, "grid-us": 1000,
        }  # fmt: skip
        with Client([rig.build("bytes"), *(f"--{name}={value:g}" for name, value in options.items())], out / "c.log") as client:
            ended = client.watch(CYCLE_S + window_s + _PATIENCE_S)
    if client.code == 2:
        raise _cannot_run("c", client)
    if client.code != 0:
        return _unfit(talkers, frame_ms, peer, client.last_words() if ended else "")
    told = json.loads(client.last_words())
    received_s = told["bytes_received"] / _CHUNK_BYTES * _CHUNK_S
    return Measured(
        talkers,
        frame_ms,
        peer_busy_share=peer.stats.get("busy_share"),
        reply_share=received_s / (told["wall_s"] * talkers),
        **{name: told[name] for name in ("cpu_percent", "memory_kib", "send_lateness_p99_ms", "frames_missed")},
    )


def k6(talkers: int, frame_ms: float, seconds: float, out: Path) -> Measured:
    """k6 with `k6.js`. Raises RigError where it does not run."""
    result = _fresh(out / "k6.json")
    command: list[str | Path] = ["k6", "run", "--quiet", "--no-usage-report", "--address", "", HERE / "k6.js"]
    client, window, busy = _scripted(command, "k6", talkers, frame_ms, seconds, out)
    told = json.loads(result.read_text()) if result.exists() else {}
    return _of_script(client, window, busy, talkers, frame_ms, seconds, told)


def artillery(talkers: int, frame_ms: float, seconds: float, out: Path) -> Measured:
    """Artillery with `artillery.yml`. Raises RigError where it does not run."""
    result = _fresh(out / "artillery.json")
    command: list[str | Path] = ["artillery", "run", "--quiet", "--output", result, HERE / "artillery.yml"]
    client, window, busy = _scripted(command, "artillery", talkers, frame_ms, seconds, out)
    told = {}
    if result.exists():
        whole = json.loads(result.read_text())["aggregate"]
        counters = whole["counters"]
        told = {
            "send_lateness_p99_ms": whole["summaries"]["send_lateness_ms"]["p99"],
            "frames_missed": counters.get("frames_missed", 0),
            "failed": counters.get("vusers.failed", 0),
            "bytes_received": counters.get("bytes_received", 0),
        }
    return _of_script(client, window, busy, talkers, frame_ms, seconds, told)


def _life_s(talkers: int, seconds: float) -> float:
    """How long each scripted talker streams: so long that the first is still there when the window of all ends."""
    return ramp_s(talkers) + 2 * SETTLE_S + seconds


def _scripted(
    command: Sequence[str | Path], way: str, talkers: int, frame_ms: float, seconds: float, out: Path
) -> tuple[Client, tuple[int, int], float | None]:
    """Run a script that environment variables tell what to do; returns the client, the window (monotonic ns), and how busy the peer was."""
    with rig.peer(**PEER) as peer:
        env = {
            "BENCH_URL": peer.url.replace("http", "ws") + "/v1/realtime", "BENCH_TALKERS": talkers, "BENCH_FRAME_MS": f"{frame_ms:g}",
            "BENCH_RAMP_S": math.ceil(ramp_s(talkers)), "BENCH_LIFE_S": _life_s(talkers, seconds), "BENCH_SPEECH_S": SPEECH_S,
            "BENCH_CYCLE_S": CYCLE_S, "BENCH_RESULT": (out / f"{way}.json").resolve(), "ARTILLERY_DISABLE_TELEMETRY": "true",
        }  # fmt: skip
        with Client(command, out / f"{way}.log", {name: str(value) for name, value in env.items()}) as client:
            client.watch(ramp_s(talkers) + _PATIENCE_S, lambda: connections(peer.port) >= talkers)
            start_ns = time.monotonic_ns() + round(SETTLE_S * SECOND_NS)
            client.watch(SETTLE_S + seconds)
            end_ns = time.monotonic_ns()
            client.watch(ramp_s(talkers) + _PATIENCE_S)
    return client, (start_ns, end_ns), peer.stats.get("busy_share")


def _of_script(
    client: Client, window: tuple[int, int], busy: float | None, talkers: int, frame_ms: float, seconds: float, told: dict[str, float]
) -> Measured:
    if not told:
        return Measured(talkers, frame_ms, peer_busy_share=busy, fault=client.last_words() or "it told no result")
    received_s = told["bytes_received"] / _CHUNK_BYTES * _CHUNK_S
    return Measured(
        talkers,
        frame_ms,
        cpu_percent=client.cpu_percent(*window),
        memory_kib=client.memory_kib(*window),
        send_lateness_p99_ms=told["send_lateness_p99_ms"],
        frames_missed=round(told["frames_missed"]),
        peer_busy_share=busy,
        reply_share=received_s / (_life_s(talkers, seconds) * talkers),
        failed=round(told["failed"]),
    )


def _unfit(talkers: int, frame_ms: float, peer: rig.Peer, why: str = "") -> Measured:
    return Measured(talkers, frame_ms, peer_busy_share=peer.stats.get("busy_share"), fault=why or "it did not come to its end in time")


def _fresh(path: Path) -> Path:
    """The path of a result that is not there yet."""
    path.unlink(missing_ok=True)
    return path


def _cannot_run(way: str, client: Client) -> rig.RigError:
    return rig.RigError(f"{way} does not run: {client.last_words() or f'exit code {client.code}'}")


@dataclass(frozen=True, slots=True)
class Way:
    """`run`: talkers, frame duration in ms, steady window in s, and the folder for what is written. `start`: talkers at 40 ms frames with
    which the search begins. `tool`: the program on the PATH that it needs, empty where none; then its talkers leave one by one, too."""

    run: Callable[[int, float, float, Path], Measured]
    start: int
    tool: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can run on this machine."""
        return not self.tool or shutil.which(self.tool) is not None

    def run_s(self, talkers: int, seconds: float) -> float:
        """How long a run takes, about."""
        ramps_s = 2 * ramp_s(talkers) + 10 if self.tool else CYCLE_S if self.run is c else ramp_s(talkers)
        return ramps_s + SETTLE_S + seconds + 3


WAYS = {
    "doubletalk": Way(doubletalk, 2000),
    "binary": Way(partial(doubletalk, dialect="raw-pcm", wire="raw"), 2000),
    "twilio": Way(partial(doubletalk, dialect="twilio", wire="twilio"), 1000),
    "usual": Way(usual, 80),
    "c": Way(c, 3200),
    "k6": Way(k6, 300, "k6"),
    "artillery": Way(artillery, 100, "artillery"),
}
