"""``flask smmapi …``: what an owner does from the shell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import click
from flask.cli import AppGroup

from .hooks import UNAVAILABLE
from .state import current_state

group = AppGroup("smmapi", help="The order API: database, money, orders.")


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """*function* as a command that says in a sentence why a store cannot be used."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except (*UNAVAILABLE, RuntimeError) as failure:
            raise click.ClickException(str(failure)) from None

    return run


@group.command("init-db")
@click.option(
    "--first-number",
    type=click.IntRange(1, 2**31 - 1),
    help="Number orders from here on, behind those of an API that was there before.",
)
@_command
def init_db(first_number: int | None) -> None:
    """Create what the store needs. May be run again at any time."""
    _verb("create_indexes", "needs no preparation")()
    if first_number is not None:
        _verb("begin_numbers", "numbers its orders itself")(first_number)
    click.echo("The store is ready.")


@group.command()
@click.option("--older-than", default=60.0, show_default=True, help="Age of an unpaid order, in seconds.")
@_command
def reconcile(older_than: float) -> None:
    """Finish what a killed process left undone. Exits with 1 if an order could not be put right."""
    result = current_state().context.placement.reconcile(timedelta(seconds=older_than))
    click.echo(f"{result.abandoned} orders abandoned, {result.paid_back} paid back, {result.failed} failed.")
    if result.failed:
        raise SystemExit(1)


@group.command()
@_command
def audit() -> None:
    """Recompute every account, compare the orders with the ledger. Changes nothing; exits with 1 on a difference."""
    find_differences = _verb("audit", "keeps no ledger to audit")
    differences = 0
    for difference in find_differences(lambda count: click.echo(f"{count} documents read …", err=True)):
        differences += 1
        click.echo(f"{difference.where}: {difference.what}.")
    click.echo(f"{differences} differences.")
    if differences:
        raise SystemExit(1)


@group.command()
@_command
def doctor() -> None:
    """Say what is wrong with the set-up, and what to do. Exits with 1 if something is."""
    store = current_state().store
    if not hasattr(store, "missing_indexes"):
        click.echo("No store of this app needs a doctor; flask_smmapi.testing proves those of your own.")
        return
    missing = store.missing_indexes()
    if missing:
        raise click.ClickException(f"Missing indexes: {', '.join(missing)}. Run: flask smmapi init-db")
    store.check_rights()
    click.echo("All is well.")


def _verb(name: str, otherwise: str) -> Any:
    """What the app's store can do beyond playing its parts."""
    store = current_state().store
    verb = getattr(store, name, None)
    if verb is None:
        raise click.ClickException(f"This app's store ({type(store).__name__}) {otherwise}.")
    return verb
