"""The audit: recomputes every account from its entries, and compares the orders with the ledger. It changes nothing.

It reads both in one pass each, so its memory does not grow with them. What differs is read once more before it is
reported, and orders younger than two minutes are left out: an order that is being placed is in both places soon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from bson.objectid import ObjectId

from ...hooks import AccountId, Order
from ...money import to_units
from ...placement import now
from ...statuses import HIDDEN
from .connection import Connection
from .records import Corrupt, entry_id, field, to_order, whole

YOUNG = timedelta(minutes=2)
"""Orders up to this age may be on their way."""

PROGRESS_EVERY = 10_000
"""Documents between two calls of the progress function."""

BATCH = 500
"""Documents that are compared by one query."""

Document: TypeAlias = "dict[str, Any]"

_OF_AN_ORDER = re.compile(r"[0-9a-f]{24}(:void|:back:[0-9]+)?")


class Difference(NamedTuple):
    """Something that does not add up.

    :param where: the account, and the order or reference.
    """

    where: str
    what: str


def audit(
    connection: Connection, progress: Callable[[int], None] | None = None, older_than: timedelta = YOUNG
) -> Iterator[Difference]:
    """Every difference in the store.

    :param progress: is told the number of documents read so far, now and then.
    :param older_than: how old an order must be to be looked at.
    :raises StoreUnavailable: if the server cannot be reached.
    """
    counted = _Counter(progress or (lambda count: None))
    before = now() - older_than
    with connection.verb(None):
        yield from _audit_ledger(connection, counted)
        yield from _audit_orders(connection, counted, before)
        yield from _audit_movements(connection, counted, before)


class _Counter:
    """Counts documents, and tells of it."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._count = 0

    def over(self, documents: Any) -> Iterator[Document]:
        for document in documents:
            self._count += 1
            if self._count % PROGRESS_EVERY == 0:
                self._tell(self._count)
            yield document


def _audit_ledger(connection: Connection, counted: _Counter) -> Iterator[Difference]:
    """Each account's entries are numbered without a gap, and each balance is the one before it and the movement."""
    account: Any = None
    seq = balance = 0
    everything = connection["ledger"].find().sort([("account", 1), ("seq", 1)])
    for document in counted.over(everything.batch_size(BATCH)):
        if document.get("account") != account:
            account, seq, balance = document.get("account"), 0, 0
        where = f"account {account!r}, entry {document['_id']!r}"
        try:
            entry = _read_entry(document)
        except Corrupt as reason:
            yield Difference(where, str(reason))
            continue
        if entry.seq != seq + 1:
            yield Difference(where, f"its number is {entry.seq}; {seq + 1} was due")
        if entry.balance != balance + entry.units:
            due = balance + entry.units
            yield Difference(where, f"its balance is {entry.balance} units; {balance} and {entry.units} make {due}")
        if entry.balance < 0:
            yield Difference(where, f"its balance is {entry.balance} units, below zero")
        seq, balance = entry.seq, entry.balance


def _audit_orders(connection: Connection, counted: _Counter, before: datetime) -> Iterator[Difference]:
    """Each order was paid, and was paid back what it says."""
    old = connection["orders"].find(_older("created", before)).batch_size(BATCH)
    for batch in _batches(counted.over(old)):
        differing = [order["_id"] for order, _ in _differences(connection, batch)]
        again = list(connection["orders"].find({"_id": {"$in": differing}}))
        for order, what in _differences(connection, again):
            yield Difference(f"account {order.get('account')!r}, order {order['_id']}", what)


def _differences(connection: Connection, orders: list[Document]) -> list[tuple[Document, str]]:
    """Those of *orders* that the ledger does not agree with, and why."""
    entries = _find(
        connection, [(order.get("account"), f"{order['_id']}{end}") for order in orders for end in ("", ":void")]
    )
    differing = []
    for order in orders:
        try:
            what = _difference(connection, order, entries)
        except Corrupt as reason:
            what = str(reason)
        if what is not None:
            differing.append((order, what))
    return differing


