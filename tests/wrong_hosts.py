"""Wrong hosts: the mistakes that integrators make, one in each, in a host that is right for the rest."""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any

from flask import Flask, current_app

from flask_smmapi import Account, Order, OrderState, OrderStatus, Refill, Service, ServiceList, SmmApi
from flask_smmapi.hooks import AccountId
from flask_smmapi.keys import PATTERN
from flask_smmapi.money import ZERO, from_units, price, to_units
from flask_smmapi.statuses import HIDDEN, RefillStatus, is_allowed
from flask_smmapi.stores.memory import MemoryStore, Movement, _Purse
from flask_smmapi.testing import Host

from .panel import SERVICES, host_of

PAYS: Mapping[AccountId, int] = {7: 100_000, "seven": 87_655}
"""What each account pays of 100,000 of the list price."""

RATES = {7: {123: Decimal("1.00000000")}, "seven": {123: Decimal("0.87655000")}}


class Session(threading.local):
    """What each thread keeps for itself."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}


class Right(MemoryStore):
    """Everything in memory, and a discount for one account. No mistake is in it.

    `notes` and `session` are for what a wrong host remembers, of all threads or of one.
    """

    def __init__(self) -> None:
        self.notes: dict[Any, Any] = {}
        self.session = Session()
        super().__init__()

    @classmethod
    def as_host(cls) -> Host:
        """A new host of this kind, as the kit takes it."""
        return replace(host_of(cls()), rates=RATES)

    def set_services(self, services: Iterable[Service]) -> None:
        self._price_lists = {
            account: ServiceList([replace(row, rate=price(row.rate, share, 100_000)) for row in services])
            for account, share in PAYS.items()
        }

    def catalog(self, account: Account) -> Any:
        return self._price_lists[account.id]

    def find_movement(self, account: AccountId, reference: str) -> Movement | None:
        return self._purse(account).movements.get(reference)

    def take(self, account: AccountId, amount: Decimal, reference: str) -> None:
        self._move(self._purse(account), Movement(reference, -to_units(amount)))


# Right hosts, though unusual ones


@dataclass(frozen=True, slots=True)
class Member(Account):
    """The account of a panel that hands more than its id from the key lookup to the catalog."""

    share: int = 0


class Unusual(Right):
    """Whatever the Protocols leave open is done in another way than by our own stores."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1000, 7)

    def key_lookup(self, key: str) -> Account | None:
        account = super().key_lookup(key)
        return account and Member(account.id, currency="EUR", share=PAYS[account.id])

    def catalog(self, account: Any) -> Iterator[Service]:
        return (replace(row, rate=price(row.rate, account.share, 100_000)) for row in SERVICES)

    def balance(self, account: AccountId) -> Decimal:
        return super().balance(account).normalize()

    def add(self, order: Order) -> Order:
        """Orders refer to services, flags are numbers, parameters may not be changed, and revisions begin at 1."""
        assert order.service in (row.id for row in SERVICES[:1])
        flags: Any = {"cancelable": int(order.cancelable), "refillable": int(order.refillable)}
        return super().add(replace(order, params=MappingProxyType({**order.params}), revision=1, **flags))

    def find(self, *call: Any) -> Any:
        return iter(super().find(*call)[::-1])

    def drop(self, order: Order) -> None:
        """Refills refer to orders."""
        assert not [*self.find_refills(order.account, [order.id])]
        super().drop(order)

    def unsettled(self, before: datetime) -> Iterator[Order]:
        return iter([*super().unsettled(before)])

    def waiting(self, *call: Any, limit: int) -> Iterator[Order]:
        return iter([*super().waiting(*call, limit=limit)])

    def refills_waiting(self, *call: Any, limit: int) -> Iterator[Refill]:
        return iter([*super().refills_waiting(*call, limit=limit)])

    def add_refill(self, refill: Refill) -> Refill | None:
        assert [*self.find(refill.account, [refill.order])]
        return super().add_refill(replace(refill, revision=1))


class NoQueue(Right):
    """The panel has a fulfilment of its own, and leaves out what the desk alone asks for."""

    waiting: Any = None
    refills_waiting: Any = None


class InAnApp(Right):
    """Works in an application context alone, and knows that no key comes which is not of the app's pattern."""

    @classmethod
    def as_host(cls) -> Host:
        store = cls()
        known = host_of(store)
        one, other = (store.create_app() for _ in range(2))
        again = Host(other, accounts=known.accounts)
        return Host(one, accounts=known.accounts, keys=known.keys, rates=RATES, again=again)

    def create_app(self) -> Flask:
        app = Flask(__name__)
        app.extensions["panel"] = self
        SmmApi(app, store=self)
        return app

    def key_lookup(self, key: str) -> Account | None:
        self._check_context()
        if not re.fullmatch(PATTERN, key):
            raise ValueError(key)
        return super().key_lookup(key)

    def catalog(self, account: Account) -> Any:
        self._check_context()
        return super().catalog(account)

    def _purse(self, account: AccountId) -> _Purse:
        self._check_context()
        return super()._purse(account)

    def _check_context(self) -> None:
        assert current_app.extensions["panel"] is self


# Wallets: amounts


