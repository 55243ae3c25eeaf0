"""The panel's database: SQLite or PostgreSQL, and a transaction of its own for whoever asks for one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from flask_smmapi import StoreUnavailable

from .models import Base

PATIENCE = 3
"""Seconds to wait for a connection, for a lock, or for an answer."""


class Database:
    """Nothing is connected before it is needed.

    :param url: of PostgreSQL, or of a file of SQLite.
    :raises ValueError: if it is of neither.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        backend = parsed.drivername.partition("+")[0]
        if backend not in ENGINES or parsed.database in (None, "", ":memory:"):
            raise ValueError(f"DATABASE_URL is {parsed!r}; use postgresql://user:password@host/name or sqlite:///file.")
        self.reader, self.writer = ENGINES[backend](parsed)

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[Session]:
        """A session with one transaction, which is committed at the end of the block, or rolled back by an exception.

        It is never the session of the request: what a verb has done is durable, whatever the request does next. Nor is
        one opened inside of another: it would wait for that.

        :raises StoreUnavailable: if the database cannot be reached just now, or a lock not be had.
        """
        engine = self.writer if writing else self.reader
        try:
            with Session(engine) as session, session.begin():
                yield session
        except (DBAPIError, PoolTimeout) as failure:
            if _is_away(failure):
                raise StoreUnavailable(f"The database cannot be used just now: {failure}") from failure
            raise

    def create_tables(self) -> None:
        """Create the tables that are not there. Workers that start together may all do so.

        :raises RuntimeError: if a table that is there lacks a column.
        """
        try:
            with self.transaction() as session:
                if self.writer.dialect.name == "postgresql":
                    session.execute(select(func.pg_advisory_xact_lock(1)))  # one after the other
                Base.metadata.create_all(session.connection())
                _require_columns(session)
        finally:
            self.close()  # whoever is forked now must not share a connection

    def close(self) -> None:
        """Close the connections that nobody uses; new ones are opened when they are needed."""
        self.reader.dispose()
        self.writer.dispose()


def _open_postgresql(url: URL) -> tuple[Engine, Engine]:
    """One that does both.

    READ COMMITTED, whatever the database's default is: whoever has waited for a locked row must see all that the one
    before has written, and not what was there when he began to wait.
    """
    arguments = {
        "connect_timeout": PATIENCE,
        "keepalives_idle": PATIENCE,  # a host that is gone does not even hang up
        "tcp_user_timeout": PATIENCE * 1000,
        # A process that hangs inside a transaction must not keep the row that it has locked.
        "options": f"{url.query.get('options', '')} -c statement_timeout={PATIENCE}s"
        f" -c idle_in_transaction_session_timeout={PATIENCE}s",
    }
    settings: dict[str, Any] = {"isolation_level": "READ COMMITTED", "pool_pre_ping": True, "pool_timeout": PATIENCE}
    engine = create_engine(url, connect_args=arguments, **settings)
    return engine, engine


def _open_sqlite(url: URL) -> tuple[Engine, Engine]:
    """One that reads, and one that writes.

    SQLite has one writer at a time. Those of this process queue up for one connection; if each had its own, SQLite
    would have them try again and again, and some would never get in.
    """
    settings: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}, "pool_timeout": PATIENCE}
    reader, writer = create_engine(url, **settings), create_engine(url, pool_size=1, max_overflow=0, **settings)
    for engine, begin in ((reader, "BEGIN"), (writer, "BEGIN IMMEDIATE")):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection, begin=begin: connection.exec_driver_sql(begin))
    return reader, writer


ENGINES: dict[str, Callable[[URL], tuple[Engine, Engine]]] = {"postgresql": _open_postgresql, "sqlite": _open_sqlite}
"""By the database: what opens the engine that reads, and the one that writes."""


def _prepare_sqlite(connection: Any, record: Any) -> None:
    """Transactions are begun by us and not by the driver (SQLAlchemy's recipe); readers do not wait for the writer."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    with suppress(sqlite3.OperationalError):  # a process that has started with us is doing it; the file remembers
        connection.execute("PRAGMA journal_mode = WAL")


def _require_columns(session: Session) -> None:
    """A table of an earlier release lacks what a later one keeps."""
    inspector = inspect(session.connection())
    for table in Base.metadata.sorted_tables:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        lacking = [column.name for column in table.columns if column.name not in there]
        if lacking:
            raise RuntimeError(f"The table {table.name} lacks {', '.join(lacking)}; add that with ALTER TABLE.")


def _is_away(failure: DBAPIError | PoolTimeout) -> bool:
    if isinstance(failure, PoolTimeout):
        return True
    # SQLite calls a mistake in the SQL an OperationalError too; since Python 3.11 it can be told.
    if getattr(failure.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
        return False
    return isinstance(failure, OperationalError) or failure.connection_invalidated
