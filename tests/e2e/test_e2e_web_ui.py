"""Locust's web UI in a real browser: start, watch, stop, twice in a row, and a form that refuses what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest
from browser import chromium, free_port, needs_chromium
from harness import LOCUST, ROOT
from playwright.sync_api import Page, expect

pytestmark = [needs_chromium, pytest.mark.spread]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The web UI's address and the folder of its runs."""
    port, runs = free_port(), tmp_path / "runs"
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal"]
    web = [*LOCUST, "--web-port", str(port), "--runs", str(runs), "--scenario", "demo", "--stop-timeout", "4"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*assistant, "--", *web], cwd=ROOT, stdout=log, stderr=log, env=dict(os.environ))
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/", runs
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1280, "height": 900})


def finished(runs: Path) -> list[Path]:
    return sorted(p.parent for p in runs.glob("*/run.json"))


def wait_for_runs(runs: Path, count: int) -> None:
    until = time.monotonic() + 60
    while len(finished(runs)) < count:
        assert time.monotonic() < until, f"{len(finished(runs))} of {count} runs were completed"
        time.sleep(0.2)


def wait_for_a_turn(address: str) -> None:
    """Until Locust's own numbers have a turn of the run that is under way: the page may still show those of the one before."""
    until = time.monotonic() + 60
    while True:
        with urlopen(f"{address}stats/requests", timeout=10) as reply:
            told = json.load(reply)
        if told["state"] == "running" and any(s["name"] == "utterance" and s["num_requests"] for s in told["stats"]):
            return
        assert time.monotonic() < until, told
        time.sleep(0.5)


def test_start_watch_stop_twice(served: tuple[str, Path], page: Page, tmp_path: Path) -> None:
    address, runs = served
    shots = Path(os.environ.get("DOUBLETALK_SCREENSHOTS", str(tmp_path)))
    page.goto(address)
    for number in (1, 2):
        if number == 2:
            page.get_by_role("button", name="New", exact=True).click()
        page.get_by_label("Number of users").fill("4")
        page.get_by_label("Ramp up").fill("4")
        page.screenshot(path=shots / f"form-{number}.png")
        page.get_by_role("button", name="Start").click()
        wait_for_a_turn(address)
        expect(page.get_by_role("row").filter(has_text="utterance")).to_be_visible(timeout=60_000)
        page.screenshot(path=shots / f"running-{number}.png")
        page.get_by_role("button", name="Stop").first.click()
        wait_for_runs(runs, number)
        page.screenshot(path=shots / f"stopping-{number}.png")
        expect(page.get_by_role("button", name="New", exact=True)).to_be_visible(timeout=60_000)
        page.screenshot(path=shots / f"stopped-{number}.png")
    first, second = finished(runs)
    for folder in (first, second):
        turns = pd.read_parquet(folder / "turns.parquet")
        assert (turns["outcome"] == "completed").sum() >= 1
        assert sorted(turns["talker"].unique())[0] == 0
        assert turns["talker"].max() < 4


def test_a_wrong_form_is_refused_with_its_reason(served: tuple[str, Path], page: Page) -> None:
    address, runs = served
    page.goto(address)
    page.get_by_text("Custom parameters").click()
    page.get_by_label("Scenario").fill("nonesuch")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("no scenario 'nonesuch'")).to_be_visible(timeout=30_000)
    assert not runs.exists()
