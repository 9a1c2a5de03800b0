"""For tests that drive the system's Chromium: one browser, and pages that keep what went wrong in them and whom they called."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs the system package chromium")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, what its console complained of, and the hosts that it called."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def clean(self, address: str) -> bool:
        """Whether nothing went wrong and nobody else was called; says what, else."""
        assert self.complaints == []
        assert self.hosts == {urlsplit(address).netloc}
        return True


def watched(browser: Browser, **options: Any) -> Watched:
    """A new page of `browser`, with its options: `viewport`, `color_scheme`, ..."""
    made = Watched(browser.new_page(**options))
    made.page.on("console", lambda told: made.complaints.append(told.text) if told.type in ("error", "warning") else None)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("request", lambda request: made.hosts.add(urlsplit(request.url).netloc))
    return made