class FloatBalance(Right):
    """A balance is a float."""

    def balance(self, account: AccountId) -> Any:
        return float(super().balance(account))


class NoBalanceYet(Right):
    """The balance of an account without movements is SQL's sum of no rows."""

    def balance(self, account: AccountId) -> Any:
        return super().balance(account) if self._purse(account).movements else None


class FloatColumn(Right):
    """Amounts are Decimals outside, but the column is a float."""

    def _move(self, purse: _Purse, movement: Movement) -> None:
        total = float(from_units(purse.units)) + float(from_units(movement.units))
        super()._move(purse, movement)
        purse.units = round(total * 1e8)


class Cents(Right):
    """Amounts are rounded to cents."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        return super().debit(account, round(amount, 2), reference)

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        super().credit(account, round(amount, 2), reference)


class NarrowType(Right):
    """The query's type is too narrow for the largest charge, which is an error in place of a refusal."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if amount >= 10**10:
            raise OverflowError("numeric field overflow")
        return super().debit(account, amount, reference)


class AmountsAsText(Right):
    """A repeat is known by the text of its amount."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.notes.setdefault((account, reference), str(amount)) != str(amount):
            raise ValueError("another amount")
        return super().debit(account, amount, reference)


class OnePurse(Right):
    """The query does not name the account."""

    def _purse(self, account: AccountId) -> _Purse:
        return super()._purse("everybody")


# Wallets: never below zero


class Overdraft(Right):
    """The balance is not compared."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            if self.find_movement(account, reference) is None:
                self.take(account, amount, reference)
            return super().debit(account, amount, reference)


class CreditLimit(Right):
    """An account may owe a hundred."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            if self.find_movement(account, reference) is None and self.balance(account) + 100 >= amount:
                self.take(account, amount, reference)
            return super().debit(account, amount, reference)


class MoreThan(Right):
    """'>' where '>=' is meant."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            if self.find_movement(account, reference) is None and not self.balance(account) > amount:
                return False
            return super().debit(account, amount, reference)


class ZeroIsNoAmount(Right):
    """'if not amount' where 'if amount is None' is meant."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        return False if not amount else super().debit(account, amount, reference)


class NoneForFalse(Right):
    """Debit ends without a return where it should answer False."""

    def debit(self, *call: Any) -> Any:
        return super().debit(*call) or None


class RowCountForTrue(Right):
    """Debit answers how many rows were changed."""

    def debit(self, *call: Any) -> Any:
        return int(super().debit(*call))


# Wallets: references


class TakesAgain(Right):
    """A repeated debit takes again."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            earlier = self.find_movement(account, reference)
            if earlier is not None and not earlier.voided and self.balance(account) >= amount:
                self._purse(account).units -= to_units(amount)
            return super().debit(account, amount, reference)


class GivesAgain(Right):
    """A repeated credit gives again."""

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        with self._lock:
            if self.find_movement(account, reference) is not None:
                self._purse(account).units += to_units(amount)
            super().credit(account, amount, reference)


class BalanceBeforeReference(Right):
    """The balance is compared before debit looks for its own reference."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            return self.balance(account) >= amount and super().debit(account, amount, reference)


class AnyAmount(Right):
    """A repeat is known by its reference alone, whatever its amount."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        earlier = self.find_movement(account, reference)
        return super().debit(account, from_units(-earlier.units) if earlier else amount, reference)

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        earlier = self.find_movement(account, reference)
        super().credit(account, from_units(earlier.units) if earlier else amount, reference)


class SwallowedExceptions(Right):
    """Whatever goes wrong is False."""

    def debit(self, *call: Any) -> bool:
        try:
            return super().debit(*call)
        except Exception:
            return False


class SharedReferences(Right):
    """A reference is unique across accounts, so that one account's debit counts as another's."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.notes.setdefault(reference, account) != account:
            return True
        return super().debit(account, amount, reference)


class ShortReferences(Right):
    """The column has 64 characters, and the database cuts what is longer."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        return super().debit(account, amount, reference[:64])


# Wallets: void


class VoidGivesEachTime(Right):
    """Void gives the debit back without looking whether it has done so."""

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            debit = self.find_movement(account, reference)
            if debit is not None and debit.voided:
                self._purse(account).units -= debit.units
            super().void(account, reference)


class VoidGivesWhatWasAsked(Right):
    """Void gives blindly what debit was asked for, though it was refused."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        self.notes[account, reference] = amount
        return super().debit(account, amount, reference)

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            asked = self.notes.get((account, reference))
            if asked and self.find_movement(account, reference) is None:
                self._purse(account).units += to_units(asked)
            super().void(account, reference)


class VoidDeletes(Right):
    """Void gives back and deletes the debit, so that a late repeat takes the money again."""

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            debit = self._purse(account).movements.pop(reference, None)
            if debit is not None:
                self._purse(account).units -= debit.units


class VoidNeedsADebit(Right):
    """Void does nothing if there is no debit, so that a slow one comes after its void."""

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            if self.find_movement(account, reference) is not None:
                super().void(account, reference)


class VoidSkipsZero(Right):
    """Void does nothing if there is nothing to give back."""

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            debit = self.find_movement(account, reference)
            if debit is None or debit.units:
                super().void(account, reference)


class VoidBarsOnce(Right):
    """A bar is taken away when it has refused its debit."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self._lock:
            earlier = self.find_movement(account, reference)
            if earlier is None or not earlier.voided:
                return super().debit(account, amount, reference)
            del self._purse(account).movements[reference]
            return False


