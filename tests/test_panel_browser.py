"""The demo's pages in a real browser: what a reseller and an owner do there, at two widths, read by axe-core."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from docs import screenshots
from example_app import create_app
from example_app.fulfilment import fulfil
from flask_smmapi import Account, Order, SmmApi
from flask_smmapi.price_lists import write

from .browser import DESKTOP, PHONE, assert_accessible, assert_nothing_sticks_out, opened
from .panel import LINK, serve, service

RESELLER_PAGES = (
    "/overview",
    "/statement",
    "/keys",
    "/services?q=youtube",
    "/orders/new?service=14",
    "/orders/mass",
    "/orders",
)
OWNER_PAGES = (
    "/owner/work",
    "/owner/accounts",
    "/owner/accounts/account?account=1",
    "/owner/price-list",
    "/owner/figures",
    "/owner/blocked",
)

BETWEEN = (320, 900)
"""The least that anybody has, and what just has room for a table."""


class Site(NamedTuple):
    """The demo, served; nobody works in it but the tests."""

    app: Flask
    url: str

    @property
    def smmapi(self) -> SmmApi:
        return self.app.extensions["demo"].smmapi

    def work(self) -> None:
        """One round of the demo's worker, which waits for nothing."""
        at_once = -timedelta(seconds=1)
        fulfil(self.smmapi.desk, "worker 1", rest=at_once, step=at_once)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("EXAMPLE_STORE", "memory")
    app = create_app({"PANEL_POLL": "100ms"})
    with serve(app) as url:
        yield Site(app, url.removesuffix("/api/v2"))


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    with opened(browser) as page:
        page.goto(site.url)
        yield page


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Sign in as {name}", exact=True).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("navigation", name="Pages").locator("[aria-current]")).to_have_text(name)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def row(page: Page, text: str) -> object:
    return page.get_by_role("row").filter(has_text=text)


def open_waiting(page: Page, order: Order) -> None:
    page.get_by_role("table", name="Orders that wait").get_by_role("link", name=f"Open order {order.number}").click()


def check(page: Page) -> None:
    assert_nothing_sticks_out(page)
    assert_accessible(page)


def test_each_page_fits_and_everybody_can_read_it(browser: Browser, site: Site) -> None:
    site.app.config["PANEL_POLL"] = "1h"  # nothing is exchanged while it is looked at
    order = site.smmapi.place(Account(1), {"service": 123, "link": LINK, "quantity": 1000})
    site.smmapi.desk.start(site.smmapi.desk.take(order, "me"), 250)
    pages = {"reseller": RESELLER_PAGES, "owner": (*OWNER_PAGES, f"/owner/work/order?account=1&order={order.number}")}
    for name, paths in pages.items():
        with opened(browser) as page:
            page.goto(site.url)
            check_at_both_sizes(page)
            sign_in(page, name)
            for path in paths:
                page.goto(f"{site.url}{path}")
                expect(page.get_by_role("heading", level=1)).to_be_visible()
                check_at_both_sizes(page)


def check_at_both_sizes(page: Page) -> None:
    """On a light desktop, and on a dark phone, where nothing but the layout and the colours is another."""
    for size, scheme, rules in ((DESKTOP, "light", ()), (PHONE, "dark", ("color-contrast",))):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        assert_nothing_sticks_out(page)
        assert_accessible(page, *rules)
    for width in BETWEEN:
        page.set_viewport_size({"width": width, "height": 800})
        assert_nothing_sticks_out(page)


