"""The owner's figures: orders and turnover per day, drawn by the server, and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from flask_smmapi import Order
from flask_smmapi.hooks import AccountId

from . import plot
from .sign_in import all_accounts, only_the_owner, smmapi

pages = Blueprint("figures", __name__, url_prefix="/owner/figures")
pages.before_request(only_the_owner)

PAGE = 500
"""Orders that are read at once."""


@pages.get("")
def show() -> ResponseReturnValue:
    day = today()
    orders = (order for info in all_accounts() for order in recent(info.id, plot.last_days(day)[0]))
    days = plot.by_day(orders, day)
    return render_template(
        "panel/figures.html", days=days, charts=plot.charts(days), currencies=plot.currencies(days), plot=plot
    )


def today() -> date:
    return datetime.now(timezone.utc).date()


def recent(account: AccountId, since: date) -> Iterator[Order]:
    """The orders of the account from that day on. A panel with many orders a day lets its database count them."""
    before = None
    while True:
        page = smmapi().store.list(account, limit=PAGE, before=before)
        young = [order for order in page if order.created.date() >= since]
        yield from young
        if len(page) < PAGE or not young:
            return
        before = page[-1].number
