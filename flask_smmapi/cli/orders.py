"""``flask smmapi orders …``: look at orders, and move them along by hand, with the desk's verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click
from flask.cli import AppGroup

from ..hooks import AccountId, Order
from ..money import price, subtract, to_text
from ..state import current_state
from ..statuses import OrderStatus, is_allowed
from .accounts import check_account
from .arguments import (
    ACCOUNT,
    ACCOUNT_HELP,
    COUNT,
    LIMIT,
    NUMBER,
    ORDER,
    account_text,
    age,
    older_than,
    printable,
)
from .output import adding_to, as_json, confirmed, print_json, print_record, print_table

group = AppGroup(
    "orders",
    help=f"Look at orders, and move them along by hand.\n\n{ACCOUNT_HELP} ORDER is the order's id or its number.",
)
_command = adding_to(group)

_INTERNAL = {"fingerprint", "revision", "claim"}
"""What is nobody's business outside: hashes, counters, and the token of a claim."""


@_command("list")
@ACCOUNT
@LIMIT
@click.option("--before", type=NUMBER, help="Orders with numbers below this one, for the next page.")
@as_json
def list_orders(account: AccountId, limit: int, before: int | None, as_json: bool) -> None:
    """The paid orders of ACCOUNT, newest first.

    \b
    Example:
      flask smmapi orders list 42 --limit 10
    """
    check_account(account)
    _print_orders(current_state().context.orders.list(account, limit=limit, before=before), as_json)


@_command("show")
@ACCOUNT
@ORDER
@as_json
def show(account: AccountId, order: str | int, as_json: bool) -> None:
    """All that is known of ORDER, in whatever state it is.

    \b
    Example:
      flask smmapi orders show 42 1007
    """
    record = _record(_read(account, order))
    if as_json:
        print_json(record)
        return
    params = record.pop("params")
    listed = {**record, "account": account_text(account), "children": " ".join(map(str, record["children"])) or None}
    print_record([*listed.items(), *((f"params.{name}", value) for name, value in params.items())])


@_command("waiting")
@older_than("0s", "Only those that have waited for so long.")
@LIMIT
@as_json
def waiting(older_than: timedelta, limit: int, as_json: bool) -> None:
    """Orders that the desk would hand out now, of all accounts; those that wait for longest first.

    \b
    Example:
      flask smmapi orders waiting --older-than 2h
    """
    _print_orders(current_state().desk.waiting(older_than, limit=limit), as_json)


@_command("stuck")
@older_than("1d", "Not moved on for so long.")
@LIMIT
@as_json
def stuck(older_than: timedelta, limit: int, as_json: bool) -> None:
    """Orders whose work has begun and was not moved on; those that wait for longest first.

    \b
    Example:
      flask smmapi orders stuck --older-than 36h
    """
    _print_orders(current_state().desk.stuck(older_than, limit=limit), as_json)


@_command("take")
@ACCOUNT
@ORDER
@click.option("--worker", type=printable, default="shell", show_default=True, help="Who has it, for people to read.")
@click.option("--lease", type=age, default="5m", show_default=True, metavar="AGE", help="Time to start it.")
def take(account: AccountId, order: str | int, worker: str, lease: timedelta) -> None:
    """Take ORDER from the queue, whoever had claimed it; start it next.

    \b
    Example:
      flask smmapi orders take 42 1007 --worker anna --lease 2h
    """
    _tell(current_state().desk.take(_read(account, order), worker, lease=lease))


@_command("start")
@ACCOUNT
@ORDER
@click.option("--start-count", type=COUNT, default=0, show_default=True, help="What the counter stood at.")
def start(account: AccountId, order: str | int, start_count: int) -> None:
    """The work on ORDER begins; it must be taken first. Do nothing outside before this was said.

    \b
    Example:
      flask smmapi orders start 42 1007 --start-count 250
    """
    _tell(current_state().desk.start(_read(account, order), start_count))


@_command("progress")
@ACCOUNT
@ORDER
@click.option("--remains", type=COUNT, required=True, help="Pieces not delivered yet.")
def progress(account: AccountId, order: str | int, remains: int) -> None:
    """The work on ORDER goes on.

    \b
    Example:
      flask smmapi orders progress 42 1007 --remains 400
    """
    _tell(current_state().desk.progress(_read(account, order), remains))


@_command("complete")
@ACCOUNT
@ORDER
@confirmed
def complete(account: AccountId, order: str | int, confirmed: bool) -> None:
    """All of ORDER was delivered. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi orders complete 42 1007
    """
    desk = current_state().desk
    _end(_read(account, order), OrderStatus.COMPLETED, 0, desk.complete, confirmed)


