"""The live page in a real browser: what it shows of a hostile, a long, an invalid run, and of a server that goes and comes back."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest
from browser import chromium, free_port, needs_chromium, watched
from playwright.sync_api import Browser, ViewportSize, expect
from reporting_live import HOSTILE, Shown, a_run, second
from reporting_records import FACTS, turn
from reporting_sites import VoiceSite

from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord
from metrics.records import ErrorKind, Outcome
from reporting.points import POINTS_MAX
from reporting.voice import Hand

pytestmark = [needs_chromium, pytest.mark.long]
LONG_MS = 30_000
TALL: ViewportSize = {"width": 1280, "height": 2000}
"""All charts are in sight, and so drawn."""


@contextmanager
def serving(live: Shown | None, port: int, login: bool = False, hand: Hand | None = None) -> Iterator[VoiceSite]:
    """The site on a real socket, served by an event loop of its own."""
    ready, done = threading.Event(), threading.Event()
    made: list[VoiceSite] = []

    def serve() -> None:
        made.append(VoiceSite(live, port=port, login=login, hand=hand))
        made[0].web_ui.start()
        while made[0].web_ui.server is None or not made[0].web_ui.server.started:
            gevent.sleep(0.01)
        made[0].web_ui.server.set_spawn(20)  # so that open connections end with it, as those of a process do
        ready.set()
        while not done.is_set():
            gevent.sleep(0.02)
        made[0].close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(60)
        yield made[0]
    finally:
        done.set()
        thread.join(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["locust"])
    return f"http://127.0.0.1:{free_port()}/voice/"


def port_of(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


def test_before_the_first_run_it_says_what_to_do_and_shows_the_run_once_it_is_there(browser: Browser, address: str) -> None:
    with serving(None, port_of(address)) as site:
        seen = watched(browser, viewport=TALL)
        seen.page.goto(address)
        expect(seen.page.get_by_role("heading", name="No run yet")).to_be_visible(timeout=LONG_MS)
        expect(seen.page.locator("#run")).to_be_hidden()
        site.live = a_run(stage="peak")
        expect(seen.page.locator("#phase")).to_have_text("Under way, 00:12, stage peak", timeout=LONG_MS)
        expect(seen.page.locator("#empty")).to_be_hidden()
        broken = Aggregate()
        broken.add(turn(None, outcome=Outcome.CONNECTION_LOST, error_kind=ErrorKind.CHAOS))
        site.live = a_run(run_id="another", aggregate=broken)
        expect(seen.page.locator("#card-failures .small")).to_have_text("Errors: chaos 1 (the tester's own)", timeout=LONG_MS)
        expect(seen.page.locator("#card-failures .big")).to_have_text("✓ None")
        assert seen.clean(address)
        seen.page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_a_run_with_everything(browser: Browser, address: str, scheme: str, width: int, tmp_path: Path) -> None:
    with serving(a_run(), port_of(address)):
        seen = watched(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = seen.page
        page.goto(address)
        expect(page.locator("#card-tester .big")).to_have_text("✗ Invalid so far", timeout=LONG_MS)
        expect(page.locator("#faults li")).to_have_text("1 worker(s) lost: their talkers fell silent; look at their logs")
        expect(page.locator("#card-assistant .big")).to_have_text("✗ 1 of 2 criteria missed")
        expect(page.locator("#card-talkers .big")).to_have_text("20")
        expect(page.locator("#card-talkers .small")).to_contain_text("on 2 workers, 1 lost or silent")
        expect(page.locator("#card-failures .big")).to_have_text("✗ 1 turn")
        expect(page.locator("#workers tbody tr").nth(1)).to_contain_text("lost at 00:07")
        expect(page.locator("#criteria tbody tr").nth(1)).to_contain_text("✗ MISSED")
        page.locator("#charts figure").first.scroll_into_view_if_needed()
        expect(page.locator("#charts .main-svg").first).to_be_visible()
        assert page.locator("#charts figure").count() == 13
        assert page.locator("#metrics tbody th[scope=row]", has_text="End-to-end latency (E2E)").count() == 1
        expect(page.locator("#failures tbody tr").nth(0)).to_contain_text(HOSTILE)
        assert page.evaluate("window.hacked") is None
        assert page.locator("#failures img, #failures script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=Path(os.environ.get("DOUBLETALK_SCREENSHOTS", str(tmp_path))) / f"live-{scheme}-{width}.png")
        assert seen.clean(address)
        page.close()


def test_only_what_is_new_is_asked_for_and_a_long_run_is_thinned_with_a_word(browser: Browser, address: str) -> None:
    live = a_run()
    with serving(live, port_of(address)):
        seen = watched(browser, viewport=TALL)
        page = seen.page
        with page.expect_request(lambda request: "since=12" in request.url, timeout=LONG_MS):
            page.goto(address)
        expect(page.locator("#resolution")).to_have_text("One point a second: of what ended in that second.")
        live.timeline = [*live.timeline, second(13, talkers=33)]
        expect(page.locator("#charts figcaption").nth(2)).to_contain_text("there 33", timeout=LONG_MS)
        assert page.evaluate("document.querySelectorAll('#charts .plot')[2].data[0].y.length") == 13
        live.timeline = [second(n) for n in range(1, POINTS_MAX + 2)]
        expect(page.locator("#resolution")).to_contain_text("a point stands for 2 s", timeout=LONG_MS)
        assert page.evaluate("document.querySelectorAll('#charts .plot')[2].data[0].y.length") == POINTS_MAX // 2
        assert seen.clean(address)
        page.close()


def test_a_lost_connection_is_told_and_that_it_came_back(browser: Browser, address: str) -> None:
    page = browser.new_page()
    with serving(a_run(), port_of(address)):
        page.goto(address)
        expect(page.locator("#phase")).to_have_text("Under way, 00:12", timeout=LONG_MS)
        assert page.locator("#connection").text_content() == ""
    expect(page.locator("#connection")).to_contain_text("The connection to the load tester is lost", timeout=LONG_MS)
    expect(page.locator("#phase")).to_have_text("Under way, 00:12")
    with serving(a_run(elapsed_s=75.0), port_of(address)):
        expect(page.locator("#connection")).to_contain_text("Connected again", timeout=LONG_MS)
        expect(page.locator("#phase")).to_have_text("Under way, 01:15", timeout=LONG_MS)
    page.close()


def test_the_end_of_a_run_is_shown_whole(browser: Browser, address: str) -> None:
    live = a_run()
    with serving(live, port_of(address)):
        seen = watched(browser, viewport=TALL)
        page = seen.page
        page.goto(address)
        expect(page.locator("#phase")).to_have_text("Under way, 00:12", timeout=LONG_MS)
        live.timeline = [second(n, talkers=7) for n in range(1, 15)]  # its last seconds were counted anew
        live.under_way = False
        expect(page.locator("#phase")).to_have_text("Ended after 00:12", timeout=LONG_MS)
        expect(page.locator("#card-assistant .big")).to_have_text("✗ 1 of 2 criteria missed")
        page.wait_for_function("document.querySelectorAll('#charts .plot')[2].data[0].y.every((n) => n === 7)", timeout=LONG_MS)
        assert seen.clean(address)
        page.close()


def test_a_login_that_ended_is_told(browser: Browser, address: str) -> None:
    with serving(a_run(), port_of(address), login=True) as site:
        context = browser.new_context()
        context.add_cookies([{"name": "session", "value": site.cookie(), "url": address}])
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#phase")).to_have_text("Under way, 00:12", timeout=LONG_MS)
        context.clear_cookies()
        expect(page.locator("#connection")).to_have_text("Your login has ended: open Locust's page and log in again.", timeout=LONG_MS)
        context.close()


def test_somebody_breaks_something_by_hand(browser: Browser, address: str) -> None:
    chaos = [{"do": "command", "run": ["docker", "kill", "x"]}]
    facts = replace(FACTS, scenario={**FACTS.scenario, "chaos": chaos}, options={**FACTS.options, "chaos_commands": True})
    live, asked = a_run(facts=facts), list[Mapping[str, Any]]()

    def hand(what: Mapping[str, Any]) -> None:
        asked.append(what)
        live.of_faults = [FaultRecord(fault="hand.0", what=str(what.get("do")), by="hand", t_s=12.0, share=0.25, hit=5, present=20)]

    with serving(live, port_of(address), hand=hand):
        seen = watched(browser, viewport=TALL)
        page = seen.page
        page.goto(address)
        form, told = page.locator("#chaos-form"), page.locator("#chaos-told")
        expect(form).to_be_visible(timeout=LONG_MS)
        expect(page.locator("#chaos-faults tbody tr")).to_have_text("Nothing was done yet.")
        expect(page.locator("#chaos-for")).to_be_hidden()
        page.locator("#chaos-share").fill("25")
        form.get_by_role("button").click()
        expect(told).to_have_text("Done.", timeout=LONG_MS)
        expect(page.locator("#chaos-faults tbody tr")).to_have_text("00:12drophand-25 %5 of 20hand.0", timeout=LONG_MS)
        page.locator("#chaos-do").select_option("stall")
        page.locator("#chaos-for-s").fill("2.5")
        form.get_by_role("button").click()
        expect(page.locator("#chaos-faults tbody tr")).to_contain_text("stall", timeout=LONG_MS)
        page.locator("#chaos-do").select_option("garbage")
        page.locator("#chaos-kinds").select_option("json")
        form.get_by_role("button").click()
        expect(page.locator("#chaos-faults tbody tr")).to_contain_text("garbage", timeout=LONG_MS)
        page.locator("#chaos-do").select_option("run docker kill x")
        expect(page.locator("#chaos-share")).to_be_hidden()
        form.get_by_role("button").click()
        expect(page.locator("#chaos-faults tbody tr")).to_contain_text("None", timeout=LONG_MS)
        assert asked == [
            {"do": "drop", "share": 0.25},
            {"do": "stall", "share": 0.25, "for_s": 2.5},
            {"do": "garbage", "share": 0.25, "kind": "json"},
            {"number": 0},
        ]
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        live.under_way = False
        expect(form).to_be_hidden(timeout=LONG_MS)
        assert seen.clean(address)
        page.close()


def test_what_cannot_be_done_is_told_beside_the_form(browser: Browser, address: str) -> None:
    def hand(_: Mapping[str, Any]) -> None:
        raise ValueError("<b>not now</b>")

    with serving(a_run(), port_of(address), hand=hand):
        page = browser.new_page()
        page.goto(address)
        page.locator("#chaos-form button").click(timeout=LONG_MS)
        expect(page.locator("#chaos-told")).to_have_text("<b>not now</b>", timeout=LONG_MS)
        page.close()
