"""``flask smmapi keys …``: the API keys of an account. A key is shown once, when it is made."""

from __future__ import annotations

from dataclasses import asdict

import click
from flask.cli import AppGroup

from ..hooks import DIALECT_NAMES, AccountId
from .accounts import read_account
from .arguments import ACCOUNT, ACCOUNT_HELP, account_text, key_id, printable
from .output import adding_to, as_json, confirmed, plain, print_json, print_key, print_table, refusals
from .store import changing_verb_of_store, verb_of_store

group = AppGroup(
    "keys", help=f"The API keys of an account.\n\n{ACCOUNT_HELP} KEY_ID is what keys list shows; it is not the key."
)
_command = adding_to(group)
_KEY_ID = click.argument("key_id", type=key_id, metavar="KEY_ID")


@_command("list")
@ACCOUNT
@as_json
def list_keys(account: AccountId, as_json: bool) -> None:
    """The keys of ACCOUNT, oldest first, revoked ones too: what may be shown of them.

    \b
    Example:
      flask smmapi keys list 42
    """
    read_account(account)
    records = [asdict(info) for info in verb_of_store("keys")(account)]
    if as_json:
        print_json(records)
        return
    columns = ("key_id", "prefix", "label", "dialect", "active", "created", "last_used")
    shown = ({**record, "active": "active" if record["active"] else "revoked"} for record in records)
    print_table(columns, [[record[name] for name in columns] for record in shown])


@_command("create")
@ACCOUNT
@click.option("--label", type=printable, default="", help="What it is for.")
@click.option("--dialect", type=click.Choice(DIALECT_NAMES), help="How its requests are answered; else as the account.")
def create(account: AccountId, label: str, dialect: str | None) -> None:
    """Print a new key of ACCOUNT, which cannot be shown again.

    \b
    Example:
      flask smmapi keys create 42 --label "the shop's server"
    """
    read_account(account)
    with refusals():
        key = changing_verb_of_store("create_key")(account, label, dialect)
    print_key(key)
    click.echo(f"Keep this key of account {account_text(account)}; it cannot be shown again.", err=True)


@_command("rotate")
@ACCOUNT
@_KEY_ID
@confirmed
def rotate(account: AccountId, key_id: str, confirmed: bool) -> None:
    """Print a new key in the place of KEY_ID, which is refused from the next request on. Asks first.

    \b
    Example:
      flask smmapi keys rotate 42 9f86d081884c
    """
    _agree(account, key_id, confirmed)
    with refusals():
        key = changing_verb_of_store("rotate_key")(account, key_id)
    print_key(key)
    click.echo(f"Keep this key of account {account_text(account)}; it cannot be shown again.", err=True)


@_command("revoke")
@ACCOUNT
@_KEY_ID
@confirmed
def revoke(account: AccountId, key_id: str, confirmed: bool) -> None:
    """Refuse KEY_ID from the next request on. Asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi keys revoke 42 9f86d081884c
    """
    _agree(account, key_id, confirmed)
    with refusals():
        changing_verb_of_store("revoke_key_by_id")(account, key_id)
    click.echo(f"Key {key_id} of account {account_text(account)} is revoked.")


def _agree(account: AccountId, key_id: str, confirmed: bool) -> None:
    """Ask about what cannot be undone; a key that is revoked is left to the verb."""
    read_account(account)
    for info in verb_of_store("keys")(account):
        if info.key_id == key_id and info.active and not confirmed:
            label = f" ({plain(info.label)})" if info.label else ""
            used = "was never used" if info.last_used is None else f"was last used {info.last_used:%Y-%m-%d %H:%M} UTC"
            click.echo(
                f"Key {key_id}{label} of account {account_text(account)} begins with {info.prefix} and {used}. "
                "Whoever uses it will be refused.",
                err=True,
            )
            click.confirm("This cannot be undone. Go on?", abort=True, err=True)
