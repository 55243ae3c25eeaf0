"""The seam, over the panel's own tables: who presents a key, what he may order at what price, and his money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from flask_smmapi import Account, Service, ServiceList
from flask_smmapi.keys import digest
from flask_smmapi.money import ZERO, price

from . import models
from .database import Database
from .models import ApiKey, Transaction, User


def key_lookup(database: Database, key: str) -> Account | None:
    """The account of an active key, if its user is active too."""
    is_active = (ApiKey.digest == digest(key), ~ApiKey.revoked, User.active)
    with database.transaction(writing=False) as session:
        found = session.execute(select(User.id, ApiKey.dialect).join(ApiKey).where(*is_active)).first()
    return None if found is None else Account(id=found.id, dialect=found.dialect)


def catalog(database: Database, account: Account) -> ServiceList:
    """The enabled services, at the user's discount."""
    row = models.Service
    columns = (row.id, row.name, row.type, row.category, row.rate, row.minimum, row.maximum)
    offers = (row.refill, row.cancel, row.dripfeed)
    with database.transaction(writing=False) as session:
        discount = session.get_one(User, account.id).discount
        rows = session.execute(select(*columns, *offers).where(row.enabled).order_by(row.id)).all()
    return _price_list(tuple(rows), discount)


@lru_cache(maxsize=32)
def _price_list(rows: tuple[Sequence[Any], ...], discount: Decimal) -> ServiceList:
    """The same rows at the same discount are the same list, which is indexed and put into JSON once."""
    to_pay = 10_000 - int(discount * 100)  # hundredths of a percent
    return ServiceList(
        Service(id_, name, type_, category, price(rate, to_pay, 10_000), *rest)
        for id_, name, type_, category, rate, *rest in rows
    )


class Wallet:
    """A balance and the transactions whose sum it is change together, while the user's row is locked.

    Whatever else moves money in the panel must do likewise: a deposit is a ``credit`` with the payment's own reference.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def balance(self, account: int) -> Decimal:
        with self._database.transaction(writing=False) as session:
            return session.get_one(User, account).balance

    def debit(self, account: int, amount: Decimal, reference: str) -> bool:
        with self._purse(account) as purse:
            if purse.find(f"{reference}:void") is not None:
                return False
            earlier = purse.find(reference)
            if earlier is not None:
                return _same(earlier, -amount, reference)
            if purse.user.balance < amount:
                return False
            purse.move(-amount, reference)
            return True

    def credit(self, account: int, amount: Decimal, reference: str) -> None:
        with self._purse(account) as purse:
            earlier = purse.find(reference)
            if earlier is None:
                purse.move(amount, reference)
            else:
                _same(earlier, amount, reference)

    def void(self, account: int, reference: str) -> None:
        with self._purse(account) as purse:
            if purse.find(f"{reference}:void") is None:
                taken = -(purse.find(reference) or ZERO)
                purse.move(taken, f"{reference}:void")

    @contextmanager
    def _purse(self, account: int) -> Iterator[Purse]:
        """The account's money, which nobody else moves meanwhile."""
        with self._database.transaction() as session:
            # NO KEY: an order may be stored meanwhile, whose foreign key is this row. SQLite has locked it all already.
            user = session.get_one(User, account, with_for_update={"key_share": True})
            yield Purse(session, user)


class Purse(NamedTuple):
    """A user whose row is locked, in the transaction that has locked it."""

    session: Session
    user: User

    def find(self, reference: str) -> Decimal | None:
        """The amount that was moved under *reference*."""
        query = select(Transaction.amount).where(
            Transaction.user_id == self.user.id, Transaction.reference == reference
        )
        return self.session.scalar(query)

    def move(self, amount: Decimal, reference: str) -> None:
        self.user.balance += amount
        self.session.add(Transaction(user_id=self.user.id, amount=amount, reference=reference))


def _same(earlier: Decimal, amount: Decimal, reference: str) -> bool:
    """True, for a repeat."""
    if earlier != amount:
        raise ValueError(f"The reference {reference} was used with another amount before.")
    return True