class VoidIsForgotten(Right):
    """Only the newest ten voids are known."""

    def void(self, account: AccountId, reference: str) -> None:
        with self._lock:
            super().void(account, reference)
            self.notes[account, reference] = "the newest"
            if len(self.notes) > 10:
                account, reference = next(iter(self.notes))
                self._purse(account).movements.pop(reference)
                del self.notes[account, reference]


# Wallets: committed, and read anew


class Uncommitted(Right):
    """Each thread has a session, and nobody commits it."""

    def _purse(self, account: AccountId) -> _Purse:
        purse: _Purse = self.session.kept.setdefault(account, _Purse())
        return purse


class WritesBehind(Right):
    """Another connection sees what was done by a job that writes it later, if ever."""

    @classmethod
    def as_host(cls) -> Host:
        return replace(super().as_host(), again=Right.as_host())


class CachedBalance(Right):
    """The session keeps the balance that it has read until it writes one, and debit compares that."""

    def balance(self, account: AccountId) -> Decimal:
        balance: Decimal = self.session.kept.setdefault(account, super().balance(account))
        return balance

    def _move(self, *call: Any) -> None:
        super()._move(*call)
        self.session.kept.clear()

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        is_new = self.find_movement(account, reference) is None
        return not (is_new and self.balance(account) < amount) and super().debit(account, amount, reference)


# Wallets: races


class ReadThenWrite(Right):
    """The balance is read, compared and written back in steps, and nothing is locked."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.find_movement(account, reference) is not None:
            return super().debit(account, amount, reference)
        left = self.balance(account) - amount
        if left < 0:
            return False
        self.take(account, amount, reference)
        self._purse(account).units = to_units(left)
        return True


class ReadThenWriteCredit(Right):
    """The balance is read, raised and written back in steps, and nothing is locked."""

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        raised = self.balance(account) + amount
        if self.find_movement(account, reference) is not None:
            return super().credit(account, amount, reference)
        super().credit(account, amount, reference)
        self._purse(account).units = to_units(raised)


class LockOfTheProcess(ReadThenWrite):
    """The same under a lock, but one of this process, which keeps no other process out."""

    def __init__(self) -> None:
        self.mine = threading.Lock()
        super().__init__()

    @classmethod
    def as_host(cls) -> Host:
        known, elsewhere = super().as_host(), cls()
        vars(elsewhere).update({**vars(known.wallet), "mine": elsewhere.mine})
        return replace(known, again=Host(accounts=known.accounts, wallet=elsewhere, orders=elsewhere))

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        with self.mine:
            return super().debit(account, amount, reference)


class ReferenceBeforeLock(Right):
    """Debit looks for its reference before it takes the lock, and not again."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.find_movement(account, reference) is not None:
            return super().debit(account, amount, reference)
        with self._lock:
            enough = self.balance(account) >= amount
            if enough:
                self.take(account, amount, reference)
            return enough


class UniqueIndexRaises(Right):
    """Of racing repeats the unique index lets one through, and the others raise."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.find_movement(account, reference) is None:
            with self._lock:
                if self.find_movement(account, reference) is not None:
                    raise sqlite3.IntegrityError("UNIQUE constraint failed")
                return super().debit(account, amount, reference)
        return super().debit(account, amount, reference)


class LoserFindsItEmpty(Right):
    """'UPDATE … WHERE balance >= amount' comes before the unique index; the loser of a race changes no row."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.find_movement(account, reference) is not None:
            return super().debit(account, amount, reference)
        with self._lock:
            return self.balance(account) >= amount and super().debit(account, amount, reference)


class BusyIsFalse(Right):
    """A lock that somebody else holds counts as too little money."""

    def debit(self, *call: Any) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return super().debit(*call)
        finally:
            self._lock.release()


class VoidInTwoSteps(Right):
    """Void looks whether it was done before, then does it, and nothing is locked."""

    def void(self, account: AccountId, reference: str) -> None:
        debit = self.find_movement(account, reference) or Movement(reference, 0)
        if not debit.voided:
            purse = self._purse(account)
            purse.movements[reference] = debit._replace(voided=True)
            if debit.units:
                self._move(purse, Movement(f"{reference}:void", -debit.units))


class VoidLooksBeforeItLocks(Right):
    """Void finds no debit and bars it, but one was made between the two."""

    def void(self, account: AccountId, reference: str) -> None:
        if self.find_movement(account, reference) is not None:
            return super().void(account, reference)
        with self._lock:
            self._purse(account).movements[reference] = Movement(reference, 0, voided=True)


class DebitLooksBeforeItLocks(Right):
    """Debit finds no void and takes, but one was made between the two."""

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        barred = self.find_movement(account, reference) == Movement(reference, 0, voided=True)
        with self._lock:
            if not barred and self.find_movement(account, reference) == Movement(reference, 0, voided=True):
                del self._purse(account).movements[reference]
            return super().debit(account, amount, reference)


