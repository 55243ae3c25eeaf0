"""Everything in MongoDB: accounts, API keys, price list, orders, refills, and the money as a ledger.

It plays every part: ``SmmApi(app)`` uses it by itself. mongoengine has the schema, the indexes and the connection; the
money and the hot paths go through the collections.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from ... import keys
from ...hooks import Account, AccountId, Service
from ...money import ZERO
from ...owner import AccountInfo
from .accounts import Accounts
from .api_keys import Keys
from .auditing import YOUNG, Difference, audit
from .catalog import PriceList
from .connection import Connection, forget_lock
from .ledger import Ledger
from .orders import Orders
from .records import Doc, field, to_account, to_prices

__all__ = ["Difference", "MongoStore"]


class MongoStore(Accounts, Keys, Ledger, Orders):
    """Accounts, keys, services, orders, refills and money in one database.

    :param uri: ``mongodb://host:27017/database``; not needed if the host registered *alias* with mongoengine.
    :param alias: the mongoengine connection to use.
    :raises RuntimeError: if *uri* cannot be one.
    """

    def __init__(self, uri: str | None = None, alias: str = "default") -> None:
        connection = Connection(uri, alias)
        self.catalog = PriceList(connection)
        Accounts.__init__(self, connection, self.catalog.prices)
        Keys.__init__(self, connection)
        Ledger.__init__(self, connection)
        Orders.__init__(self, connection)
        _stores.add(self)

    # The owner's side: preparation, accounts, services, audit

    def create_indexes(self) -> None:
        """Build every index, and note the schema. May be run again at any time; until it was, every request is 503.

        :raises StoreUnavailable: if a newer release keeps its documents there; nothing is done then.
        :raises RuntimeError: if an index cannot be built; the sentence says which, and what is in its way.
        """
        self._connection.create_indexes()

    def begin_numbers(self, first: int) -> None:
        """Give new orders and refills numbers from *first* on: behind those of an API that was there before.

        Do it before the app is served: a process goes on with the numbers that it has reserved.
        """
        self._numbers.catch_up(first - 1)

    def missing_indexes(self) -> list[str]:
        """The indexes that are not there, not built yet, or others than they must be, as ``collection.index``."""
        return self._connection.missing_indexes()

    def check_rights(self) -> None:
        """Try whether we may write, without writing anything.

        :raises StoreUnavailable: if not.
        """
        self._connection.check_rights()

    def clock_difference(self) -> timedelta:
        """How far this machine's clock is at least ahead of the server's; below zero if it is behind."""
        return self._connection.clock_difference()

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
        self._check_owner(account.id, key)
        if must_be_new:
            self._add_account(account, active)
        if balance:
            self.credit(account.id, balance, f"opening:{account.id}")
        if not must_be_new:
            self._put_account(account, active)
        self._put_key(account.id, key, revive=False)
        return key

    def accounts(self, after: AccountId | None = None, *, limit: int = 100) -> Sequence[AccountInfo]:
        """A page of the accounts, ordered by id, integers before texts.

        :param after: the last id of the page before.
        :param limit: at most so many, 1 or more.
        """
        return [self._info(document) for document in self._read_accounts(after, limit)]

    def account_info(self, account: AccountId) -> AccountInfo | None:
        """The account, or None if there is none with that id."""
        found = self._read_account(account)
        return None if found is None else self._info(found)

    def _info(self, document: Doc) -> AccountInfo:
        account, prices = to_account(document), to_prices(document)
        return AccountInfo(
            id=account.id,
            currency=account.currency,
            dialect=account.dialect,
            allowed_ips=account.allowed_ips,
            active=field(document, "active", bool),
            created=field(document, "created", datetime),
            balance=self.balance(account.id),
            discount=prices.discount,
            rates=prices.by_service(),
        )

    def set_services(self, services: Iterable[Service]) -> None:
        """Put *services* in the place of the price list."""
        self.catalog.set(services)

    def audit(
        self, progress: Callable[[int], None] | None = None, older_than: timedelta = YOUNG
    ) -> Iterator[Difference]:
        """Recompute every account from its entries and compare the orders with the ledger; give every difference.

        It changes nothing, and its memory does not grow with the data.

        :param progress: is told the number of documents read so far, now and then.
        :param older_than: how old an order must be to be looked at; younger ones may be on their way.
        :raises StoreUnavailable: if the server cannot be reached.
        """
        return audit(self._connection, progress, older_than)

    def forget(self) -> None:
        """Drop what is in memory; the database has it all."""
        for part in (self._connection, self._queues, self._numbers, self.catalog):
            part.forget()


_stores: weakref.WeakSet[MongoStore] = weakref.WeakSet()


def _forget_all() -> None:
    forget_lock()
    for store in _stores:
        store.forget()


if hasattr(os, "register_at_fork"):  # what another process knows, and the locks that it holds, are not ours
    os.register_at_fork(after_in_child=_forget_all)
