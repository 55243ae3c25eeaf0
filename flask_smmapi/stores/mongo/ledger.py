"""The wallet: an append-only ledger. One document a movement, with the balance after it; the newest is the balance.

A movement is one insert: atomic on a standalone server and on a cluster, without a transaction. Two unique indexes
decide every race: ``_id`` (account, reference) makes a repeat harmless, (account, seq) lets one writer win. The newest
entry of an account is kept in memory and written upon optimistically; a refusal is always decided on an entry freshly
read.

Within a process the movements of one account queue up. Whoever finds no writer at work takes all that wait and writes
them in one ordered ``insert_many``, so a crash leaves a prefix of them, and never a gap.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from bson.int64 import Int64
from pymongo.errors import BulkWriteError

from ...deadline import remaining
from ...hooks import AccountId, StoreUnavailable
from ...money import MAX_UNITS, from_units, to_units
from ...owner import (
    StatementLine,
    adjustment,
    adjustment_reference,
    more_than_nothing,
    no_account,
    payment_reference,
    too_much,
)
from ...placement import now
from .connection import VERB_TIMEOUT, Connection
from .records import Corrupt, entry_id, field, to_statement_line, whole

MAX_BATCH = 100
"""Movements that one insert takes along."""

MAX_ACCOUNTS = 10_000
"""Accounts whose newest entry is kept in memory."""

PAGE = 500
"""Entries that a statement reads at once."""

_DUPLICATE_KEY = 11000


class Newest(NamedTuple):
    """Where an account stands."""

    seq: int
    balance: int


@dataclasses.dataclass(eq=False)
class Movement:
    """A movement that somebody waits for, and what became of it.

    :param units: 10⁻⁸ units given (positive) or taken (negative).
    :param note: is kept with it.
    :param done: whether something has become of it.
    :param refused: whether the balance did not allow it.
    :param earlier: the entry that is stored under the reference already.
    """

    reference: str
    units: int
    kind: str
    note: str | None = None
    done: bool = False
    refused: bool = False
    earlier: Mapping[str, Any] | None = None
    failure: Exception | None = None


@dataclasses.dataclass(eq=False)
class Queue:
    """The movements of one account that wait in this process, and its newest entry as far as we know."""

    changed: threading.Condition = dataclasses.field(default_factory=threading.Condition)
    waiting: list[Movement] = dataclasses.field(default_factory=list)
    writing: bool = False
    newest: Newest | None = None

    def turn(self, movement: Movement) -> list[Movement]:
        """Wait until *movement* is done, or until it is our turn to write: then what waits, it or others before it.

        :raises StoreUnavailable: if no writer came to it in time.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: movement.done or not self.writing, remaining(VERB_TIMEOUT)):
                if movement in self.waiting:
                    self.waiting.remove(movement)
                    raise StoreUnavailable("The movements of one account have queued up for too long.")
                self.changed.wait_for(lambda: movement.done)  # it is being written, which takes no longer than a verb
            if movement.done:
                return []
            self.writing = True
            batch = self.waiting[:MAX_BATCH]
            del self.waiting[:MAX_BATCH]
            return batch

    def finish(self, batch: list[Movement]) -> None:
        """The turn is over; whoever waits for one of *batch* goes on."""
        with self.changed:
            self.writing = False
            for movement in batch:
                movement.done = True
            self.changed.notify_all()


class Queues:
    """The queues of the accounts that were used most recently."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop what is in memory; the database has it all."""
        self._lock = threading.Lock()
        self._queues: dict[AccountId, Queue] = {}

    def __getitem__(self, account: AccountId) -> Queue:
        with self._lock:
            queue = self._queues.pop(account, None) or Queue()
            self._queues[account] = queue  # the most recently used is last
            if len(self._queues) > MAX_ACCOUNTS:
                # Whoever still holds it writes on; two queues of an account only meet in the database.
                del self._queues[next(iter(self._queues))]
            return queue


