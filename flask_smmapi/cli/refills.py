"""``flask smmapi refills …``: look at refills, and move them along by hand, with the desk's verbs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from typing import Any

import click
from flask.cli import AppGroup

from ..hooks import AccountId, Refill
from ..state import current_state
from ..statuses import REFILL_NEXT, RefillStatus
from .arguments import ACCOUNT, ACCOUNT_HELP, LIMIT, REFILL, account_text, older_than
from .output import adding_to, as_json, confirmed, print_json, print_table

group = AppGroup(
    "refills",
    help=f"Look at refills, and move them along by hand.\n\n{ACCOUNT_HELP} REFILL is the refill's id or its number.",
)
_command = adding_to(group)


@_command("waiting")
@older_than("0s", "Only those that have waited for so long.")
@LIMIT
@as_json
def waiting(older_than: timedelta, limit: int, as_json: bool) -> None:
    """Refills that the desk would hand out now, of all accounts; those that wait for longest first.

    \b
    Example:
      flask smmapi refills waiting --older-than 12h
    """
    _print_refills(current_state().desk.waiting_refills(older_than, limit=limit), as_json)


@_command("stuck")
@older_than("1d", "Not moved on for so long.")
@LIMIT
@as_json
def stuck(older_than: timedelta, limit: int, as_json: bool) -> None:
    """Refills whose work has begun and was not moved on; those that wait for longest first.

    \b
    Example:
      flask smmapi refills stuck --older-than 36h
    """
    _print_refills(current_state().desk.stuck_refills(older_than, limit=limit), as_json)


@_command("start")
@ACCOUNT
@REFILL
def start(account: AccountId, refill: str | int) -> None:
    """The work on REFILL begins.

    \b
    Example:
      flask smmapi refills start 42 1008
    """
    _tell(current_state().desk.start_refill(_read(account, refill)))


@_command("complete")
@ACCOUNT
@REFILL
@confirmed
def complete(account: AccountId, refill: str | int, confirmed: bool) -> None:
    """What was lost is delivered again. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi refills complete 42 1008
    """
    found = _read(account, refill)
    _agree(found, RefillStatus.COMPLETED, confirmed)
    _tell(current_state().desk.complete_refill(found))


@_command("reject")
@ACCOUNT
@REFILL
@confirmed
def reject(account: AccountId, refill: str | int, confirmed: bool) -> None:
    """Nothing is delivered again. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi refills reject 42 1008
    """
    found = _read(account, refill)
    _agree(found, RefillStatus.REJECTED, confirmed)
    _tell(current_state().desk.reject_refill(found))


def _read(account: AccountId, refill: str | int) -> Refill:
    for found in current_state().context.orders.find_refills(account, [refill]):
        if refill in (found.id, found.number):  # it may be an order's id, too
            return found
    raise click.ClickException(f"Account {account_text(account)} has no refill {refill}.")


def _agree(refill: Refill, status: RefillStatus, confirmed: bool) -> None:
    if refill.status is status:
        return
    if status not in REFILL_NEXT[refill.status]:
        raise click.ClickException(f"Refill {refill.id} is {refill.status.value}; it cannot become {status.value}.")
    if not confirmed:
        click.echo(
            f"{_name(refill)}, number {refill.n} of order {refill.order} of account {account_text(refill.account)}, is "
            f"{refill.status.value}. It would become {status.value}.",
            err=True,
        )
        click.confirm("This cannot be undone. Go on?", abort=True, err=True)


def _tell(refill: Refill) -> None:
    click.echo(f"{_name(refill)} is {refill.status.value}.")


def _name(refill: Refill) -> str:
    return f"Refill {refill.number} ({refill.id})"


def _record(refill: Refill) -> dict[str, Any]:
    internal = {"revision", "claim"}
    shown = {field.name: getattr(refill, field.name) for field in fields(Refill) if field.name not in internal}
    return {**shown, "status": refill.status.value}


_COLUMNS = ("number", "id", "account", "order", "n", "status", "created", "worker")


def _print_refills(refills: Iterable[Refill], as_json: bool) -> None:
    records = [_record(refill) for refill in refills]
    if as_json:
        print_json(records)
        return
    listed = ({**record, "account": account_text(record["account"])} for record in records)
    print_table(_COLUMNS, [[record[name] for name in _COLUMNS] for record in listed])
