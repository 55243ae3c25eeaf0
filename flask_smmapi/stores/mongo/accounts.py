"""Accounts and their API keys in MongoDB."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from ... import keys
from ...hooks import Account, AccountId
from ...placement import now
from .connection import Connection
from .records import field, to_account

NOTE_USE_EVERY = timedelta(minutes=1)
"""How exact `last_used` of a key is: it is written no more often."""


class Accounts:
    """Who may call, and with which keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
        own = {} if found.get("dialect") is None else {"dialect": found["dialect"]}
        return to_account({**found["account"], **own})

    def _put_account(self, account: Account, active: bool) -> None:
        fields = {
            "currency": account.currency,
            "allowed_ips": list(account.allowed_ips),
            "dialect": account.dialect,
            "active": active,
        }
        with self._connection.verb():
            self._connection["accounts"].update_one(
                {"_id": account.id}, {"$set": fields, "$setOnInsert": {"created": now()}}, upsert=True
            )

    def add_key(self, account: AccountId, key: str, label: str = "", *, dialect: str | None = None) -> None:
        """Let *key* open the account; only its digest and its first four characters are kept.

        :param dialect: of this key alone; None for the account's, and for what a key has that was there before.
        :raises ValueError: if it is another account's, or the dialect is none.
        """
        Account(account, dialect=dialect)  # refuses what is no dialect
        new = {"prefix": key[:4], "label": label, "created": now(), "last_used": None}
        ours = {"_id": keys.digest(key), "account": account}
        fields = {"active": True} if dialect is None else {"active": True, "dialect": dialect}
        with self._connection.verb():
            for _ in range(2):  # a second time, if another process was adding it just now
                with suppress(DuplicateKeyError):
                    self._connection["keys"].update_one(ours, {"$set": fields, "$setOnInsert": new}, upsert=True)
                    return
        raise ValueError("This key is another account's.")

    def revoke_key(self, key: str) -> None:
        """Refuse *key* from now on."""
        with self._connection.verb():
            revoked = {"$set": {"active": False}, "$unset": {"dialect": 1}}
            self._connection["keys"].update_one({"_id": keys.digest(key)}, revoked)


def _key_with_account(digest: str) -> list[dict[str, Any]]:
    return [
        {"$match": {"_id": digest, "active": True}},
        {"$lookup": {"from": "smmapi_accounts", "localField": "account", "foreignField": "_id", "as": "account"}},
        {"$unwind": "$account"},
        {"$match": {"account.active": True}},
        {"$project": {"last_used": 1, "dialect": 1, "account": 1}},
    ]
