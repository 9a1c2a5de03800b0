"""Runs the product as a user does: the assistant's command with Locust as the command that it serves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parent.parent.parent
LOCUST = [sys.executable, "-m", "locust"]


@dataclass(frozen=True)
class Done:
    """A finished command, its run folder (None where there is none) and what the assistant wrote down as true."""

    code: int
    out: str
    err: str
    folder: Path | None
    truth: pd.DataFrame

    @property
    def run(self) -> dict[str, Any]:
        assert self.folder is not None, self.err
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    def table(self, name: str) -> pd.DataFrame:
        assert self.folder is not None, self.err
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def true(self, kind: str) -> pd.DataFrame:
        rows = self.truth[self.truth["kind"] == kind] if len(self.truth) else self.truth
        return rows.dropna(axis="columns", how="all")


def run(tmp: Path, *locust: str, profile: str = "demo", env: dict[str, str] | None = None, timeout_s: float = 240, port: int = 0) -> Done:
    """Serve the assistant on `port` (0: any), run `locust --headless` with these arguments against it, and gather what came of both."""
    tmp.mkdir(exist_ok=True)
    truth, runs = tmp / "truth.jsonl", tmp / "runs"
    served = [sys.executable, "-m", "assistant", "--port", str(port), "--profile", profile, "--seed", "7", "--truth", str(truth)]
    command = [*served, "--", *LOCUST, "--headless", "--runs", str(runs), *locust]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, env=env, check=False)
    folders = sorted(runs.iterdir()) if runs.exists() else []
    lines = [json.loads(line) for line in truth.read_text().splitlines()] if truth.exists() else []
    return Done(done.returncode, done.stdout, done.stderr, folders[-1] if folders else None, pd.DataFrame(lines))


def alone(*arguments: str, env: dict[str, str] | None = None, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `locust` by itself."""
    return subprocess.run([*LOCUST, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, env=env, check=False)
