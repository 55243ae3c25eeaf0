"""The API reference in a real browser: what a reseller sees of it, chooses in it, and tries with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .browser import DESKTOP, PHONE, assert_accessible, assert_nothing_sticks_out, opened
from .panel import SERVICES, WRONG_KEY, Panel, serve

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel()


@pytest.fixture(scope="module")
def url(panel: Panel) -> Iterator[str]:
    """Of the API; the page is below it."""
    with serve(panel.app) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with opened(browser) as page:
        page.goto(f"{url}/docs")
        yield page


@SIZES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_everybody_can_read_it(browser: Browser, url: str, size: tuple[int, int], scheme: str) -> None:
    with opened(browser, size, color_scheme=scheme) as page:
        page.goto(f"{url}/docs")
        assert_nothing_sticks_out(page)
        for summary in page.locator("summary").all()[:2]:
            summary.click()
        page.check("#dialect-panel")
        page.check("#language-php")
        assert_nothing_sticks_out(page)
        assert_accessible(page)


def test_it_can_be_read_without_javascript(browser: Browser, url: str) -> None:
    with opened(browser, java_script_enabled=False) as page:
        page.goto(f"{url}/docs")
        expect(page.get_by_text("This needs JavaScript")).to_be_visible()
        expect(page.locator("#try-form")).to_be_hidden()
        page.check("#dialect-panel")
        page.check("#language-python")
        expect(page.locator("#action-add .in-panel").first).to_be_visible()
        expect(page.locator("#action-add .code-python")).to_be_visible()
        assert_nothing_sticks_out(page)


def test_one_dialect_and_one_language_are_shown(page: Page) -> None:
    status = page.locator("#action-status")
    for shown, hidden in (("standard", "panel"), ("panel", "standard")):
        page.check(f"#dialect-{shown}")
        expect(status.locator(f".in-{shown}").first).to_be_visible()
        expect(status.locator(f".in-{hidden}").first).to_be_hidden()
    for shown in ("curl", "php", "python", "javascript"):
        page.check(f"#language-{shown}")
        expect(status.locator("[class^='code-']:visible")).to_have_count(1)
        expect(status.locator(f".code-{shown}")).to_be_visible()


def test_it_can_be_used_with_the_keyboard_alone(page: Page, panel: Panel) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#try-key").focus()
    page.keyboard.type(panel.key)
    page.keyboard.press("Enter")
    expect(page.locator("#try-answer")).to_contain_text('"balance": "100.00000000"')


def test_code_can_be_copied(browser: Browser, url: str) -> None:
    with opened(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(f"{url}/docs")
        page.locator("#start .code-curl .copy").last.click()
        expect(page.get_by_text("Copied")).to_be_visible()
        assert "-d action=balance" in page.evaluate("navigator.clipboard.readText()")


class TestTryIt:
    def send(self, page: Page, key: str, action: str, ids: str = "") -> str:
        page.fill("#try-key", key)
        page.select_option("#try-action", action)
        if ids:
            page.fill("#try-ids", ids)
        page.click("#try-form button[type=submit]")
        expect(page.locator("#try-answer")).to_be_visible()
        return page.locator("#try-answer").inner_text()

    def test_asks_for_the_balance_and_the_services(self, page: Page, panel: Panel) -> None:
        assert json.loads(self.send(page, panel.key, "balance")) == {"balance": "100.00000000", "currency": "USD"}
        assert len(json.loads(self.send(page, panel.key, "services"))) == len(SERVICES)

    def test_asks_how_orders_stand(self, page: Page, panel: Panel) -> None:
        order = panel.place()
        found = json.loads(self.send(page, panel.key, "status", f"{order.id},99"))
        assert found[order.id]["status"] == "Awaiting"
        assert found["99"] == {"error": "Incorrect order ID"}
        panel.smmapi.cancel(panel.account, order.id)

    def test_keeps_the_key_in_the_page_alone(self, page: Page, panel: Panel) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        self.send(page, panel.key, "balance")
        assert asked == [page.url.removesuffix("/docs")]
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        page.reload()
        assert page.locator("#try-key").input_value() == ""

    def test_shows_a_refusal(self, browser: Browser, url: str) -> None:
        with opened(browser) as page:
            page.goto(f"{url}/docs")
            assert json.loads(self.send(page, WRONG_KEY, "balance")) == {"error": "Invalid API key"}
            expect(page.locator("#try-status")).to_have_text("HTTP 401")
            page.complaints.clear()  # Chromium's own line about the 401
