"""Orders and refills in MongoDB. Each verb is one command, but where two callers meet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Any, TypeVar

from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from ...hooks import AccountId, Order, OrderState, Refill
from ...statuses import HIDDEN, OrderStatus, RefillStatus
from .connection import Connection
from .records import (
    OF_ITS_STATE,
    Corrupt,
    Doc,
    from_order,
    from_refill,
    to_order,
    to_order_state,
    to_refill,
    whole,
)

BLOCK = 100
"""Numbers that a process reserves at once."""

_HIDDEN = [status.value for status in HIDDEN]

log = logging.getLogger("flask_smmapi")

R = TypeVar("R", Order, Refill)


class Numbers:
    """Growing numbers for orders and refills, from blocks that a process reserves; what it does not use is lost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Give up the block, which is another process's now."""
        self._lock = threading.Lock()
        self._next = self._end = 0

    def catch_up(self, number: int) -> None:
        """Go on behind *number*, which was given before, though the counter knows nothing of it."""
        with self._lock, self._connection.verb():
            self._connection["meta"].update_one({"_id": "numbers"}, {"$max": {"value": Int64(number)}}, upsert=True)
            self._next = self._end = 0

    def take(self) -> int:
        with self._lock:
            if self._next == self._end:
                self._reserve()
            self._next += 1
            return self._next - 1

    def _reserve(self) -> None:
        last = self._connection["meta"].find_one_and_update(
            {"_id": "numbers"},
            {"$inc": {"value": Int64(BLOCK)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        self._end = whole(last, "value") + 1
        self._next = self._end - BLOCK


class Orders:
    """The order store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = Numbers(connection)

    def add(self, order: Order) -> Order:
        with self._connection.verb():
            while True:
                stored = order.changed(number=self._numbers.take())
                try:
                    self._connection["orders"].insert_one(from_order(stored))
                    return stored
                except DuplicateKeyError as failure:
                    if "number" in (failure.details or {}).get("keyPattern", ()):
                        self._catch_up(order.account)
                        continue
                    if order.idempotency_key is None:
                        raise
                    earlier = self.find_by_key(order.account, order.idempotency_key)
                    if earlier is not None:
                        return earlier  # else it was dropped meanwhile, and its key is free

    def _catch_up(self, account: AccountId) -> None:
        """Numbers begin anew where the counter was lost or restored from a backup."""
        newest = self._connection["orders"].find_one({"account": account}, sort=[("number", -1)])
        log.warning("A number was given twice by the counter in smmapi_meta; it goes on behind the orders that exist.")
        self._numbers.catch_up(whole(newest, "number"))

    def find(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[Order]:
        with self._connection.verb():
            return [to_order(doc) for doc in self._find_docs(account, ids)]

    def find_states(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[OrderState]:
        with self._connection.verb():
            return [to_order_state(doc) for doc in self._find_docs(account, ids, OF_ITS_STATE)]

    def _find_docs(
        self, account: AccountId, ids: Sequence[str | int], fields: Sequence[str] | None = None
    ) -> Iterable[Doc]:
        """The documents of those orders; of each these *fields*, or all."""
        objects, numbers = _split(ids)
        collection = self._connection["orders"]
        found: Iterable[Doc]
        if not numbers:
            # Else the server may prefer the account's index, for an account that has few orders, and keep to it.
            found = collection.find({"account": account, "_id": {"$in": objects}}, fields).hint("_id_")
        else:
            found = collection.find(_either(account, _id=objects, number=numbers), fields)
        return found

    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None:
        with self._connection.verb():
            found = self._connection["orders"].find_one({"account": account, "idempotency_key": idempotency_key})
            return None if found is None else to_order(found)

    def replace(self, order: Order) -> bool:
        with self._connection.verb():
            return self._replace("orders", from_order(order))

    def drop(self, order: Order) -> None:
        with self._connection.verb():
            self._connection["orders"].delete_one(
                {"_id": ObjectId(order.id), "account": order.account, "status": OrderStatus.VOIDING.value}
            )

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Sequence[Order]:
        query: dict[str, Any] = {"account": account, "status": {"$nin": _HIDDEN}}
        if before is not None:
            query["number"] = {"$lt": before}
        with self._connection.verb():
            found = self._connection["orders"].find(query).sort("number", -1).limit(limit)
            return [to_order(doc) for doc in found]

    def unsettled(self, before: datetime) -> Iterator[Order]:
        """A generator, since there may be many after an outage; each page has its own time limit."""
        query = {
            "unsettled": True,
            "$or": [{"status": {"$ne": OrderStatus.UNPAID.value}}, {"created": {"$lt": before}}],
        }
        last: ObjectId | None = None
        while True:
            with self._connection.verb():
                page = {**query, "_id": {"$gt": last}} if last else query
                docs = list(self._connection["orders"].find(page).sort("_id", 1).limit(BLOCK))
            yield from filter(None, (_read_or_log(to_order, doc) for doc in docs))
            if len(docs) < BLOCK:
                return
            last = docs[-1]["_id"]

    def waiting(self, statuses: Sequence[OrderStatus], before: datetime, *, limit: int) -> Iterable[Order]:
        return self._longest_waiting("orders", to_order, statuses, before, limit)

    def refills_waiting(self, statuses: Sequence[RefillStatus], before: datetime, *, limit: int) -> Iterable[Refill]:
        return self._longest_waiting("refills", to_refill, statuses, before, limit)

    def _longest_waiting(
        self, collection: str, read: Callable[[Any], R], statuses: Sequence[Enum], before: datetime, limit: int
    ) -> Sequence[R]:
        query = {"status": {"$in": [status.value for status in statuses]}, "due": {"$lt": before}}
        with self._connection.verb():
            found = self._connection[collection].find(query).sort([("due", 1), ("number", 1)])
            with found.batch_size(limit + 2):  # one of 1 would be the last
                return tuple(islice(filter(None, (_read_or_log(read, doc) for doc in found)), limit))

    def add_refill(self, refill: Refill) -> Refill | None:
        with self._connection.verb():
            stored = replace(refill, number=self._numbers.take())
            try:
                self._connection["refills"].insert_one(from_refill(stored))
            except DuplicateKeyError:
                taken = {"account": refill.account, "order": ObjectId(refill.order), "n": refill.n}
                if self._connection["refills"].find_one(taken) is None:
                    raise
                return None
            return stored

    def find_refills(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[Refill]:
        objects, numbers = _split(ids)
        with self._connection.verb():
            found = self._connection["refills"].find(_either(account, _id=objects, order=objects, number=numbers))
            return [to_refill(doc) for doc in found]

    def replace_refill(self, refill: Refill) -> bool:
        with self._connection.verb():
            return self._replace("refills", from_refill(refill))

    def _replace(self, collection: str, doc: dict[str, Any]) -> bool:
        stored = {"_id": doc["_id"], "account": doc["account"], "revision": doc["revision"]}
        doc["revision"] = Int64(doc["revision"] + 1)
        return self._connection[collection].replace_one(stored, doc).matched_count == 1


def _read_or_log(read: Callable[[Any], R], doc: dict[str, Any]) -> R | None:
    """An order, or a refill, that cannot be read must not keep the others of a list waiting."""
    try:
        return read(doc)
    except Corrupt:
        log.exception("An order or a refill is left out.")
        return None


def _split(ids: Iterable[str | int]) -> tuple[list[ObjectId], list[int]]:
    """The ObjectIds and the numbers among *ids*."""
    objects, numbers = [], []
    for id_ in ids:
        if isinstance(id_, int):
            numbers.append(id_)
        else:
            objects.append(ObjectId(id_))
    return objects, numbers


def _either(account: AccountId, **fields: Sequence[Any]) -> dict[str, Any]:
    """A query for the account's documents that have one of the values in one of the *fields*.

    The account stands in each alternative, so that the server looks for an index for each on its own.
    """
    return {"$or": [{"account": account, name: {"$in": values}} for name, values in fields.items()]}
