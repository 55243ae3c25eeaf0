"""Everything in dictionaries under one lock: for tests, demos, and panels that can lose it all at exit.

It plays every part: ``SmmApi(app, store=MemoryStore())``. One process only, since nothing leaves it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .. import keys
from ..catalog import ServiceList
from ..hooks import Account, AccountId, Order, Refill, Service
from ..money import MAX_UNITS, ZERO, from_units, to_units
from ..owner import (
    KEY_ID,
    LIST_PRICES,
    AccountInfo,
    KeyInfo,
    PricedLists,
    Prices,
    StatementLine,
    account_there,
    adjustment,
    adjustment_reference,
    checked_label,
    checked_limit,
    key_of_another,
    more_than_nothing,
    no_account,
    no_key,
    payment_reference,
    too_much,
)
from ..placement import now
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
    """An account's money: the balance, every movement by its reference, and the statement."""

    units: int = 0
    movements: dict[str, Movement] = field(default_factory=dict)
    lines: list[StatementLine] = field(default_factory=list)


@dataclass
class _Key:
    """A key: its owner, and what may be shown of it."""

    account: AccountId
    prefix: str
    label: str
    dialect: str | None = None
    active: bool = True
    created: datetime = field(default_factory=now)
    last_used: datetime | None = None

    def info(self, digest: str) -> KeyInfo:
        return KeyInfo(
            digest[:KEY_ID], self.prefix, self.label, self.dialect, self.active, self.created, self.last_used
        )

    def revoke(self) -> None:
        self.active, self.dialect = False, None


