"""A reseller's orders: newest first, alive while one of them is unfinished, with what may still be done to each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi import Account, Order, Refill, SmmError
from flask_smmapi.placement import now
from flask_smmapi.statuses import CANCELABLE, ENDS, REFILL_IN_FLIGHT, REFILLABLE

from .people import money
from .sign_in import current_account, only_resellers, smmapi

pages = Blueprint("orders", __name__, url_prefix="/orders")
pages.before_request(only_resellers)

PAGE = 20
"""Rows of a page."""

_NUMBER = re.compile("[0-9]{1,18}")
_SEEN = re.compile(rf"[0-9]{{1,18}}\.[0-9]{{1,9}}(-[0-9]{{1,18}}\.[0-9]{{1,9}}){{0,{PAGE - 1}}}")


class Row(NamedTuple):
    """An order as it is shown.

    :param refill: the newest one.
    :param version: grows with every change of the order or its refills.
    """

    order: Order
    service: str
    refill: Refill | None
    version: int

    @property
    def unfinished(self) -> bool:
        return self.order.status not in ENDS or self.refilling

    @property
    def refilling(self) -> bool:
        return self.refill is not None and self.refill.status in REFILL_IN_FLIGHT

    @property
    def may_cancel(self) -> bool:
        return self.order.cancelable and self.order.status in CANCELABLE

    @property
    def may_refill(self) -> bool:
        """As the action decides it; who presses the button at a bad moment hears the action's own text."""
        order, refill = self.order, self.refill
        if not order.refillable or order.status not in REFILLABLE or self.refilling:
            return False
        wait = timedelta(seconds=current_app.config["SMMAPI_REFILL_INTERVAL"])
        moments = (order.ended, refill.created if refill else None)
        return not any(moment and now() - moment < wait for moment in moments)


def order_number(text: str) -> int:
    """:raises ValueError: if it is none that a store could have given."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


@pages.get("")
def lists() -> ResponseReturnValue:
    before = request.args.get("before", type=order_number)
    account = current_account()
    found = smmapi().store.list(account.id, limit=PAGE + 1, before=before)
    return render_template(
        "panel/orders.html", before=before, more=len(found) > PAGE, **table(rows(account, found[:PAGE]))
    )


@pages.get("/rows")
def changed_rows() -> ResponseReturnValue:
    """The rows of a page that is open somewhere, if one of them is another by now; else nothing, which htmx leaves."""
    seen = request.args.get("seen", "")
    if not _SEEN.fullmatch(seen):
        abort(400)
    known = {int(number): int(version) for number, version in (pair.split(".") for pair in seen.split("-"))}
    account = current_account()
    found = smmapi().store.find(account.id, list(known))
    current = rows(account, sorted(found, key=lambda order: -order.number))
    news = [row for row in current if row.version != known[row.order.number]]
    if not news:
        return "", 204
    return render_template("panel/orders_table.html", news=news, **table(current))


def table(rows: Sequence[Row]) -> dict[str, object]:
    """What the table's template needs."""
    return {
        "rows": rows,
        "seen": "-".join(f"{row.order.number}.{row.version}" for row in rows),
        "live": any(row.unfinished for row in rows),
        "poll": current_app.config["PANEL_POLL"],
    }


def rows(account: Account, orders: Iterable[Order]) -> list[Row]:
    """A row for each order; their refills are read at once."""
    orders = list(orders)
    refills: dict[str, list[Refill]] = {order.id: [] for order in orders}
    if orders:
        for refill in smmapi().store.find_refills(account.id, list(refills)):
            refills[refill.order].append(refill)
    services = smmapi().services(account)
    return [_row(order, services.get(order.service), refills[order.id]) for order in orders]


def _row(order: Order, service: object, refills: Sequence[Refill]) -> Row:
    newest = max(refills, key=lambda refill: refill.n, default=None)
    version = order.revision + sum(refill.revision + 1 for refill in refills)
    return Row(order, getattr(service, "name", f"Service {order.service}"), newest, version)


@pages.post("/<int:number>/cancel")
def cancel(number: int) -> ResponseReturnValue:
    try:
        order = smmapi().cancel(current_account(), number)
        flash(f"Order {number} was canceled; {money(order.paid_back)} {order.currency} came back.")
    except SmmError as failure:
        flash(f"Order {number}: {failure}", "error")
    return back()


@pages.post("/<int:number>/refill")
def refill(number: int) -> ResponseReturnValue:
    try:
        asked = smmapi().refill(current_account(), number)
        flash(f"Refill {asked.number} of order {number} was asked for.")
    except SmmError as failure:
        flash(f"Order {number}: {failure}", "error")
    return back()


def back() -> ResponseReturnValue:
    """To the page of the list on which the button was pressed."""
    return redirect(url_for("orders.lists", before=request.form.get("before", type=order_number)))
