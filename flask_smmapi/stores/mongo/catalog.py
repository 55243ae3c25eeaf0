"""The price list in MongoDB: whole editions, of which one counts; what accounts pay; each process's copy of both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from bson.int64 import Int64
from pymongo import ReturnDocument

from ...catalog import ServiceList
from ...deadline import remaining
from ...hooks import Account, AccountId, Service, StoreUnavailable
from ...owner import LIST_PRICES, PricedLists, Prices, no_account
from .connection import Connection
from .records import Doc, from_prices, from_service, to_prices, to_service, whole

FRESH_FOR = 2.0
"""Seconds that a copy is used before it is asked whether another edition counts by now."""

ROWS_AT_ONCE = 1_000
"""Rows of the list that are fetched, and in memory as documents, at a time."""

LIST_TIMEOUT = 10.0
"""Seconds that reading the whole list may take, if the request has so much left: ten thousand rows are many fetches."""

MAX_ACCOUNTS = 10_000
"""Accounts whose prices are kept in memory."""


class _Known(NamedTuple):
    """The prices of an account as they were read."""

    times_set: int
    prices: Prices
    fresh_until: float


class AccountPrices:
    """What each account pays instead of the list's prices, and this process's copy of it.

    The key lookup reads the account anyway, and says how often its prices were set: as long as that stays, the copy
    stays fresh. An account that came from elsewhere costs one query each :data:`FRESH_FOR` seconds.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Drop the copy."""
        self._lock = threading.Lock()
        self._known: dict[AccountId, _Known] = {}

    def __call__(self, account: AccountId) -> Prices:
        known = self._known.get(account)
        if known is not None and time.monotonic() < known.fresh_until:
            return known.prices
        found = self._find(account) or {}
        prices = to_prices(found)
        self._keep(account, _times_set(found), prices)
        return prices

    def note(self, account: Doc) -> None:
        """Keep the copy for longer, or drop it: the document *account* was read just now."""
        times_set = _times_set(account)
        known = self._known.get(account["_id"])
        if times_set == 0:
            self._keep(account["_id"], 0, LIST_PRICES)
        elif known is not None and known.times_set == times_set:
            self._keep(account["_id"], times_set, known.prices)
        else:
            self.drop(account["_id"])

    def set(self, account: AccountId, discount: Decimal | None, rates: Mapping[int, Decimal | None]) -> None:
        """Change the prices of *account*; other processes see it within :data:`FRESH_FOR` seconds.

        :raises ValueError: if there is no such account, or one of the prices cannot be.
        """
        while not self._replace(account, discount, rates):
            pass  # somebody else has set them since we read them, so that this ends
        self.drop(account)

    def _replace(self, account: AccountId, discount: Decimal | None, rates: Mapping[int, Decimal | None]) -> bool:
        """Set the changed prices, unless others were set since they were read."""
        found = self._find(account)
        if found is None:
            raise no_account(account)
        changed = from_prices(to_prices(found).changed(discount, rates))
        as_read = {"_id": account, "prices": found.get("prices")}  # None finds one without the field, too
        fields = {**changed, "prices": Int64(_times_set(found) + 1)}
        with self._connection.verb():
            return bool(self._connection["accounts"].update_one(as_read, {"$set": fields}).matched_count)

    def drop(self, account: AccountId) -> None:
        """Read the prices of *account* anew before they are used."""
        with self._lock:
            self._known.pop(account, None)

    def _find(self, account: AccountId) -> Doc | None:
        with self._connection.verb():
            return self._connection["accounts"].find_one({"_id": account}, {"discount": 1, "rates": 1, "prices": 1})

    def _keep(self, account: AccountId, times_set: int, prices: Prices) -> None:
        with self._lock:
            self._known.pop(account, None)
            self._known[account] = _Known(times_set, prices, time.monotonic() + FRESH_FOR)  # the newest is last
            if len(self._known) > MAX_ACCOUNTS:
                del self._known[next(iter(self._known))]


def _times_set(account: Doc) -> int:
    return whole(account, "prices") if "prices" in account else 0


class PriceList:
    """The services that every account may order, at its prices.

    A new list is written whole as an edition of its own, and counts from the one write that says so: nobody ever sees
    half of it, and it costs no transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.prices = AccountPrices(connection)
        self.forget()

    def forget(self) -> None:
        """Drop the copy."""
        self.prices.forget()
        self._priced = PricedLists()
        self._lock = threading.Lock()
        self._services = ServiceList(())
        self._edition = -1
        self._fresh_until = 0.0

    def __call__(self, account: Account) -> ServiceList:
        return self._priced(self._list(), self.prices(account.id))

    def _list(self) -> ServiceList:
        # Whoever finds the copy old looks after it; the others go on with the old one, but for the very first.
        if time.monotonic() < self._fresh_until:
            return self._services
        if self._lock.acquire(timeout=max(0.0, remaining(LIST_TIMEOUT)) if self._edition < 0 else 0):
            try:
                if time.monotonic() >= self._fresh_until:
                    self._refresh()
            finally:
                self._lock.release()
        elif self._edition < 0:
            raise StoreUnavailable("The price list has not been read in time.")
        return self._services

    def set(self, services: Iterable[Service]) -> None:
        """Put *services* in the place of the list; other processes see it within :data:`FRESH_FOR` seconds."""
        with self._connection.verb():
            edition = self._reserve()
        rows = [from_service(service, edition, position) for position, service in enumerate(services)]
        collection = self._connection["services"]
        if rows:
            with self._connection.verb(None):  # thousands take their time
                collection.insert_many(rows)
        with self._connection.verb():
            self._connection["meta"].update_one({"_id": "catalog"}, {"$max": {"value": Int64(edition)}}, upsert=True)
        with self._connection.verb(None):
            collection.delete_many({"edition": {"$lt": edition}})
        self._fresh_until = 0.0

    def _reserve(self) -> int:
        """A number for an edition that is being written."""
        last = self._connection["meta"].find_one_and_update(
            {"_id": "editions"}, {"$inc": {"value": Int64(1)}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return whole(last, "value")

    def _refresh(self) -> None:
        edition = self._current_edition()
        while edition != self._edition:
            with self._connection.verb(LIST_TIMEOUT):
                rows = self._connection["services"].find({"edition": edition}).sort("position", 1)
                services = ServiceList(map(to_service, rows.batch_size(ROWS_AT_ONCE)))
            read, edition = edition, self._current_edition()
            if read == edition:  # else its rows may have been deleted while they were read
                self._services, self._edition = services, edition
        self._fresh_until = time.monotonic() + FRESH_FOR

    def _current_edition(self) -> int:
        with self._connection.verb():
            current = self._connection["meta"].find_one({"_id": "catalog"})
        return 0 if current is None else whole(current, "value")