def test_from_sign_in_to_a_first_call_with_what_is_copied(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sign_in(page, "reseller")
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Label").fill("My shop")
    press(page, "Create key")
    expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    check(page)
    key = copy(page, "the key")
    assert run(copy(page, "the call for the balance")) == {"balance": "1000000.00000000", "currency": "USD"}
    assert run(copy(page, "the call that orders")).keys() == {"order"}
    follow(page, "API keys")
    expect(row(page, "My shop")).to_contain_text("as the account")
    expect(page.get_by_role("heading", name="Your new key")).to_have_count(0)
    assert key not in page.content()
    assert [url for url in asked if key in url] == []

    page.goto(f"{site.url}/orders/new?service=3")
    page.get_by_label("Link").fill(LINK)
    page.get_by_label("Comments").fill('it\'s one & "two"\nthree')
    expect(page.locator("#charge")).to_contain_text("Charge: 0.024 USD.")
    assert run(copy(page, "the call").replace("YOUR-KEY", key)).keys() == {"order"}
    [order] = site.smmapi.store.list(1, limit=1)
    assert order.params == {"link": LINK, "comments": 'it\'s one & "two"\nthree'}


def copy(page: Page, what: str) -> str:
    """What is in the clipboard after a press of that button."""
    press(page, f"Copy {what}")
    expect(page.get_by_role("button", name=f"Copied {what}", exact=True)).to_be_visible()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def run(call: str) -> Any:
    """What a shell gets for the line."""
    return json.loads(subprocess.run(["sh", "-c", f"{call} -sS"], capture_output=True, check=True).stdout)


def test_a_reseller_orders_sees_it_move_cancels_and_has_his_money_back(page: Page, site: Site) -> None:
    sign_in(page, "reseller")
    follow(page, "New order")
    page.get_by_label("Service").select_option("123")
    page.get_by_label("Link").fill(LINK)
    charge = page.locator("#charge")
    expect(charge).to_contain_text("Still to fill in: Quantity.")
    page.get_by_label("Quantity").fill("1")
    expect(charge).to_have_text("Quantity less than minimal 10")
    page.get_by_label("Quantity").fill("157")
    expect(charge).to_have_text("Charge: 0.157 USD. You have 1,000,000.00 USD.")
    check(page)
    press(page, "Place the order")
    expect(page.get_by_role("status").first).to_contain_text("was placed for 0.157 USD.")
    [order, *_] = site.smmapi.store.list(1, limit=1)
    expect(row(page, f"{order.number}").first).to_contain_text("Awaiting")

    site.smmapi.desk.take(order, "worker 1")
    expect(row(page, "157 of 157")).to_contain_text("Pending")
    expect(page.locator("#news")).to_have_text(f"Order {order.number}: Pending.")
    press(page, f"Cancel order {order.number}")
    expect(page.get_by_role("status").first).to_have_text(f"Order {order.number} was canceled; 0.157 USD came back.")
    expect(row(page, "157 of 157")).to_contain_text("Canceled")
    follow(page, "Statement")
    expect(row(page, f"Paid back for order {order.number}")).to_contain_text(["+0.157 USD", "000,000.00 USD"][0])
    expect(page.get_by_text("You have 1,000,000.00 USD.")).to_be_visible()


def test_an_order_is_worked_off_while_he_looks_on_and_then_nobody_asks_any_more(page: Page, site: Site) -> None:
    for order in site.smmapi.store.list(1):  # of those that the demo begins with, nothing would become anything
        if order.status.value in ("PENDING", "PROCESSING"):
            site.smmapi.desk.cancel(order)
    sign_in(page, "reseller")
    page.goto(f"{site.url}/orders/new?service=123")
    page.get_by_label("Link").fill(LINK)
    page.get_by_label("Quantity").fill("1000")
    press(page, "Place the order")
    for remains in ("750", "500", "250"):
        site.work()
        expect(row(page, f"{remains} of 1,000")).to_contain_text("In progress")
    site.work()
    expect(page.get_by_role("row").nth(1)).to_contain_text(re.compile("Completed|Partial"))
    expect(page.locator("#orders")).not_to_have_attribute("hx-get", re.compile("."))
    press(page, page.locator("button[id^=refill]").first.inner_text())
    expect(page.get_by_role("row").nth(1)).to_contain_text("Refill: Pending")


def test_services_are_found_as_one_types_and_ordered_by_the_fields_of_their_type(page: Page) -> None:
    sign_in(page, "reseller")
    follow(page, "Services")
    page.get_by_label("Search by name").press_sequentially("poll")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Order Telegram Poll Votes").click()
    expect(page.get_by_label("Answer number")).to_be_visible()
    page.get_by_label("Service").select_option(label="3 – Instagram Custom Comments – 12.00")
    expect(page.get_by_role("heading", name="Instagram Custom Comments")).to_be_visible()
    page.get_by_label("Link").fill(LINK)
    page.get_by_label("Comments").fill("one\ntwo")
    expect(page.locator("#charge")).to_contain_text("Charge: 0.024 USD.")


def test_of_many_lines_those_that_failed_are_mended_and_sent_again(page: Page, site: Site) -> None:
    sign_in(page, "reseller")
    follow(page, "Mass order")
    lines = page.get_by_label("Orders, one a line")
    lines.fill(f"123 | {LINK} | 1000\n123 | {LINK} | few\n123 | {LINK} | 2000")
    press(page, "Place the orders")
    expect(page.get_by_text("2 of 3 lines are placed.")).to_be_visible()
    expect(lines).to_have_value(f"123 | {LINK} | few")
    check(page)
    lines.fill(f"123 | {LINK} | 3000")
    press(page, "Place the orders")
    expect(page.get_by_text("1 of 1 lines is placed.")).to_be_visible()
    expect(lines).to_have_value("")
    assert site.smmapi.balance(Account(1)) == 1_000_000 - 6


def test_the_owner_ends_an_order_in_part_and_is_told_first_what_that_pays_back(page: Page, site: Site) -> None:
    order = site.smmapi.place(Account(1), {"service": 123, "link": LINK, "quantity": 1000})
    sign_in(page, "owner")
    open_waiting(page, order)
    page.get_by_label("Start count").fill("250")
    press(page, "Start")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order.number} Processing")
    page.locator("#partial-remains").fill("157")
    expect(page.locator("#in-part")).to_contain_text("For 157 of 1,000 pieces, 0.157 USD is paid back.")
    check(page)
    press(page, "End in part and pay 0.157 USD back")
    expect(page.get_by_role("status").first).to_have_text(
        f"Order {order.number} is Partial now; 0.157 USD was paid back."
    )
    press(page, "Sign out")
    sign_in(page, "reseller")
    follow(page, "Orders")
    expect(row(page, "157 of 1,000")).to_contain_text("0.843 USD")


