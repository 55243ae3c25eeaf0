"""A real browser for the tests: headless Chromium, driven by Playwright, that minds every complaint of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = "There is no Chromium; apt-get install chromium-headless-shell brings one."

PHONE, DESKTOP = (390, 844), (1280, 800)
"""Widths and heights, in CSS pixels."""

GIVEN_UP = "net::ERR_ABORTED"
"""What Chromium says of a request that the page itself no longer wanted, since it was left or has asked again."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module, since Playwright keeps an event loop in this thread.

    Where there is none the test is skipped, with the reason; with ``CI=true`` it fails.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Browser, size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Page]:
    """A page of a visitor who was never here; nothing on it may fail by the time that he leaves.

    :param options: of Playwright's ``new_context``.
    """
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: request.failure != GIVEN_UP and complaints.append(f"{request.url} failed"))
    page.on("response", lambda answer: answer.status >= 500 and complaints.append(f"{answer.url}: {answer.status}"))
    page.complaints = complaints
    try:
        yield page
    finally:
        context.close()
    assert complaints == [], complaints


def assert_nothing_sticks_out(page: Page) -> None:
    """Nobody has to scroll sideways."""
    page.wait_for_load_state()  # a click does not wait for the new page's styles
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]


def assert_accessible(page: Page, *rules: str) -> None:
    """axe-core finds no serious fault.

    :param rules: of axe-core, to look for these alone.
    """
    page.wait_for_load_state()
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in serious] == []