class Ledger:
    """The money of every account of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queues = Queues()

    def balance(self, account: AccountId) -> Decimal:
        with self._connection.verb():
            return from_units(self._read_newest(account).balance)

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        units = _not_negative(amount)
        movement = self._submit(account, Movement(reference, -units, "debit"))
        if movement.earlier is None:
            return not movement.refused
        if field(movement.earlier, "kind", str) == "bar":
            return False
        _check_same(movement.earlier, -units)
        with self._connection.verb():
            return self._find(account, f"{reference}:void") is None

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        units = _not_negative(amount)
        movement = self._submit(account, Movement(reference, units, "credit"))
        if movement.refused:
            raise too_much(amount)
        if movement.earlier is not None:
            _check_same(movement.earlier, units)

    def void(self, account: AccountId, reference: str) -> None:
        # The bar first: while it is not there, the debit may still come.
        earlier = self._submit(account, Movement(reference, 0, "bar")).earlier
        if earlier is not None and field(earlier, "kind", str) == "debit":
            taken = -whole(earlier, "units")
            if taken < 0:
                raise Corrupt(earlier, "it is a debit that gives")
            if self._submit(account, Movement(f"{reference}:void", taken, "void")).refused:
                raise ValueError(f"The debit {reference!r} cannot be undone: the balance would not fit into 64 bits.")

    def top_up(self, account: AccountId, amount: Decimal, payment: str) -> bool:
        """Give what was paid; False if *payment* was booked before, and then nothing changes.

        :param payment: names the payment, such as the payment provider's number of it.
        :raises ValueError: if there is no such account, the payment was booked with another amount, the amount is not
            above 0, or the name is too long for a reference or not ASCII.
        """
        movement = Movement(payment_reference(payment), more_than_nothing(amount), "credit")
        self._move(account, movement)
        return movement.earlier is None

    def adjust(self, account: AccountId, amount: Decimal, reason: str, *, reference: str | None = None) -> bool:
        """Give *amount*, or take it if it is negative; False if there is not enough. *reason* is kept with it.

        :param reference: a repeat with it changes nothing and answers the same; without one each call counts.
        :raises ValueError: if there is no such account, the reference was used with another amount, the amount is 0,
            or the reason is empty or too long.
        """
        units = adjustment(amount, reason)
        kind = "credit" if units > 0 else "debit"
        movement = Movement(adjustment_reference(reference), units, kind, reason)
        self._move(account, movement)
        return not movement.refused

    def _move(self, account: AccountId, movement: Movement) -> None:
        """Have the owner's *movement* written, unless it is there already."""
        with self._connection.verb():
            if self._connection["accounts"].find_one({"_id": account}, {"_id": 1}) is None:
                raise no_account(account)
        self._submit(account, movement)
        if movement.refused and movement.units > 0:
            raise too_much(from_units(movement.units))
        if movement.earlier is not None:
            _check_same(movement.earlier, movement.units)

    def statement(self, account: AccountId, *, limit: int | None = None) -> Iterator[StatementLine]:
        """The movements of the account's money, oldest first. They are read in pages, so memory does not grow.

        :param limit: only so many, the newest.
        """
        last = 0
        if limit is not None:
            with self._connection.verb():
                last = max(self._read_newest(account).seq - limit, 0)
        return islice(self._lines_behind(account, last), limit)  # more may come while we read

    def _lines_behind(self, account: AccountId, seq: int) -> Iterator[StatementLine]:
        while page := self._read_behind(account, seq):
            yield from map(to_statement_line, page)
            seq = whole(page[-1], "seq")

    def _read_behind(self, account: AccountId, seq: int) -> list[dict[str, Any]]:
        """A page of the entries behind the one numbered *seq*."""
        behind = {"account": account, "seq": {"$gt": Int64(seq)}}
        with self._connection.verb():
            return list(self._connection["ledger"].find(behind).sort("seq", 1).limit(PAGE))

    def entries(self, account: AccountId) -> Iterator[dict[str, Any]]:
        """The account's entries, oldest first."""
        return iter(self._connection["ledger"].find({"account": account}).sort("seq", 1))

    def _submit(self, account: AccountId, movement: Movement) -> Movement:
        """Have *movement* written, by us or by whoever writes the account's movements just now."""
        queue = self._queues[account]
        with queue.changed:
            queue.waiting.append(movement)
        while batch := queue.turn(movement):
            self._take_turn(account, queue, batch)
        if movement.failure is not None:
            raise movement.failure
        return movement

    def _take_turn(self, account: AccountId, queue: Queue, batch: list[Movement]) -> None:
        """Write *batch*. If that fails, the outcome is unknown for all of it that is not done."""
        try:
            self._write(account, queue, batch)
        except BaseException as failure:
            queue.newest = None
            ours = failure if isinstance(failure, Exception) else StoreUnavailable("The writer was stopped.")
            for movement in batch:
                movement.failure = None if movement.done else ours
            if not isinstance(failure, Exception):
                raise
        finally:
            queue.finish(batch)

    def _write(self, account: AccountId, queue: Queue, batch: list[Movement]) -> None:
        """Write the movements of *batch* in their order; those that the balance does not allow are refused."""
        with self._connection.verb():
            pending = batch
            while pending:
                known = queue.newest
                newest = known or self._read_newest(account)
                entries, allowed = _entries(account, newest, pending)
                if entries:
                    queue.newest = self._insert(account, newest, entries, allowed)
                elif known is None:
                    self._refuse(account, pending)
                    queue.newest = newest
                else:
                    queue.newest = None
                pending = [movement for movement in pending if not movement.done]

    def _insert(
        self, account: AccountId, newest: Newest, entries: list[dict[str, Any]], movements: Sequence[Movement]
    ) -> Newest | None:
        """Insert *entries* one behind the other as far as it goes; where the account stands then, if we know."""
        stop = len(entries)
        collision: Mapping[str, Any] | None = None
        try:
            self._connection["ledger"].insert_many(entries)
        except BulkWriteError as failure:
            errors = failure.details["writeErrors"]
            if failure.details.get("writeConcernErrors") or errors[0]["code"] != _DUPLICATE_KEY:
                raise
            stop = errors[0]["index"]
            collision = self._find(account, movements[stop].reference)
        for movement in movements[:stop]:
            movement.done = True
        if stop < len(entries):
            if collision is None:  # not our reference but our place was taken: another process writes too
                return None
            movements[stop].earlier = collision
            movements[stop].done = True
        return Newest(entries[stop - 1]["seq"], entries[stop - 1]["balance"]) if stop else newest

    def _refuse(self, account: AccountId, movements: list[Movement]) -> None:
        """The balance allows none of *movements*; but what was debited before, and emptied the wallet, stands."""
        for movement in movements:
            movement.earlier = self._find(account, movement.reference)
            movement.refused = movement.earlier is None
            movement.done = True

    def _read_newest(self, account: AccountId) -> Newest:
        entry = self._connection["ledger"].find_one({"account": account}, sort=[("seq", -1)])
        if entry is None:
            return Newest(0, 0)
        newest = Newest(whole(entry, "seq"), whole(entry, "balance"))
        if newest.balance < 0:
            raise Corrupt(entry, "its balance is below zero")
        return newest

    def _find(self, account: AccountId, reference: str) -> Mapping[str, Any] | None:
        return self._connection["ledger"].find_one({"account": account, "_id": entry_id(account, reference)})


def _entries(
    account: AccountId, newest: Newest, pending: list[Movement]
) -> tuple[list[dict[str, Any]], list[Movement]]:
    """The entries of those *pending* movements that the balance allows, one behind the other, and the movements."""
    at = now()
    seq, balance = newest
    entries, allowed = [], []
    for movement in pending:
        if not 0 <= balance + movement.units <= MAX_UNITS:
            continue
        seq, balance = seq + 1, balance + movement.units
        allowed.append(movement)
        entries.append(
            {
                "_id": entry_id(account, movement.reference),
                "account": account,
                "seq": Int64(seq),
                "kind": movement.kind,
                "units": Int64(movement.units),
                "balance": Int64(balance),
                "at": at,
                **({} if movement.note is None else {"note": movement.note}),
            }
        )
    return entries, allowed


def _not_negative(amount: Decimal) -> int:
    units = to_units(amount)
    if units < 0:
        raise ValueError(f"{amount} is negative; debit and credit take amounts of 0 and more.")
    return units


def _check_same(entry: Mapping[str, Any], units: int) -> None:
    if whole(entry, "units") != units:
        raise ValueError(f"The reference {entry['_id']['reference']!r} was used with another amount before.")
