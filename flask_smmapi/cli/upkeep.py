"""``init-db``, ``reconcile`` and ``audit``: what keeps the database and the money right."""

from __future__ import annotations

from datetime import timedelta

import click
from flask.cli import with_appcontext

from ..state import current_state
from .arguments import older_than
from .output import as_json, print_json, speaking
from .store import verb_of_store


@click.command("init-db")
@click.option(
    "--first-number",
    type=click.IntRange(1, 2**31 - 1),
    help="Number orders from here on, behind those of an API that was there before.",
)
@with_appcontext
@speaking
def init_db(first_number: int | None) -> None:
    """Create what the store needs. May be run again at any time.

    \b
    Example:
      flask smmapi init-db
    """
    verb_of_store("create_indexes", otherwise="needs no preparation")()
    if first_number is not None:
        verb_of_store("begin_numbers", "orders", otherwise="numbers its orders itself")(first_number)
    click.echo("The store is ready.")


@click.command()
@older_than("60s", "Orders that have been unpaid for so long.")
@as_json
@with_appcontext
@speaking
def reconcile(older_than: timedelta, as_json: bool) -> None:
    """Finish what a killed process left undone. Exits with 1 if an order could not be put right.

    \b
    Example:
      flask smmapi reconcile
    """
    result = current_state().context.placement.reconcile(older_than)
    if as_json:
        print_json(result._asdict())
    else:
        click.echo(f"{result.abandoned} orders abandoned, {result.paid_back} paid back, {result.failed} failed.")
    if result.failed:
        raise SystemExit(1)


@click.command()
@as_json
@with_appcontext
@speaking
def audit(as_json: bool) -> None:
    """Recompute every account, compare the orders with the ledger. Changes nothing; exits with 1 on a difference.

    \b
    Example:
      flask smmapi audit
    """
    find_differences = verb_of_store("audit", "wallet", "orders", otherwise="keeps no ledger to audit")
    differences = []
    for difference in find_differences(lambda count: click.echo(f"{count} documents read …", err=True)):
        differences.append({"where": difference.where, "what": difference.what})
        if not as_json:
            click.echo(f"{difference.where}: {difference.what}.")
    if as_json:
        print_json({"differences": differences})
    else:
        click.echo(f"{len(differences)} differences.")
    if differences:
        raise SystemExit(1)


COMMANDS = (init_db, reconcile, audit)
