"""A report in a real browser: light, dark, on a phone, on paper, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from analysis_report import made, truth
from browser import Watched, chromium, needs_chromium, watched
from playwright.sync_api import Browser, ViewportSize

from analysis.page import html
from analysis.report.build import report

pytestmark = [needs_chromium, pytest.mark.long]
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made_one:
        yield made_one


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run with issues, failures and worst turns."""
    tmp = tmp_path_factory.mktemp("page")
    run = made(tmp / "run", 200, truth(shares={"success": 0.8}, shifts={"llm_ttft": 8.0}), networks={"3g": 0.2, "wifi": 0.01})
    page = tmp / "report.html"
    page.write_text(html(report(run)), encoding="utf-8")
    return page


def opened(browser: Browser, file: Path, **options: object) -> Watched:
    seen = watched(browser, **options)
    seen.page.goto(f"file://{file}")
    return seen


def drawn(seen: Watched, most: int = 99) -> int:
    """The charts, scrolled to one after the other."""
    for plot in seen.page.locator(".plot").all()[:most]:
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for(state="attached")
    return seen.page.locator(".plot").count()


def test_it_asks_nobody_and_complains_of_nothing(browser: Browser, file: Path) -> None:
    seen = opened(browser, file)
    assert drawn(seen) > 10
    assert seen.complaints == []
    assert seen.hosts == {""}
    assert file.stat().st_size < 6_000_000


def test_every_chart_has_a_title_with_unit_and_n_and_a_text_in_its_place(browser: Browser, file: Path) -> None:
    page = opened(browser, file, java_script_enabled=False).page
    titles = page.locator("figcaption").all_inner_texts()
    assert all(re.search(r"\(.+\)|a second|MB", t) and re.search(r"\bn \d", t) for t in titles), titles
    assert page.locator("figure .note").count() == page.locator("figure").count()
    assert all(len(text) > 20 for text in page.locator("figure .note").all_inner_texts())


def test_tables_are_usable_without_scripts(browser: Browser, file: Path) -> None:
    page = opened(browser, file, java_script_enabled=False).page
    assert page.locator("table").count() > 10
    assert page.locator("thead th:not([scope=col])").count() == 0
    assert page.locator("tbody tr:not(:has(> th[scope=row]))").count() == 0
    assert page.locator("figure .plot:visible").count() == 0
    page.get_by_role("link", name="Targets", exact=True).click()
    assert page.evaluate("location.hash") == "#targets"


def test_a_phone_scrolls_tables_and_not_the_page(browser: Browser, file: Path) -> None:
    seen = opened(browser, file, viewport=PHONE)
    drawn(seen, 4)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = seen.page.locator(".scroll")
    assert max(boxes.evaluate_all("all => all.map((b) => b.getBoundingClientRect().right)")) <= 390
    assert max(boxes.evaluate_all("all => all.map((b) => b.scrollWidth - b.clientWidth)")) > 100


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2.1 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_can_be_told_from_their_ground(browser: Browser, file: Path, scheme: str) -> None:
    page = opened(browser, file, color_scheme=scheme).page

    def colour(name: str) -> str:
        told: str = page.evaluate(
            "(name) => { const p = document.createElement('p'); p.style.color = `var(--${name})`; document.body.append(p);"
            " const c = getComputedStyle(p).color; p.remove(); return c; }",
            name,
        )
        return told

    grounds = [colour(name) for name in ("ground", "sheet")]
    assert all(ratio(colour(name), ground) >= 4.5 for name in ("text", "soft", "link", "good", "bad", "warning") for ground in grounds)
    assert all(ratio(colour(name), colour(f"{name}-ground")) >= 4.5 for name in ("good", "bad", "warning"))
    assert all(ratio(colour(name), grounds[1]) >= 3.0 for name in ("blue", "orange", "green", "violet", "yellow", "grey"))


def test_charts_follow_the_theme_also_when_it_changes(browser: Browser, file: Path) -> None:
    seen = opened(browser, file, color_scheme="light")
    drawn(seen, 1)

    def inks() -> list[str]:
        found: list[str] = seen.page.locator(".plot .xtick text").evaluate_all(
            "all => [...new Set(all.map((t) => getComputedStyle(t).fill))]"
        )
        return found

    light = inks()
    seen.page.emulate_media(color_scheme="dark")
    seen.page.wait_for_function("(was) => getComputedStyle(document.querySelector('.plot .xtick text')).fill !== was", arg=light[0])
    assert len(light) == len(inks()) == 1
    assert light != inks()


def test_paper_has_every_section_and_every_chart(browser: Browser, file: Path) -> None:
    """From the dark theme, and with no chart drawn but those in sight."""
    seen = opened(browser, file, color_scheme="dark")
    printed = seen.page.pdf(prefer_css_page_size=True, print_background=True)
    assert 8 < printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") < 40
    seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    plots = seen.page.locator(".plot")
    assert plots.locator(".main-svg:first-child").count() == plots.count()
    assert set(plots.locator(".main-svg:first-child").evaluate_all("all => all.map((s) => s.clientWidth)")) == {640}
    fill = seen.page.locator(".plot .xtick text").first.evaluate("(t) => getComputedStyle(t).fill")
    assert ratio(fill, "rgb(255, 255, 255)") > 4.5
    assert seen.complaints == []