def test_the_owner_books_a_payment_and_imports_what_he_has_looked_at(page: Page, site: Site) -> None:
    sign_in(page, "owner")
    follow(page, "Accounts")
    page.get_by_role("link", name="Top up, adjust account 4").click()
    page.get_by_label("Amount that was paid").fill("12.50")
    page.get_by_label("Payment", exact=True).fill("invoice-7")
    press(page, "Book the payment")
    expect(page.get_by_text("It has 12.50 USD.")).to_be_visible()
    follow(page, "Price list")
    prices = write([service(1), service(2)], "csv").encode()
    page.get_by_label("File").set_input_files({"name": "prices.csv", "mimeType": "text/csv", "buffer": prices})
    page.get_by_label("Markup").fill("10")
    press(page, "Show what would change")
    expect(page.get_by_role("status")).to_contain_text("0 new, 18 gone, 1 dearer, 0 cheaper, 1 otherwise changed")
    check(page)
    press(page, "Import 2 services")
    expect(page.get_by_text("2 services were imported.")).to_be_visible()
    assert [str(row.rate) for row in site.smmapi.services(Account(1))] == ["1.10000000", "1.10000000"]


def test_the_pictures_of_the_docs_can_be_taken_anew(page: Page, site: Site, tmp_path: Path) -> None:
    screenshots.take(screenshots.Visit(page, site.url, tmp_path), screenshots.live(site.smmapi))
    pictures = {path.name for path in screenshots.IMAGES.iterdir() if not path.name.startswith("performance-")}
    assert {path.name for path in tmp_path.iterdir()} == pictures


def test_without_javascript_all_can_be_done_too(browser: Browser, site: Site) -> None:
    with opened(browser, PHONE, java_script_enabled=False) as page:
        page.goto(site.url)
        sign_in(page, "reseller, panel dialect")
        follow(page, "New order")
        page.get_by_label("Service").select_option("123")
        press(page, "Show its fields")
        page.get_by_label("Link").fill(LINK)
        page.get_by_label("Quantity").fill("1000")
        press(page, "Place the order")
        expect(page.get_by_text("was placed for 1.00 USD.")).to_be_visible()
        [order, *_] = site.smmapi.store.list(2, limit=1)
        assert_nothing_sticks_out(page)
        press(page, "Sign out")
        sign_in(page, "owner")
        open_waiting(page, order)
        press(page, "Start")
        page.locator("#partial-remains").fill("157")
        press(page, "Say what is paid back")
        press(page, "End in part and pay 0.157 USD back")
        expect(page.get_by_text("0.157 USD was paid back.").first).to_be_visible()


def test_a_server_that_is_gone_is_told_and_so_is_one_that_is_back(page: Page) -> None:
    sign_in(page, "reseller")
    follow(page, "Orders")
    expect(page.locator("#trouble")).to_be_hidden()
    page.route("**/orders/rows*", lambda route: route.abort())
    expect(page.locator("#trouble")).to_be_visible()
    page.unroute("**/orders/rows*")
    expect(page.locator("#trouble")).to_be_hidden()
    assert page.complaints
    page.complaints.clear()  # of what was aborted here


def test_the_session_is_the_servers_and_a_form_from_elsewhere_is_refused(page: Page, site: Site) -> None:
    sign_in(page, "reseller")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert page.evaluate("document.cookie") == ""
    form = f'<form method="post" action="{site.url}/keys"><button>Win a prize</button></form>'
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://elsewhere.test/")
    press(page, "Win a prize")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bad Request")
    assert page.evaluate("fetch('/keys', {method: 'POST'}).then(answer => answer.status)") == 400
    assert len(site.smmapi.store.keys(1)) == 1
    page.complaints.clear()  # Chromium's own lines about both


def test_a_script_that_got_into_a_page_does_not_run(page: Page) -> None:
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran = 1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    assert all("Content Security Policy" in complaint for complaint in page.complaints)
    page.complaints.clear()
