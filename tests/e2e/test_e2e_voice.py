"""A run started from the form, followed on the tab "Voice" and the live page to its end: there they show what the run files hold."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pandas as pd
import pytest
from browser import Watched, chromium, free_port, needs_chromium, watched
from harness import LOCUST, ROOT
from playwright.sync_api import Page, ViewportSize, expect

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.criteria import judge, parse
from metrics.table import QUANTILES, Row, rows

pytestmark = needs_chromium
LONG_MS = 90_000
TALL: ViewportSize = {"width": 1280, "height": 2000}
"""All charts are in sight, and so drawn."""
SCENARIO = """
load: {talkers: 6, spawn_per_s: 6, duration_s: 12, tokens_per_s: 1}
conversation: {turns: {uniform: [2, 4]}, think_s: 0.2, barge_in: {per_second: 0.1}, false_alarms: {per_second: 0.1}}
session: {silence_duration_ms: 250}
criteria: [success > 90 %, e2e_latency p95 < 1 ms]
"""


@dataclass
class Served:
    """The web UI below a base path: its address, the folder of its runs, a scenario file, and the log of both processes."""

    address: str
    runs: Path
    scenario: Path
    log: Path

    def get(self, path: str) -> str:
        with urlopen(f"{self.address}{path}", timeout=30) as reply:
            return str(reply.read().decode())

    def swarm(self, **form: str) -> dict[str, Any]:
        with urlopen(f"{self.address}swarm", urlencode(form).encode(), timeout=30) as reply:
            told: dict[str, Any] = json.loads(reply.read())
        return told


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    tmp = tmp_path_factory.mktemp("voice")
    (tmp / "short.yml").write_text(SCENARIO)
    port = free_port()
    made = Served(f"http://127.0.0.1:{port}/lt/", tmp / "runs", tmp / "short.yml", tmp / "log")
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "demo", "--seed", "3"]
    web = [*LOCUST, "--web-port", str(port), "--web-base-path", "/lt", "--runs", str(made.runs), "--stop-timeout", "5"]
    with made.log.open("w") as log:
        process = subprocess.Popen(
            [*assistant, "--", *web], cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"DOUBLETALK_NO_REPORT": "false"}
        )
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    made.get("")
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < until, made.log.read_text()
                    time.sleep(0.2)
            yield made
        finally:
            process.terminate()
            process.wait(30)


@dataclass
class Followed:
    """A run that is over, as the two pages show it without having been loaded again, and as its files hold it."""

    tab: Watched
    live: Watched
    folder: Path

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    @property
    def aggregate(self) -> Aggregate:
        """The run's metrics, from its histograms."""
        return Aggregate.from_plain(json.loads((self.folder / "histograms.json").read_text())["metrics"])

    @property
    def metrics(self) -> list[Row]:
        """The rows of the catalogue of that."""
        return rows(self.aggregate)


@pytest.fixture(scope="module")
def followed(served: Served) -> Iterator[Followed]:
    with chromium() as browser:
        live, tab = watched(browser, viewport=TALL), watched(browser, viewport={"width": 1280, "height": 900})
        live.page.goto(f"{served.address}voice/")
        expect(live.page.get_by_role("heading", name="No run yet")).to_be_visible(timeout=LONG_MS)
        page = tab.page
        page.goto(served.address)
        page.get_by_label("Number of users").fill("7")
        page.get_by_label("Ramp up").fill("7")
        page.get_by_text("Advanced options").click()
        page.get_by_label("Run time").fill("7s")
        page.get_by_text("Custom parameters").click()
        page.get_by_label("Scenario").fill(str(served.scenario))
        page.get_by_label("Dialect").fill("openai-realtime-beta")
        page.get_by_label("Seed").fill("5")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("tab", name="Voice").click(timeout=LONG_MS)
        expect(live.page.locator("#phase")).to_contain_text("Under way", timeout=LONG_MS)
        expect(live.page.locator("#charts .main-svg").first).to_be_visible(timeout=LONG_MS)
        expect(cell(page, METRICS["e2e_latency"].title, 1)).not_to_have_text("0", timeout=LONG_MS)
        expect(page.get_by_role("button", name="New", exact=True)).to_be_visible(timeout=LONG_MS)
        expect(live.page.locator("#phase")).to_contain_text("Ended after", timeout=LONG_MS)
        until = time.monotonic() + 60
        while not (found := list(served.runs.glob("*/run.json"))):
            assert time.monotonic() < until, served.log.read_text()
            time.sleep(0.1)
        yield Followed(tab, live, found[0].parent)


