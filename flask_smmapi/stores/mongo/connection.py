"""The connection: the host's own mongoengine connection, or one to ``SMMAPI_MONGODB_URI``; opened at the first use.

One client a process, and none before a fork. Whatever the host's connection says, our collections read from the
primary, write to a majority and to the journal, and know that times are UTC.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import mongoengine
import pymongo
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from mongoengine.connection import ConnectionFailure as NotRegistered
from mongoengine.connection import get_db
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure as ConnectionLost
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from ...deadline import remaining
from ...hooks import StoreUnavailable
from ...placement import now
from .documents import INDEXES, SCHEMA
from .records import whole

Documents: TypeAlias = "Collection[dict[str, Any]]"

VERB_TIMEOUT = 1.5
"""Seconds that one verb may take, retries and elections included. A request has at most two that fail."""

DATABASE = "smmapi"
"""The database, if the URI names none."""

_OPTIONS: dict[str, Any] = {
    "codec_options": CodecOptions(tz_aware=True),
    "read_preference": ReadPreference.PRIMARY,
    "read_concern": ReadConcern(),
    "write_concern": WriteConcern(w="majority", j=True),
}

_CLIENT: dict[str, Any] = {
    "tz_aware": True,
    "uuidRepresentation": "standard",
    "serverSelectionTimeoutMS": int(VERB_TIMEOUT * 1000),
    "connectTimeoutMS": int(VERB_TIMEOUT * 1000),
}

_OUTAGES = frozenset({6, 7, 64, 89, 91, 100, 133, 189, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436})
"""Server error codes that go with a shutdown, an election, a lost host or a majority that cannot be had."""

_FORBIDDEN = frozenset({13, 18})
"""Server error codes that go with a wrong user, a wrong password, or too few rights."""

_NO_ANSWER = "MongoDB did not answer; see whether it runs, and whether its address is right"

_clients: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()
"""The clients that were opened here, by alias and URI."""

_opening = threading.RLock()
"""Aliases are shared by all stores of the process, so one of them at a time opens one."""


def forget_lock() -> None:
    """In a forked process: whoever held it is not here."""
    global _opening
    _opening = threading.RLock()


def _remedy(failure: PyMongoError) -> str | None:
    """What the log should say if the store cannot be used just now; None if *failure* is of another kind."""
    details = getattr(failure, "details", None) or {}
    codes = {getattr(failure, "code", None), *(error["code"] for error in details.get("writeConcernErrors", ()))}
    if codes & _FORBIDDEN:
        return "MongoDB does not let us in, or not write; give the user of the URI readWrite and dbAdmin"
    if isinstance(failure, InvalidOperation):
        return "The connection was closed, and is opened anew"
    if failure.timeout or isinstance(failure, ConnectionLost) or failure.has_error_label("RetryableWriteError"):
        return _NO_ANSWER
    return _NO_ANSWER if codes & _OUTAGES else None


def _without_password(text: object) -> str:
    return re.sub(r"//([^:/@\s]*):[^/\s]*@", r"//\1:…@", str(text))


class Connection:
    """The database of one store.

    :param uri: of a server of ours; not needed if the host registered *alias* with mongoengine.
    :param alias: the mongoengine connection to use.
    :raises RuntimeError: if *uri* cannot be one; nothing is connected yet.
    """

    def __init__(self, uri: str | None, alias: str) -> None:
        self._uri = uri
        self._alias = alias
        self.forget()
        if uri is not None and not uri.startswith("mongodb+srv:"):  # those need a look-up, which is for later
            try:
                parse_uri(uri)
            except (PyMongoError, OSError, ValueError) as wrong:
                raise RuntimeError(
                    f"SMMAPI_MONGODB_URI cannot be used: {_without_password(wrong)}. "
                    "Write 'mongodb://host:27017/database'."
                ) from None

    def forget(self) -> None:
        """Look for the connection anew."""
        self._opened: dict[str, Documents] = {}

    @contextmanager
    def verb(self, seconds: float | None = VERB_TIMEOUT) -> Iterator[None]:
        """Bound what one verb of a hook may take, and say that the store is away where it is.

        :param seconds: how long, if the request has so much left; None for as long as it takes.
        :raises StoreUnavailable: if the server cannot be reached, or not in time, or lets us not in.
        """
        left = None if seconds is None else remaining(seconds)
        if left is not None and left <= 0:
            raise StoreUnavailable("MongoDB took so long that the request has no time left.")
        try:
            with nullcontext() if left is None else pymongo.timeout(left):
                yield
        except PyMongoError as failure:
            remedy = _remedy(failure)
            if isinstance(failure, InvalidOperation):
                self.forget()
            if remedy is None:
                raise
            # Without the driver's own stack. It raises one failure again at each retry, thousands of times where a lone
            # server is no primary; the stack grows each time, until logging it takes seconds.
            raise StoreUnavailable(f"{remedy}: {failure}") from failure.with_traceback(None)

    def __getitem__(self, name: str) -> Documents:
        """The collection ``smmapi_<name>``.

        :raises StoreUnavailable: if there is no connection, or an index is missing; the sentence names the remedy.
        """
        if not self._opened:
            self._opened = self._open()
        return self._opened[name]

    def create_indexes(self) -> None:
        """Build every index, and note the schema; what is there already stays.

        :raises StoreUnavailable: if a newer release has been here; nothing is done then.
        :raises RuntimeError: if an index cannot be built; the sentence says which, and what is in its way.
        """
        database = self._database()
        self._check_schema(database, at_least=0)
        for name, indexes in INDEXES.items():
            for index in indexes:
                try:
                    with self.verb(None):
                        database[name].create_index(index.keys, **index.options)
                except OperationFailure as failure:
                    which = f"{name}.{index.options['name']}"
                    raise RuntimeError(
                        f"The index {which} cannot be built; remove what is in its way: {failure}"
                    ) from failure

        with self.verb():
            _meta(database).update_one({"_id": "schema"}, {"$max": {"value": Int64(SCHEMA)}}, upsert=True)

    def _check_schema(self, database: Any, at_least: int) -> None:
        """Look whether what is stored is laid out as we know it.

        :param at_least: the oldest schema that will do; 0 is a database in which nobody has noted one.
        """
        with self.verb():
            found = _meta(database).find_one({"_id": "schema"})
        schema = 0 if found is None else whole(found, "value")
        if schema > SCHEMA:
            raise StoreUnavailable(
                f"A newer release keeps its documents in this database (schema {schema}; this one knows {SCHEMA}). "
                "Install that release; this one reads and writes nothing there."
            )
        if schema < at_least:
            raise StoreUnavailable(
                f"This database is laid out as by an older release (schema {schema}; this one needs {SCHEMA}). "
                "Run: flask smmapi init-db"
            )

    def missing_indexes(self) -> list[str]:
        """The indexes that are not there, not built yet, or others than they must be, as ``collection.index``."""
        database = self._database()
        missing = []
        with self.verb():
            for name, indexes in INDEXES.items():
                there = [_essence(index) for index in _list_indexes(database, name)]
                for keys, options in indexes:
                    if _essence({**options, "key": dict(keys)}) not in there:
                        missing.append(f"{name}.{options['name']}")
        return missing

    def check_rights(self) -> None:
        """Try whether we may write, without writing anything.

        :raises StoreUnavailable: if not.
        """
        with self.verb():
            self["meta"].update_one({"_id": "nobody"}, {"$set": {"value": Int64(0)}})

    def clock_difference(self) -> timedelta:
        """How far this machine's clock is ahead of the server's; below zero if it is behind.

        It is the least that is certain: the server's clock is read at some moment between two looks at ours.
        """
        database = self._database()
        with self.verb():
            before = now()
            server: datetime = database.command("hello", codec_options=_OPTIONS["codec_options"])["localTime"]
            after = now()
        return max(before - server, timedelta(0)) + min(after - server, timedelta(0))

    def _open(self) -> dict[str, Documents]:
        missing = self.missing_indexes()
        if missing:
            raise StoreUnavailable(f"MongoDB lacks the indexes {', '.join(missing)}. Run: flask smmapi init-db")
        database = self._database()
        self._check_schema(database, at_least=SCHEMA)
        return {name.removeprefix("smmapi_"): database.get_collection(name, **_OPTIONS) for name in INDEXES}

    def _database(self) -> Any:
        with _opening:
            try:
                database = get_db(self._alias)
            except NotRegistered:
                database = self._register()
            self._check_that_it_is_not_another_apps(database.client)
            return database

    def _register(self) -> Any:
        if self._uri is None:
            raise StoreUnavailable(
                "There is no MongoDB: set SMMAPI_MONGODB_URI, or connect with mongoengine under the alias "
                f"{self._alias!r}, or give SmmApi another store."
            )
        try:
            mongoengine.register_connection(self._alias, db=DATABASE, host=self._uri, **_CLIENT)
            database = get_db(self._alias)
        except (NotRegistered, PyMongoError, OSError) as wrong:
            raise StoreUnavailable(f"SMMAPI_MONGODB_URI cannot be used: {_without_password(wrong)}") from None
        _clients[self._alias, self._uri] = database.client
        return database

    def _check_that_it_is_not_another_apps(self, client: Any) -> None:
        for (alias, uri), opened in _clients.items():
            if opened is client and self._uri not in (None, uri):
                raise StoreUnavailable(
                    f"Another app of this process uses the mongoengine alias {alias!r} for another "
                    "SMMAPI_MONGODB_URI; give each an alias of its own with SMMAPI_MONGODB_ALIAS."
                )


def _meta(database: Any) -> Documents:
    collection: Documents = database.get_collection("smmapi_meta", **_OPTIONS)
    return collection


def _list_indexes(database: Any, name: str) -> list[dict[str, Any]]:
    """The indexes of the collection *name*, without those that are being built."""
    try:
        reply = database.command({"listIndexes": name, "includeBuildUUIDs": True})
    except NotImplementedError:  # mongomock, which builds at once
        return list(database[name].list_indexes())
    except OperationFailure as failure:
        if failure.code != _NAMESPACE_NOT_FOUND:
            raise
        return []
    return [index for index in reply["cursor"]["firstBatch"] if "buildUUID" not in index]


_NAMESPACE_NOT_FOUND = 26


def _essence(index: dict[str, Any]) -> tuple[Any, ...]:
    """What makes an index the one that we need; its name does not."""
    return (list(index["key"].items()), bool(index.get("unique")), index.get("partialFilterExpression"))
