"""The owner's work: what waits, what is being worked on, refills; and the verbs of the desk for one order.

What pays back says how much before it is done: the form sends the amount that it has shown, and nothing happens if it
would be another one by now.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import chain

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi import Desk, NotPossible, Order, SmmError
from flask_smmapi.ids import parse_id
from flask_smmapi.money import price, subtract, to_text
from flask_smmapi.service_types import FIELDS, Whole
from flask_smmapi.statuses import BEGUN, CANCELABLE, ENDS, HIDDEN, OrderStatus, is_allowed

from .people import money, status_word
from .sign_in import all_accounts, as_account, find_account, only_the_owner, read_id, smmapi, write_id

pages = Blueprint("work", __name__, url_prefix="/owner/work")
pages.before_request(only_the_owner)
pages.add_app_template_filter(write_id)

OWNER = "owner"
"""The name under which the owner takes an order by hand."""

AT_ONCE = timedelta(0)

NEWEST = 10
"""Orders that are shown whatever their status."""


@pages.get("")
def lists() -> ResponseReturnValue:
    desk = smmapi().desk
    return render_template(
        "panel/work.html",
        waiting=desk.waiting(),
        begun=desk.stuck(AT_ONCE),
        newest=newest(),
        refills=[*desk.waiting_refills(), *desk.stuck_refills(AT_ONCE)],
    )


def newest() -> list[Order]:
    """The newest orders of all. A panel with many accounts lets its database find them."""
    of_each = (smmapi().store.list(info.id, limit=NEWEST) for info in all_accounts())
    return sorted(chain.from_iterable(of_each), key=lambda order: order.created, reverse=True)[:NEWEST]


@pages.get("/find")
def find() -> ResponseReturnValue:
    """Whose an order is, nobody has to know."""
    text = request.args.get("order", "").strip()
    id_ = parse_id(text)
    if id_ is not None:
        for info in all_accounts():
            for order in smmapi().store.find(info.id, [id_]):
                if order.status not in HIDDEN:
                    return redirect(page_of(order))
    flash(f"There is no order {text[:40]!r}.", "error")
    return redirect(url_for("work.lists"))


def page_of(order: Order) -> str:
    return url_for("work.show", account=write_id(order.account), order=order.id)


def asked_order() -> Order:
    """The order that the request names, as it is stored now."""
    account, id_ = read_id(request.values.get("account", "")), parse_id(request.values.get("order", ""))
    found: list[Order] = [] if id_ is None else list(smmapi().store.find(account, [id_]))
    return next((order for order in found if order.status not in HIDDEN), None) or abort(404)


@pages.get("/order")
def show() -> ResponseReturnValue:
    return show_order(asked_order())


def show_order(order: Order, remains: int | None = None, status: int = 200) -> ResponseReturnValue:
    """:param remains: so many will not be delivered, as the owner has typed it."""
    service = smmapi().services(as_account(find_account(order.account))).get(order.service)
    page = render_template(
        "panel/work_order.html",
        order=order,
        service=service,
        numbers=[name for name, kind in FIELDS.items() if issubclass(kind, Whole)],
        may_start=order.status in CANCELABLE,
        begun=order.status in BEGUN,
        may_end_in_part=is_allowed(order.status, OrderStatus.PARTIAL),
        may_cancel=is_allowed(order.status, OrderStatus.CANCELED),
        may_fail=is_allowed(order.status, OrderStatus.FAIL),
        ended=order.status in ENDS,
        pays=pays_back(order, order.remains),
        remains=remains,
        pays_in_part=None if remains is None else pays_back(order, remains),
    )
    return page, status


@pages.get("/order/in-part")
def in_part() -> ResponseReturnValue:
    """A fragment: what is paid back if so many remain."""
    order = asked_order()
    remains = read_remains(order)
    pays = None if remains is None else pays_back(order, remains)
    return render_template("panel/in_part.html", order=order, remains=remains, pays_in_part=pays)


def pays_back(order: Order, remains: int) -> Decimal:
    """What the desk pays back if *order* ends now and *remains* pieces will not be delivered."""
    due_back = subtract(order.charge, price(order.rate, order.count - remains, order.per))
    return subtract(due_back, order.due_back)


def read_whole(name: str) -> int | None:
    text = request.values.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None


def read_remains(order: Order) -> int | None:
    """The pieces that remain, if it can be so many."""
    remains = read_whole("remains")
    least = order.remains if order.status is OrderStatus.PARTIAL else 0  # what was paid back stays so
    return remains if remains is not None and least <= remains <= order.count else None


# The verbs. Each gives the order as it is then.


def start(desk: Desk, order: Order) -> Order:
    count = read_whole("start_count")
    if count is None:
        raise NotPossible("The start count must be a whole number.")
    return desk.start(desk.take(order, OWNER), count)


def progress(desk: Desk, order: Order) -> Order:
    remains = read_remains(order)
    if remains is None:
        raise NotPossible(f"What remains must be a whole number from 0 to {order.count}.")
    return desk.progress(order, remains)


def complete(desk: Desk, order: Order) -> Order:
    return desk.complete(order)


def cancel(desk: Desk, order: Order) -> Order:
    require_shown(order, order.remains)
    return desk.cancel(order)


def fail(desk: Desk, order: Order) -> Order:
    require_shown(order, order.remains)
    return desk.fail(order, request.form.get("reason", "").strip())


def partial(desk: Desk, order: Order) -> Order:
    remains = read_remains(order)
    if remains is None:
        raise NotPossible(f"What remains must be a whole number from 0 to {order.count}.")
    require_shown(order, remains)
    return desk.partial(order, remains)


VERBS: dict[str, Callable[[Desk, Order], Order]] = {
    verb.__name__: verb for verb in (start, progress, complete, partial, cancel, fail)
}


class NotShown(Exception):
    """The form has not said what is paid back, or another amount than it would be now."""


def require_shown(order: Order, remains: int) -> None:
    if request.form.get("pays") != to_text(pays_back(order, remains)):
        raise NotShown


@pages.post("/order/<any(start, progress, complete, partial, cancel, fail):verb>")
def act(verb: str) -> ResponseReturnValue:
    order = asked_order()
    try:
        done = VERBS[verb](smmapi().desk, order)
    except NotShown:
        changed = "pays" in request.form
        if changed:
            flash("The order has changed meanwhile. Look at what would be paid back now.", "error")
        return show_order(order, read_remains(order) if verb == "partial" else None, 422 if changed else 200)
    except (NotPossible, SmmError) as reason:
        flash(str(reason), "error")
        return redirect(page_of(order))
    back = subtract(done.paid_back, order.paid_back)
    words = f"; {money(back)} {order.currency} was paid back" if back else ""
    flash(f"Order {order.number} is {status_word(done.status)} now{words}.")
    return redirect(page_of(order))


@pages.post("/refill/<any(start, complete, reject):verb>")
def act_on_refill(verb: str) -> ResponseReturnValue:
    account, id_ = read_id(request.form.get("account", "")), parse_id(request.form.get("refill", ""))
    found = [] if id_ is None else smmapi().store.find_refills(account, [id_])
    refill = next((refill for refill in found if refill.id == id_), None) or abort(404)
    desk = smmapi().desk
    verbs = {"start": desk.start_refill, "complete": desk.complete_refill, "reject": desk.reject_refill}
    try:
        done = verbs[verb](refill)
        flash(f"Refill {done.number} is {done.status.value} now.")
    except (NotPossible, SmmError) as reason:
        flash(str(reason), "error")
    return redirect(url_for("work.lists"))