def cell(page: Page, title: str, column: int) -> Any:
    """A cell of the tab's table, in the row of the metric with this title."""
    row = page.locator("tbody tr").filter(has=page.locator("td:first-child").get_by_text(title, exact=True))
    return row.locator("td").nth(column)


def table(page: Page, name: str) -> list[list[str]]:
    """The cells of a table of the live page, row by row."""
    return [line.split("\t") for line in page.locator(f"#{name} tbody").inner_text().splitlines()]


RUBBISH = [
    ({"scenario": "nonesuch"}, "no scenario 'nonesuch': there are baseline, "),
    ({"dialect": "klingon"}, "dialect: 'klingon' is none of openai-realtime, "),
    ({"dialect": "./klingon.py"}, "dialect: './klingon.py' is none of openai-realtime, "),
    ({"seed": "one"}, "seed: 'one' is not a number"),
    ({"frame_ms": "nan"}, "--frame-ms nan: a frame of nan ms is not possible: choose a multiple of 10 ms from 10 to 200"),
    ({"corpus": "/no/such"}, "--corpus: /no/such is not a folder"),
    ({"corpus": "x" * 5000}, "--corpus: 'xxx"),
    ({"user_count": "many"}, "number of users: 'many' is not a whole number"),
    ({"user_count": "1"}, "number of users 1: the run needs at least 2, a talker and the token minter"),
    ({"spawn_rate": "0"}, "ramp up: '0' is not a number of users a second above 0"),
    ({"run_time": "soon"}, "run time: 'soon' is not a time such as 20"),
    ({"host": "nowhere"}, "--host nowhere: URL must begin with http://"),
    ({"token_path": "/x"}, "token_path: it can be set on the command line only"),
]


