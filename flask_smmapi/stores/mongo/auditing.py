"""The audit: recomputes every account from its entries, and compares the orders with the ledger. It changes nothing.

It reads both in one pass each, so its memory does not grow with them. What differs is read once more before it is
reported, and orders younger than two minutes are left out: an order that is being placed is in both places soon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from bson.objectid import ObjectId

from ...hooks import AccountId, Order
from ...placement import now
from ...statuses import HIDDEN
from .connection import Connection, one_verb
from .records import Corrupt, entry_id, to_order, whole

YOUNG = timedelta(minutes=2)
"""Orders up to this age may be on their way."""

PROGRESS_EVERY = 10_000
"""Documents between two calls of the progress function."""

BATCH = 500
"""Documents that are compared by one query."""

Document: TypeAlias = "dict[str, Any]"

_ORDER_ID = re.compile(r"[0-9a-f]{24}")


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
    with one_verb(None):
        yield from _audit_ledger(connection, counted)
        yield from _audit_orders(connection, counted, before)
        yield from _audit_debits(connection, counted, before)


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
    for entry in counted.over(connection["ledger"].find().sort([("account", 1), ("seq", 1)])):
        if entry["account"] != account:
            account, seq, balance = entry["account"], 0, 0
        where = f"account {account!r}, entry {entry['_id']!r}"
        if entry["_id"].get("account") != account:
            yield Difference(where, "its _id is another account's")
        try:
            units, found_seq, found = whole(entry, "units"), whole(entry, "seq"), whole(entry, "balance")
        except Corrupt as reason:
            yield Difference(where, str(reason))
            continue
        if found_seq != seq + 1:
            yield Difference(where, f"its number is {found_seq}; {seq + 1} was due")
        if found != balance + units:
            yield Difference(where, f"its balance is {found} units; {balance} and {units} make {balance + units}")
        if found < 0:
            yield Difference(where, f"its balance is {found} units, below zero")
        seq, balance = found_seq, found


def _audit_orders(connection: Connection, counted: _Counter, before: datetime) -> Iterator[Difference]:
    """Each order was paid, and was paid back what it says."""
    for batch in _batches(counted.over(connection["orders"].find({"created": {"$lt": before}}))):
        differing = list(_differences(connection, batch))
        again = connection["orders"].find({"_id": {"$in": [order["_id"] for order, _ in differing]}})
        for order, what in _differences(connection, list(again)):
            yield Difference(f"account {order['account']!r}, order {order['_id']}", what)


def _differences(connection: Connection, orders: list[Document]) -> Iterator[tuple[Document, str]]:
    """Those of *orders* that the ledger does not agree with, and why."""
    suffixes = ("", ":void", ":back:0")
    ids = [entry_id(order["account"], f"{order['_id']}{suffix}") for order in orders for suffix in suffixes]
    entries = {_key(entry): entry for entry in connection["ledger"].find({"_id": {"$in": ids}})}
    for order in orders:
        what = _difference(connection, order, entries)
        if what is not None:
            yield order, what


def _difference(connection: Connection, document: Document, entries: Mapping[Any, Document]) -> str | None:
    try:
        order = to_order(document)
    except Corrupt as reason:
        return str(reason)
    if order.status in HIDDEN:
        return f"it is {order.status.value} for more than two minutes; reconcile abandons it"
    debit = entries.get((order.account, order.id))
    if debit is None or debit["kind"] != "debit" or (order.account, f"{order.id}:void") in entries:
        return "it was never paid"
    charge, due_back = whole(document, "charge"), whole(document, "due_back")
    if whole(debit, "units") != -charge:
        return f"it costs {charge} units; {-whole(debit, 'units')} were taken"
    given = _paid_back(connection, order, entries.get((order.account, f"{order.id}:back:0")))
    if given != due_back:
        return f"{due_back} units are due back; {given} were given"
    return None


def _paid_back(connection: Connection, order: Order, credit: Document | None) -> int:
    """What was given back for *order*; each credit's reference says how much had been given before it."""
    given = 0
    while credit is not None and whole(credit, "units") > 0:
        given += whole(credit, "units")
        credit = connection["ledger"].find_one({"_id": entry_id(order.account, f"{order.id}:back:{given}")})
    return given


def _audit_debits(connection: Connection, counted: _Counter, before: datetime) -> Iterator[Difference]:
    """Each debit that was not undone belongs to an order."""
    old: dict[str, Any] = {"kind": "debit", "at": {"$lt": before}}
    for batch in _batches(counted.over(connection["ledger"].find(old))):
        for entry in _orphans(connection, _orphans(connection, batch)):
            where = f"account {entry['account']!r}, order {entry['_id']['reference']}"
            yield Difference(where, f"{-entry['units']} units were taken, and there is no such order")


def _orphans(connection: Connection, debits: list[Document]) -> list[Document]:
    """Those of *debits* that took money for an order which does not exist, and were not undone."""
    ids = [ObjectId(entry["_id"]["reference"]) for entry in debits if _is_of_order(entry)]
    orders = connection["orders"].find({"_id": {"$in": ids}}, {"account": 1})
    paid = {(order["account"], str(order["_id"])) for order in orders}
    lost = [entry for entry in debits if _is_of_order(entry) and _key(entry) not in paid]
    voids = [entry_id(entry["account"], f"{entry['_id']['reference']}:void") for entry in lost]
    undone = {_key(void) for void in connection["ledger"].find({"_id": {"$in": voids}})}
    return [entry for entry in lost if (entry["account"], f"{entry['_id']['reference']}:void") not in undone]


def _is_of_order(debit: Document) -> bool:
    return bool(_ORDER_ID.fullmatch(debit["_id"]["reference"]))


def _key(entry: Document) -> tuple[AccountId, str]:
    return entry["_id"]["account"], entry["_id"]["reference"]


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, BATCH)):
        yield batch
