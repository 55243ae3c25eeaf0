"""``flask smmapi services …``: the price list to a file, and from one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import click
from flask.cli import AppGroup

from ..catalog import ServiceList, as_service_list
from ..hooks import Account, Service
from ..money import to_text
from ..price_lists import (
    FORMATS,
    BrokenList,
    Change,
    Changes,
    compare,
    decode,
    format_of,
    marked_up,
    read_rows,
    to_services,
    write,
)
from .arguments import percentage
from .output import adding_to, as_json, confirmed, is_terminal, plain, print_json, written
from .store import changing_verb_of_store, verb_of_store

group = AppGroup("services", help="The price list: to a file, and from one.")
_command = adding_to(group)

SHOWN = 5
"""Rows that are shown of each kind of change."""


@_command("export")
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--output", "path", type=click.Path(dir_okay=False), help="A file; else stdout.")
def export(format: str, path: str | None) -> None:
    """Write the price list, as CSV or as the JSON that the action services answers.

    A cell of the CSV that a spreadsheet would compute, such as =1+1, gets a ' before it; the import takes it off.

    \b
    Example:
      flask smmapi services export --output prices.csv
    """
    with written(path) as file:
        file.write(write(price_list(), format))


@_command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--format", type=click.Choice(FORMATS), help="Else it is seen from the file.")
@click.option("--markup", type=percentage, default="0", metavar="PERCENT", help="Raise every rate by so much.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@confirmed
@as_json
def import_(path: str, format: str | None, markup: Decimal, dry_run: bool, confirmed: bool, as_json: bool) -> None:
    """Put the price list in FILE (- for stdin) in the place of the one that is there: the whole of it, or nothing.

    FILE is a CSV as export writes it, or the JSON that a supplier's action services answers. Shows what changes and
    asks first, since it cannot be undone.

    \b
    Example:
      flask smmapi services import supplier.json --markup 12.5 --dry-run
    """
    if path == "-" and not (confirmed or dry_run):
        raise click.UsageError("Nobody can be asked while stdin is the price list; give --dry-run or --yes.")
    set_services: Callable[[Iterable[Service]], None] = changing_verb_of_store("set_services", "catalog")
    new = ServiceList(_read(path, format, markup))
    changes = compare(price_list(), new)
    imported = not dry_run and bool(changes)
    if not as_json or not (dry_run or confirmed):
        _show(changes, err=as_json)
    if imported:
        if not confirmed:
            click.confirm("The list that is there will be gone. Go on?", abort=True, err=True)
        set_services(new)
    if as_json:
        print_json({"imported": imported, **_as_json(changes)})
    else:
        click.echo(f"{len(new)} services were imported." if imported else "Nothing was imported.")


def price_list() -> ServiceList:
    """The list as it is for an account that has no prices of its own."""
    catalog = verb_of_store("catalog", "catalog")
    return as_service_list(catalog(Account(id="")))


def _read(path: str, format: str | None, markup: Decimal) -> list[Service]:
    with click.open_file(path, "rb") as file:
        data = file.read()
    try:
        text = decode(data)
        rows = read_rows(text, format or format_of(text))
        services = marked_up(to_services(_with_progress(rows)), markup)
    except BrokenList as broken:
        for problem in broken.problems:
            click.echo(plain(problem), err=True)
        raise click.ClickException("The price list is broken; nothing was imported.") from None
    if not services:
        raise click.ClickException("The price list is empty; nothing was imported.")
    return services


def _with_progress(rows: Sequence[Any]) -> Iterable[Any]:
    """*rows*, with a bar on stderr while a person waits for them."""
    if not is_terminal(sys.stderr):
        yield from rows
        return
    with click.progressbar(rows, label="Reading", file=sys.stderr, update_min_steps=100) as bar:
        yield from bar


def _show(changes: Changes, err: bool) -> None:
    """What changes: how many of each kind, and the first of them."""

    def kind(name: str, lines: Sequence[str]) -> None:
        click.echo(f"{len(lines)} {name}", err=err)
        for line in lines[:SHOWN]:
            click.echo(f"  {plain(line)}", err=err)
        if len(lines) > SHOWN:
            click.echo(f"  … and {len(lines) - SHOWN} more", err=err)

    kind("new", [f"{_name(service)}: {to_text(service.rate)}" for service in changes.new])
    kind("gone", [f"{_name(service)}: {to_text(service.rate)}" for service in changes.gone])
    kind("dearer", [_difference(change) for change in changes.dearer])
    kind("cheaper", [_difference(change) for change in changes.cheaper])
    kind("otherwise changed", [_difference(change) for change in changes.changed])
    click.echo(f"{changes.same} as before{', in another order' if changes.reordered else ''}", err=err)


def _difference(change: Change) -> str:
    differences = (
        f"{field} {_value(getattr(change.before, field))} -> {_value(getattr(change.after, field))}"
        for field in change.fields
    )
    return f"{_name(change.after)}: {', '.join(differences)}"


def _value(value: Any) -> str:
    return to_text(value) if isinstance(value, Decimal) else repr(value)


def _name(service: Service) -> str:
    return f"{service.id} {service.name}"


def _as_json(changes: Changes) -> dict[str, Any]:
    kinds = ("new", "gone", "dearer", "cheaper", "changed")
    counts = {kind: len(getattr(changes, kind)) for kind in kinds}
    lists = {kind: [_row(entry) for entry in getattr(changes, kind)] for kind in kinds}
    return {"counts": {**counts, "same": changes.same}, "reordered": changes.reordered, **lists}


def _row(entry: Service | Change) -> dict[str, Any]:
    if isinstance(entry, Service):
        return {"service": entry.id, "name": entry.name, "rate": entry.rate}
    differing = {field: [getattr(entry.before, field), getattr(entry.after, field)] for field in entry.fields}
    return {"service": entry.after.id, "name": entry.after.name, "changes": differing}
