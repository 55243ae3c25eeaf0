"""Everything in dictionaries under one lock: for tests, demos, and panels that can lose it all at exit.

It plays every part: ``SmmApi(app, store=MemoryStore())``. One process only, since nothing leaves it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, TypeVar

from .. import keys
from ..catalog import ServiceList
from ..hooks import Account, AccountId, Order, Refill, Service
from ..money import ZERO, from_units, to_units
from ..statuses import HIDDEN, OrderStatus, RefillStatus

Record = TypeVar("Record", Order, Refill)


class Movement(NamedTuple):
    """One entry of an account's ledger.

    :param units: 10⁻⁸ units given (positive) or taken (negative); 0 bars the debit of `reference`.
    """

    reference: str
    units: int
    voided: bool = False


@dataclass
class _Purse:
    """An account's money: the balance, and every movement by its reference."""

    units: int = 0
    movements: dict[str, Movement] = field(default_factory=dict)


class MemoryStore:
    """Accounts, keys, services, orders, refills and money of one process."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._lock = threading.RLock()
        self._accounts: dict[AccountId, Account] = {}
        self._account_of: dict[str, AccountId] = {}  # by the digest of the key
        self._dialect_of: dict[str, str] = {}  # likewise, of keys that have one of their own
        self._inactive: set[AccountId] = set()
        self._services = ServiceList(services)
        self._purses: dict[AccountId, _Purse] = {}
        self._orders: dict[str, Order] = {}
        self._order_ids: dict[tuple[AccountId, int], str] = {}  # by number
        self._keyed: dict[tuple[AccountId, str], str] = {}  # by idempotency key
        self._refills: dict[tuple[AccountId, str], list[Refill]] = {}  # by order
        self._numbers = itertools.count(1)

    # The owner's side: accounts, keys, services

    def add_account(
        self, account: Account, *, balance: Decimal = ZERO, active: bool = True, key: str | None = None
    ) -> str:
        """Keep *account* with *balance* on it, and give an API key of it, which cannot be read again.

        Repeating it changes the account's fields, but gives the balance once; ``credit`` gives more.

        :param key: the key that it has already; else it gets a new one.
        :raises ValueError: if it was given another balance before; nothing is changed then.
        """
        key = key or keys.generate()
        with self._lock:
            if balance:
                self.credit(account.id, balance, f"opening:{account.id}")
            self._accounts[account.id] = account
            (self._inactive.discard if active else self._inactive.add)(account.id)
            self.add_key(account.id, key)
        return key

    def add_key(self, account: AccountId, key: str, *, dialect: str | None = None) -> None:
        """Let *key* open the account; only its digest is kept.

        :param dialect: of this key alone; None for the account's, and for what a key has that was there before.
        :raises ValueError: if it is another account's, or the dialect is none.
        """
        Account(account, dialect=dialect)  # refuses what is no dialect
        with self._lock:
            if self._account_of.setdefault(keys.digest(key), account) != account:
                raise ValueError("This key is another account's.")
            if dialect is not None:
                self._dialect_of[keys.digest(key)] = dialect

    def revoke_key(self, key: str) -> None:
        """Refuse *key* from now on."""
        with self._lock:
            self._account_of.pop(keys.digest(key), None)
            self._dialect_of.pop(keys.digest(key), None)

    def set_services(self, services: Iterable[Service]) -> None:
        """Put *services* in the place of the price list."""
        self._services = ServiceList(services)

    def movements(self, account: AccountId) -> list[Movement]:
        """The account's ledger, oldest entry first."""
        with self._lock:
            return list(self._purse(account).movements.values())

    # Key lookup and catalog

    def key_lookup(self, key: str) -> Account | None:
        digest = keys.digest(key)
        account_id = self._account_of.get(digest)
        if account_id is None or account_id in self._inactive:
            return None
        account, own = self._accounts[account_id], self._dialect_of.get(digest)
        return account if own is None else replace(account, dialect=own)

    def catalog(self, account: Account) -> ServiceList:
        return self._services

    # Wallet

    def balance(self, account: AccountId) -> Decimal:
        with self._lock:
            return from_units(self._purse(account).units)

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        units = _positive_units(amount)
        with self._lock:
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is not None:
                return not earlier.voided and _same(earlier, -units)
            if purse.units < units:
                return False
            self._move(purse, Movement(reference, -units))
            return True

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        units = _positive_units(amount)
        with self._lock:
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is None:
                self._move(purse, Movement(reference, units))
            else:
                _same(earlier, units)

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            purse = self._purse(account)
            debit = purse.movements.get(reference, Movement(reference, 0))
            if not debit.voided:
                purse.movements[reference] = debit._replace(voided=True)
                if debit.units:
                    self._move(purse, Movement(f"{reference}:void", -debit.units))

    def _purse(self, account: AccountId) -> _Purse:
        return self._purses.setdefault(account, _Purse())

    def _move(self, purse: _Purse, movement: Movement) -> None:
        purse.movements[movement.reference] = movement
        purse.units += movement.units

    # Orders

    def add(self, order: Order) -> Order:
        with self._lock:
            key = order.idempotency_key
            if key is not None:
                earlier = self._keyed.setdefault((order.account, key), order.id)
                if earlier != order.id:
                    return self._orders[earlier]
            stored = replace(order, number=next(self._numbers))
            self._orders[order.id] = stored
            self._order_ids[order.account, stored.number] = order.id
            return stored

    def find(self, account: AccountId, ids: Sequence[str | int]) -> list[Order]:
        with self._lock:
            keys_ = (self._order_ids.get((account, id_)) if isinstance(id_, int) else id_ for id_ in ids)
            found = (self._orders.get(key) for key in keys_ if key is not None)
            return [order for order in found if order is not None and order.account == account]

    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None:
        with self._lock:
            order_id = self._keyed.get((account, idempotency_key))
            return None if order_id is None else self._orders[order_id]

    def replace(self, order: Order) -> bool:
        with self._lock:
            stored = self._orders.get(order.id)
            if stored is None or stored.revision != order.revision:
                return False
            self._orders[order.id] = replace(order, revision=order.revision + 1)
            return True

    def drop(self, order: Order) -> None:
        with self._lock:
            stored = self._orders.get(order.id)
            if stored is not None and stored.status is OrderStatus.VOIDING:
                del self._orders[order.id]
                del self._order_ids[stored.account, stored.number]
                if stored.idempotency_key is not None:
                    del self._keyed[stored.account, stored.idempotency_key]

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Sequence[Order]:
        with self._lock:
            page = (
                order
                for order in reversed(self._orders.values())
                if order.account == account and order.status not in HIDDEN and (before is None or order.number < before)
            )
            return tuple(itertools.islice(page, limit))

    def unsettled(self, before: datetime) -> Iterable[Order]:
        with self._lock:
            return tuple(order for order in self._orders.values() if _is_unsettled(order, before))

    def waiting(self, statuses: Sequence[OrderStatus], before: datetime, *, limit: int) -> Iterable[Order]:
        with self._lock:
            return _longest_waiting(self._orders.values(), statuses, before, limit)

    def refills_waiting(self, statuses: Sequence[RefillStatus], before: datetime, *, limit: int) -> Iterable[Refill]:
        with self._lock:
            return _longest_waiting(itertools.chain(*self._refills.values()), statuses, before, limit)

    # Refills

    def add_refill(self, refill: Refill) -> Refill | None:
        with self._lock:
            earlier = self._refills.setdefault((refill.account, refill.order), [])
            if any(other.n == refill.n for other in earlier):
                return None
            stored = replace(refill, number=next(self._numbers))
            earlier.append(stored)
            return stored

    def find_refills(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[Refill]:
        wanted = set(ids)
        with self._lock:
            return [
                refill
                for (owner, _), refills in self._refills.items()
                if owner == account
                for refill in refills
                if wanted & {refill.id, refill.number, refill.order}
            ]

    def replace_refill(self, refill: Refill) -> bool:
        with self._lock:
            refills = self._refills.get((refill.account, refill.order), [])
            for position, stored in enumerate(refills):
                if stored.id == refill.id and stored.revision == refill.revision:
                    refills[position] = replace(refill, revision=refill.revision + 1)
                    return True
            return False


def _positive_units(amount: Decimal) -> int:
    units = to_units(amount)
    if units < 0:
        raise ValueError(f"{amount} is negative; debit and credit take amounts of 0 and more.")
    return units


def _same(earlier: Movement, units: int) -> bool:
    """True, for a repeat of *earlier*."""
    if earlier.units != units:
        raise ValueError(f"The reference {earlier.reference!r} was used with another amount before.")
    return True


def _longest_waiting(
    records: Iterable[Record], statuses: Sequence[Enum], before: datetime, limit: int
) -> tuple[Record, ...]:
    """What is in one of the *statuses* and due, that which has been due for longest first."""
    due = [(record.due, record.number, record) for record in records if record.status in statuses and record.due]
    return tuple(record for moment, _, record in sorted(due)[:limit] if moment < before)


def _is_unsettled(order: Order, before: datetime) -> bool:
    if order.status is OrderStatus.UNPAID:
        return order.created < before
    return order.status is OrderStatus.VOIDING or order.paid_back != order.due_back
