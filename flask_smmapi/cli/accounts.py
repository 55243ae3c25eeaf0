"""``flask smmapi accounts …``: who may call, at which prices, and with what money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from ..hooks import DIALECT_NAMES, Account, AccountId
from ..money import to_text
from ..owner import AccountInfo
from ..state import current_state
from .arguments import (
    ACCOUNT,
    ACCOUNT_HELP,
    COUNT,
    LIMIT,
    account_id,
    account_text,
    amount,
    currency,
    network,
    percentage,
    printable,
    service_rate,
)
from .output import adding_to, as_json, print_json, print_key, print_record, print_table, refusals
from .services import SHOWN, price_list
from .store import changing_verb_of_store, plays, verb_of_store

C = TypeVar("C", bound=Callable[..., Any])

group = AppGroup("accounts", help=f"Who may call, at which prices, and with what money.\n\n{ACCOUNT_HELP}")
_command = adding_to(group)

_ALLOW_IP = click.option(
    "--allow-ip", "allowed_ips", type=network, multiple=True, metavar="IP", help="An address or network that may call."
)

APP = "app"
"""For the app's own dialect, SMMAPI_DIALECT."""


@_command("list")
@click.option("--after", type=account_id, metavar="ACCOUNT", help="Accounts behind this one, for the next page.")
@LIMIT
@as_json
def list_accounts(after: AccountId | None, limit: int, as_json: bool) -> None:
    """The accounts, ordered by their ids, and what each has.

    \b
    Example:
      flask smmapi accounts list --limit 20
    """
    found = verb_of_store("accounts", "key_lookup")(after, limit=limit)
    records = [_record(info) for info in found]
    if as_json:
        print_json(records)
        return
    columns = ("id", "active", "balance", "currency", "dialect", "discount", "created")
    print_table(columns, [[_shown(record)[name] for name in columns] for record in records])


@_command("show")
@ACCOUNT
@as_json
def show(account: AccountId, as_json: bool) -> None:
    """All that is known of ACCOUNT, and its prices.

    \b
    Example:
      flask smmapi accounts show 42
    """
    record = _record(read_account(account))
    if as_json:
        print_json(record)
        return
    rates = record.pop("rates")
    print_record([*_shown(record).items(), *((f"rate.{service}", rate) for service, rate in rates.items())])


@_command("create")
@ACCOUNT
@click.option("--currency", type=currency, metavar="CODE", help="Of its money; else SMMAPI_CURRENCY.")
@click.option("--dialect", type=click.Choice(DIALECT_NAMES), help="How it is answered; else SMMAPI_DIALECT.")
@_ALLOW_IP
def create(account: AccountId, currency: str | None, dialect: str | None, allowed_ips: Sequence[str]) -> None:
    """Create ACCOUNT, and print its first API key, which cannot be shown again.

    \b
    Example:
      flask smmapi accounts create 42 --dialect panel --allow-ip 192.0.2.7
    """
    add = changing_verb_of_store("add_account", "key_lookup")
    with refusals():
        new = Account(account, currency=currency, dialect=dialect, allowed_ips=tuple(allowed_ips))
        key = add(new, must_be_new=True)
    print_key(key)
    click.echo(f"Account {account_text(account)} was created. Keep this key; it cannot be shown again.", err=True)


@_command("change")
@ACCOUNT
@click.option("--currency", type=currency, metavar="CODE", help="Of its money, which stays the same number.")
@click.option("--dialect", type=click.Choice([*DIALECT_NAMES, APP]), help="How it is answered; app: SMMAPI_DIALECT.")
@_ALLOW_IP
@click.option("--allow-any-ip", is_flag=True, help="Every address may call.")
def change(
    account: AccountId, currency: str | None, dialect: str | None, allowed_ips: Sequence[str], allow_any_ip: bool
) -> None:
    """Change who may use the keys of ACCOUNT, or how it is answered. What is not named stays as it is.

    The addresses of --allow-ip take the place of those that might call before.

    \b
    Example:
      flask smmapi accounts change 42 --allow-ip 192.0.2.7 --allow-ip 2001:db8::/32
    """
    if allowed_ips and allow_any_ip:
        raise click.UsageError("Give --allow-ip or --allow-any-ip, not both.")
    fields: dict[str, Any] = {}
    if currency:
        fields["currency"] = currency
    if dialect:
        fields["dialect"] = None if dialect == APP else dialect
    if allowed_ips or allow_any_ip:
        fields["allowed_ips"] = tuple(allowed_ips)
    if not fields:
        raise click.UsageError("Say what to change.")
    read_account(account)
    with refusals():
        changing_verb_of_store("change_account")(account, **fields)
    info = read_account(account)
    who = ", ".join(info.allowed_ips) or "every address"
    click.echo(
        f"Account {account_text(account)} has {_currency(info)} and speaks the dialect {info.dialect or APP}; "
        f"{who} may call."
    )


@_command("pause")
@ACCOUNT
def pause(account: AccountId) -> None:
    """Refuse every key of ACCOUNT from the next request on.

    \b
    Example:
      flask smmapi accounts pause 42
    """
    read_account(account)
    changing_verb_of_store("pause_account")(account)
    click.echo(f"Account {account_text(account)} is paused.")


@_command("resume")
@ACCOUNT
def resume(account: AccountId) -> None:
    """Let the keys of ACCOUNT in again.

    \b
    Example:
      flask smmapi accounts resume 42
    """
    read_account(account)
    changing_verb_of_store("resume_account")(account)
    click.echo(f"Account {account_text(account)} is active.")


