"""The connection: the host's own mongoengine connection, or one to ``SMMAPI_MONGODB_URI``; opened at the first use.

One client a process, and none before a fork. Whatever the host's connection says, our collections read from the
primary, write to a majority and to the journal, and know that times are UTC.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import mongoengine
import pymongo
from bson.codec_options import CodecOptions
from mongoengine.connection import ConnectionFailure as NotRegistered
from mongoengine.connection import get_db
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.errors import ConnectionFailure as ConnectionLost
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from ...hooks import StoreUnavailable
from .documents import INDEXES

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

_OUTAGES = frozenset({6, 7, 64, 89, 91, 100, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Server error codes that go with a shutdown, an election, a lost host or a majority that cannot be had."""

_clients: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()
"""The clients that were opened here, by alias and URI."""


@contextmanager
def one_verb(seconds: float | None = VERB_TIMEOUT) -> Iterator[None]:
    """Bound what one verb of a hook may take, and say that the store is away where it is.

    :param seconds: how long; None for as long as it takes.
    :raises StoreUnavailable: if the server cannot be reached, or not in time.
    """
    try:
        with nullcontext() if seconds is None else pymongo.timeout(seconds):
            yield
    except PyMongoError as failure:
        if _is_outage(failure):
            raise StoreUnavailable(f"MongoDB did not answer: {failure}") from failure
        raise


def _is_outage(failure: PyMongoError) -> bool:
    """Whether a repeat may do better: no connection, no primary, no time."""
    if failure.timeout or isinstance(failure, ConnectionLost) or failure.has_error_label("RetryableWriteError"):
        return True
    details = getattr(failure, "details", None) or {}
    codes = {getattr(failure, "code", None), *(error["code"] for error in details.get("writeConcernErrors", ()))}
    return not codes.isdisjoint(_OUTAGES)


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
            except (InvalidURI, ConfigurationError, ValueError) as wrong:
                raise RuntimeError(
                    f"SMMAPI_MONGODB_URI cannot be used: {wrong}. Write 'mongodb://host:27017/database'."
                ) from None

    def forget(self) -> None:
        """Begin anew, as a forked process must."""
        self._lock = threading.Lock()
        self._opened: dict[str, Documents] = {}

    def __getitem__(self, name: str) -> Documents:
        """The collection ``smmapi_<name>``.

        :raises StoreUnavailable: if there is no connection, or an index is missing; the sentence names the remedy.
        """
        if not self._opened:
            self._opened = self._open()
        return self._opened[name]

    def create_indexes(self) -> None:
        """Build every index; those that are there already stay."""
        database = self._database()
        with one_verb(None):
            for name, indexes in INDEXES.items():
                for index in indexes:
                    database[name].create_index(index.keys, **index.options)

    def missing_indexes(self) -> list[str]:
        """The indexes that are not there, or not unique where they must be, as ``collection.index``."""
        database = self._database()
        missing = []
        with one_verb():
            for name, indexes in INDEXES.items():
                there = database[name].index_information()
                for _, options in indexes:
                    found = there.get(options["name"])
                    if found is None or found.get("unique", False) != options.get("unique", False):
                        missing.append(f"{name}.{options['name']}")
        return missing

    def _open(self) -> dict[str, Documents]:
        missing = self.missing_indexes()
        if missing:
            raise StoreUnavailable(f"MongoDB lacks the indexes {', '.join(missing)}. Run: flask smmapi init-db")
        database = self._database()
        return {name.removeprefix("smmapi_"): database.get_collection(name, **_OPTIONS) for name in INDEXES}

    def _database(self) -> Any:
        with self._lock:
            try:
                database = get_db(self._alias)
            except NotRegistered:
                return self._register()
        self._check_that_it_is_not_another_apps(database.client)
        return database

    def _register(self) -> Any:
        if self._uri is None:
            raise StoreUnavailable(
                "There is no MongoDB: set SMMAPI_MONGODB_URI, or connect with mongoengine under the alias "
                f"{self._alias!r}, or give SmmApi another store."
            )
        mongoengine.register_connection(self._alias, db=DATABASE, host=self._uri, **_CLIENT)
        database = get_db(self._alias)
        _clients[self._alias, self._uri] = database.client
        return database

    def _check_that_it_is_not_another_apps(self, client: Any) -> None:
        for (alias, uri), opened in _clients.items():
            if opened is client and self._uri not in (None, uri):
                raise StoreUnavailable(
                    f"Another app of this process uses the mongoengine alias {alias!r} for another "
                    "SMMAPI_MONGODB_URI; give each an alias of its own with SMMAPI_MONGODB_ALIAS."
                )
