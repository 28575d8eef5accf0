"""Debian's Chromium under Playwright, which speaks to nobody but the pages it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, sync_playwright

from tests.tools import binary

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary("chromium", "chromium"), args=QUIET
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page, and what it asked for and complained of."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def tab(browser: Browser, url: str, *, dark: bool = False, phone: bool = False) -> Iterator[Tab]:
    """A tab of its own, with storage of its own, at an address."""
    context = browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    found = Tab(context.new_page())
    page = found.page
    page.on("request", lambda asked: found.hosts.add(asked.url.split("/")[2]))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: found.complaints.append(said.text) if said.type == "error" else None,
    )
    try:
        page.goto(url)
        yield found
    finally:
        context.close()