class TwoLocks(Right):
    """Each verb locks its own account first, and then the other one, to sum up what all have."""

    def __init__(self) -> None:
        super().__init__()
        self._locks: dict[AccountId, Any] = {account: threading.RLock() for account in PAYS}

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        [other] = self._locks.keys() - {account}
        with self._locks[account], self._locks[other]:
            return super().debit(account, amount, reference)


# Order stores: fields


class LostParameters(Right):
    """Only the parameters that somebody thought of have a column."""

    def add(self, order: Order) -> Order:
        known = {name: order.params[name] for name in ("link", "quantity", "comments") if name in order.params}
        return super().add(replace(order, params=known))


class CutsTexts(Right):
    """A text column has 255 characters, and the database cuts what is longer."""

    longest = 255

    def add(self, order: Order) -> Order:
        params = {name: text.encode()[: self.longest].decode(errors="ignore") for name, text in order.params.items()}
        return super().add(replace(order, params=params))


class CutsLongTexts(CutsTexts):
    """A text column has 65,535 bytes, and the database cuts what is longer."""

    longest = 65_535


class NoEmoji(Right):
    """The column's encoding knows characters of three bytes at most."""

    def add(self, order: Order) -> Order:
        params = {name: "".join(c if c < "\U00010000" else "?" for c in text) for name, text in order.params.items()}
        return super().add(replace(order, params=params))


class FloatCharges(Right):
    """Amounts of an order come back as floats."""

    def add(self, order: Order) -> Order:
        fields: Any = {name: float(getattr(order, name)) for name in ("due_back", "paid_back")}
        return super().add(replace(order, **fields))


class TextStatus(Right):
    """The status comes back as the text of its column, which is equal to it, but not it."""

    def add(self, order: Order) -> Order:
        status: Any = order.status.value
        return super().add(replace(order, status=status))


class ListOfChildren(Right):
    """The numbers of child orders come back as JSON has them."""

    def add(self, order: Order) -> Order:
        children: Any = [*order.children]
        return super().add(replace(order, children=children))


class NaiveTimes(Right):
    """Times come back without their zone."""

    def find(self, *call: Any) -> list[Order]:
        return [replace(order, created=order.created.replace(tzinfo=None)) for order in super().find(*call)]


class LocalTimes(Right):
    """Times come back in the server's zone."""

    def find(self, *call: Any) -> list[Order]:
        zone = timezone(timedelta(hours=3))
        return [replace(order, created=order.created.astimezone(zone)) for order in super().find(*call)]


class NumbersOfEachAccount(Right):
    """Each account's orders are numbered 1, 2, 3…"""

    def add(self, order: Order) -> Order:
        self._numbers = itertools.count(1 + sum(stored.account == order.account for stored in self._orders.values()))
        return super().add(order)


class RandomNumbers(Right):
    """Numbers are drawn by lot."""

    def add(self, order: Order) -> Order:
        self._numbers = itertools.count(random.randrange(10**6))
        return super().add(order)


class LargestNumberPlusOne(Right):
    """The next number is the largest one plus 1, so that a dropped order's number comes again."""

    def add(self, order: Order) -> Order:
        with self._lock:
            self._numbers = itertools.count(1 + max((stored.number for stored in self._orders.values()), default=0))
            return super().add(order)


class NumberInTwoSteps(Right):
    """The next number is read and raised in two steps."""

    last = 0

    def add(self, order: Order) -> Order:
        number = self.last + 1
        stored = super().add(order)
        if stored.id == order.id:
            self.last = number
            stored = self._orders[order.id] = replace(stored, number=number)
        return stored


# Order stores: finding


class NumbersAlone(Right):
    """Find knows an order's number, not its id."""

    def find(self, account: AccountId, ids: Iterable[str | int]) -> list[Order]:
        return super().find(account, [id_ for id_ in ids if isinstance(id_, int)])


class FindHidesUnpaid(Right):
    """Find hides the orders that clients must not see, and the extension does not find them either."""

    def find(self, *call: Any) -> list[Order]:
        return [order for order in super().find(*call) if order.status not in HIDDEN]


class EmptyIn(Right):
    """An empty list of ids makes the query 'IN ()'."""

    def find(self, account: AccountId, ids: Any) -> list[Order]:
        if not ids:
            raise sqlite3.OperationalError('near ")": syntax error')
        return super().find(account, ids)


class SmallNumbers(Right):
    """A number of more than 32 bits does not fit into the query."""

    def find(self, account: AccountId, ids: Any) -> list[Order]:
        if any(isinstance(id_, int) and id_ >= 2**31 for id_ in ids):
            raise OverflowError("integer out of range")
        return super().find(account, ids)


class AnybodysOrders(Right):
    """Find does not name the account."""

    def find(self, account: AccountId, ids: Any) -> list[Order]:
        return [order for everybody in PAYS for order in super(AnybodysOrders, self).find(everybody, ids)]


class AnybodysKeys(Right):
    """Find_by_key does not name the account."""

    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None:
        found = (super(AnybodysKeys, self).find_by_key(everybody, idempotency_key) for everybody in PAYS)
        return next(filter(None, found), None)


class AnybodysPages(Right):
    """List does not name the account."""

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Any:
        pages = [super(AnybodysPages, self).list(everybody, limit=limit, before=before) for everybody in PAYS]
        return sorted(itertools.chain(*pages), key=lambda order: -order.number)[:limit]


