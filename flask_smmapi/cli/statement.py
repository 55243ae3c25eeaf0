"""``flask smmapi statement``: each movement of an account's money."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import click
from flask.cli import with_appcontext

from ..hooks import AccountId
from ..money import to_text
from ..owner import StatementLine
from ..price_lists import protected
from .accounts import check_account
from .arguments import ACCOUNT
from .output import as_json, is_terminal, print_json, print_table, speaking, written
from .store import verb_of_store

COLUMNS = tuple(field.name for field in fields(StatementLine))


@click.command()
@ACCOUNT
@click.option("--limit", type=click.IntRange(1), help="Only so many, the newest.")
@click.option("--output", "path", type=click.Path(dir_okay=False), help="A CSV file; else stdout.")
@as_json
@with_appcontext
@speaking
def statement(account: AccountId, limit: int | None, path: str | None, as_json: bool) -> None:
    """Every movement of ACCOUNT's money, oldest first: a table in a terminal, else CSV.

    An order's debit has the order's id as its reference, and what was paid back has <id>:back:…. A cell that a
    spreadsheet would compute, such as =1+1, gets a ' before it.

    \b
    Example:
      flask smmapi statement 42 --output april.csv
    """
    check_account(account)
    lines: Iterable[StatementLine] = verb_of_store("statement", "wallet")(account, limit=limit)
    if as_json:
        print_json([asdict(line) for line in lines])
    elif path is None and is_terminal():
        print_table(COLUMNS, [[getattr(line, name) for name in COLUMNS] for line in lines])
    else:
        with written(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(map(_row, lines))


def _row(line: StatementLine) -> list[Any]:
    return [
        line.when.isoformat(timespec="seconds").replace("+00:00", "Z"),
        protected(line.reference),
        line.kind,
        to_text(line.amount),
        to_text(line.balance),
        protected(line.note or ""),
    ]
