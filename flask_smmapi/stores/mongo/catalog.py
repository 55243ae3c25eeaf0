"""The price list in MongoDB: whole editions, of which one counts; and each process's copy of that one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from bson.int64 import Int64
from pymongo import ReturnDocument

from ...catalog import ServiceList
from ...deadline import remaining
from ...hooks import Account, Service, StoreUnavailable
from .connection import VERB_TIMEOUT, Connection
from .records import from_service, to_service, whole

FRESH_FOR = 2.0
"""Seconds that a copy is used before it is asked whether another edition counts by now."""


class PriceList:
    """The services that every account may order.

    A new list is written whole as an edition of its own, and counts from the one write that says so: nobody ever sees
    half of it, and it costs no transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Drop the copy."""
        self._lock = threading.Lock()
        self._services = ServiceList(())
        self._edition = -1
        self._fresh_until = 0.0

    def __call__(self, account: Account) -> ServiceList:
        # Whoever finds the copy old looks after it; the others go on with the old one, but for the very first.
        if time.monotonic() < self._fresh_until:
            return self._services
        if self._lock.acquire(timeout=remaining(VERB_TIMEOUT) if self._edition < 0 else 0):
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
            collection.insert_many(rows)
        with self._connection.verb():
            self._connection["meta"].update_one({"_id": "catalog"}, {"$max": {"value": Int64(edition)}}, upsert=True)
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
            with self._connection.verb():
                rows = self._connection["services"].find({"edition": edition}).sort("position", 1)
                services = ServiceList(map(to_service, rows))
            read, edition = edition, self._current_edition()
            if read == edition:  # else its rows may have been deleted while they were read
                self._services, self._edition = services, edition
        self._fresh_until = time.monotonic() + FRESH_FOR

    def _current_edition(self) -> int:
        with self._connection.verb():
            current = self._connection["meta"].find_one({"_id": "catalog"})
        return 0 if current is None else whole(current, "value")