class MemoryStore:
    """Accounts, keys, services, orders, refills and money of one process."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._lock = threading.RLock()
        self._accounts: dict[AccountId, Account] = {}
        self._created: dict[AccountId, datetime] = {}
        self._inactive: set[AccountId] = set()
        self._prices: dict[AccountId, Prices] = {}
        self._priced = PricedLists()
        self._keys: dict[str, _Key] = {}  # by the digest
        self._services = ServiceList(services)
        self._purses: dict[AccountId, _Purse] = {}
        self._orders: dict[str, Order] = {}
        self._order_ids: dict[tuple[AccountId, int], str] = {}  # by number
        self._keyed: dict[tuple[AccountId, str], str] = {}  # by idempotency key
        self._refills: dict[tuple[AccountId, str], list[Refill]] = {}  # by order
        self._numbers = itertools.count(1)

    # The owner's side: accounts

    def add_account(
        self,
        account: Account,
        *,
        balance: Decimal = ZERO,
        active: bool = True,
        key: str | None = None,
        must_be_new: bool = False,
    ) -> str:
        """Keep *account* with *balance* on it, and give an API key of it, which cannot be read again.

        Repeating it changes the account's fields, but gives the balance once (:meth:`top_up` gives more), resumes no
        account that is paused, and brings no key back that was revoked.

        :param active: whether it may be used; False pauses one that is there.
        :param key: the key that it has already; else it gets a new one.
        :param must_be_new: refuse to repeat it.
        :raises ValueError: if the account was given another balance before, if the key is another account's, or if the
            account is there and must be new; nothing is changed then.
        """
        key = key or keys.generate()
        with self._lock:
            if must_be_new and account.id in self._accounts:
                raise account_there(account.id)
            self._check_owner(account.id, key)
            if balance:
                self.credit(account.id, balance, f"opening:{account.id}")
            self._accounts[account.id] = account
            self._created.setdefault(account.id, now())
            if not active:
                self._inactive.add(account.id)
            known = self._keys.get(keys.digest(key))
            if known is None or known.active or known.account != account.id:
                self.add_key(account.id, key)
        return key

    def accounts(self, after: AccountId | None = None, *, limit: int = 100) -> Sequence[AccountInfo]:
        """A page of the accounts, ordered by id, integers before texts.

        :param after: the last id of the page before.
        :param limit: at most so many, 1 or more.
        """
        with self._lock:
            ids = sorted(self._accounts, key=_rank)
            page = (id_ for id_ in ids if after is None or _rank(id_) > _rank(after))
            return [self._info(id_) for id_ in itertools.islice(page, checked_limit(limit))]

    def account_info(self, account: AccountId) -> AccountInfo | None:
        """The account, or None if there is none with that id."""
        with self._lock:
            return self._info(account) if account in self._accounts else None

    def _info(self, id_: AccountId) -> AccountInfo:
        account, prices = self._accounts[id_], self._prices.get(id_, LIST_PRICES)
        return AccountInfo(
            id=id_,
            currency=account.currency,
            dialect=account.dialect,
            allowed_ips=account.allowed_ips,
            active=id_ not in self._inactive,
            created=self._created[id_],
            balance=self.balance(id_),
            discount=prices.discount,
            rates=prices.by_service(),
        )

    def change_account(self, account: AccountId, **fields: Any) -> None:
        """Change what is named of an account that is there; the rest stays as it is.

        :param fields: ``currency``, ``allowed_ips`` or ``dialect``, as an :class:`Account` has them.
        :raises ValueError: if there is no such account, or one of the values cannot be; nothing is changed then.
        """
        with self._lock:
            self._check(account)
            self._accounts[account] = replace(self._accounts[account], **fields)

    def pause_account(self, account: AccountId) -> None:
        """Refuse every key of *account* from its next request on, until :meth:`resume_account`.

        :raises ValueError: if there is no such account.
        """
        with self._lock:
            self._check(account)
            self._inactive.add(account)

    def resume_account(self, account: AccountId) -> None:
        """Let the keys of *account* in again.

        :raises ValueError: if there is no such account.
        """
        with self._lock:
            self._check(account)
            self._inactive.discard(account)

    def set_prices(
        self,
        account: AccountId,
        *,
        discount: Decimal | None = None,
        rates: Mapping[int, Decimal | None] = MappingProxyType({}),
    ) -> None:
        """Let *account* pay other prices than those of the list. Orders that are placed keep theirs.

        :param discount: in percent, 0 to 100 with two places; None leaves it as it is.
        :param rates: by the service's number, beating the discount; None drops one. Those of other services stay.
        :raises ValueError: if there is no such account, or one of the prices cannot be; nothing is changed then.
        """
        with self._lock:
            self._check(account)
            self._prices[account] = self._prices.get(account, LIST_PRICES).changed(discount, rates)

    def _check(self, account: AccountId) -> None:
        if account not in self._accounts:
            raise no_account(account)

    # Keys

    def add_key(self, account: AccountId, key: str, label: str = "", *, dialect: str | None = None) -> None:
        """Let *key* open the account; only its digest and its first four characters are kept.

        :param dialect: of this key alone; None for the account's, and for what a key has that was there before.
        :raises ValueError: if there is no such account, the key is another one's, or the label or the dialect is none.
        """
        Account(account, dialect=dialect)  # refuses what is no dialect
        with self._lock:
            self._check(account)
            self._check_owner(account, key)
            known = self._keys.setdefault(keys.digest(key), _Key(account, key[:4], checked_label(label)))
            known.active = True
            known.dialect = dialect or known.dialect

    def create_key(self, account: AccountId, label: str = "", dialect: str | None = None) -> str:
        """A new key of the account, which cannot be read again.

        :raises ValueError: if there is no such account, or no such dialect, or the label is none.
        """
        key = keys.generate()
        self.add_key(account, key, label, dialect=dialect)
        return key

    def keys(self, account: AccountId) -> Sequence[KeyInfo]:
        """The account's keys, oldest first, revoked ones too."""
        with self._lock:
            found = [key.info(digest) for digest, key in self._keys.items() if key.account == account]
        return sorted(found, key=lambda info: (info.created, info.key_id))

    def rotate_key(self, account: AccountId, key_id: str) -> str:
        """A new key in the place of one that is in use, with its label and dialect; the old one is refused at once.

        :raises ValueError: if the account has no such key, or it is revoked.
        """
        with self._lock:
            old = self._key(account, key_id)
            if not old.active:
                raise no_key(account, key_id)
            key = self.create_key(account, old.label, old.dialect)
            old.revoke()
            return key

    def revoke_key(self, key: str) -> None:
        """Refuse *key* from now on."""
        with self._lock:
            known = self._keys.get(keys.digest(key))
            if known is not None:
                known.revoke()

    def revoke_key_by_id(self, account: AccountId, key_id: str) -> None:
        """Refuse the key from now on; one that is revoked stays so.

        :raises ValueError: if the account has no such key.
        """
        with self._lock:
            self._key(account, key_id).revoke()

    def _key(self, account: AccountId, key_id: str) -> _Key:
        for digest, key in self._keys.items():
            if key.account == account and digest[:KEY_ID] == key_id:
                return key
        raise no_key(account, key_id)

    def _check_owner(self, account: AccountId, key: str) -> None:
        known = self._keys.get(keys.digest(key))
        if known is not None and known.account != account:
            raise key_of_another()

    # Money

    def top_up(self, account: AccountId, amount: Decimal, payment: str) -> bool:
        """Give what was paid; False if *payment* was booked before, and then nothing changes.

        :param payment: names the payment, such as the payment provider's number of it.
        :raises ValueError: if there is no such account, the payment was booked with another amount, the amount is not
            above 0, or the name is too long for a reference or not ASCII.
        """
        reference, units = payment_reference(payment), more_than_nothing(amount)
        with self._lock:
            self._check(account)
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is not None:
                return not _same(earlier, units)
            _check_room(purse, units)
            self._book(purse, Movement(reference, units), "credit")
            return True

    def adjust(self, account: AccountId, amount: Decimal, reason: str, *, reference: str | None = None) -> bool:
        """Give *amount*, or take it if it is negative; False if there is not enough. *reason* is kept with it.

        :param reference: a repeat with it changes nothing and answers the same; without one each call counts.
        :raises ValueError: if there is no such account, the reference was used with another amount, the amount is 0,
            or the reason is empty or too long.
        """
        units, reference = adjustment(amount, reason), adjustment_reference(reference)
        with self._lock:
            self._check(account)
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is not None:
                return _same(earlier, units)
            if purse.units + units < 0:
                return False
            _check_room(purse, units)
            self._book(purse, Movement(reference, units), "credit" if units > 0 else "debit", reason)
            return True

    def statement(self, account: AccountId, *, limit: int | None = None) -> Iterator[StatementLine]:
        """The movements of the account's money, oldest first.

        :param limit: only so many, the newest.
        """
        with self._lock:
            lines = self._purse(account).lines
            return iter(lines[0 if limit is None else max(len(lines) - limit, 0) :])

    def movements(self, account: AccountId) -> list[Movement]:
        """The account's ledger, oldest entry first."""
        with self._lock:
            return list(self._purse(account).movements.values())

    # Services

    def set_services(self, services: Iterable[Service]) -> None:
        """Put *services* in the place of the price list."""
        self._services = ServiceList(services)

    # Key lookup and catalog

    def key_lookup(self, key: str) -> Account | None:
        known = self._keys.get(keys.digest(key))
        if known is None or not known.active or known.account in self._inactive:
            return None
        known.last_used = now()
        account, own = self._accounts[known.account], known.dialect
        return account if own is None else replace(account, dialect=own)

    def catalog(self, account: Account) -> ServiceList:
        return self._priced(self._services, self._prices.get(account.id, LIST_PRICES))

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
            self._book(purse, Movement(reference, -units), "debit")
            return True

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        units = _positive_units(amount)
        with self._lock:
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is None:
                self._book(purse, Movement(reference, units), "credit")
            else:
                _same(earlier, units)

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            purse = self._purse(account)
            earlier = purse.movements.get(reference)
            if earlier is None:
                self._book(purse, Movement(reference, 0, voided=True), "bar")
            elif not earlier.voided and earlier.units <= 0:
                purse.movements[reference] = earlier._replace(voided=True)
                self._book(purse, Movement(f"{reference}:void", -earlier.units), "void")

    def _purse(self, account: AccountId) -> _Purse:
        return self._purses.setdefault(account, _Purse())

    def _book(self, purse: _Purse, movement: Movement, kind: str, note: str | None = None) -> None:
        """Make the movement, and say so in the statement."""
        self._move(purse, movement)
        amount, balance = from_units(movement.units), from_units(purse.units)
        purse.lines.append(StatementLine(now(), movement.reference, kind, amount, balance, note))

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
            stored = order.changed(number=next(self._numbers))
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
            self._orders[order.id] = order.changed(revision=order.revision + 1)
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


def _rank(id_: AccountId) -> tuple[bool, AccountId]:
    """Where an account comes in the order of ids, which is MongoDB's."""
    return isinstance(id_, str), id_


def _positive_units(amount: Decimal) -> int:
    units = to_units(amount)
    if units < 0:
        raise ValueError(f"{amount} is negative; debit and credit take amounts of 0 and more.")
    return units


def _check_room(purse: _Purse, units: int) -> None:
    if purse.units + units > MAX_UNITS:
        raise too_much(from_units(units))


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
