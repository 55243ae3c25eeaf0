"""Writes docs/images anew: the demo's main pages, as a browser shows them after a little life. ``make screenshots``."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from example_app import create_app
from flask_smmapi import Account, Order, SmmApi
from tests.browser import MISSING, PROGRAMS
from tests.panel import serve

IMAGES = Path(__file__).parent / "images"

ADDRESS = "http://127.0.0.1:8000"
"""What the pictures show, wherever the demo listens meanwhile."""

DESKTOP, PHONE, TALL = 1040, 390, 2000
"""Two widths and a height, in CSS pixels."""


def live(smmapi: SmmApi) -> Order:
    """A few orders in each state; gives one that the owner is working on."""
    account, desk = Account(1), smmapi.desk

    def place(service: int, link: str, **params: str) -> Order:
        return smmapi.place(account, {"service": service, "link": f"https://example.com/{link}", **params})

    def begin(order: Order) -> Order:
        return desk.start(desk.take(order, "worker 1"), 250)

    desk.complete(begin(place(1, "ada", quantity="2500")))
    desk.partial(begin(place(18, "watch/9", quantity="4000")), 400)
    smmapi.cancel(account, place(3, "p/17", comments="Lovely.\nWhere was this?").id)
    shown = desk.progress(begin(place(123, "watch/12", quantity="5000")), 2150)
    place(10, "poll/5", quantity="800", answer_number="2")
    return shown


class Visit(NamedTuple):
    """Somebody who looks at the demo, and where what he sees is kept.

    :param address: of the demo, without a slash at its end.
    """

    page: Page
    address: str
    folder: Path

    def go(self, path: str) -> None:
        self.page.set_viewport_size({"width": DESKTOP, "height": TALL})  # nothing has to be scrolled to
        self.page.goto(f"{self.address}{path}")

    def sign_in(self, name: str) -> None:
        self.page.context.clear_cookies()
        self.go("/")
        self.page.get_by_role("button", name=f"Sign in as {name}", exact=True).click()

    def keep(self, name: str, width: int = DESKTOP, height: int = 660) -> None:
        """What fits a window of that size, without the mark of what has the focus."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.evaluate("document.activeElement.blur()")
        self.page.screenshot(path=self.folder / f"{name}.png", animations="disabled")


def take(visit: Visit, order: Order) -> None:
    """Each picture; *order* is the one that the owner ends in part, but for the last click."""
    page = visit.page
    visit.sign_in("reseller")
    visit.go("/keys")
    page.get_by_label("Label").fill("My shop")
    page.get_by_role("button", name="Create key").click()
    visit.keep("first-call")
    visit.go("/orders/new?service=123")
    page.get_by_label("Link").fill("https://example.com/watch/12")
    page.get_by_label("Quantity").fill("1500")
    page.get_by_text("1.50 USD").wait_for()
    visit.keep("new-order", height=760)
    visit.go("/orders")
    visit.keep("orders")
    visit.keep("orders-phone", PHONE)
    visit.sign_in("owner")
    visit.go(f"/owner/work/order?account=1&order={order.id}")
    page.locator("#partial-remains").fill("1570")
    page.get_by_text("For 1,570 of").wait_for()
    visit.keep("end-in-part", height=830)
    visit.go("/owner/figures")
    visit.keep("figures")
    visit.go("/api/v2/docs")
    page.set_viewport_size({"width": DESKTOP, "height": 660})
    page.locator("#action-add").evaluate("action => action.scrollIntoView()")
    visit.keep("reference")


def shown_at_its_address(url: str) -> str:
    """The option by which Chromium finds at ``ADDRESS`` what is served at *url*."""
    return f"--host-resolver-rules=MAP {urlsplit(ADDRESS).netloc} {urlsplit(url).netloc}"


def main() -> None:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit(MISSING)
    os.environ["EXAMPLE_STORE"] = "memory"
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = create_app()
    IMAGES.mkdir(exist_ok=True)
    with serve(app) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[shown_at_its_address(url)])
        take(Visit(browser.new_page(), ADDRESS, IMAGES), live(app.extensions["demo"].smmapi))
        browser.close()


if __name__ == "__main__":
    main()