class AnybodysRefills(Right):
    """Find_refills does not name the account."""

    def find_refills(self, account: AccountId, ids: Any) -> Any:
        return [refill for everybody in PAYS for refill in super(AnybodysRefills, self).find_refills(everybody, ids)]


# Order stores: idempotency keys


class KeyHidesUnpaid(Right):
    """Find_by_key hides the order that was stored and not paid yet."""

    def find_by_key(self, *call: Any) -> Order | None:
        found = super().find_by_key(*call)
        return None if found is None or found.status in HIDDEN else found


class NoKeyColumn(Right):
    """The idempotency key is not kept."""

    def add(self, order: Order) -> Order:
        return super().add(replace(order, idempotency_key=None))


class NoUniqueKey(Right):
    """Two orders may have one key; the newest is found."""

    def add(self, order: Order) -> Order:
        with self._lock:
            self._keyed.pop((order.account, order.idempotency_key or ""), None)
            return super().add(order)


class KeyOfAllAccounts(Right):
    """The unique index is on the key alone."""

    def add(self, order: Order) -> Order:
        with self._lock:
            for (_, key), id_ in self._keyed.items():
                if key == order.idempotency_key:
                    return self._orders[id_]
            return super().add(order)


class TakenKeyRaises(Right):
    """Add raises what the unique index raises."""

    def add(self, order: Order) -> Order:
        stored = super().add(order)
        if stored.id != order.id:
            raise sqlite3.IntegrityError("UNIQUE constraint failed")
        return stored


class KeysWithoutCase(Right):
    """The database compares keys without regard to case."""

    def add(self, order: Order) -> Order:
        with self._lock:
            for (account, key), id_ in self._keyed.items():
                if account == order.account and key.lower() == (order.idempotency_key or "").lower():
                    return self._orders[id_]
            return super().add(order)


class ShortKeys(Right):
    """The unique index is on the key's first 64 characters."""

    def add(self, order: Order) -> Order:
        return super().add(replace(order, idempotency_key=order.idempotency_key and order.idempotency_key[:64]))

    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None:
        return super().find_by_key(account, idempotency_key[:64])


class LooksThenInserts(Right):
    """Add looks for the key and inserts in two steps, and no unique index decides."""

    def add(self, order: Order) -> Order:
        earlier = order.idempotency_key and self.find_by_key(order.account, order.idempotency_key)
        if earlier:
            return earlier
        with self._lock:
            self._keyed.pop((order.account, order.idempotency_key or ""), None)
            return super().add(order)


# Order stores: replacing and dropping


class WritesTheStatusAlone(Right):
    """Replace writes the status, and nothing else that has changed."""

    def replace(self, order: Order) -> bool:
        stored = self._orders.get(order.id, order)
        return super().replace(replace(stored, status=order.status, revision=order.revision))


class RowCountOfReplace(Right):
    """Replace answers how many rows were changed."""

    def replace(self, order: Order) -> Any:
        return int(super().replace(order))


class RevisionStays(Right):
    """Replace does not raise the revision."""

    def replace(self, order: Order) -> bool:
        with self._lock:
            replaced = super().replace(order)
            if replaced:
                self._orders[order.id] = order
            return replaced


class LastOneWins(Right):
    """The revision is not compared."""

    def replace(self, order: Order) -> bool:
        with self._lock:
            stored = self._orders.get(order.id)
            return stored is not None and super().replace(replace(order, revision=stored.revision))


class ComparesTheStatus(Right):
    """Whether the order may go from the stored status to the new one is asked in the place of the revision."""

    def replace(self, order: Order) -> bool:
        with self._lock:
            stored = self._orders.get(order.id)
            if stored is None or not (stored.status is order.status or is_allowed(stored.status, order.status)):
                return False
            return super().replace(replace(order, revision=stored.revision))


class Upsert(Right):
    """Replace stores an order that is not there."""

    def replace(self, order: Order) -> bool:
        if order.id not in self._orders:
            self._orders[order.id] = order
        return super().replace(order)


class ReadsThenReplaces(Right):
    """Replace compares the revision, then writes, and nothing is locked."""

    def replace(self, order: Order) -> bool:
        stored = self._orders.get(order.id)
        if stored is None or stored.revision != order.revision:
            return False
        self._orders[order.id] = replace(order, revision=order.revision + 1)
        return True


class DropsNothing(Right):
    """Drop marks the order for a job that deletes it later; until then its key is taken."""

    def drop(self, order: Order) -> None:
        return None


class DropsByIdAlone(Right):
    """Drop deletes the order, whatever its status."""

    def drop(self, order: Order) -> None:
        with self._lock:
            if order.id in self._orders:
                self._orders[order.id] = replace(self._orders[order.id], status=OrderStatus.VOIDING)
            super().drop(order)


class DropBelievesItsArgument(Right):
    """Drop asks the record that it is given for its status, not the one that is stored."""

    def drop(self, order: Order) -> None:
        with self._lock:
            if order.status is OrderStatus.VOIDING and order.id in self._orders:
                self._orders[order.id] = order
            super().drop(order)


