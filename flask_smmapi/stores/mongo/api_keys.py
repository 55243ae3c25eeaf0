"""API keys in MongoDB: the digest of each, never the key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pymongo.errors import DuplicateKeyError

from ... import keys
from ...hooks import Account, AccountId
from ...owner import KEY_ID, KeyInfo, checked_label, key_of_another, no_account, no_key
from ...placement import now
from .connection import Connection
from .records import Doc, field, optional, to_key_info

_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID}}}")

_REVOKED = {"$set": {"active": False}, "$unset": {"dialect": 1}}


class Keys:
    """The keys of each account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_key(self, account: AccountId, key: str, label: str = "", *, dialect: str | None = None) -> None:
        """Let *key* open the account; only its digest and its first four characters are kept.

        :param dialect: of this key alone; None for the account's, and for what a key has that was there before.
        :raises ValueError: if there is no such account, the key is another one's, or the label or the dialect is none.
        """
        self._put_key(account, key, label, dialect)

    def create_key(self, account: AccountId, label: str = "", dialect: str | None = None) -> str:
        """A new key of the account, which cannot be read again.

        :raises ValueError: if there is no such account, or no such dialect, or the label is none.
        """
        key = keys.generate()
        self._put_key(account, key, label, dialect)
        return key

    def keys(self, account: AccountId) -> Sequence[KeyInfo]:
        """The account's keys, oldest first, revoked ones too."""
        with self._connection.verb():
            found = self._connection["keys"].find({"account": account}).sort([("created", 1), ("_id", 1)])
            return [to_key_info(document) for document in found]

    def rotate_key(self, account: AccountId, key_id: str) -> str:
        """A new key in the place of one that is in use, with its label and dialect; the old one is refused at once.

        The new one is there before the old one goes: a process that is killed in between leaves both.

        :raises ValueError: if the account has no such key, or it is revoked.
        """
        old = self._find_key(account, key_id)
        if not field(old, "active", bool):
            raise no_key(account, key_id)
        key = self.create_key(account, field(old, "label", str), optional(old, "dialect"))
        if self._retire(old):
            return key
        self.revoke_key(key)  # somebody else has rotated or revoked the old one meanwhile
        raise no_key(account, key_id)

    def revoke_key(self, key: str) -> None:
        """Refuse *key* from now on."""
        self._revoke(keys.digest(key))

    def revoke_key_by_id(self, account: AccountId, key_id: str) -> None:
        """Refuse the key from now on; one that is revoked stays so.

        :raises ValueError: if the account has no such key.
        """
        self._revoke(self._find_key(account, key_id)["_id"])

    def _put_key(
        self, account: AccountId, key: str, label: str = "", dialect: str | None = None, *, revive: bool = True
    ) -> None:
        """Let *key* open the account.

        :param revive: whether it shall do so if it was revoked.
        """
        Account(account, dialect=dialect)  # refuses what is no dialect
        checked_label(label)
        ours = {"_id": keys.digest(key), "account": account}
        new: dict[str, Any] = {"prefix": key[:4], "label": label, "created": now(), "last_used": None}
        fields: dict[str, Any] = {} if dialect is None else {"dialect": dialect}
        (fields if revive else new)["active"] = True
        change = {"$setOnInsert": new, **({"$set": fields} if fields else {})}
        with self._connection.verb():
            if self._connection["accounts"].find_one({"_id": account}, {"_id": 1}) is None:
                raise no_account(account)
            for _ in range(2):  # a second time, if another process was adding it just now
                with suppress(DuplicateKeyError):
                    self._connection["keys"].update_one(ours, change, upsert=True)
                    return
        raise key_of_another()

    def _check_owner(self, account: AccountId, key: str) -> None:
        with self._connection.verb():
            known = self._connection["keys"].find_one({"_id": keys.digest(key)}, {"account": 1})
        if known is not None and known["account"] != account:
            raise key_of_another()

    def _retire(self, old: Doc) -> bool:
        """Refuse the key *old* from now on; False if it was refused already."""
        with self._connection.verb():
            found = self._connection["keys"].update_one({"_id": old["_id"], "active": True}, _REVOKED)
        return bool(found.matched_count)

    def _revoke(self, digest: str) -> None:
        with self._connection.verb():
            self._connection["keys"].update_one({"_id": digest}, _REVOKED)

    def _find_key(self, account: AccountId, key_id: str) -> Doc:
        if _KEY_ID.fullmatch(key_id):
            begins_so = {"$gte": key_id, "$lt": f"{key_id}g"}
            with self._connection.verb():
                found = self._connection["keys"].find_one({"_id": begins_so, "account": account})
            if found is not None:
                return found
        raise no_key(account, key_id)