def _difference(connection: Connection, document: Document, entries: Mapping[Any, Document]) -> str | None:
    order = to_order(document)
    if order.status in HIDDEN:
        return f"it is {order.status.value} for more than two minutes; reconcile abandons it"
    stored = entries.get((order.account, order.id))
    debit = None if stored is None else _read_entry(stored)
    if debit is None or debit.kind != "debit" or (order.account, f"{order.id}:void") in entries:
        return "it was never paid"
    charge, due_back = to_units(order.charge), to_units(order.due_back)
    if debit.units != -charge:
        return f"it costs {charge} units; {-debit.units} were taken"
    given = _paid_back(connection, order) if due_back else 0
    return f"{due_back} units are due back; {given} were given" if given != due_back else None


def _paid_back(connection: Connection, order: Order) -> int:
    """What was given back for *order*, in whatever parts."""
    first, behind = entry_id(order.account, f"{order.id}:back:"), entry_id(order.account, f"{order.id}:back;")
    credits = connection["ledger"].find({"account": order.account, "_id": {"$gt": first, "$lt": behind}})
    return sum(_read_entry(credit).units for credit in credits)


def _audit_movements(connection: Connection, counted: _Counter, before: datetime) -> Iterator[Difference]:
    """Each movement that was made for an order belongs to one: its debit, what undid that, what was paid back."""
    old = connection["ledger"].find(_older("at", before)).batch_size(BATCH)
    for batch in _batches(counted.over(old)):
        strays = [entry for entry, _ in _strays(connection, _of_orders(batch))]
        for entry, what in _strays(connection, strays):
            yield Difference(f"account {entry.account!r}, order {entry.reference[:24]}", what)


def _of_orders(documents: list[Document]) -> list[Entry]:
    """The entries among *documents* that were made for an order; those that cannot be read were reported before."""
    entries = []
    for document in documents:
        with suppress(Corrupt):
            entry = _read_entry(document)
            if _OF_AN_ORDER.fullmatch(entry.reference) and entry.kind != "bar":
                entries.append(entry)
    return entries


def _strays(connection: Connection, entries: list[Entry]) -> list[tuple[Entry, str]]:
    """Those of *entries* that no order explains, and why."""
    ids = {entry.reference[:24] for entry in entries}
    found = connection["orders"].find({"_id": {"$in": [ObjectId(id_) for id_ in ids]}}, {"account": 1, "due_back": 1})
    orders = {(order.get("account"), str(order["_id"])): order.get("due_back") for order in found}
    others = _find(
        connection, [(entry.account, f"{entry.reference[:24]}{end}") for entry in entries for end in ("", ":void")]
    )
    strays = ((entry, _stray(entry, orders, others)) for entry in entries)
    return [(entry, what) for entry, what in strays if what is not None]


def _stray(entry: Entry, orders: Mapping[Any, Any], others: Mapping[Any, Document]) -> str | None:
    order = (entry.account, entry.reference[:24])
    debit = others.get(order)
    if entry.kind == "debit":
        known = order in orders or (entry.account, f"{entry.reference}:void") in others
        return None if known else f"{-entry.units} units were taken, and there is no such order"
    if entry.kind == "void":
        undone = debit is not None and debit.get("kind") == "debit" and debit.get("units") == -entry.units
        return None if undone else f"{entry.units} units were given to undo a debit that is not there"
    owed = orders.get(order)
    before = int(entry.reference.rpartition(":")[2])
    if isinstance(owed, int) and before + entry.units <= owed:
        return None
    return f"{entry.units} units were given back that no order owes"


class Entry(NamedTuple):
    """A document of the ledger, found to be in order."""

    account: AccountId
    reference: str
    kind: str
    seq: int
    units: int
    balance: int


def _read_entry(document: Document) -> Entry:
    key = field(document, "_id", dict)
    if "account" not in document or key.get("account") != document["account"]:
        raise Corrupt(document, "its _id is another account's")
    return Entry(
        document["account"],
        field(key, "reference", str),
        field(document, "kind", str),
        whole(document, "seq"),
        whole(document, "units"),
        whole(document, "balance"),
    )


def _find(connection: Connection, keys: list[tuple[Any, str]]) -> dict[Any, Document]:
    """The entries with these accounts and references, by both."""
    found = connection["ledger"].find({"_id": {"$in": [entry_id(*key) for key in keys]}})
    return {(entry["_id"].get("account"), entry["_id"].get("reference")): entry for entry in found}


def _older(name: str, before: datetime) -> Document:
    """A query for what is old enough, and for what says nothing of its age."""
    return {"$or": [{name: {"$lt": before}}, {name: {"$not": {"$type": "date"}}}]}


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, BATCH)):
        yield batch