@pytest.mark.parametrize(("changes", "reason"), RUBBISH, ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_rubbish_in_the_form_is_refused_with_its_reason_and_starts_nothing(served: Served, changes: dict[str, str], reason: str) -> None:
    """Runs before the run that the other tests follow."""
    host = "http://127.0.0.1:1"
    form = {"user_count": "7", "spawn_rate": "7", "host": host, "scenario": str(served.scenario), "seed": "5", **changes}
    told = served.swarm(**form)
    assert told["success"] is False
    assert told["message"].startswith(reason)
    assert "\n" not in told["message"]
    assert json.loads(served.get("stats/requests"))["state"] == "ready"
    assert not list(served.runs.glob("*"))
    assert "Traceback" not in served.log.read_text()


def test_the_form_chose_scenario_dialect_and_seed(followed: Followed) -> None:
    run = followed.run
    assert (run["scenario"]["name"], run["dialect"], run["seed"]) == ("short", "openai-realtime-beta", 5)
    assert run["totals"]["turns"] > 0
    assert run["talkers_max"] == 6


def test_the_tab_shows_the_run_files_numbers_without_being_loaded_again(followed: Followed) -> None:
    for row in followed.metrics:
        shown = [str(row.count), row.shown("first"), *(row.shown(which) for which in QUANTILES), row.targets or "-", row.verdict]
        for column, text in enumerate(shown, 1):
            assert cell(followed.tab.page, row.metric.title, column).text_content().replace("\N{NO-BREAK SPACE}", " ") == text, (
                row.metric.name
            )


def test_the_live_page_shows_the_run_files_numbers(followed: Followed) -> None:
    page, run = followed.live.page, followed.run
    assert run["run_id"] in page.locator("#facts").inner_text()
    found = {title.strip(): [text.strip() for text in cells] for title, *cells in table(page, "metrics") if cells}
    assert len(found) == len(METRICS)
    for row in followed.metrics:
        title = f"{row.metric.title} ({row.metric.code})" if row.metric.code else row.metric.title
        shown = [f"{row.count:,}", row.shown("first"), *(row.shown(which) for which in QUANTILES), row.targets or "-"]
        assert found[title][:7] == shown
        assert found[title][7].removeprefix("✓ ").removeprefix("✗ ") == row.verdict
    judged = [judge(parse(c["criterion"]), followed.aggregate) for c in run["criteria"]]
    shown_criteria = [(text.strip(), measured.strip(), n.strip()) for _, text, measured, n in table(page, "criteria")]
    assert shown_criteria == [(v.criterion.text, v.measured, str(v.count)) for v in judged]
    verdicts = [verdict for verdict, *_ in table(page, "criteria")]
    assert [verdict.split()[0] for verdict in verdicts] == ["✓" if c["holds"] else "✗" for c in run["criteria"]]
    assert page.locator("#card-assistant .big").inner_text() == f"✗ {sum(not c['holds'] for c in run['criteria'])} of 2 criteria missed"
    assert page.locator("#card-tester .big").inner_text() == ("✓ Valid" if run["valid"] else "✗ Invalid")
    assert f"{run['totals']['turns']} turns" in page.locator("#card-talkers .small").inner_text()


def test_the_charts_show_the_timeline(followed: Followed) -> None:
    timeline = pd.read_parquet(followed.folder / "timeline.parquet")
    drawn = followed.live.page.evaluate(
        "[...document.querySelectorAll('#charts figure:not([hidden]) .plot')].map((plot) => plot.data.map((trace) => [...trace.y]))"
    )
    assert len(drawn) == 10, "those of a target that nobody looks at are hidden"
    assert drawn[2][0] == timeline["talkers"].tolist()
    assert drawn[3] == [timeline[name].tolist() for name in ("turns", "barge_ins", "false_alarms")]
    assert [sum(ys) for ys in drawn[4]] == [(timeline["turns"] - timeline["failures"]).sum(), timeline["failures"].sum()]
    assert drawn[9][1] == [pytest.approx(n / 1e6, abs=1e-6) for n in timeline["tester_memory_bytes"]]
    p95 = [None if pd.isna(v) else pytest.approx(v * 1000, abs=0.01) for v in timeline["e2e_latency_p95_s"]]
    assert drawn[0][1] == p95


def test_the_csv_file_holds_the_run_files_numbers(followed: Followed, served: Served) -> None:
    found = {row["metric"]: row for row in csv.DictReader(io.StringIO(served.get("voice/metrics.csv")))}
    for row in followed.metrics:
        told = found[row.metric.name]
        assert (told["run"], told["valid"], int(told["count"])) == (
            followed.run["run_id"], "yes" if followed.run["valid"] else "no", row.count)  # fmt: skip
        for which, value in row.values.items():
            assert told[which] == ("" if value is None else str(value))


def test_the_live_page_links_the_runs_report_once_it_is_written(followed: Followed, served: Served) -> None:
    link = followed.live.page.get_by_role("link", name="Report")
    expect(link).to_be_visible(timeout=LONG_MS)
    assert (followed.folder / "report.md").exists()
    report = watched(followed.live.page.context.browser or pytest.fail("no browser"))
    report.page.goto(f"{served.address}voice/report.html")
    expect(report.page.get_by_role("heading", level=1)).to_have_text(f"short: {followed.folder.name}")
    expect(report.page.locator(".plot .main-svg").first).to_be_attached(timeout=LONG_MS)
    assert report.clean(served.address)


def test_no_other_host_was_called_and_nothing_went_wrong(followed: Followed, served: Served) -> None:
    assert followed.live.clean(served.address)
    assert followed.tab.clean(served.address)
    assert "Traceback" not in served.log.read_text()


def test_the_tab_links_to_the_live_page_and_only_the_tab_does(followed: Followed, served: Served) -> None:
    page = followed.tab.page
    link = page.get_by_role("link", name="Live page")
    assert link.evaluate("a => a.href") == f"{served.address}voice/"
    page.get_by_role("tab", name="Failures").click()
    expect(link).to_have_count(0)
    page.get_by_role("tab", name="Download Data").click()
    assert page.get_by_role("link", name="Voice: live page with charts").evaluate("a => a.href") == f"{served.address}voice/"
    page.get_by_role("tab", name="Voice").click()
    expect(link).to_have_count(1)


def test_a_run_that_somebody_stops_before_its_load_is_over_has_not_passed(followed: Followed, served: Served) -> None:
    """Where the scenario says how long it is."""
    staged = served.scenario.with_name("staged.yml")
    staged.write_text("load: {stages: [{name: all, talkers: 1, hold_s: 600}]}\ncriteria: [token_success > 1 %]\n")
    told = served.swarm(user_count="1", spawn_rate="1", scenario=str(staged), host=str(followed.run["host"]))
    assert told["success"], told
    folder = _new(served, "*", followed.folder)
    with urlopen(Request(f"{served.address}stop", b""), timeout=60) as reply:
        assert reply.status == 200
    run = json.loads((_new(served, "*/run.json", followed.folder / "run.json")).read_text())
    assert (run["run_id"], run["ended"]) == (folder.name, "interrupted")


def _new(served: Served, what: str, known: Path) -> Path:
    """A file of another run, once it is there."""
    until = time.monotonic() + 60
    while not (found := [path for path in served.runs.glob(what) if path != known]):
        assert time.monotonic() < until, served.log.read_text()
        time.sleep(0.1)
    return found[0]