# Order stores: committed, and read anew


class UncommittedOrders(Right):
    """Each thread has a session, and nobody commits it."""

    @property
    def _orders(self) -> dict[Any, Any]:
        return self.session.kept

    @_orders.setter
    def _orders(self, orders: dict[Any, Any]) -> None:
        self.session.kept = orders


class StaleOrders(Right):
    """The session gives the order again that it has read before, until it writes one."""

    def find(self, *call: Any) -> list[Order]:
        return [self.session.kept.setdefault(order.id, order) for order in super().find(*call)]

    def replace(self, order: Order) -> bool:
        self.session.kept.clear()
        return super().replace(order)


# Order stores: listing


class OldestFirst(Right):
    """A page begins with the oldest order."""

    def list(self, *args: Any, **options: Any) -> Any:
        return super().list(*args, **options)[::-1]


class BeforeIncludes(Right):
    """'Before' a number includes it, so that the last order of a page is on the next one too."""

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Any:
        return super().list(account, limit=limit, before=None if before is None else before + 1)


class TwentyAPage(Right):
    """A page has twenty orders if no limit is given."""

    def list(self, account: AccountId, *, limit: int = 20, before: int | None = None) -> Any:
        return super().list(account, limit=limit, before=before)


class ShowsUnpaid(Right):
    """List shows every order of the account."""

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Any:
        orders = [order for order in self._orders.values() if order.account == account]
        return [order for order in orders[::-1] if before is None or order.number < before][:limit]


class HidesAfterTheCut(ShowsUnpaid):
    """Unpaid orders are taken out of the page after it was cut, which leaves it short."""

    def list(self, *args: Any, **options: Any) -> Any:
        return [order for order in super().list(*args, **options) if order.status not in HIDDEN]


class ForgetsUnpaid(Right):
    """Unsettled leaves out what was never confirmed."""

    def unsettled(self, before: datetime) -> Iterable[Order]:
        return [order for order in super().unsettled(before) if order.status is not OrderStatus.UNPAID]


class ForgetsVoiding(Right):
    """Unsettled leaves out what is half abandoned."""

    def unsettled(self, before: datetime) -> Iterable[Order]:
        return [order for order in super().unsettled(before) if order.status is not OrderStatus.VOIDING]


class ForgetsWhatIsOwed(Right):
    """Unsettled leaves out what is not fully paid back."""

    def unsettled(self, before: datetime) -> Iterable[Order]:
        return [order for order in super().unsettled(before) if order.status in HIDDEN]


class UnsettledOfOneAccount(Right):
    """Unsettled looks at the orders of one account."""

    def unsettled(self, before: datetime) -> Iterable[Order]:
        return [order for order in super().unsettled(before) if order.account == 7]


class UnsettledOfAnyAge(Right):
    """Unsettled gives what is just being placed."""

    def unsettled(self, before: datetime) -> Iterable[Order]:
        return super().unsettled(before + timedelta(days=365))


class States(Right):
    """Gives the states of orders; no mistake so far."""

    def find_states(self, account: AccountId, ids: Any) -> Any:
        names = [field.name for field in fields(OrderState)]
        return [OrderState(*[getattr(order, name) for name in names]) for order in super().find(account, ids)]


class StatesOfAnybody(States):
    """The query for the states names no account."""

    def find_states(self, account: AccountId, ids: Any) -> Any:
        accounts = {order.account for order in self._orders.values()}
        return [state for each in accounts for state in super(StatesOfAnybody, self).find_states(each, ids)]


class StatesWithoutRefunds(States):
    """What was paid back is no column of the query for the states."""

    def find_states(self, account: AccountId, ids: Any) -> Any:
        return [replace(state, due_back=ZERO) for state in super().find_states(account, ids)]


# Order stores: work that waits


class OneQueue(Right):
    """Somebody has forgotten the refills."""

    refills_waiting: Any = None


class Queues(Right):
    """What waits, orders or refills, is asked for in one place; no mistake so far."""

    def waiting(self, statuses: Any, before: datetime, *, limit: int) -> Any:
        return self.query([*self._orders.values()], statuses, before, limit)

    def refills_waiting(self, statuses: Any, before: datetime, *, limit: int) -> Any:
        return self.query([*itertools.chain(*self._refills.values())], statuses, before, limit)

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        found = [record for record in records if record.status in statuses and self.is_due(record, before)]
        return sorted(found, key=self.place)[:limit]

    def is_due(self, record: Any, before: datetime) -> bool:
        return record.due is not None and record.due < before

    def place(self, record: Any) -> Any:
        return record.due


class QueueOfOneAccount(Queues):
    """The query names the account, as all others do."""

    def query(self, records: list[Any], *call: Any) -> list[Any]:
        return super().query([record for record in records if record.account == 7], *call)


class QueueOfAnyStatus(Queues):
    """The query does not mind the statuses."""

    def query(self, records: list[Any], statuses: Any, *call: Any) -> list[Any]:
        return super().query(records, [*OrderStatus, *RefillStatus], *call)


class QueueOfOneStatus(Queues):
    """The query asks for the first one of the statuses."""

    def query(self, records: list[Any], statuses: Any, *call: Any) -> list[Any]:
        return super().query(records, statuses[:1], *call)