@_command("top-up")
@ACCOUNT
@click.option("--amount", type=amount, required=True, help="What was paid.")
@click.option("--payment", required=True, help="The payment's own number: it counts once, however often it is told.")
def top_up(account: AccountId, amount: Decimal, payment: str) -> None:
    """Give ACCOUNT what was paid.

    \b
    Example:
      flask smmapi accounts top-up 42 --amount 50.00 --payment invoice-1042
    """
    book = _verb_of_money("top_up")
    read_account(account)
    with refusals():
        is_new = book(account, amount, payment)
    _tell(account, "" if is_new else f"Payment {payment} was booked before; nothing changed. ")


@_command("adjust")
@ACCOUNT
@click.option("--amount", type=amount, required=True, help="What is given; less than 0 takes, as in -2.50.")
@click.option("--reason", type=printable, required=True, help="Kept with it, for you.")
@click.option("--reference", help="A number of your own: it counts once, however often it is told.")
def adjust(account: AccountId, amount: Decimal, reason: str, reference: str | None) -> None:
    """Give ACCOUNT money, or take some, for a reason that is no payment.

    \b
    Example:
      flask smmapi accounts adjust 42 --amount -2.50 --reason "paid in twice" --reference note-17
    """
    book = _verb_of_money("adjust")
    read_account(account)
    with refusals():
        done = book(account, amount, reason, reference=reference)
    if not done:
        raise click.ClickException(
            f"Account {account_text(account)} has less than {to_text(-amount)}; nothing changed."
        )
    _tell(account, f"Adjustment {reference} is booked, once. " if reference else "")


@_command("set-prices")
@ACCOUNT
@click.option("--discount", type=percentage, metavar="PERCENT", help="Taken off every rate of the list.")
@click.option(
    "--rate", "rates", type=service_rate, multiple=True, metavar="SERVICE=RATE", help="What it costs instead."
)
@click.option("--list-rate", "dropped", type=COUNT, multiple=True, metavar="SERVICE", help="Drop the rate of its own.")
def set_prices(
    account: AccountId, discount: Decimal | None, rates: Sequence[tuple[int, Decimal]], dropped: Sequence[int]
) -> None:
    """Let ACCOUNT pay other prices than those of the list. What is not named stays as it is.

    A rate of its own beats the discount. Orders that are placed keep their prices.

    \b
    Example:
      flask smmapi accounts set-prices 42 --discount 7.5 --rate 123=0.80
    """
    if discount is None and not rates and not dropped:
        raise click.UsageError("Say what to set.")
    put = changing_verb_of_store("set_prices", "key_lookup", "catalog")
    named = [service for service, _ in rates] + list(dropped)
    if len(set(named)) < len(named):
        raise click.UsageError("Name each service once.")
    before = read_account(account)
    for service, _ in rates:
        if price_list().get(service) is None:
            raise click.ClickException(f"There is no service {service} in the price list; nothing changed.")
    for service in dropped:
        if service not in before.rates:
            raise click.ClickException(
                f"Account {account_text(account)} has no rate of its own for service {service}; nothing changed."
            )
    with refusals():
        put(account, discount=discount, rates={**dict(rates), **dict.fromkeys(dropped)})
    info = read_account(account)
    own = [f"{service}={to_text(rate)}" for service, rate in info.rates.items()]
    rest = f" and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
    click.echo(
        f"Account {account_text(account)} pays {info.discount} % less than the list; "
        f"own rates: {', '.join(own[:SHOWN]) or 'none'}{rest}."
    )


def read_account(account: AccountId) -> AccountInfo:
    """The account.

    :raises click.ClickException: if the store does not keep the accounts, or has none of that id.
    """
    found: AccountInfo | None = verb_of_store("account_info", "key_lookup")(account)
    if found is None:
        name = account_text(account)
        raise click.ClickException(f"There is no account {name}; flask smmapi accounts create {name} makes it.")
    return found


def check_account(account: AccountId) -> None:
    """Look whether the account is there, where it is our store that keeps them.

    :raises click.ClickException: if it is not.
    """
    state = current_state()
    if plays(state, "key_lookup") and hasattr(state.store, "account_info"):
        read_account(account)


def _verb_of_money(verb: str) -> Any:
    """A verb of the store that moves money; it asks for the account, so that a slip of the hand gives it to nobody."""
    found = changing_verb_of_store(verb, "wallet")
    if not plays(current_state(), "key_lookup"):
        raise click.ClickException(
            "This app finds accounts by a key lookup of its own, so the shell cannot tell who is there; move money "
            "from Python, with smmapi.store.credit and smmapi.store.debit."
        )
    return found


def _tell(account: AccountId, before: str = "") -> None:
    balance = current_state().context.wallet.balance(account)
    click.echo(f"{before}Account {account_text(account)} has {to_text(balance)} {_currency(read_account(account))}.")


def _currency(info: AccountInfo) -> str:
    return info.currency or current_state().context.currency


def _record(info: AccountInfo) -> dict[str, Any]:
    """*info* as it is printed; its money is where the app keeps it."""
    balance = current_state().context.wallet.balance(info.id)
    return {**asdict(info), "balance": balance, "currency": _currency(info), "discount": str(info.discount)}


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """*record* for people."""
    ips: Iterable[str] = record["allowed_ips"]
    return {
        **record,
        "id": account_text(record["id"]),
        "dialect": record["dialect"] or APP,
        "allowed_ips": " ".join(ips) or "any",
        "active": "active" if record["active"] else "paused",
        "discount": f"{record['discount']} %",
    }
