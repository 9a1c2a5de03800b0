"""What a network profile costs: CPU of talkers with one over that of as many without, in one run.

`python -m benchmarks.network [--talkers 1000] [--seconds 15] [--rounds 3] [--network 4g]` runs both in turn, each round the other way
about, and prints one JSON object: CPU of both in per cent of a core, the ratio of each round, the median of those whose runs are both valid
(null where none are, as on a machine that others disturb; `fault` says why), and what the talkers did, so that one sees whether both did
the same. It needs two cores.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import rig, ways

_FRAME_MS = 40.0
_NONE = "none"


def compare(talkers: int, seconds: float, rounds: int, network: str, out: Path) -> dict[str, Any]:
    """Both, `rounds` times. Raises RigError where one does not run, and ValueError where one tells no CPU time."""
    scenarios = {_NONE: ways.SCENARIO, network: _with(network, out)}
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in scenarios}
    for turn in range(rounds):
        for name in [*scenarios][:: 1 if turn % 2 == 0 else -1]:
            found = asdict(ways.doubletalk(talkers, _FRAME_MS, seconds, out, scenarios[name]))
            if found["cpu_percent"] is None:
                raise ValueError(f"the run with network {name} tells no CPU time: {found['fault']}")
            print(f"round {turn + 1}: network {name}: {found['cpu_percent']:.1f} % of a core", flush=True)
            measured[name].append(found)
    pairs = [*zip(measured[network], measured[_NONE], strict=True)]
    ratios = [a["cpu_percent"] / b["cpu_percent"] for a, b in pairs]
    valid = [ratio for ratio, (a, b) in zip(ratios, pairs, strict=True) if not a["fault"] and not b["fault"]]
    return {
        "talkers": talkers,
        "network": network,
        "ratio": round(median(valid), 3) if valid else None,
        "valid_rounds": len(valid),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "machine": rig.machine(),
        **{name: {key: [run[key] for run in runs] for key in _SHOWN} for name, runs in measured.items()},
    }


_SHOWN = ("cpu_percent", "turns", "reply_share", "send_lateness_p99_ms", "frames_missed", "failed", "memory_kib", "fault")


def _with(network: str, out: Path) -> Path:
    """The benchmark's scenario with a network profile, written to `out`."""
    path = out / f"bench-{network}.yml"
    path.write_text(ways.SCENARIO.read_text(encoding="utf-8") + f"network: {network}\n", encoding="utf-8")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--talkers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0, help="steady window of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="4g", help="name of a profile that comes with Doubletalk")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/network"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        rig.check_machine()
        result = compare(options.talkers, options.seconds, options.rounds, options.network, options.out)
    except (rig.RigError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
