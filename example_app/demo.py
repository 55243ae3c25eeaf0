"""The demo's accounts, services and orders. Docs and tests rely on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from flask_smmapi import Account, Order, OrderStatus, RefillStatus, Service, SmmApi, SmmError

STANDARD_KEY = "demo0000.standard-account1"
PANEL_KEY = "demo0000.panelpan-account2"
INACTIVE_KEY = "demo0000.inactive-account3"
NO_MONEY_KEY = "demo0000.nomoneyx-account4"

MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Demo:
    """What the demo is made of.

    :param orders: account 1's first orders, as they are now; likewise
    :param panel_orders: account 2's, which speaks the panel dialect.
    """

    smmapi: SmmApi
    orders: list[Order]
    panel_orders: list[Order]


def seed(smmapi: SmmApi) -> Demo:
    """Fill the extension's store with what is not there yet. Each worker does so, at each start.

    A price list that was imported since, or an account that was resumed, stays as it is.
    """
    store = smmapi.store
    if not len(store.catalog(Account(id=1))):
        store.set_services(SERVICES)
    standard, panel = Account(id=1, dialect="standard"), Account(id=2, dialect="panel")
    for account, key, balance, active in (
        (standard, STANDARD_KEY, MILLION, True),
        (panel, PANEL_KEY, MILLION, True),
        (Account(id=3), INACTIVE_KEY, Decimal(0), False),
        (Account(id=4), NO_MONEY_KEY, Decimal(0), True),
    ):
        known = store.account_info(account.id) is not None
        store.add_account(account, balance=balance, active=active or known, key=key)
    demo = Demo(smmapi, seed_orders(smmapi, standard), seed_orders(smmapi, panel))
    if store.account_info(SHOP.id) is None:
        store.add_account(SHOP, balance=Decimal(2_500))
        seed_history(smmapi)
    return demo


SHOP = Account(id=5)

HISTORY = (18, 7, 11, 4, 9, 14, 22, 6, 13, 17, 8, 25, 15)
"""What was ordered on each day before today, in hundreds of pieces; the newest day is the last."""


def seed_history(smmapi: SmmApi) -> None:
    """Two weeks of a shop that has ordered through the API, for the owner's figures."""
    for ago, hundreds in zip(range(len(HISTORY), 0, -1), HISTORY, strict=True):
        moment = datetime.now(timezone.utc) - timedelta(days=ago)
        for n in range(1 + hundreds % 3):
            params = {"service": 123, "link": f"https://example.com/shop/{ago}/{n}", "quantity": hundreds * 100}
            order = smmapi.place(SHOP, params, idempotency_key=f"demo-history-{ago}-{n}")
            smmapi.store.replace(
                replace(order, due=None, status=OrderStatus.COMPLETED, remains=0, created=moment, ended=moment)
            )


def seed_orders(smmapi: SmmApi, account: Account) -> list[Order]:
    """One order each that is PENDING, PROCESSING and COMPLETED, and one completed refill."""
    orders = [place(smmapi, account, number) for number in (1, 2, 3)]
    smmapi.store.credit(account.id, sum(order.charge for order in orders), "demo:orders")  # it starts with a million
    pending, processing, completed = orders
    two_days_ago = datetime.now(timezone.utc) - timedelta(days=2)
    change_new(smmapi, pending, status=OrderStatus.PENDING)
    change_new(smmapi, processing, status=OrderStatus.PROCESSING, start_count=250)
    change_new(
        smmapi,
        completed,
        status=OrderStatus.COMPLETED,
        start_count=100,
        remains=0,
        created=two_days_ago,
        ended=two_days_ago,
    )
    if not smmapi.store.find_refills(account.id, [completed.id]):
        seed_refill(smmapi, account, completed, created=two_days_ago)
    return [smmapi.status(account, order.id) for order in orders]


def seed_refill(smmapi: SmmApi, account: Account, order: Order, created: datetime) -> None:
    try:
        refill = smmapi.refill(account, order.id)
    except SmmError:
        return  # another worker was faster
    smmapi.store.replace_refill(replace(refill, status=RefillStatus.COMPLETED, created=created))


def place(smmapi: SmmApi, account: Account, number: int) -> Order:
    """The order of that number; the one that was placed at an earlier start, if it was."""
    params = {"service": 123, "link": f"https://example.com/post/{number}", "quantity": 1000}
    return smmapi.place(account, params, idempotency_key=f"demo-order-{number}")


def change_new(smmapi: SmmApi, order: Order, **fields: Any) -> None:
    """Change an order that nothing has happened to; if something has by now, it stays as it is.

    Without a due moment nobody is given it: the demo begins with one order in each of these statuses, and keeps them.
    """
    if order.status is OrderStatus.AWAITING:
        smmapi.store.replace(replace(order, due=None, **fields))


def service(
    number: int,
    name: str,
    type_: str,
    category: str,
    rate: str,
    bounds: tuple[int, int] = (10, 10_000),
    *,
    offers: bool = True,
    dripfeed: bool = False,
) -> Service:
    """A row of the price list; *offers* says whether it has refill and cancel."""
    least, most = bounds
    return Service(number, name, type_, category, Decimal(rate), least, most, offers, offers, dripfeed)


LINES = (1, 1_000)
ONE = (1, 1)

SERVICES = (
    service(1, "Instagram Followers", "Default", "Instagram", "0.00100000", (100, 10_000)),
    service(2, "Instagram Starter Package", "Package", "Instagram", "4.90000000", ONE),
    service(3, "Instagram Custom Comments", "Custom Comments", "Instagram", "12.00000000", LINES),
    service(4, "Instagram Mentions with Hashtags", "Mentions with Hashtags", "Instagram", "2.75000000"),
    service(5, "Instagram Mentions from a List", "Mentions Custom List", "Instagram", "3.10000000", LINES),
    service(6, "Instagram Mentions by Hashtag", "Mentions Hashtag", "Instagram", "2.60000000"),
    service(7, "Instagram Mentions of Followers", "Mentions User Followers", "Instagram", "2.40000000"),
    service(8, "Instagram Mentions of Likers", "Mentions Media Likers", "Instagram", "2.50000000"),
    service(9, "Instagram Comment Likes", "Comment Likes", "Instagram", "0.85000000"),
    service(10, "Telegram Poll Votes", "Poll", "Telegram", "0.64000000"),
    service(11, "Instagram Comment Replies", "Comment Replies", "Instagram", "9.50000000", LINES),
    service(12, "Facebook Invites from Groups", "Invites from Groups", "Facebook", "5.20000000"),
    service(13, "Instagram Auto Likes", "Subscriptions", "Instagram", "0.33333333", (1, 10_000)),
    service(14, "Website Visitors", "Web Traffic", "Traffic", "0.15000000", dripfeed=True),
    service(15, "Search Visits by Keyword", "SEO", "Traffic", "0.45000000"),
    service(16, "X Mentions", "Mentions", "X", "2.20000000"),
    service(17, "YouTube Comments Package", "Custom Comments Package", "YouTube", "7.50000000", ONE),
    service(18, "YouTube Views, drip-feed", "Default", "YouTube", "1.20000000", dripfeed=True),
    service(19, "TikTok Views, no refill, no cancel", "Default", "TikTok", "0.00010000", offers=False),
    service(123, "YouTube Likes", "Default", "YouTube", "1.00000000", (10, 100_000)),
)
"""1 to 17: one of each type; 1 is the example of the document."""