@_command("partial")
@ACCOUNT
@ORDER
@click.option("--remains", type=COUNT, required=True, help="Pieces that will not be delivered.")
@confirmed
def partial(account: AccountId, order: str | int, remains: int, confirmed: bool) -> None:
    """The rest of ORDER will not be delivered: what it costs is paid back. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi orders partial 42 1007 --remains 157
    """
    desk = current_state().desk
    found = _read(account, order)
    if remains > found.count:
        raise click.BadParameter(f"the order has {found.count} pieces.", param_hint="--remains")
    _end(found, OrderStatus.PARTIAL, remains, lambda found: desk.partial(found, remains), confirmed)


@_command("cancel")
@ACCOUNT
@ORDER
@confirmed
def cancel(account: AccountId, order: str | int, confirmed: bool) -> None:
    """Cancel ORDER in whatever state it is; what remains is paid back. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi orders cancel 42 1007
    """
    desk = current_state().desk
    _end(_read(account, order), OrderStatus.CANCELED, None, desk.cancel, confirmed)


@_command("fail")
@ACCOUNT
@ORDER
@click.option("--reason", type=printable, required=True, help="For you; clients never see it.")
@confirmed
def fail(account: AccountId, order: str | int, reason: str, confirmed: bool) -> None:
    """ORDER cannot be done; what remains is paid back. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi orders fail 42 1007 --reason "the post is gone"
    """
    desk = current_state().desk
    _end(_read(account, order), OrderStatus.FAIL, None, lambda found: desk.fail(found, reason), confirmed)


@_command("child")
@ACCOUNT
@ORDER
@click.option("--n", type=NUMBER, required=True, help="Which run or post: 1, 2, 3, …")
@click.option("--quantity", type=NUMBER, required=True, help="At most what one run or post has.")
@click.option("--link", type=printable, help="If it is not the parent's.")
def child(account: AccountId, order: str | int, n: int, quantity: int, link: str | None) -> None:
    """Place the order for a run of the drip-feed, or a post of the subscription, ORDER. The same --n is placed once.

    \b
    Example:
      flask smmapi orders child 42 1007 --n 2 --quantity 100
    """
    placed = current_state().desk.place_child(_read(account, order), n, quantity=quantity, link=link)
    click.echo(f"{_name(placed)} is child {n} of {order}; it costs {_money(placed.charge, placed)}.")


def _read(account: AccountId, order: str | int) -> Order:
    for found in current_state().context.orders.find(account, [order]):
        return found
    raise click.ClickException(f"Account {account_text(account)} has no order {order}.")


def _end(
    order: Order, status: OrderStatus, remains: int | None, verb: Callable[[Order], Order], confirmed: bool
) -> None:
    """End *order* with *verb*, once it was agreed to; a repeat needs no agreement, since it changes nothing.

    :param remains: pieces that are not delivered then; None for what remains by now.
    """
    left = order.remains if remains is None else remains
    if (order.status, order.remains) != (status, left):
        if order.status is status and left < order.remains:
            raise click.ClickException(
                f"Order {order.id} was paid back for {order.remains} remaining; that never falls."
            )
        if not is_allowed(order.status, status):
            raise click.ClickException(f"Order {order.id} is {order.status.value}; it cannot become {status.value}.")
        if not confirmed:
            due_back = subtract(order.charge, price(order.rate, order.count - left, order.per))
            back = subtract(due_back, order.paid_back)
            click.echo(
                f"{_name(order)} of account {account_text(order.account)} is {order.status.value}. "
                f"Its charge was {_money(order.charge, order)}, and {_money(order.paid_back, order)} were paid back. "
                f"As {status.value} with {left} of {order.count} remaining, "
                f"{_money(back, order)} would be paid back{' more' if order.paid_back else ''}.",
                err=True,
            )
            click.confirm("This cannot be undone. Go on?", abort=True, err=True)
    _tell(verb(order))


def _tell(order: Order) -> None:
    cost = f"it costs {_money(order.cost, order)}"
    back = f", {_money(order.paid_back, order)} were paid back" if order.paid_back else ""
    click.echo(f"{_name(order)} is {order.status.value}; {cost}{back}.")


def _name(order: Order) -> str:
    return f"Order {order.number} ({order.id})"


def _money(amount: Decimal, order: Order) -> str:
    return f"{to_text(amount)} {order.currency}"


def _record(order: Order) -> dict[str, Any]:
    """*order* as it is printed."""
    shown = {field.name: getattr(order, field.name) for field in fields(Order) if field.name not in _INTERNAL}
    return {**shown, "params": dict(order.params), "status": order.status.value, "cost": order.cost}


_COLUMNS = ("number", "id", "account", "service", "status", "count", "remains", "cost", "currency", "created", "worker")


def _print_orders(orders: Iterable[Order], as_json: bool) -> None:
    records = [_record(order) for order in orders]
    if as_json:
        print_json(records)
        return
    listed = ({**record, "account": account_text(record["account"])} for record in records)
    print_table(_COLUMNS, [[record[name] for name in _COLUMNS] for record in listed])
