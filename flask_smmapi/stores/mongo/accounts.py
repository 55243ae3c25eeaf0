"""Accounts in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pymongo.errors import DuplicateKeyError

from ... import keys
from ...hooks import Account, AccountId
from ...owner import account_there, checked_limit, no_account
from ...placement import now
from .catalog import AccountPrices
from .connection import Connection
from .records import Doc, field, to_account

NOTE_USE_EVERY = timedelta(minutes=1)
"""How exact `last_used` of a key is: it is written no more often."""


class Accounts:
    """Who may call, and at which prices."""

    def __init__(self, connection: Connection, prices: AccountPrices) -> None:
        self._connection = connection
        self._prices = prices

    def key_lookup(self, key: str) -> Account | None:
        """One command for the key and its account."""
        digest = keys.digest(key)
        with self._connection.verb():
            found = next(self._connection["keys"].aggregate(_key_with_account(digest)), None)
            if found is None:
                return None
            last_used = found.get("last_used")
            if last_used is None or now() - field(found, "last_used", datetime) > NOTE_USE_EVERY:
                self._connection["keys"].update_one({"_id": digest}, {"$set": {"last_used": now()}})
        self._prices.note(found["account"])
        own = {} if found.get("dialect") is None else {"dialect": found["dialect"]}
        return to_account({**found["account"], **own})

    def change_account(self, account: AccountId, **fields: Any) -> None:
        """Change what is named of an account that is there; the rest stays as it is.

        :param fields: ``currency``, ``allowed_ips`` or ``dialect``, as an :class:`Account` has them.
        :raises ValueError: if there is no such account, or one of the values cannot be; nothing is changed then.
        """
        every = _fields(Account(account, **fields))
        self._change(account, {name: every[name] for name in fields})

    def pause_account(self, account: AccountId) -> None:
        """Refuse every key of *account* from its next request on, until :meth:`resume_account`.

        :raises ValueError: if there is no such account.
        """
        self._change(account, {"active": False})

    def resume_account(self, account: AccountId) -> None:
        """Let the keys of *account* in again.

        :raises ValueError: if there is no such account.
        """
        self._change(account, {"active": True})

    def set_prices(
        self,
        account: AccountId,
        *,
        discount: Decimal | None = None,
        rates: Mapping[int, Decimal | None] = MappingProxyType({}),
    ) -> None:
        """Let *account* pay other prices than those of the list. Orders that are placed keep theirs.

        Other processes see it within some two seconds.

        :param discount: in percent, 0 to 100 with two places; None leaves it as it is.
        :param rates: by the service's number, beating the discount; None drops one. Those of other services stay.
        :raises ValueError: if there is no such account, or one of the prices cannot be; nothing is changed then.
        """
        self._prices.set(account, discount, rates)

    def _add_account(self, account: Account, active: bool) -> None:
        """Insert *account*.

        :raises ValueError: if it is there.
        """
        new = {"_id": account.id, **_fields(account), "created": now(), "active": active}
        try:
            with self._connection.verb():
                self._connection["accounts"].insert_one(new)
        except DuplicateKeyError:
            raise account_there(account.id) from None

    def _put_account(self, account: Account, active: bool) -> None:
        """Insert *account*, or change the one that is there."""
        fields = _fields(account)
        new: dict[str, Any] = {"created": now()}
        # A repeat pauses, but resumes nothing: the workers of a panel repeat it whenever they start.
        (new if active else fields)["active"] = active
        with self._connection.verb():
            self._connection["accounts"].update_one(
                {"_id": account.id}, {"$set": fields, "$setOnInsert": new}, upsert=True
            )

    def _change(self, account: AccountId, fields: Mapping[str, Any]) -> None:
        with self._connection.verb():
            found = self._connection["accounts"].update_one({"_id": account}, {"$set": fields})
        if not found.matched_count:
            raise no_account(account)

    def _read_account(self, account: AccountId) -> Doc | None:
        with self._connection.verb():
            return self._connection["accounts"].find_one({"_id": account})

    def _read_accounts(self, after: AccountId | None, limit: int) -> list[Doc]:
        """The documents of a page of accounts."""
        behind: list[dict[str, Any]] = [{}] if after is None else [{"_id": {"$gt": after}}]
        if isinstance(after, int):  # a comparison finds ids of the same kind alone
            behind.append({"_id": {"$type": "string"}})
        with self._connection.verb():
            return list(self._connection["accounts"].find({"$or": behind}).sort("_id", 1).limit(checked_limit(limit)))


def _fields(account: Account) -> dict[str, Any]:
    return {"currency": account.currency, "allowed_ips": list(account.allowed_ips), "dialect": account.dialect}


def _key_with_account(digest: str) -> list[dict[str, Any]]:
    return [
        {"$match": {"_id": digest, "active": True}},
        {"$lookup": {"from": "smmapi_accounts", "localField": "account", "foreignField": "_id", "as": "account"}},
        {"$unwind": "$account"},
        {"$match": {"account.active": True}},
        {"$project": {"last_used": 1, "dialect": 1, "account": 1}},
        {"$project": {"account.rates": 0}},  # they may be thousands; the number of times that they were set will do
    ]
