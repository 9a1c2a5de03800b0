"""Whether each scenario ends with the right verdict: its quick variant against an assistant that it must pass, and one that it must not.

`python -m benchmarks.verdicts [NAME ...] [--at-once 3] [--seed 3] [--write]` runs them and prints a table; `--write` puts it into
docs/verdicts.md. Exit code 1 where one has another verdict than it should, or misses another criterion.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "verdicts.md"
_LIMIT_S = 300

_INTRO = """# Do the scenarios tell good from bad?

Each scenario's quick variant was run against a profile of the bundled assistant that it must pass, and against one that differs from a
healthy one in a single thing ([profiles](assistant.md#profiles)), which it must not pass. A scenario that cannot fail says nothing.

Written by `make verdicts`.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario against a profile. `missed`: the criterion by which it must fail, None where it must pass."""

    scenario: str
    profile: str
    missed: str | None = None


CASES = (
    Case("baseline-quick", "ideal"),
    Case("baseline-quick", "slow-stage", "e2e_latency p50 < 800 ms"),
    Case("ramp-up-quick", "ideal"),
    Case("ramp-up-quick", "slows-down", "e2e_latency p50 in top < 120 % of first"),
    Case("sustained-quick", "demo"),
    Case("sustained-quick", "slow-stage", "e2e_latency p95 < 1500 ms"),
    Case("spike-quick", "demo"),
    Case("spike-quick", "failing", "success > 95 %"),
    Case("soak-quick", "demo"),
    Case("soak-quick", "leaky", "target_memory_growth < 900 MB/h"),
    Case("chaos-quick", "outage"),
    Case("chaos-quick", "no-recovery", "time_to_recover max < 30 s"),
    Case("capacity-quick", "forty-slots"),
    Case("capacity-quick", "slow-stage", "capacity"),
    Case("call-centre-quick", "demo"),
    Case("call-centre-quick", "slow-stage", "e2e_latency p95 < 1500 ms"),
    Case("token-storm-quick", "demo"),
    Case("token-storm-quick", "rate-limited-tokens", "token_success in storm > 99 %"),
    Case("interrupters-quick", "demo"),
    Case("interrupters-quick", "slow-reaction", "barge_in_latency p95 < 320 ms"),
    Case("listeners-quick", "demo"),
    Case("listeners-quick", "stays-silent", "false_alarm_resume > 98 %"),
)
"""All scenarios, each with a profile that it passes and one that it does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: the exit code, the verdict's line, what `run.json` says (None where there is none), and what was printed."""

    case: Case
    code: int
    verdict: str
    run: dict[str, Any] | None
    out: str

    @property
    def valid(self) -> bool:
        """Whether the tester was fit to measure: a machine that others disturb says nothing of the scenario."""
        return self.run is not None and bool(self.run["valid"])

    @property
    def missed(self) -> list[str]:
        """The criteria that did not hold; of a search that found too little: `capacity`."""
        if self.run is None:
            return []
        if self.run["scenario"]["load"]["search"]:
            found, wanted = self.run["capacity"] or {"holds": 0}, self.run["scenario"]["load"]["search"]["wanted"]
            return ["capacity"] if found["holds"] < wanted else []
        return [criterion["criterion"] for criterion in self.run["criteria"] if not criterion["holds"]]

    @property
    def right(self) -> bool:
        """Whether that is the verdict that the case must have."""
        if self.case.missed is None:
            return self.code == 0
        return self.code == 1 and self.valid and self.case.missed in self.missed


def run(case: Case, seed: int, folder: Path, *more: str) -> Outcome:
    """Run one case; its run folder is made in `folder`. `more`: of Locust's command line."""
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", case.profile, "--seed", str(seed)]
    locust = [sys.executable, "-m", "locust", "--headless", "--scenario", case.scenario, "--seed", str(seed), "--frame-ms", "40"]
    place = folder / f"{case.scenario}-{case.profile}-{seed}"
    line = [*assistant, "--", *locust, "--no-report", "--runs", str(place), *more]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    found = sorted(place.glob("*/run.json"))
    told = json.loads(found[-1].read_text()) if found else None
    words = ("PASSED", "FAILED", "INVALID", "ABORTED", "INTERRUPTED", "No criteria")
    verdict = next((text for text in reversed(done.stdout.splitlines()) if text.startswith(words)), "no verdict")
    return Outcome(case, done.returncode, verdict, told, done.stdout + done.stderr)


def table(outcomes: Sequence[Outcome]) -> str:
    """What came of all cases, as Markdown."""
    lines = ["| scenario | profile | must | verdict | as it must |", "|---|---|---|---|---|"]
    for one in outcomes:
        must = "pass" if one.case.missed is None else f"miss `{one.case.missed}`"
        verdict = one.verdict.replace("|", "\\|")
        lines.append(f"| `{one.case.scenario}` | `{one.case.profile}` | {must} | {verdict} | {'yes' if one.right else 'NO'} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description="Whether each scenario ends with the right verdict.")
    parser.add_argument("scenarios", nargs="*", help="quick variants; none: all")
    parser.add_argument("--at-once", type=int, default=3, help="runs at the same time")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/verdicts.md")
    chosen = parser.parse_args(arguments)
    cases = [case for case in CASES if not chosen.scenarios or case.scenario in chosen.scenarios]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.at_once) as at_once:
        outcomes = list(at_once.map(lambda case: run(case, chosen.seed, Path(folder)), cases))
    told = table(outcomes)
    print(told)
    if chosen.write:
        PAGE.write_text(f"{_INTRO}\n{told}", encoding="utf-8")
    return 0 if all(one.right for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