class DueAtTheMoment(Queues):
    """'<=' where '<' is meant."""

    def is_due(self, record: Any, before: datetime) -> bool:
        return record.due is not None and record.due <= before


class DueInTheServersZone(Queues):
    """The moment is compared without its zone, in which the server is three hours ahead."""

    def is_due(self, record: Any, before: datetime) -> bool:
        return super().is_due(record, before + timedelta(hours=3))


class DueWithoutAMoment(Queues):
    """What is never due counts as due."""

    def is_due(self, record: Any, before: datetime) -> bool:
        return record.due is None or record.due < before

    def place(self, record: Any) -> Any:
        return record.due or record.created


class DueSinceItsCreation(Queues):
    """The age is asked for in the place of what is due."""

    def is_due(self, record: Any, before: datetime) -> bool:
        return bool(record.created < before)


class NewestWorkFirst(Queues):
    """What has become due just now comes first, as on a page of orders."""

    def place(self, record: Any) -> Any:
        return -record.due.timestamp()


class WorkByItsNumber(Queues):
    """What was placed first comes first, whatever is due."""

    def place(self, record: Any) -> Any:
        return record.number


class EndlessQueue(Queues):
    """The limit is ignored."""

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        return super().query(records, statuses, before, len(records))


class LimitOfEachStatus(Queues):
    """Each status is asked for on its own, up to the limit."""

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        pages = [super(LimitOfEachStatus, self).query(records, [status], before, limit) for status in statuses]
        return sorted(itertools.chain(*pages), key=self.place)


class CutsBeforeItSorts(Queues):
    """As many as are asked for are taken, and sorted then."""

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        found = [record for record in records if record.status in statuses and self.is_due(record, before)]
        return super().query(found[:limit], statuses, before, limit)


class CutsBeforeItFilters(Queues):
    """What is in another status is taken out of the page after it was cut, which leaves it short."""

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        page = super().query(records, [*OrderStatus, *RefillStatus], before, limit)
        return [record for record in page if record.status in statuses]


class KeptQueue(Queues):
    """What waits is kept for a while, to spare the database."""

    def query(self, records: list[Any], statuses: Any, before: datetime, limit: int) -> list[Any]:
        found: list[Any] = self.notes.setdefault(
            (*statuses, before, limit), super().query(records, statuses, before, limit)
        )
        return found


class StaleQueue(Queues):
    """The session gives the record again that it has read before, though the query minds the new one."""

    def query(self, *call: Any) -> list[Any]:
        return [self.session.kept.setdefault(record.id, record) for record in super().query(*call)]

    def replace(self, order: Order) -> bool:
        self.session.kept.clear()
        return super().replace(order)

    def replace_refill(self, refill: Refill) -> bool:
        self.session.kept.clear()
        return super().replace_refill(refill)


class ClaimIsNotWritten(Right):
    """Replace does not know the fields of a claim, which came later than the others."""

    def replace(self, order: Order) -> bool:
        stored = self._orders.get(order.id, order)
        return super().replace(replace(order, claim=stored.claim, worker=stored.worker))


class DueIsNotWritten(Right):
    """Replace does not write when the order is due."""

    def replace(self, order: Order) -> bool:
        return super().replace(replace(order, due=self._orders.get(order.id, order).due))


# Order stores: refills


class WritesTheRefillsStatusAlone(Right):
    """Replace_refill writes the status, and nothing else that has changed."""

    def replace_refill(self, refill: Refill) -> bool:
        stored = next(iter(self.find_refills(refill.account, [refill.id])), refill)
        return super().replace_refill(replace(stored, status=refill.status, revision=refill.revision))


class ReadsThenReplacesRefill(Right):
    """Replace_refill compares the revision, then writes, and nothing is locked."""

    def replace_refill(self, refill: Refill) -> bool:
        refills = self._refills.get((refill.account, refill.order), [])
        for position, stored in enumerate(refills):
            if (stored.id, stored.revision) == (refill.id, refill.revision):
                refills[position] = replace(refill, revision=refill.revision + 1)
                return True
        return False


class RefillStatusIsLost(Right):
    """Every refill comes back as pending."""

    def add_refill(self, refill: Refill) -> Refill | None:
        return super().add_refill(replace(refill, status=RefillStatus.PENDING))


class RefillPlaceIsFree(Right):
    """An order may have two first refills."""

    def add_refill(self, refill: Refill) -> Refill | None:
        with self._lock:
            stored = replace(refill, number=next(self._numbers))
            self._refills.setdefault((refill.account, refill.order), []).append(stored)
            return stored


class TakenPlaceRaises(Right):
    """Add_refill raises what the unique index raises."""

    def add_refill(self, refill: Refill) -> Refill | None:
        stored = super().add_refill(refill)
        if stored is None:
            raise sqlite3.IntegrityError("UNIQUE constraint failed")
        return stored


class LooksThenInsertsRefill(Right):
    """Add_refill looks for the place and inserts in two steps, and no unique index decides."""

    def add_refill(self, refill: Refill) -> Refill | None:
        refills = self._refills.setdefault((refill.account, refill.order), [])
        if any(earlier.n == refill.n for earlier in list(refills)):
            return None
        stored = replace(refill, number=next(self._numbers))
        refills.append(stored)
        return stored


class RefillsByTheirIdAlone(Right):
    """Find_refills does not know the id of the order."""

    def find_refills(self, account: AccountId, ids: Any) -> Any:
        return [refill for refill in super().find_refills(account, ids) if {refill.id, refill.number} & {*ids}]


class RefillsTwice(Right):
    """A refill comes once for each id that names it."""

    def find_refills(self, account: AccountId, ids: Any) -> Any:
        return [refill for id_ in ids for refill in super(RefillsTwice, self).find_refills(account, [id_])]


class RefillsLastOneWins(Right):
    """The revision of a refill is not compared."""

    def replace_refill(self, refill: Refill) -> bool:
        stored = list(self.find_refills(refill.account, [refill.id]))
        return bool(stored) and super().replace_refill(replace(refill, revision=stored[0].revision))


# Key lookups


class UserObject(Right):
    """The lookup answers the panel's own user object."""

    def key_lookup(self, key: str) -> Any:
        account = super().key_lookup(key)
        return account and SimpleNamespace(id=account.id, currency=None, allowed_ips=())


class IdAsText(Right):
    """The account has its id in another form than the wallet knows."""

    def key_lookup(self, key: str) -> Account | None:
        account = super().key_lookup(key)
        return account and Account(str(account.id))


class RevokedKeysOpen(Right):
    """The query does not ask whether the key is revoked."""

    def revoke_key(self, key: str) -> None:
        return None


class InactiveAccountsOpen(Right):
    """The query does not ask whether the account is active."""

    def key_lookup(self, key: str) -> Account | None:
        self._inactive.clear()
        return super().key_lookup(key)


class UnknownKeyRaises(Right):
    """The lookup raises for a key that is nobody's."""

    def key_lookup(self, key: str) -> Account:
        account = super().key_lookup(key)
        if account is None:
            raise KeyError(key)
        return account


class StripsKeys(Right):
    """The database compares without regard to blanks at the end."""

    def key_lookup(self, key: str) -> Account | None:
        return super().key_lookup(key.rstrip())


class KeyTable(Right):
    """Keys are in a table of a database; no mistake so far."""

    query = "SELECT key FROM keys WHERE key = ?"

    def add_key(self, account: AccountId, key: str) -> None:
        super().add_key(account, key)
        self.notes[key] = account

    def key_lookup(self, key: str) -> Account | None:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE keys (key TEXT)")
            database.executemany("INSERT INTO keys VALUES (?)", [[key] for key in self.notes])
            row = self.execute(database, key).fetchone()
        return super().key_lookup(row[0]) if row else None

    def execute(self, database: sqlite3.Connection, key: str) -> sqlite3.Cursor:
        return database.execute(self.query, [key])


class KeysWithoutCaseOpen(KeyTable):
    """The database compares keys without regard to case."""

    query = "SELECT key FROM keys WHERE key = ? COLLATE NOCASE"


class LikeKeys(KeyTable):
    """The key is a pattern."""

    query = "SELECT key FROM keys WHERE key LIKE ?"


class PastedKeys(KeyTable):
    """The key is pasted into the query."""

    def execute(self, database: sqlite3.Connection, key: str) -> sqlite3.Cursor:
        return database.execute(f"SELECT key FROM keys WHERE key = '{key}'")


class SharedResult(Right):
    """All threads share a place for the result of their query, and fetch each other's."""

    def key_lookup(self, key: str) -> Account | None:
        self._execute(key)
        return self._fetch()

    def _execute(self, key: str) -> None:
        self._result = super().key_lookup(key)

    def _fetch(self) -> Account | None:
        return self._result


# Catalogs


class PlainRows(Right):
    """The catalog answers rows of the database."""

    def catalog(self, account: Account) -> Any:
        return [astuple(row) for row in super().catalog(account)]


class RowForEachCategory(Right):
    """A service comes once for each category that it is in."""

    def catalog(self, account: Account) -> Any:
        first, *others = super().catalog(account)
        return [first, *others, replace(first, category="New")]


class OneShotIterator(Right):
    """The catalog keeps an iterator, which is empty the second time."""

    def catalog(self, account: Account) -> Any:
        return self.notes.setdefault(account.id, iter(super().catalog(account)))


class NoOrderBy(Right):
    """The rows come in any order."""

    def catalog(self, account: Account) -> Any:
        services = [*super().catalog(account)]
        return random.sample(services, len(services))


class DiscountOnDiscount(Right):
    """The discount is taken off the rows that are kept, again at each call."""

    def catalog(self, account: Account) -> Any:
        rows = [replace(row, rate=price(row.rate, PAYS[account.id], 100_000)) for row in super().catalog(account)]
        self._price_lists[account.id] = ServiceList(rows)
        return rows


class RatesInCents(Right):
    """Rates are rounded to cents."""

    def catalog(self, account: Account) -> Any:
        return [replace(row, rate=round(row.rate, 2)) for row in super().catalog(account)]


class SharedRows(Right):
    """The list is filled in a place that all threads share."""

    def catalog(self, account: Account) -> Any:
        self.notes.clear()
        for row in super().catalog(account):
            self.notes[row.id] = row
        return tuple(self.notes.values())
